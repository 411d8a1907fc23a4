"""What an introspection endpoint says, and who comes in by it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import Identity
from gatewaykit.core.identity.introspection import (
    MAX_TOKEN,
    Admitted,
    TokenRules,
    judge,
    read_introspection,
    unfit_token,
)
from gatewaykit.core.reasons import Reason, Refusal

NOW = 1_000_000.0
ALICE: Mapping[str, Any] = {"active": True, "sub": "alice"}


def verdict(rules: TokenRules | None = None, **claims: Any) -> Admitted | Refusal:
    return judge({**ALICE, **claims}, rules or TokenRules(), NOW)


def reason_of(answer: object) -> Reason:
    assert isinstance(answer, Refusal), answer
    return answer.reason


# ---------------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    "token", ["a", "AZaz09-._~+/", "YWJj==", "a" * MAX_TOKEN], ids=["one", "all", "padded", "long"]
)
def test_a_bearer_token_is_asked_about(token: str) -> None:
    assert unfit_token(token) is None


@pytest.mark.parametrize(
    "token",
    ["a\r\nb", "a b", "a\nb", "a=b", "a\0", "é", "a&token=b", "a\n", "a" * (MAX_TOKEN + 1)],
    ids=["CR LF", "space", "LF", "inner =", "NUL", "no ASCII", "another parameter", "LF at the end", "huge"],
)
def test_what_no_bearer_token_can_be_is_not(token: str) -> None:
    assert reason_of(unfit_token(token)) is Reason.TOKEN_INVALID


# ---------------------------------------------------------------------------------------------------- answers


def test_an_answer_is_read() -> None:
    assert read_introspection(200, b'{"active": true, "sub": "alice"}') == ALICE


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(b"", "cannot be read", id="nothing"),
        pytest.param(b"<html>", "cannot be read", id="HTML"),
        pytest.param(b'{"active": true', "cannot be read", id="cut off"),
        pytest.param(b"[" * 100_000, "cannot be read", id="deep"),
        pytest.param(b'{"active": \xff}', "cannot be read", id="no UTF-8"),
        pytest.param(b'{"active": false, "active": true}', "twice", id="active twice"),
        pytest.param(b'{"active": true, "exp": NaN}', "NaN is no number", id="NaN"),
        pytest.param(b'{"active": true, "exp": -Infinity}', "Infinity is no number", id="infinite"),
        pytest.param(b"[true]", "gave no object", id="a list"),
        pytest.param(b"null", "gave no object", id="null"),
        pytest.param(b"{}", "gave None for 'active'", id="no active"),
        pytest.param(b'{"active": "true"}', "gave 'true' for 'active'", id="active as text"),
        pytest.param(b'{"active": 1}', "gave 1 for 'active'", id="active as number"),
        pytest.param(b'{"active": [true]}', "gave [True] for 'active'", id="active in a list"),
    ],
)
def test_an_answer_that_could_be_misread_is_none(body: bytes, told: str) -> None:
    refusal = read_introspection(200, body)

    assert reason_of(refusal) is Reason.AUTHORIZER_MISCONFIGURED
    assert told in refusal.detail  # type: ignore[union-attr]  # a Refusal, as just seen


@pytest.mark.parametrize(
    ("status", "body", "reason", "detail"),
    [
        (500, b'{"active": true}', Reason.ISSUER_UNREACHABLE, "answered 500"),
        (503, b"", Reason.ISSUER_UNREACHABLE, "answered 503"),
        (429, b"", Reason.ISSUER_UNREACHABLE, "answered 429"),
        (401, b'{"error": "invalid_client"}', Reason.AUTHORIZER_MISCONFIGURED, "answered 401 'invalid_client'"),
        (401, b'{"error": 1}', Reason.AUTHORIZER_MISCONFIGURED, "answered 401;"),
        (404, b"<html>", Reason.AUTHORIZER_MISCONFIGURED, "answered 404;"),
        (302, b'{"active": true}', Reason.AUTHORIZER_MISCONFIGURED, "answered 302;"),
        (201, b'{"active": true}', Reason.AUTHORIZER_MISCONFIGURED, "answered 201;"),
    ],
)
def test_only_a_200_is_an_answer(status: int, body: bytes, reason: Reason, detail: str) -> None:
    refusal = read_introspection(status, body)

    assert reason_of(refusal) is reason
    assert detail in refusal.detail  # type: ignore[union-attr]  # a Refusal, as just seen


# ---------------------------------------------------------------------------------------------------- verdicts


def test_who_is_named_comes_in() -> None:
    admitted = verdict(scope="a b", exp=NOW + 60, client_id="shop")

    assert isinstance(admitted, Admitted)
    claims = {**ALICE, "scope": "a b", "exp": NOW + 60, "client_id": "shop"}
    assert admitted.identity == Identity(principal="alice", kind="introspection", claims=claims, scopes=("a", "b"))
    assert admitted.expires_s == NOW + 60


def test_the_claims_of_an_identity_cannot_be_changed() -> None:
    admitted = verdict()

    assert isinstance(admitted, Admitted)
    with pytest.raises(TypeError):
        admitted.identity.claims["sub"] = "bob"  # type: ignore[index]  # that is the point


@pytest.mark.parametrize(
    ("claims", "principal"),
    [
        ({"sub": "alice", "client_id": "shop"}, "alice"),
        ({"client_id": "shop"}, "shop"),
        ({"sub": "", "client_id": "s"}, "s"),
    ],
)
def test_the_principal_is_the_subject_or_the_client(claims: Mapping[str, Any], principal: str) -> None:
    admitted = judge({"active": True, **claims}, TokenRules(), NOW)

    assert isinstance(admitted, Admitted)
    assert (admitted.identity.principal, admitted.expires_s) == (principal, math.inf)


INVALID, EXPIRED, UNFIT = Reason.TOKEN_INVALID, Reason.TOKEN_EXPIRED, Reason.TOKEN_UNFIT
GARBAGE, FORBIDDEN, SCOPE = Reason.AUTHORIZER_MISCONFIGURED, Reason.FORBIDDEN, Reason.SCOPE_MISSING
API = TokenRules(audience=("https://api", "urn:api"))
LOGIN = TokenRules(issuer="https://login")
ACME = TokenRules(claims={"tenant": ("acme", "globex"), "level": (1,)})
READ = TokenRules(scopes=("pets:read", "pets:all"))


@pytest.mark.parametrize(
    ("rules", "claims", "reason"),
    [
        pytest.param(None, {"active": False}, INVALID, id="not active"),
        pytest.param(None, {"active": False, "exp": "soon"}, INVALID, id="not active, whatever else"),
        pytest.param(None, {"exp": NOW + 1}, None, id="exp ahead"),
        pytest.param(None, {"exp": NOW}, EXPIRED, id="exp now"),
        pytest.param(None, {"exp": -(10**400)}, EXPIRED, id="exp absurdly past"),
        pytest.param(None, {"exp": 10**400}, None, id="exp absurdly ahead"),
        pytest.param(None, {"exp": str(NOW + 60)}, GARBAGE, id="exp as text"),
        pytest.param(None, {"exp": True}, GARBAGE, id="exp as flag"),
        pytest.param(None, {"exp": None}, GARBAGE, id="exp as null"),
        pytest.param(None, {"exp": math.inf}, GARBAGE, id="exp infinite"),
        pytest.param(None, {"exp": math.nan}, GARBAGE, id="exp NaN"),
        pytest.param(None, {"nbf": NOW}, None, id="nbf now"),
        pytest.param(None, {"nbf": NOW + 1}, INVALID, id="nbf ahead"),
        pytest.param(TokenRules(leeway_s=2), {"nbf": NOW + 1, "iat": NOW + 2}, None, id="within the leeway"),
        pytest.param(None, {"iat": 10**400}, INVALID, id="iat absurdly ahead"),
        pytest.param(API, {}, INVALID, id="no audience"),
        pytest.param(API, {"aud": "urn:api"}, None, id="the audience"),
        pytest.param(API, {"aud": ["other", "urn:api"]}, None, id="the audience among others"),
        pytest.param(API, {"aud": "urn:api.evil"}, INVALID, id="another audience"),
        pytest.param(API, {"aud": [["urn:api"], {}]}, INVALID, id="audiences that are no texts"),
        pytest.param(LOGIN, {}, INVALID, id="no issuer"),
        pytest.param(LOGIN, {"iss": "https://login"}, None, id="the issuer"),
        pytest.param(LOGIN, {"iss": "https://login/"}, INVALID, id="another issuer"),
        pytest.param(ACME, {"tenant": "acme", "level": 1}, None, id="the claims"),
        pytest.param(ACME, {"tenant": ["x", "globex"], "level": 1}, None, id="a claim with several values"),
        pytest.param(ACME, {"tenant": "acme"}, FORBIDDEN, id="a claim is missing"),
        pytest.param(ACME, {"tenant": "evil", "level": 1}, FORBIDDEN, id="another value"),
        pytest.param(ACME, {"tenant": "acme", "level": True}, FORBIDDEN, id="true is not 1"),
        pytest.param(READ, {"scope": "openid pets:read"}, None, id="one of the scopes"),
        pytest.param(READ, {"scope": "pets:readall"}, SCOPE, id="another scope"),
        pytest.param(READ, {}, SCOPE, id="no scope"),
        pytest.param(READ, {"scope": ["pets:read"]}, GARBAGE, id="scopes in a list"),
        pytest.param(None, {"token_type": "Bearer"}, None, id="a bearer token"),
        pytest.param(None, {"token_type": "DPoP"}, UNFIT, id="a DPoP token"),
        pytest.param(None, {"token_type": "refresh_token"}, UNFIT, id="a refresh token by type"),
        pytest.param(None, {"token_type": 1}, UNFIT, id="a type that is no text"),
        pytest.param(None, {"token_use": "access_token"}, None, id="an access token by use"),
        pytest.param(None, {"token_use": "refresh_token"}, UNFIT, id="a refresh token by use"),
        pytest.param(None, {"cnf": {"jkt": "x"}}, UNFIT, id="bound to a key"),
        pytest.param(None, {"sub": 7}, GARBAGE, id="a subject that is no text"),
        pytest.param(None, {"sub": None}, GARBAGE, id="nobody"),
    ],
)
def test_what_lets_in(rules: TokenRules | None, claims: Mapping[str, Any], reason: Reason | None) -> None:
    answer = verdict(rules, **claims)

    assert (answer.reason if isinstance(answer, Refusal) else None) is reason


@pytest.mark.parametrize(
    ("claims", "status", "challenge"),
    [
        ({"active": False}, 401, b'Bearer error="invalid_token", error_description="the token is not valid"'),
        ({"exp": 1}, 401, b'Bearer error="invalid_token", error_description="the token has expired"'),
        ({"scope": "x"}, 403, b'Bearer scope="pets:read pets:all", error="insufficient_scope"'),
    ],
    ids=["invalid", "expired", "scope"],
)
def test_a_refusal_says_what_rfc_6750_has_for_it(claims: Mapping[str, Any], status: int, challenge: bytes) -> None:
    refusal = verdict(READ, **claims)

    assert isinstance(refusal, Refusal)
    assert (refusal.reason.status, refusal.headers) == (status, ((b"www-authenticate", challenge),))


@given(st.integers(100, 599), st.binary())
def test_any_answer_gives_members_or_a_refusal(status: int, body: bytes) -> None:
    answer = read_introspection(status, body)

    assert isinstance(answer, Refusal) or answer["active"] in (True, False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["exp", "nbf", "iat", "aud", "iss", "sub", "client_id", "scope", "token_type", "cnf", "tenant"])


@given(st.booleans(), st.dictionaries(NAMES, JSON))
def test_any_members_give_an_identity_or_a_refusal(active: bool, members: dict[str, Any]) -> None:
    rules = TokenRules(audience=("a",), issuer="b", scopes=("c",), claims={"tenant": ("d",)})
    claims = read_introspection(200, json.dumps({**members, "active": active}).encode())

    assert isinstance(claims, Mapping)
    for each in (TokenRules(), rules):
        assert isinstance(judge(claims, each, NOW), Refusal if not active else (Admitted, Refusal))
