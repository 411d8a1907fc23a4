"""Ways round a resource policy, tried at the door: each has to be refused."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import Gateway, PolicyMiddleware, VirtualClock, lambda_authorizer, resource_policy, vpc_endpoint
from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.conformance.documents import document

ALLOW_ALL = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
DENY_ADMIN = {
    "Version": "2012-10-17",
    "Statement": [
        ALLOW_ALL,
        {
            **ALLOW_ALL,
            "Effect": "Deny",
            "Resource": [
                f"execute-api:/prod/{verb}/{path}" for verb in ("GET", "POST") for path in ("admin", "admin/*")
            ],
        },
    ],
}
ALLOW_ONE = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/prod/GET/open",
    },
}  # fmt: skip


def only(condition: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": {**ALLOW_ONE["Statement"], "Condition": condition}}  # type: ignore[dict-item]  # an object


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


SPELLINGS = [
    "/admin", "//admin", "/admin/", "/admin//", "/%61dmin", "/ad%6Din/", "/admin/x", "/admin%2Fx", "/%61dmin%2fx",
    "/x/../admin", "/x/%2e%2e/admin", "/./admin", "/.//admin/.", "/x/..//admin//y",
]  # fmt: skip


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("method", ["GET", "get", "POST"])
async def test_no_spelling_of_a_path_gets_round_a_deny(path: str, method: str) -> None:
    client = Client(PolicyMiddleware(_app, policies=[resource_policy(DENY_ADMIN)]))

    assert (await client.request(method, path)).status == 403


@pytest.mark.parametrize("path", ["/x/prod/GET/open", "/open/../x", "/open%2f..%2fx", "/openx", "/open?/", "/o"])
async def test_no_path_looks_like_the_one_that_is_allowed(path: str) -> None:
    client = Client(PolicyMiddleware(_app, policies=[resource_policy(ALLOW_ONE)]))

    assert (await client.get(path.replace("?", "%3F"))).status == 403


ALLOW_OTHERS = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke",
        "NotResource": ["execute-api:/prod/*/admin", "execute-api:/prod/*/admin/*"],
    },
}  # fmt: skip


@pytest.mark.parametrize("path", SPELLINGS)
async def test_no_spelling_of_a_path_is_another_than_the_one_left_out_of_an_allow(path: str) -> None:
    client = Client(PolicyMiddleware(_app, policies=[resource_policy(ALLOW_OTHERS)]))

    assert (await client.get(path)).status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/public/../admin", "/public/%2e%2e/admin", "/public/..%2fadmin", "/public/%2E./admin", "/public/..;x/admin",
        "/public/..\\admin", "/public/..%5cadmin", "/public/x/../../admin",
    ],
)  # fmt: skip
async def test_no_dot_segments_lead_to_a_back_end_out_of_what_an_authorizer_allows(path: str) -> None:
    """A back end that is given the whole path resolves it; what it answers then has to be allowed, too."""
    allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:*/*/GET/public/*"}
    answer = {"principalId": "ann", "policyDocument": {"Version": "2012-10-17", "Statement": allow}}
    transport = ScriptedTransport(lambda request: Reply(body=b"in"))
    proxied = {"type": "http_proxy", "httpMethod": "GET", "uri": "http://back.test/{proxy}",
               "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy"}}  # fmt: skip
    gateway = Gateway.from_openapi(
        document({"/{proxy+}": {"get": proxied}}), transport=transport,
        policies=[lambda_authorizer(lambda event, context: answer)],
    )  # fmt: skip
    client = Client(gateway)

    answers = [(await client.get(each)).status for each in ("/public/a", path)]

    assert (answers, len(transport.requests)) == ([200, 403], 1)


@pytest.mark.parametrize("path", ["/admin;v=1", "/x/..;/admin", "/admin\\x", "/x\\..\\admin", "/x/..%5cadmin"])
async def test_no_spelling_that_only_some_services_read_gets_round_a_deny(path: str) -> None:
    client = Client(PolicyMiddleware(_app, policies=[resource_policy(DENY_ADMIN)]))

    assert (await client.get(path)).status == 403


async def test_what_a_client_says_of_its_address_or_endpoint_counts_for_nothing() -> None:
    headers = {
        "x-forwarded-for": "203.0.113.9", "x-vpce-id": "vpce-1", "x-amzn-vpce-id": "vpce-1",
        "forwarded": "for=203.0.113.9",
    }  # fmt: skip
    endpoint = vpc_endpoint(header="x-vpce-id", trusted=["192.0.2.7"])
    for condition in ({"IpAddress": {"aws:SourceIp": "203.0.113.9"}}, {"StringEquals": {"aws:SourceVpce": "vpce-1"}}):
        client = Client(PolicyMiddleware(_app, policies=[endpoint, resource_policy(only(condition))]))

        assert (await client.get("/open", headers=headers)).status == 403


@pytest.mark.parametrize("door", ["resource_policy", "lambda_authorizer"])
async def test_what_ends_at_a_time_ends_in_a_middleware_too(door: str) -> None:
    over = {
        **ALLOW_ALL,
        "Effect": "Deny",
        "Condition": {"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}},
    }

    async def authorize(event: Any, context: Any) -> Any:
        statements = [{**each, "Resource": "*"} for each in (ALLOW_ALL, over)]
        for each in statements:
            del each["Principal"]
        return {"principalId": "ann", "policyDocument": {"Version": "2012-10-17", "Statement": statements}}

    document = {"Version": "2012-10-17", "Statement": [ALLOW_ALL, over]}
    policy = resource_policy(document) if door == "resource_policy" else lambda_authorizer(authorize, ttl_s=0)
    client = Client(PolicyMiddleware(_app, policies=[policy], clock=VirtualClock("2026-02-01T00:00Z")))

    assert (await client.get("/open")).status == 403


@pytest.mark.timeout(20)
async def test_a_policy_at_its_greatest_with_the_worst_wildcards_answers_at_once() -> None:
    worst = {
        "Version": "2012-10-17",
        "Statement": [
            {
                **ALLOW_ALL,
                "Resource": ["execute-api:/" + "*a" * 1200 + "b", "execute-api:/*" + "a?" * 1200 + "b*"],
            }
        ],
    }
    client = Client(PolicyMiddleware(_app, policies=[resource_policy(worst)]))

    for _ in range(20):
        assert (await client.get("/" + "a" * 5000)).status == 403
