"""The Cognito policy: kinds of tokens, pools, and a resource policy after them (02 sections 4 and 6)."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from gatewaykit import Decision, Reason, cognito
from gatewaykit.clock import VirtualClock
from gatewaykit.errors import ConfigError, UpstreamError
from gatewaykit.policies.cognito import Cognito
from gatewaykit.ports import UpstreamRequest
from gatewaykit.testing import PolicyContract, Reply, ScriptedTransport, decide, decider, make_request
from tests.tokens import NOW_S, jwk, token

POOL = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_one"
OTHER = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_two"
HOST = "https://cognito-idp.eu-west-1.amazonaws.com"
ANY = "arn:aws:execute-api:*:*:*"


def pools(request: UpstreamRequest) -> Reply | UpstreamError:
    """Two pools; each has a key of its own under the same name."""
    for name in ("one", "two"):
        if request.target == f"/eu-west-1_{name}/.well-known/jwks.json".encode():
            return Reply(body=json.dumps({"keys": [jwk(f"RSA/{name}", "k1", alg="RS256", use="sig")]}).encode())
    return UpstreamError("refused", "nobody listens")


def id_token(pool: str = "one", **more: Any) -> str:
    usual = {"iss": f"{HOST}/eu-west-1_{pool}", "token_use": "id", "aud": "app1", "cognito:username": "alice"}
    return token(key=f"RSA/{pool}", **{**usual, **more})


def access_token(**more: Any) -> str:
    return id_token(**{"token_use": "access", "aud": None, "client_id": "app1", "scope": "pets/read", **more})


def deciding(
    text: str | None, pool: Any = POOL, *, profile: str = "aws", address: str = "127.0.0.1", **options: Any
) -> Decision:
    request = make_request("GET", "/pets", headers={} if text is None else {"authorization": text}, address=address)
    policy, transport = cognito(pool, **options), ScriptedTransport(pools)
    return decide(policy, request, clock=VirtualClock(NOW_S), transport=transport, profile=profile)


class TestContract(PolicyContract):
    clock = VirtualClock(NOW_S)
    headers: ClassVar = {"authorization": f"Bearer {id_token()}"}
    lets_through = False  # the pool is not reached from here

    def make_policy(self) -> Cognito:
        return cognito("http://127.0.0.1:9/eu-west-1_one")


@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer "])
def test_an_id_token_lets_its_user_in_with_claims_as_texts(scheme: str) -> None:
    identity = deciding(scheme + id_token(email_verified=True, exp=1768482000)).identity

    assert identity is not None
    assert (identity.principal, identity.kind) == ("alice", "cognito")
    assert (identity.claims["email_verified"], identity.claims["cognito:username"]) == ("true", "alice")
    assert identity.claims["exp"] == "Thu Jan 15 13:00:00 UTC 2026"


@pytest.mark.parametrize(
    ("text", "scopes", "reason"),
    [
        (id_token(), (), None),
        (access_token(), ("pets/read",), None),
        (access_token(scope="x pets/read"), ["pets/write", "pets/read"], None),
        (access_token(), (), Reason.TOKEN_UNFIT),
        (id_token(), "pets/read", Reason.TOKEN_UNFIT),
        (access_token(), "pets/write", Reason.TOKEN_UNFIT),
        (None, (), Reason.TOKEN_MISSING),
        ("", (), Reason.TOKEN_MISSING),
        ("Basic YTpi", (), Reason.TOKEN_MISSING),
        ("x.y.z", (), Reason.TOKEN_INVALID),
        (token(key="RSA/two", iss=f"{HOST}/eu-west-1_one", token_use="id"), (), Reason.TOKEN_INVALID),
        (id_token(exp=NOW_S), (), Reason.TOKEN_EXPIRED),
        (id_token(iss=f"{HOST}/eu-west-1_two"), (), Reason.TOKEN_INVALID),
        (id_token(header={"kid": None}), (), Reason.TOKEN_INVALID),
        (id_token(header={"kid": "k2"}), (), Reason.TOKEN_INVALID),
    ],
    ids=[
        "an ID token", "an access token with its scope", "one of two scopes",
        "an access token where no scope is asked for", "an ID token where a scope is",
        "another scope", "no token", "an empty one", "other credentials", "no JWT",
        "a forgery", "expired", "of another pool", "no key named", "an unknown key",
    ],
)  # fmt: skip
def test_who_comes_in(text: str | None, scopes: Any, reason: Reason | None) -> None:
    decision = deciding(text, scopes=scopes)

    assert decision.reason is reason
    assert decision.status == (None if reason is None else 401)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "Unauthorized"), (access_token(), "Unauthorized"), (id_token(exp=1), "The incoming token has expired")],
    ids=["no token (02 s4)", "the wrong kind (02 s4)", "expired (02 s4)"],
)
@pytest.mark.parametrize("profile", ["aws", "web"])
def test_what_a_client_is_told(text: str | None, message: str, profile: str) -> None:
    response = deciding(text, profile=profile).response

    assert response is not None
    assert response.body == b'{"message":"%b"}' % message.encode()
    assert response.header("x-amzn-errortype") == "UnauthorizedException"
    challenge = "Bearer" if text is None else 'Bearer error="invalid_token"'
    assert response.header("www-authenticate") == (challenge if profile == "web" else None)


def test_of_several_pools_each_has_its_own_keys() -> None:
    both = [POOL, OTHER]

    assert deciding(id_token("one"), both).allowed
    assert deciding(id_token("two"), both).allowed
    for crossed in (id_token("one", iss=f"{HOST}/eu-west-1_two"), id_token("two", iss=f"{HOST}/eu-west-1_one")):
        assert deciding(crossed, both).reason is Reason.TOKEN_INVALID
    stranger = deciding(id_token(iss="https://evil.example"), both)
    assert "which is no pool of this policy" in stranger.detail
    assert "malformed" in deciding("x.y.z", both).detail
    assert "which is no pool" in deciding(id_token(iss=[]), both).detail


def test_a_pool_may_run_elsewhere() -> None:
    text = token(key="RSA/one", iss="http://localhost:9229/eu-west-1_one", token_use="id")

    assert deciding(text, "http://localhost:9229/eu-west-1_one").allowed
    elsewhere = {"issuers": {POOL: "http://localhost:9229/eu-west-1_one"}}
    assert deciding(text, POOL, **elsewhere).allowed
    assert deciding(id_token(), POOL, **elsewhere).allowed  # in the pool's own name, signed with the emulator's keys
    assert not deciding(id_token("two", iss=f"{HOST}/eu-west-1_one"), POOL, **elsewhere).allowed


def test_a_pool_that_cannot_be_asked_lets_nobody_in() -> None:
    decision = deciding(id_token("three"), POOL.replace("_one", "_three"))

    assert (decision.reason, decision.status) == (Reason.ISSUER_UNREACHABLE, 500)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [(id_token(), True), (id_token(aud="app10"), False), (id_token(aud=None), False)],
    ids=["its audience", "another audience", "no audience"],
)
def test_a_validation_expression_matches_the_whole_audience(text: str, allowed: bool) -> None:
    assert deciding(text, validation_expression="app[0-9]").allowed is allowed


def test_a_token_may_stand_elsewhere() -> None:
    policy = cognito(POOL, identity_source="method.request.header.X-Token")
    request = make_request("GET", "/", headers={"x-token": id_token()})

    assert decide(policy, request, clock=VirtualClock(NOW_S), transport=ScriptedTransport(pools)).allowed


# ---------------------------------------------------------------------------------------------------- resource policy


def resource_policy(*effects: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": ANY} for effect in effects
        ],
    }


FOR_HOME = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": ANY,
        "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "policy", "reason"),
    [
        (id_token(), resource_policy("Allow"), None),
        (id_token(), resource_policy(), Reason.DENIED_IMPLICITLY),
        (id_token(), resource_policy("Deny"), Reason.DENIED_EXPLICITLY),
        (id_token(), resource_policy("Allow", "Deny"), Reason.DENIED_EXPLICITLY),
        (id_token(), FOR_HOME, Reason.DENIED_IMPLICITLY),
        (None, resource_policy("Allow"), Reason.TOKEN_MISSING),
        (id_token(exp=1), resource_policy("Deny"), Reason.TOKEN_EXPIRED),
    ],
    ids=[
        "a good token, Allow", "a good token, silent", "a good token, Deny", "a good token, Allow and Deny",
        "a good token, another address", "no token, Allow", "an expired token, Deny",
    ],
)  # fmt: skip
def test_the_policy_alone_has_to_allow_after_the_token_was_checked(
    text: str | None, policy: dict[str, Any], reason: Reason | None
) -> None:
    decision = deciding(text, resource_policy=policy)

    assert decision.reason is reason


def test_the_policy_is_asked_anew_for_a_token_seen_before() -> None:
    decisions = decider(
        cognito(POOL, resource_policy=FOR_HOME), clock=VirtualClock(NOW_S), transport=ScriptedTransport(pools)
    )
    text = id_token()
    at = [
        make_request("GET", "/", headers={"authorization": text}, address=ip)
        for ip in ("10.1.1.1", "8.8.8.8", "10.2.2.2")
    ]

    assert [decisions(request).allowed for request in at] == [True, False, True]


def test_a_decision_names_token_and_statement() -> None:
    decision = deciding(text := id_token(), resource_policy=resource_policy("Allow"))

    assert decision.credential == f"a token in header authorization, ending in …{text[-4:]}"
    assert decision.authorization.startswith("the token of alice holds; statement 1 of resource policy allows arn:")
    assert "no resource-based policy allows" in deciding(text, resource_policy=resource_policy()).authorization


@pytest.mark.parametrize(
    ("pool", "options", "where"),
    [
        ([], {}, ["user_pools"]),
        (7, {}, ["user_pools"]),
        ([POOL, 7], {}, ["user_pools"]),
        (["eu-west-1_one", "arn:aws:s3:::b"], {}, ["user_pools", "user_pools"]),
        ("http://pool.example/x", {}, ["user_pools"]),
        ("https://a b/x", {}, ["user_pools"]),
        (POOL, {"issuers": [POOL]}, ["issuers"]),
        (POOL, {"issuers": {POOL: "http://pool.example"}}, ["issuers"]),
        (POOL, {"scopes": 7, "leeway": -1, "identity_source": ""}, ["identity_source", "leeway", "scopes"]),
        (POOL, {"validation_expression": "("}, ["validation_expression"]),
        (POOL, {"validation_expression": 7}, ["validation_expression"]),
        (POOL, {"resource_policy": {"Statement": [{"Effect": "Maybe"}]}}, None),
        (POOL, {"cached_tokens": "many"}, ["cached_tokens"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else str(value)[:30],
)
def test_mistakes_are_told_all_at_once(pool: Any, options: dict[str, Any], where: list[str] | None) -> None:
    with pytest.raises(ConfigError) as caught:
        cognito(pool, **options)

    found = [problem.where for problem in caught.value.problems]
    assert found == [f"cognito.{name}" for name in where] if where else found[0].startswith("cognito.resource_policy.")


def test_a_pool_without_tls_is_asked_only_when_that_is_allowed() -> None:
    assert cognito("http://pool.example/x", allow_http=True)
