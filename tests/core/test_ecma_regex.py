"""ECMA 262 patterns as Python's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.ecma_regex import Pattern, python_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^a$", "a", True),
        (r"^a$", "a\n", False),
        (r"^[$]$", "$", True),
        (r"\$1", "$1", True),
        (r"^\d+$", "\u0663", False),
        (r"^\w$", "é", False),
        (r"^.$", "\r", False),
        (r"^[^a-c.]$", "d", True),
        (r"^[[&|~]+$", "[&|~", True),
        (r"^[\]$]$", "]", True),
        (r"^(?<year>\d{4})$", "2026", True),
        (r"(?<=a)b(?<!c)", "ab", True),
        (r"\/x\-y", "/x-y", True),
        (r"\u0041\x42", "AB", True),
        (r"(a)\1", "aa", True),
    ],
    ids=[
        "the end", "the end is not before a line feed", "a dollar in a class", "an escaped dollar", "digits are ASCII",
        "words are ASCII", "no line end is any character", "a negated class", "Python's set operators",
        "an escape in a class", "a named group", "look behind", "needless escapes", "escapes by number", "reference",
    ],
)  # fmt: skip
def test_a_pattern_keeps_its_meaning(pattern: str, text: str, found: bool) -> None:
    translated = python_pattern(pattern)

    assert isinstance(translated, str)
    assert bool(re.search(translated, text)) == found


@pytest.mark.parametrize(
    "pattern",
    [
        r"\p{L}",
        r"\Astart",
        r"[^]",
        "[]",
        "(",
        "a{,3}",
        "[+--]",
        "\\",
        r"\k<year>",
        "(?i)x",
        "a{99999999999}",
        "x" * 1001,
    ],
)
def test_what_python_would_take_for_something_else_is_an_error(pattern: str) -> None:
    assert isinstance(python_pattern(pattern), ValueError)


def test_a_reader_sees_the_pattern_as_it_was_written() -> None:
    translated = python_pattern("^a.b$")

    assert isinstance(translated, Pattern)
    assert translated.written == "^a.b$"


@given(st.one_of(st.text(max_size=30), st.text(r"()[]{}\^$.*+?|-,ab19:<>=!", max_size=30)))
def test_any_text_is_a_pattern_or_an_error(pattern: str) -> None:
    translated = python_pattern(pattern)

    assert isinstance(translated, ValueError) or re.compile(translated)
