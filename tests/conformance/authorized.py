"""Definitions with authorizers for the rows of reference 02: schemes, functions, credentials, tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from gatewaykit import Gateway
from gatewaykit.ports import UpstreamRequest
from gatewaykit.testing import Client, Reply, Result, ScriptedTransport, VirtualClock, sign
from tests.conformance.documents import document, lambda_uri, proxy
from tests.tokens import NOW_S, jwk, token

__all__ = [
    "ACCOUNT", "ALICE", "ALLOW", "ANONYMOUS", "ANY", "API", "DENY", "FORBIDDEN", "KEY", "MASKED", "POOL", "RESOURCE",
    "SCHEMES", "SECRET", "TARGET", "UNAUTHORIZED", "api", "asks", "by_alice", "changed", "clock", "event_of",
    "granting", "guarded", "id_token", "outcome_of", "policy", "raising", "said",
]  # fmt: skip

ACCOUNT = "123456789012"
API = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:local/dev"
ANY = {"Action": "execute-api:Invoke", "Resource": "*"}
ALICE, SECRET = "AKIDALICE00000000000", "a secret access key of forty characters!"
POOL = f"arn:aws:cognito-idp:us-east-1:{ACCOUNT}:userpool/us-east-1_abc"
TARGET = "/dev/pets/7"
KEY = "a-key-of-the-shop-0123456789"
FORBIDDEN = (403, "ForbiddenException", b'{"message":"Forbidden"}')
UNAUTHORIZED = (401, "UnauthorizedException", b'{"message":"Unauthorized"}')
MASKED = API.replace(ACCOUNT, "********9012")
ANONYMOUS = f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: {MASKED}/GET/pets/7"
ALLOW, DENY = {**ANY, "Effect": "Allow"}, {**ANY, "Effect": "Deny"}
RESOURCE = {
    "Allow": {**ALLOW, "Principal": "*"}, "Deny": {**DENY, "Principal": "*"},
    "silent": {**ALLOW, "Principal": "*", "Resource": f"{API}/GET/nowhere"},
}  # fmt: skip
"""Statements of a resource policy, by what they say of a request for TARGET."""


def scheme(**authorizer: Any) -> dict[str, Any]:
    where = {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom"}
    return {**where, "x-amazon-apigateway-authorizer": authorizer}


SCHEMES: dict[str, Any] = {
    "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
    "iam": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"},
    "token": scheme(type="token", authorizerUri=lambda_uri("authorize")),
    "request": scheme(
        type="request", authorizerUri=lambda_uri("authorize"), identitySource="method.request.header.X-Who"
    ),
    "pools": scheme(type="cognito_user_pools", providerARNs=[POOL]),
}


def policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [dict(each) for each in statements]}


def granting(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    """A Lambda authorizer's answer; "" for a policy that is silent."""
    statement = {**ANY, "Effect": effect} if effect else {**ANY, "Effect": "Allow", "Resource": f"{API}/GET/nowhere"}
    return {"principalId": "ann", "policyDocument": policy(statement), **more}


def guarded(*names: str, scopes: tuple[str, ...] = (), **operation: Any) -> dict[str, Any]:
    """A method that asks for these schemes, and shows the event that its function gets."""
    security = [{name: list(scopes) if name == "pools" else [] for name in names}] if names else []
    return {**({"security": security} if names else {}), "x-amazon-apigateway-integration": proxy(), **operation}


def clock() -> VirtualClock:
    return VirtualClock(NOW_S)


def pool(request: UpstreamRequest) -> Reply:
    return Reply(body=json.dumps({"keys": [jwk("RSA", "k1", alg="RS256", use="sig")]}).encode())


def id_token(**more: Any) -> str:
    issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc"
    return token(**{"iss": issuer, "token_use": "id", "aud": "app1", **more})


def api(
    operation: Mapping[str, Any],
    *,
    authorizer: Callable[..., Any] | Any = None,
    statements: list[dict[str, Any]] | None = None,
    resource: list[dict[str, Any]] | None = None,
    account: str = ACCOUNT,
    root: Mapping[str, Any] | None = None,
    schemes: Mapping[str, Any] | None = None,
    **options: Any,
) -> Gateway:
    """`/pets/{id}` under the stage `dev`. `statements` are those of the user alice, `resource` those of the API."""
    answer = granting() if authorizer is None else authorizer
    function = answer if callable(answer) else lambda event, context: answer
    own = {"policies": [policy(*statements)]} if statements else {}
    alice = {"access_keys": [{"id": ALICE, "secret": SECRET}], **own}
    attached = {} if resource is None else {"x-amazon-apigateway-policy": policy(*resource)}
    made = document(
        {"/pets/{id}": {"get": dict(operation)}},
        **{"components": {"securitySchemes": {**SCHEMES, **(schemes or {})}}, **attached, **(root or {})},
    )
    echo = lambda event, context: {"statusCode": 200, "body": json.dumps(event)}  # noqa: E731 - a Lambda function
    given = {
        "functions": {"authorize": function, "echo": echo},
        "credentials": {"account": account, "users": {"alice": alice}},
        "api_keys": {"shop": "a-key-of-the-shop-0123456789"},
        "transport": ScriptedTransport(pool),
        "clock": clock(), "stage": "dev", "stage_prefix": True,
    }  # fmt: skip
    return Gateway.from_openapi(made, **{**given, **options})


async def asks(gateway: Gateway, target: str = TARGET, **headers: str) -> Result:
    return await Client(gateway).get(target, headers={name.replace("_", "-"): headers[name] for name in headers})


def changed(name: str, **settings: Any) -> dict[str, Any]:
    """A scheme whose authorizer has other settings."""
    key = "x-amazon-apigateway-authorizer"
    return {name: {**SCHEMES[name], key: {**SCHEMES[name][key], **settings}}}


def by_alice(target: str = TARGET, **options: Any) -> dict[str, str]:
    """The headers of a request that alice signs."""
    return sign("GET", target, access_key_id=ALICE, secret=SECRET, clock=clock(), **options)


def raising(message: str) -> Any:
    def function(event: Any, context: Any) -> Any:
        raise Exception(message)

    return function


def said(answer: Result) -> tuple[int, str | None, bytes]:
    """What a client sees of a refusal: the status, the error's type, the body to the byte."""
    return answer.status, answer.header("x-amzn-errortype"), answer.body


def event_of(answer: Result) -> Any:
    """The event of the function behind the gateway."""
    assert answer.status == 200, answer.body
    return answer.json()


def outcome_of(got: Any) -> str:
    if got.status == 200:
        return "allow"
    assert (got.status, got.header("x-amzn-errortype")) == (403, "AccessDeniedException")
    return "explicit" if b"with an explicit deny" in got.body else "implicit"
