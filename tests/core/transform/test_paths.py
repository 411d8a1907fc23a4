"""Paths of fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.transform.paths import EACH, Path, parse_path, reached


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param("name", ("name",), id="name"),
        pytest.param("a.b-c d", ("a", "b-c d"), id="names"),
        pytest.param("items[*].secret", ("items", EACH, "secret"), id="each element"),
        pytest.param("[*]", (EACH,), id="each element of the document"),
        pytest.param("[0][12].a", (0, 12, "a"), id="indexes"),
        pytest.param('a["b.c"]["\\u00fc\\""]', ("a", "b.c", 'ü"'), id="quoted names"),
        pytest.param('[""]', ("",), id="the empty name"),
    ],
)
def test_a_path_is_read(text: str, path: Path) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text",
    ["", ".", ".a", "a.", "a..b", "a.[0]", "a[", "a[]", "a[-1]", "a[x]", "a[0]b", "a*", "a[1234567890]", 'a["\\x"]',
     "[*]a", 'a["b', "a]", ".".join("a" * 33), None, 3],
)  # fmt: skip
def test_what_is_no_path_is_told(text: object) -> None:
    assert isinstance(parse_path(text), str)


@given(st.text(alphabet='ab.[]*"\\0 ') | st.text())
def test_any_text_is_a_path_or_a_problem(text: str) -> None:
    path = parse_path(text)

    assert isinstance(path, str) or all(part is EACH or isinstance(part, str | int) for part in path)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param("a.b", [1], id="a field of a field"),
        pytest.param("list[*].n", [1, 2], id="of each element that has it"),
        pytest.param("list[1].n", [2], id="of one element"),
        pytest.param("list[9]", [], id="no such element"),
        pytest.param("a[*]", [], id="an object has no elements"),
        pytest.param("a[0]", [], id="nor a first one"),
        pytest.param("list.n", [], id="a list has no fields"),
        pytest.param("list[2].n", [], id="a number neither"),
    ],
)
def test_a_path_leads_to_values(text: str, values: list[Any]) -> None:
    path = parse_path(text)
    assert isinstance(path, tuple)

    assert reached({"a": {"b": 1}, "list": [{"n": 1}, {"n": 2}, 3]}, path) == values
