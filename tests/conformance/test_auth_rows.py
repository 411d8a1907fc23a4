"""Reference 02 sections 1, 3 and 4, fact by fact, at a gateway made from a definition."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import ApiKey
from tests.conformance.authorized import (
    ALLOW,
    API,
    FORBIDDEN,
    KEY,
    TARGET,
    UNAUTHORIZED,
    api,
    asks,
    changed,
    clock,
    event_of,
    granting,
    guarded,
    id_token,
    policy,
    raising,
    said,
)

# ---------------------------------------------------------------------------------------------------- 02 §1: API keys


@pytest.mark.parametrize(
    ("headers", "options", "answer"),
    [
        pytest.param({}, {}, FORBIDDEN, id="02 §1: missing"),
        pytest.param({"x-api-key": "another-key-0123456789"}, {}, FORBIDDEN, id="02 §1: unknown"),
        pytest.param({"x-api-key": KEY}, {"enabled": False}, FORBIDDEN, id="02 §1: disabled (row 122)"),
        pytest.param({"x-api-key": KEY}, {"stages": ("prod",)}, FORBIDDEN, id="02 §1: not in this stage's plan"),
        pytest.param({"x-api-key": KEY}, {}, None, id="02 §1: valid"),
        pytest.param({"X-API-Key": KEY}, {}, None, id="02 §1: the header's name in any casing"),
    ],
)
async def test_an_api_key(headers: dict[str, str], options: dict[str, Any], answer: Any) -> None:
    gateway = api(guarded("key"), api_keys=[ApiKey(id="k1", name="shop", value=KEY, **options)])

    got = await asks(gateway, **{name.lower(): value for name, value in headers.items()})

    if answer is not None:
        assert said(got) == answer
    else:
        identity = event_of(got)["requestContext"]["identity"]
        assert (identity["apiKey"], identity["apiKeyId"]) == (KEY, "k1")


async def test_a_key_that_no_method_asks_for_is_ignored() -> None:  # 02 §1: required
    event = event_of(await asks(api(guarded()), x_api_key="no key of ours"))

    assert event["requestContext"]["identity"].get("apiKeyId") is None


@pytest.mark.parametrize(
    ("given", "status"),
    [
        pytest.param({"usageIdentifierKey": KEY}, 200, id="02 §1: AUTHORIZER, the key it gives"),
        pytest.param({"usageIdentifierKey": "another"}, 403, id="02 §1: AUTHORIZER, another"),
        pytest.param({}, 403, id="02 §1: AUTHORIZER, none: the header does not count"),
    ],
)
async def test_an_authorizer_may_give_the_key(given: dict[str, Any], status: int) -> None:
    gateway = api(
        guarded("token", "key"), authorizer=granting(**given), root={"x-amazon-apigateway-api-key-source": "AUTHORIZER"}
    )

    got = await asks(gateway, authorization="t", x_api_key=KEY)

    assert got.status == status


# ---------------------------------------------------------------------------------------------------- 02 §3: Lambda


DENIED = b'{"Message":"User is not authorized to access this resource%b"}'
BROKEN = (500, "AuthorizerConfigurationException", b'{"message":null}')


@pytest.mark.parametrize("kind", ["token", "request"])
@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        pytest.param(granting(), None, id="02 §3: the policy allows"),
        pytest.param(
            granting("Deny"),
            (403, "AccessDeniedException", DENIED % b" with an explicit deny in an identity-based policy"),
            id="02 §3: explicit Deny",
        ),
        pytest.param(granting(""), (403, "AccessDeniedException", DENIED % b""), id="02 §3: neither"),
        pytest.param(raising("Unauthorized"), UNAUTHORIZED, id="02 §3: throws Unauthorized"),
        pytest.param(
            raising("unauthorized"), (500, "AuthorizerFailureException", b'{"message":null}'), id="02 §3: throws else"
        ),
        pytest.param("yes", BROKEN, id="02 §3: invalid JSON shape"),
        pytest.param({"policyDocument": policy(ALLOW)}, BROKEN, id="02 §3: no principalId"),
        pytest.param({"principalId": "ann"}, BROKEN, id="02 §3: no policyDocument"),
        pytest.param(granting(context={"a": {"b": 1}}), BROKEN, id="02 §3: context with an object"),
        pytest.param(granting(context={"a": [1]}), BROKEN, id="02 §3: context with an array"),
        pytest.param(
            {"principalId": "ann", "policyDocument": policy({**ALLOW, "Resource": "arn:" + "x" * 509})}, BROKEN,
            id="02 §3: a resource of 513 characters",
        ),
    ],
)  # fmt: skip
async def test_what_the_function_answers(kind: str, answer: Any, seen: Any) -> None:
    got = await asks(api(guarded(kind), authorizer=answer), authorization="t", x_who="ann")

    if seen is None:
        assert event_of(got)["requestContext"]["authorizer"]["principalId"] == "ann"
    else:
        assert said(got) == seen


@pytest.mark.parametrize(
    ("kind", "settings", "headers", "asked"),
    [
        pytest.param("token", {}, {}, False, id="02 §3: TOKEN, header missing"),
        pytest.param("token", {}, {"authorization": ""}, False, id="02 §3: TOKEN, header empty"),
        pytest.param(
            "token", {"authorizerResultTtlInSeconds": 0}, {}, False, id="02 §3: TOKEN, header missing, no caching"
        ),
        pytest.param(
            "token", {"identityValidationExpression": "Bearer [a-z]+"}, {"authorization": "Bearer 7"}, False,
            id="02 §3: TOKEN, expression",
        ),
        pytest.param(
            "token", {"identityValidationExpression": "Bearer [a-z]+"}, {"authorization": "Bearer ann"}, True,
            id="02 §3: TOKEN, expression that matches",
        ),
        pytest.param("request", {}, {}, False, id="02 §3: REQUEST, missing, caching by default"),
        pytest.param("request", {}, {"x-who": ""}, False, id="02 §3: REQUEST, empty"),
        pytest.param(
            "request", {"authorizerResultTtlInSeconds": 0}, {}, True, id="02 §3: REQUEST, missing, no caching"
        ),
    ],
)  # fmt: skip
async def test_who_is_not_asked_about(
    kind: str, settings: dict[str, Any], headers: dict[str, str], asked: bool
) -> None:
    events = []

    def function(event: Any, context: Any) -> Any:
        events.append(event)
        return granting()

    got = await asks(api(guarded(kind), authorizer=function, schemes=changed(kind, **settings)), **headers)

    assert bool(events) is asked
    if not asked:
        assert said(got) == UNAUTHORIZED


@pytest.mark.parametrize(
    ("settings", "later_s", "calls"),
    [
        pytest.param({}, 299, 1, id="02 §3: 300 seconds where unset"),
        pytest.param({}, 301, 2, id="02 §3: and no longer"),
        pytest.param({"authorizerResultTtlInSeconds": 60}, 61, 2, id="02 §3: a minute"),
        pytest.param({"authorizerResultTtlInSeconds": 0}, 0, 2, id="02 §3: 0 disables"),
        pytest.param({"authorizerResultTtlInSeconds": 3600}, 3599, 1, id="02 §3: the maximum"),
    ],
)
@pytest.mark.parametrize("kind", ["token", "request"])
async def test_how_long_an_answer_is_kept(kind: str, settings: dict[str, Any], later_s: float, calls: int) -> None:
    events, time = [], clock()

    def function(event: Any, context: Any) -> Any:
        events.append(event)
        return granting()

    gateway = api(guarded(kind), authorizer=function, schemes=changed(kind, **settings), clock=time)
    await asks(gateway, authorization="t", x_who="ann")
    time.advance(later_s)
    await asks(gateway, authorization="t", x_who="ann")

    assert len(events) == calls


async def test_a_cached_policy_is_asked_about_the_method_at_hand() -> None:  # 02 §3: cached object
    events = []

    def function(event: Any, context: Any) -> Any:
        events.append(event)
        return {"principalId": "ann", "policyDocument": policy({**ALLOW, "Resource": event["methodArn"]})}

    gateway = api(guarded("token"), authorizer=function)

    assert [(await asks(gateway, f"/dev/pets/{pet}", authorization="t")).status for pet in "778"] == [200, 200, 403]
    assert len(events) == 1


async def test_the_event_of_a_token_authorizer() -> None:  # 02 §3
    events: list[Any] = []
    await asks(
        api(guarded("token"), authorizer=lambda event, context: events.append(event) or granting()),
        authorization="Bearer  t",
    )

    assert events == [{"type": "TOKEN", "authorizationToken": "Bearer  t", "methodArn": f"{API}/GET/pets/7"}]


async def test_the_event_of_a_request_authorizer() -> None:  # 02 §3
    events: list[Any] = []
    gateway = api(
        guarded("request"), authorizer=lambda event, context: events.append(event) or granting(),
        stage_variables={"colour": "blue"},
    )  # fmt: skip
    await asks(gateway, f"{TARGET}?a=1&a=2", x_who="ann")

    [event] = events
    assert list(event) == [
        "type", "methodArn", "resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext",
    ]  # fmt: skip
    assert (event["type"], event["methodArn"]) == ("REQUEST", f"{API}/GET/pets/7")
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/pets/{id}", "/pets/7", "GET")
    assert (event["queryStringParameters"], event["multiValueQueryStringParameters"]) == ({"a": "2"}, {"a": ["1", "2"]})
    assert (event["pathParameters"], event["stageVariables"]) == ({"id": "7"}, {"colour": "blue"})
    assert event["requestContext"].keys() == {
        "path", "accountId", "resourceId", "stage", "requestId", "extendedRequestId", "domainName", "domainPrefix",
        "identity", "resourcePath", "httpMethod", "apiId", "protocol", "requestTime", "requestTimeEpoch",
    }  # fmt: skip
    assert (event["requestContext"]["path"], event["requestContext"]["identity"]["sourceIp"]) == (TARGET, "127.0.0.1")


async def test_the_context_is_text_and_the_latency_a_number() -> None:  # 02 §3: output
    answer = granting(context={"n": 1, "yes": True, "t": "text", "f": 1.5})

    event = event_of(await asks(api(guarded("token"), authorizer=answer), authorization="t"))

    assert event["requestContext"]["authorizer"] == {
        "n": "1", "yes": "true", "t": "text", "f": "1.5", "principalId": "ann", "integrationLatency": 0,
    }  # fmt: skip


async def test_a_method_whose_arn_is_too_long() -> None:  # 01 §2; 02 §3
    got = await asks(api(guarded("token")), f"/dev/pets/{'7' * 1600}", authorization="t")

    assert (got.status, got.body) == (414, b'{"message":"Request URI too long"}')


# ---------------------------------------------------------------------------------------------------- 02 §4: Cognito

EXPIRED = (401, "UnauthorizedException", b'{"message":"The incoming token has expired"}')


def access_token(**more: Any) -> str:
    return id_token(**{"token_use": "access", "aud": None, "client_id": "app1", "scope": "pets/read pets/x", **more})


@pytest.mark.parametrize(
    ("scopes", "token", "answer"),
    [
        pytest.param((), id_token(), None, id="02 §4: no scopes, an ID token"),
        pytest.param((), f"Bearer {id_token()}", None, id="02 §4: with Bearer"),
        pytest.param((), access_token(), UNAUTHORIZED, id="02 §4: no scopes, an access token"),
        pytest.param(("pets/read", "other"), access_token(), None, id="02 §4: one of the scopes"),
        pytest.param(("other",), access_token(), UNAUTHORIZED, id="02 §4: no scope matches"),
        pytest.param(("pets/read",), id_token(scope="pets/read"), UNAUTHORIZED, id="02 §4: scopes, an ID token"),
        pytest.param((), "", UNAUTHORIZED, id="02 §4: missing"),
        pytest.param((), "a.b.c", UNAUTHORIZED, id="02 §4: invalid"),
        pytest.param((), id_token(exp=1768478399), EXPIRED, id="02 §4: expired"),
    ],
)
async def test_a_user_pool(scopes: tuple[str, ...], token: str, answer: Any) -> None:
    headers = {"authorization": token} if token else {}

    got = await asks(api(guarded("pools", scopes=scopes)), **headers)

    if answer is None:
        assert event_of(got)["requestContext"]["authorizer"]["claims"]["sub"] == "alice"
    else:
        assert said(got) == answer
        assert got.header("www-authenticate") is None


@pytest.mark.parametrize(
    ("scopes", "token", "status"),
    [
        pytest.param((), id_token(), 200, id="02 §4: aud matches the expression"),
        pytest.param((), id_token(aud="app2"), 401, id="02 §4: aud does not match the expression"),
        pytest.param(("pets/read",), access_token(), 401, id="02 §4: access tokens have no aud"),
    ],
)
async def test_the_expression_of_a_user_pool_is_for_the_audience(
    scopes: tuple[str, ...], token: str, status: int
) -> None:
    schemes = changed("pools", identityValidationExpression="app1")

    got = await asks(api(guarded("pools", scopes=scopes), schemes=schemes), authorization=token)

    assert got.status == status


async def test_claims_are_texts() -> None:  # 02 §4: Lambda proxy gets claims, all values strings
    token = id_token(email_verified=True, auth_time=5, **{"cognito:groups": ["a", "b"]})

    event = event_of(await asks(api(guarded("pools")), authorization=token))

    claims = event["requestContext"]["authorizer"]["claims"]
    assert event["requestContext"]["authorizer"].keys() == {"claims"}
    assert (claims["email_verified"], claims["auth_time"], claims["cognito:groups"]) == ("true", "5", "a,b")
    assert {type(value) for value in claims.values()} == {str}
