"""Which rules apply: all that fit, however the request is spelt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.rules import RuleSet, Target, parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("/a", Target("", ("a",))),
        ("POST /a/{b}", Target("POST", ("a", "{b}"))),
        ("post /a", Target("POST", ("a",))),
        ("  GET   /a/  ", Target("GET", ("a",))),
        ("/a//b", Target("", ("a", "b"))),
        ("/", Target("", ())),
        ("/{p+}", Target("", ("{p+}",))),
    ],
)
def test_a_target_reads_as(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("items", "has no path"),
        ("GET", "has no path"),
        ("", "has no path"),
        ("FETCH /a", "'FETCH' is no HTTP method"),
        ("GET POST /a", "'GET POST' is no HTTP method"),
        ("/a{b}", "is a whole segment"),
        ("/{}", "is a whole segment"),
        ("/a}", "is a whole segment"),
        ("/{p+}/a", "must be the last segment"),
        ("GET /a?b=1", "ends before the '?'"),
        ("/a#b", "ends before the '#'"),
    ],
)
def test_a_malformed_target_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"has no path|method|segment|ends before") as caught:
        parse_target(text)

    assert says in str(caught.value)


VERBS = ["", "GET", "HEAD", "POST"]
PARTS = st.sampled_from(["a", "b", "{x}", "{p+}"])


@st.composite
def targets(draw: st.DrawFn) -> Target:
    parts = draw(st.lists(PARTS, max_size=3))
    if "{p+}" in parts:
        parts = parts[: parts.index("{p+}") + 1]
    return Target(draw(st.sampled_from(VERBS)), tuple(parts))


@given(
    st.lists(targets(), max_size=6),
    st.sampled_from(["GET", "HEAD", "POST", "get", "Head", "PURGE"]),
    st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=5).map(lambda parts: "/" + "/".join(parts)),
)
def test_the_tree_agrees_with_trying_every_rule(rules: list[Target], verb: str, path: str) -> None:
    found = RuleSet(rules).applying(verb, path)

    assert found == tuple(at for at, rule in enumerate(rules) if fits(rule, verb, path))


def fits(rule: Target, verb: str, path: str) -> bool:
    verb = verb.upper()
    if rule.verb not in ("", verb) and not (rule.verb == "GET" and verb == "HEAD"):
        return False
    parts = [part for part in path.split("/") if part]
    if rule.parts and rule.parts[-1] == "{p+}":
        if len(parts) < len(rule.parts):
            return False
        wanted = rule.parts[:-1]
    else:
        if len(parts) != len(rule.parts):
            return False
        wanted = rule.parts
    return all(part in ("{x}", given) for part, given in zip(wanted, parts, strict=False))


def test_path_parameters_come_from_every_rule_that_applies() -> None:
    rules = RuleSet([parse_target("/a/{x}"), parse_target("/a/{y}"), parse_target("/{p+}"), parse_target("/b")])

    applying = rules.applying("GET", "/a//1/")

    assert applying == (0, 1, 2)
    assert rules.parameters(applying, "/a//1/") == {"x": "1", "y": "1", "p": "a/1"}


@given(st.text(max_size=20), st.text(max_size=40))
def test_any_text_gives_an_answer(verb: str, path: str) -> None:
    assert RuleSet([parse_target("/{p+}")]).applying(verb, path) in ((), (0,))
