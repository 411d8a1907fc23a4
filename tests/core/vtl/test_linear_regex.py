"""The engine for patterns that may take Python's for ever: the same matches, in steps that are counted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.vtl import compile_java_regex
from gatewaykit.core.vtl.linear_regex import TooLong, degree, linear_regex
from gatewaykit.core.vtl.safe_regex import find_all


def compiled(pattern: str) -> re.Pattern[str]:
    found = compile_java_regex(pattern)
    assert not isinstance(found, str), found
    return found


def in_java_order(pattern: re.Pattern[str], search: Any, text: str) -> list[Any]:
    found, at = [], 0
    while at <= len(text) and (spans := search(text, at)):
        found.append(spans)
        start, at = spans[0]
        at += start == at
    return found


_atoms = st.sampled_from(
    ["a", "b", "[ab]", "[^a]", ".", r"\d", r"\w", "(?i:A)", "^", "$", r"\b", "(?=a)", "(?<=a)", "(?!b)", r"\s", ""]
)
_patterns = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        inner.map(lambda body: f"({body})"),
        st.tuples(inner, inner).map(lambda ways: f"(?:{ways[0]}|{ways[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{1,2}", "{2}", "{0,3}?", "{2,}"])).map(
            lambda parts: f"(?:{parts[0]}){parts[1]}"
        ),
    ),
    max_leaves=8,
)


@given(_patterns, st.text(alphabet="aAb1 \n", max_size=8))
def test_both_engines_find_the_same(pattern: str, text: str) -> None:
    python = compiled(pattern)
    linear = linear_regex(python)

    if linear is not None:
        assert linear.matches(text) is (python.fullmatch(text) is not None)
        found = in_java_order(python, lambda text, at: linear.search(text, at, [10_000]), text)
        assert found == [*find_all(python, text)]


@pytest.mark.parametrize(
    ("pattern", "text", "spans"),
    [
        pytest.param("(a+)(b)?", "xaac", ((1, 3), (1, 3), (-1, -1)), id="groups"),
        pytest.param("a|ab", "ab", ((0, 1),), id="the first way wins"),
        pytest.param("(?:a|ab)(?:c|bcd)", "abcd", ((0, 4),), id="ways in order"),
        pytest.param("a+?", "aaa", ((0, 1),), id="as little as possible"),
        pytest.param("a{2,3}", "aaaa", ((0, 3),), id="counted"),
        pytest.param("(?i)AB", "xab", ((1, 3),), id="without case"),
        pytest.param(r"\bb", "ab b", ((3, 4),), id="a boundary"),
        pytest.param("(?:(a*))*", "aa", ((0, 2), (2, 2)), id="the last time round"),
        pytest.param("(?:((a)*)(b)*)*", "ab", ((0, 2), (2, 2), (0, 1), (1, 2)), id="of several groups"),
        pytest.param("(?:(?i:(a*)))*", "A", ((0, 1), (1, 1)), id="of a group without a number"),
        pytest.param("(?:(?:(a*)){0,2})*", "a", ((0, 1), (1, 1)), id="of a repeat in a repeat"),
        pytest.param("(?:(((?:a)*)))*", "", ((0, 0), (0, 0), (0, 0)), id="the only time round"),
        pytest.param("x", "abc", None, id="nothing"),
    ],
)
def test_a_match_has_its_groups(pattern: str, text: str, spans: object) -> None:
    linear = linear_regex(compiled(pattern))

    assert linear is not None
    assert linear.search(text, 0, [1000]) == spans


@pytest.mark.parametrize(
    "pattern",
    [r"(a)\1", "a++", "(?>a)", "(?=a*)b", "(?:a??)*", "(?:a|)*", "(?:(?:a*)*?b?)*", "(?:(a??))*", "(?:^a?)*", 
     "(?=(a))b", "(?=(?:(a)|b))c", "(?=(?:(a))?)c", "(?:a{1,100}){1,100}"],
)  # fmt: skip
def test_what_threads_cannot_do_is_left_to_the_other_engine(pattern: str) -> None:
    assert linear_regex(compiled(pattern)) is None


@pytest.mark.parametrize(
    ("pattern", "anchored", "unanchored"),
    [
        ("abc", 1, 1),
        (r"4\d{2}", 1, 1),
        (r"\s+", 1, 1),
        (r"\s+$", 1, 2),
        ('"[^"]*"', 1, 1),
        ('"[^"]*":', 1, 1),
        ("a+b", 1, 2),
        ("aa+b", 1, 2),
        ("a[ab]+c", 1, 2),
        ("a[bc]+c", 1, 2),
        ("a(?:bc)+d", 1, 2),
        ("a[bx]+[cy]", 1, 2),
        ("a^b+c", 1, 2),
        (".*four.*", 2, 2),
        ("(?:.*a){3}", 3, 4),
        ("(?:a+|b+c+)d", 2, 3),
        ("(?=a+)b", 1, 2),
        ("(?>a+)b", 1, 2),
        ("(a)\\1b", 1, 2),
        ("(a+)+", None, None),
        ("(?:ab|cd)*", None, 1),
        ("(?:ab|cd)*e", None, None),
        ("(?:a?){2,}e", None, None),
        ("(?:(?:ab|cd))*e", None, None),
        ("(?:(?>ab|cd))*e", None, None),
        ("(?:(?:a+)*|b)c", None, None),
        ("(?:ab|cd)" * 13, None, None),
        ("(?:a?){13}e", None, None),
        ("(?>a?){13}(?=b?)", None, None),
    ],
)
def test_the_cost_of_a_pattern_is_known(pattern: str, anchored: int | None, unanchored: int | None) -> None:
    python = compiled(pattern)

    assert (degree(python, anchored=True), degree(python, anchored=False)) == (anchored, unanchored)


def test_steps_are_counted() -> None:
    linear = linear_regex(compiled("(a|aa)+b"))
    assert linear is not None

    with pytest.raises(TooLong):
        linear.search("a" * 1000, 0, [100])
    with pytest.raises(TooLong):
        linear.matches("a" * 1_000_000)
