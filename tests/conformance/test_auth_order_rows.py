"""Reference 01 sections 3 and 4: what is checked before what, and how refusals of callers look."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import address_filter, by, throttle
from tests.conformance.authorized import (
    ANONYMOUS,
    DENY,
    FORBIDDEN,
    KEY,
    RESOURCE,
    SECRET,
    UNAUTHORIZED,
    api,
    asks,
    by_alice,
    changed,
    granting,
    guarded,
    id_token,
    raising,
    said,
)

NOT_VALID = {
    "parameters": [{"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}],
    "x-amazon-apigateway-request-validator": "all",
}
VALIDATORS = {
    "x-amazon-apigateway-request-validators": {"all": {"validateRequestParameters": True, "validateRequestBody": True}}
}


@pytest.mark.parametrize(
    ("headers", "options", "answer"),
    [
        pytest.param({}, {"deny": "127.0.0.1"}, FORBIDDEN, id="01 §3: lists as WAF's come before all"),
        pytest.param(
            {}, {"resource": [RESOURCE["Deny"]]}, (403, "AccessDeniedException"), id="01 §3: an explicit deny"
        ),
        pytest.param({}, {}, UNAUTHORIZED, id="01 §3: the authorizer"),
        pytest.param({"authorization": "t"}, {}, FORBIDDEN, id="01 §3: the API key after the authorizer"),
        pytest.param(
            {"authorization": "t", "x_api_key": KEY}, {"used": True},
            (429, "TooManyRequestsException", b'{"message":"Too Many Requests"}'), id="01 §3: then the rate",
        ),
        pytest.param(
            {"authorization": "t", "x_api_key": KEY}, {},
            (400, "BadRequestException", b'{"message":"Missing required request parameters: [q]"}'),
            id="01 §3: then the validator",
        ),
    ],
)  # fmt: skip
async def test_what_comes_before_what(headers: dict[str, str], options: dict[str, Any], answer: Any) -> None:
    policies = [throttle(rate="1/min", burst=1, key=by.everyone)]
    if deny := options.pop("deny", None):
        policies.append(address_filter(deny=[deny]))
    used = options.pop("used", False)
    gateway = api(guarded("token", "key", **NOT_VALID), root=VALIDATORS, policies=policies, **options)
    if used:
        await asks(gateway, **headers)

    assert said(await asks(gateway, **headers))[: len(answer)] == answer


async def test_routing_comes_before_the_resource_policy() -> None:  # 01 §3
    gateway = api(guarded(), resource=[RESOURCE["Deny"]])

    assert said(await asks(gateway, "/dev/nowhere"))[1] == "MissingAuthenticationTokenException"


async def test_who_is_refused_by_an_authorizer_does_not_count() -> None:  # 01 §3: throttling comes after
    gateway = api(guarded("token"), policies=[throttle(rate="1/min", burst=1, key=by.everyone)])

    assert [(await asks(gateway)).status for _ in range(3)] == [401, 401, 401]
    assert (await asks(gateway, authorization="t")).status == 200


# ---------------------------------------------------------------------------------------------------- 01 §4: answers

TEMPLATE = {"application/json": '{"type": "$context.error.responseType", "said": $context.error.messageString}'}


@pytest.mark.parametrize(
    ("type_", "name", "headers", "options", "message"),
    [
        pytest.param("UNAUTHORIZED", "token", {}, {}, "Unauthorized", id="01 §4: UNAUTHORIZED, Lambda"),
        pytest.param("UNAUTHORIZED", "pools", {}, {}, "Unauthorized", id="01 §4: UNAUTHORIZED, Cognito"),
        pytest.param(
            "UNAUTHORIZED", "pools", {"authorization": id_token(exp=1)}, {}, "The incoming token has expired",
            id="01 §4: UNAUTHORIZED, expired",
        ),
        pytest.param(
            "ACCESS_DENIED", "token", {"authorization": "t"}, {"authorizer": granting("")},
            "User is not authorized to access this resource", id="01 §4: ACCESS_DENIED, Lambda",
        ),
        pytest.param(
            "ACCESS_DENIED", "", {}, {"resource": [RESOURCE["silent"]]}, ANONYMOUS, id="01 §4: ACCESS_DENIED, policy"
        ),
        pytest.param(
            "INVALID_SIGNATURE", "iam", by_alice(region="eu-west-1"), {},
            "Credential should be scoped to a valid region, not 'eu-west-1'.", id="01 §4: INVALID_SIGNATURE",
        ),
        pytest.param(
            "MISSING_AUTHENTICATION_TOKEN", "iam", {}, {}, "Missing Authentication Token",
            id="01 §4: MISSING_AUTHENTICATION_TOKEN",
        ),
        pytest.param("INVALID_API_KEY", "key", {}, {}, "Forbidden", id="01 §4: INVALID_API_KEY"),
        pytest.param(
            "AUTHORIZER_FAILURE", "token", {"authorization": "t"}, {"authorizer": raising("oh")}, None,
            id="01 §4: AUTHORIZER_FAILURE",
        ),
        pytest.param(
            "AUTHORIZER_CONFIGURATION_ERROR", "token", {"authorization": "t"}, {"authorizer": 7}, None,
            id="01 §4: AUTHORIZER_CONFIGURATION_ERROR",
        ),
    ],
)  # fmt: skip
async def test_a_customised_type_shapes_the_refusal(
    type_: str, name: str, headers: dict[str, str], options: dict[str, Any], message: str | None
) -> None:
    responses = {type_: {
        "statusCode": 418, "responseTemplates": TEMPLATE,
        "responseParameters": {"gatewayresponse.header.X-Why": "context.error.responseType"},
    }}  # fmt: skip
    root = {"x-amazon-apigateway-gateway-responses": responses}

    got = await asks(api(guarded(*filter(None, [name])), root=root, **options), **headers)

    assert (got.status, got.header("x-why")) == (418, type_)
    assert got.json() == {"type": type_, "said": message}


CORS = {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}
BOTH = {"DEFAULT_4XX": {"responseParameters": CORS}, "DEFAULT_5XX": {"responseParameters": CORS}}


@pytest.mark.parametrize(
    ("name", "headers", "options", "status"),
    [
        pytest.param("token", {}, {}, 401, id="01 §4: CORS, 401"),
        pytest.param("token", {"authorization": "t"}, {"authorizer": granting("Deny")}, 403, id="01 §4: CORS, denied"),
        pytest.param("token", {"authorization": "t"}, {"authorizer": raising("oh")}, 500, id="01 §4: CORS, 500"),
        pytest.param("iam", {}, {}, 403, id="01 §4: CORS, no signature"),
        pytest.param("iam", {"authorization": "Bearer a"}, {}, 403, id="01 §4: CORS, an untyped error"),
        pytest.param("pools", {}, {}, 401, id="01 §4: CORS, Cognito"),
        pytest.param("key", {}, {}, 403, id="01 §4: CORS, no key"),
        pytest.param("", {}, {"resource": [RESOURCE["Deny"]]}, 403, id="01 §4: CORS, a resource policy"),
    ],
)
async def test_refusals_have_the_headers_of_default_4xx_and_5xx(
    name: str, headers: dict[str, str], options: dict[str, Any], status: int
) -> None:
    asked = guarded(*filter(None, [name]))
    customised = api(asked, root={"x-amazon-apigateway-gateway-responses": BOTH}, **options)

    got, plain = await asks(customised, **headers), await asks(api(asked, **options), **headers)

    assert (got.status, got.header("access-control-allow-origin")) == (status, "*")
    assert plain.header("access-control-allow-origin") is None


# ---------------------------------------------------------------------------------------------------- what is explained

EXPIRED_AT = {"x-amz-date": "20200101T000000Z"}


@pytest.mark.parametrize(
    ("name", "headers", "options", "credential", "decided"),
    [
        pytest.param(
            "token", {"authorization": "secret-7777"}, {"schemes": changed("token", identityValidationExpression="x")},
            "method.request.header.Authorization: ********7777", "", id="no match",
        ),
        pytest.param(
            "token", {"authorization": "secret-7777"}, {"authorizer": granting("Deny")},
            "method.request.header.Authorization: ********7777", "statement 1 of token denies execute-api:Invoke on",
            id="the function denies",
        ),
        pytest.param(
            "token", {"authorization": "secret-7777"}, {"authorizer": granting("")},
            "method.request.header.Authorization: ********7777", "no identity-based policy allows execute-api:Invoke",
            id="the function says nothing",
        ),
        pytest.param(
            "token", {"authorization": "secret-7777"}, {"resource": [RESOURCE["Deny"]]}, "",
            "statement 1 of resource policy denies", id="a resource policy denies before the function",
        ),
        pytest.param(
            "", {}, {"resource": [RESOURCE["Deny"]]}, "", "statement 1 of resource policy denies", id="a policy alone"
        ),
        pytest.param(
            "pools", {"authorization": id_token()}, {"resource": [RESOURCE["Deny"]]}, "a token in header authorization",
            "the token of alice holds; statement 1 of resource policy denies", id="a policy after a token",
        ),
        pytest.param("pools", {}, {}, "", "no token was sent", id="no token"),
        pytest.param(
            "iam", by_alice(), {"statements": [DENY]}, "an AWS signature in the header Authorization, by the access",
            "statement 1 of user alice, policy 1 denies", id="a signature",
        ),
        pytest.param(
            "iam", {**by_alice(), **EXPIRED_AT}, {}, "an AWS signature in the header Authorization", "",
            id="a signature out of its time",
        ),
        pytest.param(
            "iam", {"authorization": "Bearer a"}, {}, "the header Authorization, which holds no AWS signature", "",
            id="no signature",
        ),
        pytest.param("key", {"x_api_key": "no key 7777"}, {}, "an API key in the header x-api-key", "", id="a key"),
    ],
)  # fmt: skip
def test_a_decision_says_what_was_found_and_what_decided(
    name: str, headers: dict[str, str], options: dict[str, Any], credential: str, decided: str
) -> None:
    gateway = api(guarded(*filter(None, [name])), **options)
    sent = {each.replace("_", "-"): headers[each] for each in headers}

    decision = gateway.decide("GET", "/dev/pets/7", headers=sent)

    assert not decision.allowed
    assert decision.credential.startswith(credential)
    assert bool(decision.credential) == bool(credential)
    assert decision.authorization.startswith(decided)
    assert bool(decision.authorization) == bool(decided)
    told = str(gateway.explain("GET", "/dev/pets/7", headers=sent))
    assert "secret-7777" not in told
    assert SECRET not in told
