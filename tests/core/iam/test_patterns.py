"""Wildcards, by table, against a slow matcher that is plainly right, and at sizes that others explode at."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.iam.patterns import any_text, compile_pattern, compile_patterns, read_pattern

TABLE = [
    ("", "", True),
    ("", "a", False),
    ("*", "", True),
    ("*", "a/b:c", True),
    ("?", "", False),
    ("?", "a", True),
    ("?", "ab", False),
    ("abc", "abc", True),
    ("abc", "ABC", False),
    ("ab*", "ab", True),
    ("ab*", "abc/d", True),
    ("ab*", "a", False),
    ("*bc", "abc", True),
    ("*bc", "abcd", False),
    ("a*c", "ac", True),
    ("a*c", "a", False),
    ("aba*aba", "aba", False),
    ("aba*aba", "ababa", False),
    ("aba*aba", "abaaba", True),
    ("a*b*c", "axxbxxc", True),
    ("a*b*c", "axxcxxb", False),
    ("a*b*", "ab", True),
    ("a*b*", "ba", False),
    ("a*b*", "a", False),
    ("ab*b*", "ab", False),
    ("a**c", "abc", True),
    ("a?c", "abc", True),
    ("a?c", "a/c", True),
    ("a?c", "ac", False),
    ("*a?c*", "xxabcxx", True),
    ("*a?c*", "xxabxcx", False),
    ("*??*", "a", False),
    ("*??*", "ab", True),
    ("*b?*?d", "xbc-d", True),
    ("*b?*?d", "xbcd", False),
    ("x*?", "x", False),
    ("arn:aws:execute-api:*:*:*/prod/GET/*", "arn:aws:execute-api:us-east-1:1:a/prod/GET/a/b", True),
]


@pytest.mark.parametrize(("pattern", "text", "expected"), TABLE, ids=[f"{p or 'empty'}-{t}" for p, t, _ in TABLE])
def test_a_pattern_matches_whole_texts(pattern: str, text: str, expected: bool) -> None:
    assert compile_pattern(read_pattern(pattern))(text) is expected


def test_one_of_several_patterns_is_enough() -> None:
    test = compile_patterns(map(read_pattern, ("abc", "x*", "y*", "*1*2*", "a*m*", "?")))

    assert [text for text in ("abc", "xx", "yy", "0102", "ahem!", "q", "ab", "") if test(text)] == [
        "abc", "xx", "yy", "0102", "ahem!", "q",
    ]  # fmt: skip


def test_no_pattern_matches_nothing_and_a_lone_star_everything() -> None:
    assert not compile_patterns([])("")
    assert compile_patterns(map(read_pattern, ("abc", "*"))) is any_text
    assert any_text("anything")


def _slow(pattern: str, text: str) -> bool:
    """One row of a table at a time: no cleverness that could be wrong."""
    row = [True] + [False] * len(text)
    for wild in pattern:
        if wild == "*":
            row = [any(row[: index + 1]) for index in range(len(row))]
        else:
            row = [False] + [row[index] and wild in ("?", text[index]) for index in range(len(text))]
    return row[-1]


@given(st.text("ab*?", max_size=12), st.text("ab", max_size=14))
def test_it_matches_as_the_slow_matcher_does(pattern: str, text: str) -> None:
    assert compile_pattern(read_pattern(pattern))(text) is _slow(pattern, text)


@given(st.lists(st.text("ab*?", max_size=8), max_size=5), st.text("ab", max_size=10))
def test_several_match_as_any_of_them(patterns: Sequence[str], text: str) -> None:
    assert compile_patterns(map(read_pattern, patterns))(text) is any(_slow(pattern, text) for pattern in patterns)


HUGE = {
    "stars between letters": ("*a" * 2500 + "b", "a" * 10_000),
    "one long piece": ("*" + "a" * 5000 + "b*", "a" * 10_000),
    "question marks": ("*" + "a?" * 2500 + "b*", "a" * 10_000),
    "stars and question marks": ("*?a" * 1666 + "b", "a" * 10_000),
    "stars only": ("*" * 5000, "a" * 10_000),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", HUGE)
def test_no_pattern_of_five_thousand_characters_takes_long(name: str) -> None:
    pattern, text = HUGE[name]

    assert compile_pattern(read_pattern(pattern))(text) is (name == "stars only")
