"""Patterns in time that grows with the text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core import regex_automaton
from gatewaykit.core.ecma_regex import python_pattern
from gatewaykit.core.regex_automaton import bounded_search
from gatewaykit.core.validation import CompiledSchema, compile_schema


def kind(pattern: str) -> str:
    translated = python_pattern(pattern)
    assert isinstance(translated, str), translated
    search = bounded_search(translated)
    return "Python" if search is None else "refused" if isinstance(search, ValueError) else "automaton"


@pytest.mark.parametrize(
    "pattern",
    [
        "^[A-Z]{3}-[0-9]{4}$", "^a{1,3}$", "^[a-z]+(-[a-z]+)*$", r"^(\d{1,3}\.){3}\d{1,3}$", r"^\d+(\.\d+)?$", "^.*$",
        "", "^$", "a", r"\bfoo\b", r"^(a)\1$", "^a|b$", "^.{0,5000}$", "^(?=.*[a-z])[A-Za-z]{8,}$",
        r"^(?!-)([a-z0-9-]{1,63}\.)+[a-z]{2,}$", "^(?:)*$", "^a{0}$", r"^\u0061+\x62$", "^[^a]*a", "a{2,}?b|^c",
        r"[a-z]+\b", r"(a|ab)\b", "[^a]{999}[^b]{999}[^c]{999}", r"\b(ab?|c)+d",
    ],
)  # fmt: skip
def test_where_there_is_one_way_to_go_on_pythons_engine_is_used(pattern: str) -> None:
    assert kind(pattern) == "Python"


@pytest.mark.parametrize(
    "pattern",
    [
        "^(a+)+$", "(a*)*$", r"^(\w+\s?)*$", r"\s+$", "^(a|a)*$", "^(a|ab)*$", "(a?){50}a{50}", "^(x+x+)+y",
        "(.*)(.*)x", "^(|a|)*$", r"^[\w.-]+@([\w-]+\.)+[\w-]{2,4}$", "^(a{0,3}){2}$", r"^([\u0061-c]|b)+$",
        "^(?<n>a+)+$",
    ],
)  # fmt: skip
def test_where_there_is_more_than_one_the_automaton_runs(pattern: str) -> None:
    assert kind(pattern) == "automaton"


@pytest.mark.parametrize(
    "pattern",
    [
        "^(?!x)(a+)+$", "^(?!(a+)+$)b", r"^(a|a)*\b", r"^((a)\2?)+$", "^(ab|[a-c]|c)*c|x$", "(a{30}){40}",
        "(a{0,500}){2,}$", r"^([a-y]{1,99}z?){1,9}\b([a-y]{1,99},?)*$",
    ],
)  # fmt: skip
def test_what_may_take_for_ever_and_is_more_than_regular_is_refused(pattern: str) -> None:
    assert kind(pattern) == "refused"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^(a+)+$", "a" * 100 + "!"),
        ("(a*)*$", "a" * 100_000 + "!"),
        (r"\s+$", " " * 500_000 + "x"),
        (r"^(\w+\s?)*$", "some words " * 10_000 + "!"),
        ("(a?){50}a{50}", "a" * 49),
        ("(x+x+)+y", "x" * 100_000),
        ("^[a-z]+$", "a" * 1_000_000 + "!"),
        ("^(.|é)*x$", "".join(map(chr, range(0x100, 0xD800))) * 3),
        ("^(a|b)*a(a|b){12}$", "aabab" * 20_000),
    ],
    ids=[
        "nested", "nested and empty", "spaces", "words", "maybe", "two by two", "plain", "many characters",
        "many states",
    ],
)  # fmt: skip
@pytest.mark.parametrize("keyword", ["pattern", "patternProperties"])
def test_no_text_makes_a_pattern_take_longer_than_its_length(keyword: str, pattern: str, text: str) -> None:
    # Python's engine would take hours for these, and the test would run into its timeout.
    names = keyword == "patternProperties"
    schema = {"patternProperties": {pattern: False}} if names else {"pattern": pattern}
    compiled = compile_schema(schema, draft=7)
    assert isinstance(compiled, CompiledSchema), compiled
    value = {text: 1} if names else text
    refused = not compiled.accepts(value)

    assert (compiled.explain(value) != "[instance does not match its schema]") == refused


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        ("(.*)(.*)x", "a\nbxb", "ab"),
        ("^(a|ab)*$", "abaab", "abb"),
        ("^(a|ab)*c", "abaacb", "bac"),
        (r"\s+$", "a ", "a a"),
        ("^(a+)*$", "", "b"),
        ("(a?)*$", "b", None),
        (r"^([\u0061-c]|b)+$", "abc", "abd"),
    ],
    ids=["inside", "whole", "from the start", "to the end", "nothing", "nothing at the end", "a character by number"],
)  # fmt: skip
def test_what_the_automaton_finds(pattern: str, found: str, missed: str | None) -> None:
    search = bounded_search(str(python_pattern(pattern)))

    assert callable(search)
    assert search(found)
    assert missed is None or not search(missed)


PIECES = st.sampled_from(["a", "b", "c", "[ab]", "[^a]", ".", r"\d", r"\w", "é", r"\u0061", "1", r"\.", "()", r"[\d-]"])
TIMES = st.sampled_from(["", "", "", "*", "+", "?", "*?", "{2}", "{0,2}", "{1,}", "{0}", "{1,3}?"])
PATTERNS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "^"]),
    st.recursive(
        st.builds("{}{}".format, PIECES, TIMES),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=4).map("".join),
            st.builds("({}){}".format, st.lists(inner, min_size=1, max_size=3).map("|".join), TIMES),
        ),
        max_leaves=6,
    ),
    st.sampled_from(["", "$"]),
)  # fmt: skip


@given(PATTERNS, st.lists(st.text("abcé1.-\n", max_size=8), max_size=5))
def test_the_automaton_finds_what_pythons_engine_finds(pattern: str, texts: list[str]) -> None:
    translated = python_pattern(pattern)
    assert isinstance(translated, str), translated
    search = bounded_search(translated)
    if search is None or isinstance(search, ValueError):
        return
    for text in texts:
        assert search(text) == (re.search(translated, text) is not None), (pattern, text)


@given(st.text(r"()[]{}\^$.*+?|-,ab19:<>=!bZ", max_size=30))
def test_any_pattern_is_used_or_refused(pattern: str) -> None:
    translated = python_pattern(pattern)
    if isinstance(translated, str):
        search = bounded_search(translated)

        assert search is None or isinstance(search, ValueError) or search("ab1") in (True, False)


def test_what_is_remembered_is_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regex_automaton, "MAX_REMEMBERED", 3)
    translated = python_pattern("^(a|b|[^z])*z$")
    assert isinstance(translated, str)
    search = bounded_search(translated)

    assert callable(search)
    assert search("abcdefgabcdefgz")
    assert not search("abcdefgabcdefgzz")
