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


@pytest.mark.parametrize(
    ("path", "raw_path"),
    [
        pytest.param("/ADMIN/1", b"", id="another casing"),
        pytest.param("/./admin/1", b"", id="a dot segment"),
        pytest.param("/x/../admin/1", b"", id="two dots"),
        pytest.param("/../../admin/./1", b"", id="dots above the root"),
        pytest.param("/x/../admin/1", b"/x/%2e%2e/admin/1", id="encoded dots"),
        pytest.param("/admin;v=1/1;a", b"", id="parameters of segments"),
        pytest.param("/x/..;/admin/1", b"", id="dots with a parameter"),
        pytest.param("/x;y/../admin/1", b"", id="a parameter before dots"),
        pytest.param("\\admin\\1", b"", id="backslashes"),
        pytest.param("/x\\y/../admin/1", b"", id="a backslash that is none, before dots"),
        pytest.param("/x\\..\\admin/1", b"", id="dots between backslashes"),
        pytest.param("/admin/a/b", b"/admin/a%2Fb", id="an encoded slash that is none"),
        pytest.param("/admin/1", b"/%61dmin/1", id="an encoded letter"),
        pytest.param("/admin/a/../b", b"/admin/a%2f%2e%2e%2fb", id="dots between encoded slashes"),
    ],
)
def test_no_spelling_evades_a_rule(path: str, raw_path: bytes) -> None:
    assert RuleSet([parse_target("/admin/{id}")]).applying("GET", path, raw_path) == (0,)


@pytest.mark.parametrize("path", ["/admin/1/..", "/admins/1", "/x/admin/1", "/admin", "/a;dmin/1"])
def test_what_is_another_path_by_every_reading_is_none_of_the_rules(path: str) -> None:
    assert RuleSet([parse_target("/admin/{id}")]).applying("GET", path) == ()


def test_a_rule_that_fits_by_another_reading_names_no_parameters() -> None:
    rules = RuleSet([parse_target("/admin/{id}"), parse_target("/{p+}")])

    assert rules.parameters(rules.applying("GET", "/x/../admin/1"), "/x/../admin/1") == {"p": "x/../admin/1"}


@given(st.text(max_size=20), st.text(max_size=40), st.binary(max_size=40))
def test_any_text_gives_an_answer(verb: str, path: str, raw_path: bytes) -> None:
    rules = RuleSet([parse_target("/{p+}"), parse_target("/a/{b}")])
    applying = rules.applying(verb, path, raw_path)

    assert set(applying) <= {0, 1}
    assert set(rules.parameters(applying, path)) <= {"p", "b"}
