"""What Velocity 1.7 made of each of these templates; `tests/oracle` checks the file against Velocity itself."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from gatewaykit.core.vtl import Template, TemplateFailure, TemplateProblem, compile_template

CASES = json.loads(Path(__file__).with_name("velocity_cases.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["template"] for case in CASES])
def test_a_template_renders_as_velocity_rendered_it(case: dict[str, Any]) -> None:
    template = compile_template(case["template"])
    if case.get("refused") == "problem":
        assert isinstance(template, TemplateProblem)
        return
    assert isinstance(template, Template)

    rendered = template.render(copy.deepcopy(case["variables"]))

    if "refused" in case:
        assert isinstance(rendered, TemplateFailure)
    else:
        assert rendered == case["output"]
