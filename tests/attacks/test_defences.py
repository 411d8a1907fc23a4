"""The table of defences fits the source and the tests: `make defences` would find every entry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.attacks.defences import DEFENCES, Defence

SOURCE = Path(__file__).parent.parent.parent / "src" / "gatewaykit"


@pytest.mark.parametrize("defence", DEFENCES, ids=[defence.attack for defence in DEFENCES])
def test_a_defence_is_where_the_table_says(defence: Defence) -> None:
    for file, text, instead in defence.changes:
        assert (SOURCE / file).read_text("utf-8").count(text) == 1, f"{file} has not once: {text}"
        assert text != instead
    for name in defence.tests:
        file, _, test = name.partition("::")
        assert re.search(rf"def {test}\w*\(", (Path(__file__).parent / file).read_text("utf-8")), name
