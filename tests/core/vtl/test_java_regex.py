"""Java regular expressions on Python's engine."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.vtl import compile_java_regex
from gatewaykit.core.vtl.java_regex import java_replacement


def compiled(pattern: str) -> re.Pattern[str]:
    found = compile_java_regex(pattern)
    assert not isinstance(found, str), found
    return found


def replaced(replacement: str, pattern: str, text: str) -> str | None:
    match = re.match(pattern, text)
    assert match
    expand = java_replacement(replacement, match.re)
    return expand(text, match.regs) if expand else None


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"4\d{2}", "404", True),
        (r"4\d{2}", "4040", False),
        (r".*four hundred.*", "it is four hundred or so", True),
        (r".+", "two\nlines", False),
        (r".+", "two\rlines", False),
        (r"(?s).+", "two\r\nlines", True),
        (r"a.c", "abc", True),
        (r"(.|\n)*", "two\nlines", True),
        (r"\d", "٣", False),
        (r"\w", "é", False),
        (r"(?i)abc", "ABC", True),
        (r"(?i:a)b", "Ab", True),
        (r"(?s).*", "a\nb", True),
        (r"(?<year>\d+)-\k<year>", "12-12", True),
        (r"(?<=a)b|ab", "ab", True),
        (r"(?<!a)b", "b", True),
        (r"(?:a|b)+", "abab", True),
        (r"\Qa.b\E+", "a.bb", True),
        (r"\Qa.b", "a.b", True),
        (r"\Qa.b", "axb", False),
        (r"\p{Alpha}+\P{Alpha}", "ab1", True),
        (r"[\p{Digit}_]+", "1_2", True),
        (r"\h\H\v\V\s\S", "\tx\nx x", True),
        (r"[\h\v\s\e]+", "\t\n \x1b", True),
        (r"\x41\x{42}\u0043\0104", "ABCD", True),
        (r"[\x41-C]+", "ABC", True),
        (r"a++b*+c?+", "aabb", True),
        (r"(?>a+)b", "aab", True),
        (r"[]a]", "]", True),
        (r"[^]a]", "b", True),
        (r"[a~|&-]+", "~|&-a", True),
        (r"a$", "a", True),
        (r"\Aa\z", "a", True),
        (r"a\Z", "a", True),
        (r"\-\/\.", "-/.", True),
        (r"[\s\S]*Error[\s\S]*", "an\nError\nhere", True),
        (r"[^\S]", "x", False),
        (r"\p{L}+", "aéЖ", True),
        (r"\pL\P{Lu}\p{IsN}[\p{Nd}\p{Sc}]", "éa1€", True),
        (r"\p{Lu}", "a", False),
        (r"a\Rb\R", "a\r\nb\u2028", True),
        (r"a(?i)b", "aB", True),
        (r"a(?i)b", "AB", False),
        (r"a(?i)b|c", "C", True),
        (r"(x(?i)b|c)d", "Cd", True),
        (r"(x(?i)b|c)d", "cD", False),
        (r"(?i)(?s)a.", "A\n", True),
        (r"(?i)a(?-i)b", "AB", False),
        (r"(?i-s:a.)", "A\n", False),
        (r"(?-i)a", "a", True),
        (r".(?s).", "\na", False),
        (r"(?m)^a$\n^b$", "a\nb", True),
        (r"(?m)a$\r^\nb", "a\r\nb", False),
        (r"", "", True),
    ],
)
def test_a_pattern_matches_whole_texts_as_in_java(pattern: str, text: str, matches: bool) -> None:
    assert (compiled(pattern).fullmatch(text) is not None) is matches


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "missing ), unterminated subpattern at position 0"),
        ("[a", "an unclosed character class"),
        ("[a-z&&[^b]]", "unions and intersections of character classes are not supported"),
        ("[a[b]]", "unions and intersections of character classes are not supported"),
        (r"\p{InGreek}", r"\p{InGreek} is not supported"),
        (r"\p{IsAlpha}", r"\p{IsAlpha} is not supported"),
        (r"\pQ", r"\pQ is not supported"),
        (r"[\P{Alpha}]", r"\P{Alpha}] is not supported"),
        (r"\G", r"\G is not supported"),
        (r"[\b]", r"\b is not supported"),
        ("a\\", "a backslash at the end"),
        (r"\0", r"\0 without octal digits"),
        (r"\x{110000}", "a character beyond Unicode"),
        ("(?u)a", "inline flags '(?u)' are not supported"),
        ("a(?-x)b", "inline flags '(?-x)' are not supported"),
        ("{a}", "a { that is no repetition; write \\{"),
        ("a{,2}", "a { that is no repetition; write \\{"),
        ("(?P<n>a)", "a group that begins with '(?P' is not supported"),
        ("(?#a)", "a group that begins with '(?#' is not supported"),
        (")", "unbalanced parenthesis at position 0"),
        (r"\p{L}" * 1000, "a pattern of too many categories of characters"),
        ("a" * 10_001, "a pattern of more than 10000 characters"),
    ],
)
def test_what_cannot_be_translated_is_a_problem(pattern: str, problem: str) -> None:
    assert compile_java_regex(pattern) == problem


@pytest.mark.parametrize(
    ("replacement", "expected"),
    [
        ("x", "x"),
        ("[$0]", "[ab]"),
        ("$2$1", "ba"),
        ("$12", "a2"),
        ("${first}!", "a!"),
        (r"\$1\\", "$1\\"),
        ("$3", None),
        ("$", None),
        ("$x", None),
        ("${nope}", None),
        ("\\", None),
    ],
)
def test_a_replacement_is_put_in_as_in_java(replacement: str, expected: str | None) -> None:
    assert replaced(replacement, "(?P<first>a)(b)", "ab") == expected


def test_a_group_number_takes_as_many_digits_as_there_are_groups() -> None:
    assert replaced("$11-$12", "(a)" + "(b)" * 10, "a" + "b" * 10) == "b-a2"


def test_a_group_that_took_no_part_is_replaced_by_nothing() -> None:
    assert replaced("<$2${b}>", "(a)|(?P<b>b)", "a") == "<>"


@given(st.text(alphabet=r"ab\()[]{}?*+|^$.:<>=!&-pPQEkxu0123ik,'", max_size=12) | st.text(max_size=8))
def test_any_text_is_a_pattern_or_a_problem(pattern: str) -> None:
    assert isinstance(compile_java_regex(pattern), (str, re.Pattern))
