"""The template language against Velocity 1.7 itself (reference 08 row 52): the same bytes, or both refuse.

`GATEWAYKIT_FUZZ_EXAMPLES=20000` makes the run long.
"""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from gatewaykit.core.vtl import TemplateFailure, TemplateProblem, compile_template
from tests.oracle import grammar

pytestmark = pytest.mark.needs("velocity", "java")

_JARS = [
    "/usr/share/java/velocity-1.7.jar",
    "/usr/share/java/commons-lang-2.6.jar",
    "/usr/share/java/commons-collections3-3.2.2.jar",
]

Oracle = Callable[[str, dict[str, Any]], tuple[str, str]]


@pytest.fixture(scope="module")
def velocity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    """Gives ("output", text), ("problem", why) or ("failure", why) for a template and its variables."""
    classes = tmp_path_factory.mktemp("oracle")
    source = Path(__file__).with_name("VelocityOracle.java")
    path = ":".join([*_JARS, str(classes)])
    subprocess.run(["javac", "-encoding", "UTF-8", "-cp", path, "-d", str(classes), str(source)], check=True)
    with subprocess.Popen(
        ["java", "-Xss8m", "-cp", path, "VelocityOracle"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        to_java, from_java = process.stdin, process.stdout

        def ask(template: str, variables: dict[str, Any]) -> tuple[str, str]:
            to_java.write(json.dumps({"template": template, "variables": variables}) + "\n")
            to_java.flush()
            ((kind, value),) = json.loads(from_java.readline()).items()
            return kind, value

        yield ask
        to_java.close()


def _ours(template: str, variables: dict[str, Any]) -> tuple[str, str]:
    compiled = compile_template(template)
    if isinstance(compiled, TemplateProblem):
        return "problem", compiled.message
    rendered = compiled.render(copy.deepcopy(variables))
    return ("failure", rendered.reason) if isinstance(rendered, TemplateFailure) else ("output", rendered)


def _agree(velocity: Oracle, template: str, variables: dict[str, Any]) -> None:
    expected, actual = velocity(template, variables), _ours(template, variables)
    assert actual[0] == expected[0], (actual, expected)
    if actual[0] == "output":
        assert actual == expected


_settings = settings(suppress_health_check=list(HealthCheck))


@_settings
@given(template=grammar.templates(), variables=grammar.variables())
def test_well_formed_templates_render_as_in_velocity(
    velocity: Oracle, template: str, variables: dict[str, Any]
) -> None:
    _agree(velocity, template, variables)


@_settings
@given(template=grammar.fragments(), variables=grammar.variables())
def test_heaps_of_fragments_are_read_as_in_velocity(velocity: Oracle, template: str, variables: dict[str, Any]) -> None:
    _agree(velocity, template, variables)


CASES = json.loads((Path(__file__).parents[1] / "core" / "vtl" / "velocity_cases.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["template"] for case in CASES])
def test_the_recorded_cases_are_what_velocity_does(velocity: Oracle, case: dict[str, Any]) -> None:
    kind, value = velocity(case["template"], case["variables"])

    assert (kind, value) == ("output", case["output"]) if "output" in case else kind == case["refused"]
