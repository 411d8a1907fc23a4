"""JSON whole, and arrays read element by element."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewaykit.core.transform.json_text import JsonItems, parse_json, write_json
from gatewaykit.core.transform.unusable import TooLarge, Unusable
from tests.core.transform.cutting import fed

CUTS = st.lists(st.integers(0, 60), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
ALPHABET = '[]{},:"\\ 1-.e\nntrue\ufeff'


def items(text: str, cuts: list[int] | None = None, limit: int = 1000) -> Any:
    return fed(JsonItems(limit), text, cuts or [])


@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param(b'{"a": [1, 2.5, "\xc3\xbc"]}', {"a": [1, 2.5, "ü"]}, id="an object"),
        pytest.param(b"\xef\xbb\xbf1", 1, id="after a byte order mark"),
        pytest.param(b'{"a": 1, "a": 2}', {"a": 2}, id="of two the last"),
        pytest.param(b"12345678901234567890123", 12345678901234567890123, id="a large integer"),
    ],
)
def test_a_body_is_read(body: bytes, value: Any) -> None:
    assert parse_json(body) == value


NONE: Any = [
    pytest.param(b"", id="nothing"), pytest.param(b"{", id="no end"), pytest.param(b"NaN", id="no number"),
    pytest.param(b"1e999", id="a number no float holds"), pytest.param(b"\xff", id="no UTF-8"),
    pytest.param(b"[" * 100000, id="nested too deeply"), pytest.param(b"9" * 5000, id="too many digits"),
]  # fmt: skip


@pytest.mark.parametrize("body", NONE)
def test_what_is_no_json_is_told(body: bytes) -> None:
    found = parse_json(body)

    assert isinstance(found, Unusable)
    assert found.detail.startswith("it is not valid JSON: ")


@given(st.binary())
def test_any_bytes_are_a_value_or_unusable(body: bytes) -> None:
    value = parse_json(body)

    assert isinstance(value, Unusable) or json.loads(body) == value or value != value


@given(VALUES)
def test_a_value_that_is_written_is_read_again(value: Any) -> None:
    text = write_json(value)

    assert isinstance(text, str)
    assert parse_json(text.encode()) == value


def test_a_lone_surrogate_stays_an_escape() -> None:
    assert write_json(["ü\ud800"]) == '["ü\\ud800"]'


def test_a_value_too_deep_to_be_written_is_told() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]

    assert write_json(value) == Unusable("it is nested too deeply")

    while value:  # what nests so deeply is not left to the collector
        value = value[0]


@given(st.lists(VALUES, max_size=5), CUTS, st.sampled_from([None, 1]))
def test_the_elements_of_an_array_are_the_same_however_it_is_cut(
    value: list[Any], cuts: list[int], indent: Any
) -> None:
    assert items(json.dumps(value, indent=indent), cuts, limit=100_000) == value


@given(
    st.text(alphabet=ALPHABET, max_size=40) | st.text(alphabet=ALPHABET, max_size=40).map(lambda text: f"[{text}"), CUTS
)
@example("[1 ,  2]", [3, 4, 5])
@example('["\\\\", "\\""]', [3, 4])
@example('["\\"]', [3])
@example("[1}]", [2])
@example("[1],", [])
@example("[1,]", [])
def test_any_text_gives_the_same_elements_or_the_same_problem_however_it_is_cut(text: str, cuts: list[int]) -> None:
    whole = items(text, limit=10)

    assert items(text, cuts, limit=10) == whole
    assert items(text, list(range(len(text))), limit=10) == whole
    if not isinstance(whole, Unusable):
        assert json.loads(text) == whole


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        pytest.param("{}", "it is no JSON array", id="an object"),
        pytest.param("[1] 2", "something follows the JSON array", id="more"),
        pytest.param("[1", "the array has no end", id="no end"),
        pytest.param("[1,", "the array has no end", id="no end after a comma"),
        pytest.param("[", "the array has no end", id="no end at all"),
        pytest.param("", "the array has no end", id="nothing"),
        pytest.param("[1,]", "an element of the array is not valid JSON", id="no element"),
        pytest.param("[a]", "an element of the array is not valid JSON", id="no value"),
        pytest.param("[" + "[" * 100000 + "]" * 100000 + "]", "nested too deeply", id="nested too deeply"),
    ],
)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
def test_what_is_no_array_is_told(text: str, detail: str, cut: bool) -> None:
    found = items(text, list(range(0, len(text), 1000 if len(text) > 1000 else 1)) if cut else [], limit=1_000_000)

    assert isinstance(found, Unusable)
    assert detail in found.detail


@pytest.mark.parametrize("cuts", [[], [1, 5, 9], list(range(60))], ids=["whole", "cut", "one by one"])
@pytest.mark.parametrize(
    "text",
    ['["' + "a" * 30 + '"]', "[" + "1" * 30 + "]", "[1" + " " * 30 + "]", "[" + "x" * 30 + "]", '["' + "a" * 30],
    ids=["text", "number", "white space", "no JSON", "without an end"],
)  # fmt: skip
def test_an_element_over_the_bound_is_too_large(text: str, cuts: list[int]) -> None:
    assert items(text, cuts, limit=20) == TooLarge("an element of the array has more than 20 characters", 20)


def test_an_element_in_many_pieces_is_looked_at_once() -> None:
    reader = JsonItems(10_000_000)
    reader.feed('["', True)

    for _ in range(20_000):
        reader.feed("a" * 100, True)

    assert reader.feed('"]', False) == ["a" * 2_000_000]
