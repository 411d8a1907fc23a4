"""Addresses that are not the sender's own, and floods from those that are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gatewaykit import Gateway, Identity, PolicyMiddleware, Reason, Refusal, VirtualClock, address_filter, authenticate
from gatewaykit.core.http import Request
from gatewaykit.testing import Client
from tests.conformance.documents import document, lambda_uri, mock


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize(
    ("trusted", "forwarded", "status"),
    [
        ([], "203.0.113.9", 403),
        (["10.0.0.0/8"], "203.0.113.9", 200),
        (["10.0.0.0/8"], "203.0.113.9, 198.51.100.1", 403),
        (["10.0.0.0/8"], "198.51.100.1, 203.0.113.9", 200),
        (["10.0.0.0/8"], "203.0.113.9, nonsense", 403),
        (["10.0.0.0/8"], "", 403),
        (["203.0.113.9"], "203.0.113.9", 403),
    ],
    ids=["nobody is trusted", "a proxy vouches", "the client wrote it", "the client wrote another", "garbage behind",
         "nothing", "the peer is no proxy"],
)  # fmt: skip
async def test_a_forwarded_address_counts_only_where_a_trusted_proxy_vouches_for_it(
    trusted: list[str], forwarded: str, status: int
) -> None:
    policies = [address_filter(allow=["203.0.113.0/24"])]
    client = Client(PolicyMiddleware(app, policies=policies, trusted_proxies=trusted), client=("10.0.0.7", 4000))

    answer = await client.get("/", headers={"x-forwarded-for": forwarded})

    assert answer.status == status


@pytest.mark.parametrize("header", ["x-real-ip", "forwarded", "x-client-ip", "true-client-ip", "x_forwarded_for"])
async def test_no_other_header_says_where_a_request_comes_from(header: str) -> None:
    policies = [address_filter(allow=["203.0.113.0/24"])]
    client = Client(PolicyMiddleware(app, policies=policies, trusted_proxies=["10.0.0.0/8"]), client=("10.0.0.7", 4000))

    for value in ("203.0.113.9", "for=203.0.113.9"):
        assert (await client.get("/", headers={header: value})).status == 403


class Asked:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, request: Request) -> Identity | Refusal:
        self.calls += 1
        return Refusal(Reason.UNAUTHENTICATED)


def test_a_forged_forwarded_address_gains_nothing() -> None:
    asked = Asked()
    gateway = PolicyMiddleware(
        app, policies=[authenticate(asked)], trusted_proxies=["10.0.0.0/8"], clock=VirtualClock()
    )
    for number in range(300):
        forwarded = {"x-forwarded-for": f"192.0.2.{number % 250}, 203.0.113.9"}
        gateway.decide("GET", "/", headers=forwarded, address="10.0.0.7")
    assert asked.calls == 200
    for number in range(300):
        gateway.decide("GET", "/", headers={"x-forwarded-for": f"192.0.2.{number % 250}"}, address="198.51.100.1")
    assert asked.calls == 400


async def test_simultaneous_requests_cannot_get_past_it() -> None:
    calls = 0
    go = asyncio.Event()

    async def slow(request: Request) -> Any:
        nonlocal calls
        calls += 1
        await go.wait()
        return Refusal(Reason.FORBIDDEN)

    client = Client(PolicyMiddleware(app, policies=[authenticate(slow)], clock=VirtualClock()))
    waiting = [asyncio.ensure_future(client.get("/")) for _ in range(300)]
    for _ in range(20):
        await asyncio.sleep(0)
    go.set()
    statuses = [answer.status for answer in await asyncio.gather(*waiting)]

    assert calls == 200
    assert (statuses.count(403), statuses.count(429)) == (200, 100)


@pytest.mark.parametrize(("profile", "calls"), [("web", 200), ("aws", 300)])
def test_a_flood_of_new_tokens_does_not_reach_a_definitions_authorizer(profile: str, calls: int) -> None:
    asked: list[str] = []

    def authorizer(event: Any, context: Any) -> Any:
        asked.append(event["authorizationToken"])
        raise RuntimeError("Unauthorized")

    scheme = {
        "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom",
        "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": lambda_uri("who")},
    }  # fmt: skip
    paths = {"/x": {"get": {"security": [{"token": []}], "x-amazon-apigateway-integration": mock()}}}
    gateway = Gateway.from_openapi(
        document(paths, components={"securitySchemes": {"token": scheme}}),
        functions={"who": authorizer}, profile=profile, clock=VirtualClock(),
    )  # fmt: skip

    for number in range(300):
        gateway.decide("GET", "/x", headers={"authorization": f"token-{number}"})

    assert len(asked) == calls
