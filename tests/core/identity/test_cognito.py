"""Cognito user pools: issuers, the two kinds of tokens, claims as texts (02 section 4)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.cognito import claim_texts, pool_issuer, unfit
from gatewaykit.core.identity.identity_sources import compile_token_check
from gatewaykit.core.identity.jwt.claims import scopes_of
from gatewaykit.core.identity.jwt.verifying import Verified
from gatewaykit.core.reasons import Reason

ID = {"token_use": "id", "aud": "client1"}
ACCESS = {"token_use": "access", "client_id": "client1", "scope": "pets/read pets/write"}


def token(claims: dict[str, Any]) -> Verified:
    return claims, scopes_of(claims), 0.0


@pytest.mark.parametrize(
    ("arn", "issuer"),
    [
        (
            "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_AbC",
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC",
        ),
        (
            "arn:aws-cn:cognito-idp:cn-north-1:123456789012:userpool/cn-north-1_x",
            "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_x",
        ),
        ("arn:aws:cognito-idp:eu-west-1:1:userpool/a/../../evil", None),
        ("arn:aws:cognito-idp:evil.example/x:1:userpool/a", None),
        ("arn:aws:cognito-identity:eu-west-1:1:userpool/a", None),
        ("eu-west-1_AbC", None),
        ("", None),
    ],
    ids=["a pool", "in China", "a path", "another host", "another service", "a bare id", "nothing"],
)
def test_a_pool_is_an_issuer(arn: str, issuer: str | None) -> None:
    assert pool_issuer(arn) == issuer


@pytest.mark.parametrize(
    ("claims", "scopes", "told"),
    [
        (ID, (), None),
        (ACCESS, ("pets/read",), None),
        (ACCESS, ("other", "pets/write"), None),
        (ACCESS, (), "no scope takes 'id' tokens"),
        (ID, ("pets/read",), "the scopes pets/read takes 'access' tokens"),
        ({**ID, "scope": "pets/read"}, ("pets/read",), "takes 'access' tokens"),
        (ACCESS, ("pets/delete",), "one of ['pets/delete'] is needed"),
        ({**ACCESS, "scope": ""}, ("pets/read",), "is needed"),
        ({}, (), "token_use is None"),
        ({"token_use": ["id"]}, (), "token_use is ['id']"),
    ],
    ids=[
        "an ID token without scopes", "an access token with a scope", "one of two scopes",
        "an access token without scopes", "an ID token with scopes", "an ID token that claims a scope",
        "another scope", "no scope", "no kind", "two kinds",
    ],
)  # fmt: skip
def test_scopes_decide_which_kind_of_token_does(
    claims: dict[str, Any], scopes: tuple[str, ...], told: str | None
) -> None:
    rejected = unfit(token(claims), scopes, None)

    assert (rejected is None) is (told is None)
    assert rejected is None or (rejected.reason is Reason.TOKEN_UNFIT and str(told) in rejected.detail)


@pytest.mark.parametrize(
    ("claims", "scopes", "fits"),
    [
        (ID, (), True),
        ({**ID, "aud": "client10"}, (), False),
        ({**ID, "aud": ["client1"]}, (), False),
        ({"token_use": "id"}, (), False),
        (ACCESS, ("pets/read",), False),
    ],
    ids=["its audience", "another", "a list", "none", "access tokens have none"],
)
def test_the_validation_expression_is_for_the_audience(
    claims: dict[str, Any], scopes: tuple[str, ...], fits: bool
) -> None:
    check = compile_token_check("client[0-9]")

    assert not isinstance(check, str)
    assert (unfit(token(claims), scopes, check) is None) is fits


def test_claims_are_texts_as_integrations_know_them() -> None:
    found = {
        "sub": "a", "email_verified": True, "off": False, "auth_time": 1501542424, "exp": 1501547824,
        "iat": 1501542424.5, "cognito:groups": ["a", "b"], "address": {"x": 1, "y": None}, "score": 1.5,
    }  # fmt: skip

    assert claim_texts(found) == {
        "sub": "a", "email_verified": "true", "off": "false", "auth_time": "1501542424",
        "exp": "Tue Aug 01 00:37:04 UTC 2017", "iat": "Mon Jul 31 23:07:04 UTC 2017", "cognito:groups": "a,b",
        "address": "{x=1,y=null}", "score": "1.5",
    }  # fmt: skip


@pytest.mark.parametrize("exp", [10**30, float("inf"), "soon", None, [1]], ids=repr)
def test_a_date_out_of_the_calendar_stays_what_it_is(exp: Any) -> None:
    assert isinstance(claim_texts({"exp": exp})["exp"], str)


@given(
    st.dictionaries(
        st.sampled_from(["exp", "iat", "sub"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
        ),
    )
)
def test_any_claims_become_texts(claims: dict[str, Any]) -> None:
    assert all(isinstance(text, str) for text in claim_texts(claims).values())
