"""What claims have to say: a table, and that nothing else passes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.jwt.claims import ClaimRules, Rejected, compile_claim, scopes_of
from gatewaykit.core.reasons import Reason
from tests.tokens import AUDIENCE, ISSUER, NOW_S, claims

RULES = ClaimRules(issuer=ISSUER, audiences=frozenset({AUDIENCE, "other"}))
HTTP_API = ClaimRules(issuer=ISSUER, audiences=frozenset({AUDIENCE}), client_id_as_audience=True)
LENIENT = ClaimRules(issuer=ISSUER, leeway_s=30)
NAN, INFINITY = float("nan"), float("inf")


def test_a_good_token_holds_until_it_expires() -> None:
    assert RULES.judge(claims(), NOW_S) == NOW_S + 3600


@pytest.mark.parametrize(
    ("more", "rules"),
    [
        ({"aud": ["x", AUDIENCE]}, RULES),
        ({"aud": "other"}, RULES),
        ({"nbf": NOW_S, "iat": NOW_S}, RULES),
        ({"iat": None}, RULES),
        ({"exp": NOW_S + 0.5}, RULES),
        ({"exp": 10**400}, RULES),
        ({"aud": None, "client_id": AUDIENCE}, HTTP_API),
        ({"aud": None}, LENIENT),
        ({"exp": NOW_S - 29.5, "nbf": NOW_S + 30, "iat": NOW_S + 30}, LENIENT),
        ({"iss": None}, ClaimRules()),
    ],
    ids=[
        "one audience of two", "the other audience", "dates of now", "no iat", "half a second left",
        "a date of 400 digits", "client_id without aud (02 section 5)", "any audience", "within the leeway",
        "nothing asked",
    ],
)  # fmt: skip
def test_it_passes(more: dict[str, Any], rules: ClaimRules) -> None:
    assert isinstance(rules.judge(claims(**more), NOW_S), float)


@pytest.mark.parametrize(
    ("more", "rules", "told"),
    [
        ({"iss": None}, RULES, "iss is None"),
        ({"iss": ISSUER + "/"}, RULES, "iss is"),
        ({"iss": [ISSUER]}, RULES, "iss is ["),
        ({"exp": None}, RULES, "exp is None"),
        ({"exp": NOW_S}, RULES, "expired 0 s ago"),
        ({"exp": NOW_S - 90}, RULES, "expired 90 s ago"),
        ({"exp": -(10**400)}, RULES, "expired 4503601395848896 s ago"),
        ({"exp": str(NOW_S + 90)}, RULES, "no number"),
        ({"exp": True}, RULES, "exp is True"),
        ({"exp": [NOW_S + 90]}, RULES, "no number"),
        ({"nbf": NOW_S + 1}, RULES, "nbf is"),
        ({"nbf": "0"}, RULES, "nbf is '0'"),
        ({"nbf": False}, RULES, "nbf is False"),
        ({"nbf": NAN}, RULES, "nbf is nan"),
        ({"iat": NOW_S + 1}, RULES, "iat is"),
        ({"iat": INFINITY}, RULES, "iat is inf"),
        ({"aud": "x" * 300}, RULES, "…, which is not one of"),
        ({"aud": None}, RULES, "no aud; client_id is None"),
        ({"aud": None, "client_id": AUDIENCE}, RULES, "no aud; client_id is 'https"),
        ({"aud": []}, RULES, "aud is []"),
        ({"aud": [[AUDIENCE], 7]}, RULES, "aud is [["),
        ({"aud": {AUDIENCE: 1}}, RULES, "aud is {"),
        ({"aud": "x", "client_id": AUDIENCE}, HTTP_API, "aud is 'x'"),
        ({"aud": None, "client_id": 7}, HTTP_API, "client_id is 7"),
        ({"exp": NOW_S - 30}, LENIENT, "expired 30 s ago"),
        ({"nbf": NOW_S + 31}, LENIENT, "nbf is"),
    ],
    ids=lambda value: "" if isinstance(value, ClaimRules) else str(value)[:40],
)
def test_it_is_rejected(more: dict[str, Any], rules: ClaimRules, told: str) -> None:
    rejected = rules.judge(claims(**more), NOW_S)

    assert isinstance(rejected, Rejected)
    assert told in rejected.detail
    assert rejected.reason is (Reason.TOKEN_EXPIRED if "expired" in told else Reason.TOKEN_INVALID)


def test_null_is_no_date() -> None:
    rejected = RULES.judge({**claims(), "nbf": None}, NOW_S)

    assert isinstance(rejected, Rejected)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"exp": NOW_S - 1}, "the token has expired"),
        ({"aud": "x"}, "the token does not have a valid audience"),
        ({"iss": "https://evil.example"}, "the issuer https://evil.example is invalid"),
        ({"iss": 7}, "the token is invalid"),
        ({"nbf": NOW_S + 9}, "the token is invalid"),
    ],
    ids=["expired", "audience", "issuer", "no issuer", "not yet"],
)
def test_the_bearer_of_an_http_api_is_told_in_its_words(more: dict[str, Any], told: str) -> None:
    rejected = HTTP_API.judge(claims(**more), NOW_S)

    assert isinstance(rejected, Rejected)
    assert rejected.told == told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["iss", "exp", "nbf", "iat", "aud", "client_id", "sub"])


@given(st.dictionaries(NAMES, JSON | st.sampled_from([ISSUER, AUDIENCE, NOW_S])), st.sampled_from([RULES, HTTP_API]))
def test_any_claims_give_a_date_that_lies_ahead_or_a_rejection(found: dict[str, Any], rules: ClaimRules) -> None:
    answer = rules.judge(found, NOW_S)

    assert isinstance(answer, Rejected) or answer > NOW_S


# ---------------------------------------------------------------------------------------------------- rules


def explode(value: Any) -> bool:
    raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("rule", "value", "passes"),
    [
        ("acme", "acme", True),
        ("acme", "acm", False),
        ("acme", ["x", "acme"], True),
        ("acme", [], False),
        ("acme", ["x", ["acme"]], False),
        ({"b"}, "b", True),
        (["a", "b"], ["c"], False),
        (True, True, True),
        (True, 1, False),
        (1, True, False),
        (1, 1.0, True),
        (0, [False], False),
        (None, None, True),
        ({"a": 1}, {"a": 1}, True),
        (lambda value: value > 17, 18, True),
        (lambda value: "", 18, False),
    ],
    ids=lambda value: getattr(value, "__name__", None) or repr(value),
)
def test_a_rule_is_a_value_several_or_a_function(rule: object, value: object, passes: bool) -> None:
    assert compile_claim(rule)(value) is passes


@pytest.mark.parametrize(
    ("rule", "more", "told"),
    [
        ("acme", {}, "the token has no claim 'tenant'"),
        ("acme", {"tenant": "x"}, "the claim 'tenant' is 'x'"),
        (explode, {"tenant": "x"}, "the test of claim 'tenant' raised RuntimeError"),
    ],
    ids=["missing", "another", "a broken test"],
)
def test_claims_that_do_not_pass_reject_the_token(rule: object, more: dict[str, Any], told: str) -> None:
    rules = ClaimRules(claims=(("tenant", compile_claim(rule)),))
    rejected = rules.judge(claims(**more), NOW_S)

    assert isinstance(rejected, Rejected)
    assert told in rejected.detail


def test_claims_that_pass_do_not() -> None:
    rules = ClaimRules(claims=(("tenant", compile_claim("acme")), ("sub", compile_claim("alice"))))

    assert rules.judge(claims(tenant="acme"), NOW_S) == NOW_S + 3600


@pytest.mark.parametrize(
    ("found", "scopes"),
    [
        ({"scope": "a b  c"}, ("a", "b", "c")),
        ({"scope": ["a", 7, "b"]}, ("a", "b")),
        ({"scp": "a"}, ("a",)),
        ({"scp": ["a", "b"]}, ("a", "b")),
        ({"scope": "a", "scp": ["b"]}, ("a",)),
        ({"scope": 7}, ()),
        ({}, ()),
    ],
    ids=["words", "a list", "scp", "scp as a list", "both", "a number", "none"],
)
def test_scopes_are_words_or_a_list(found: dict[str, Any], scopes: tuple[str, ...]) -> None:
    assert scopes_of(found) == scopes
