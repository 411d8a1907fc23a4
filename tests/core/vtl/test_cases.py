"""Branches that ask one reference for texts are found by looking it up, and are the ones that comparing would take."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.vtl import Template, TemplateFailure, compile_template
from gatewaykit.core.vtl.cases import cases_of
from gatewaykit.core.vtl.nodes import If
from gatewaykit.core.vtl.parser import Parsed, parse


def render(text: str, **variables: Any) -> Any:
    template = compile_template(text)
    assert isinstance(template, Template), template
    return template.render(variables)


def written(conditions: list[str], end: str = "#end") -> str:
    """An #if with these conditions, each of which prints its number."""
    return "#if" + "#elseif".join([f"({condition})<{at}>" for at, condition in enumerate(conditions)]) + end


def looks_up(text: str) -> bool:
    parsed = parse(text)
    assert isinstance(parsed, Parsed)
    statement = parsed.statements[0]
    assert isinstance(statement, If)
    return cases_of(statement.branches) is not None


TEXTS = ["", "a", "5", "1.5", "true", "[1]", "{k=v}", "b", "a", "none"]
ASKED = [f"$m.v == '{text}'" for text in TEXTS]
ONE_BY_ONE = [f"{condition} && true" for condition in ASKED]


@pytest.mark.parametrize(
    "value",
    ["", "a", "5", 5, 1.5, True, [1], {"k": "v"}, "none", "other", None, 7],
    ids=["empty", "a", "text 5", "5", "1.5", "true", "list", "map", "last", "other text", "null", "other number"],
)
@pytest.mark.parametrize("end", ["#end", "#{else}else#end", "#elseif($m.v == 7)7#end"], ids=["end", "else", "elseif"])
def test_the_branch_is_the_one_that_comparing_takes(value: object, end: str) -> None:
    looked_up, one_by_one = written(ASKED, end), written(ONE_BY_ONE, end)

    assert looks_up(looked_up)
    assert not looks_up(one_by_one)
    assert render(looked_up, m={"v": value}) == render(one_by_one, m={"v": value})


@given(texts=st.lists(st.text("ab1", max_size=2), min_size=8, max_size=40), value=st.text("ab1", max_size=2))
def test_the_first_branch_with_the_text_is_taken(texts: list[str], value: str) -> None:
    rendered = render(written([f"$v == '{text}'" for text in texts], "#{else}else#end"), v=value)

    assert rendered == (f"<{texts.index(value)}>" if value in texts else "else")


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([*ASKED[:7], "$m.w == 'x'"], False),
        ([*ASKED[:7], "$m.v == 5"], False),
        ([*ASKED[:7], "$m.v != 'a'"], False),
        ([*ASKED[:7], "$m.v"], False),
        ([*ASKED[:7], "'a' == $m.v"], False),
        ([*ASKED[:7], "$5 == 'a'"], False),
        ([condition.replace("$m.v", "$m.get('v')") for condition in ASKED], False),
        (ASKED[:7], False),
        (ASKED[:8], True),
        ([*ASKED[:8], "$m.w == 'x'"], True),
    ],
    ids=[
        "another reference", "a number", "not equal", "no comparison", "the other way round", "no reference", "calls",
        "few", "eight", "others behind",
    ],
)  # fmt: skip
def test_only_names_compared_with_texts_are_looked_up(conditions: list[str], expected: bool) -> None:
    assert looks_up(written(conditions)) is expected


def test_an_argument_of_a_macro_is_evaluated_for_each_comparison() -> None:
    asked = written([f"$p == '{number}'" for number in range(8)])

    assert render(f"#macro(m $p){asked}#end#m($l.remove(0))", l=["9", "9", "9", "3"]) == "<3>"


def test_a_value_too_large_to_be_a_text_fails_at_the_condition() -> None:
    failure = render("x" + written(ASKED), m={"v": ["x" * 2**20] * 20})

    assert isinstance(failure, TemplateFailure)
    assert (failure.line, failure.column) == (1, 2)
