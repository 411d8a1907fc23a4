"""Tests of the policies of api.yaml: no server, no network, no sleeping."""

from pathlib import Path

from gatewaykit import Gateway, Reason, VirtualClock

API = Path(__file__).with_name("api.yaml")
DEMO = {"x-api-key": "demo-key-for-local-use-only"}


def test_a_request_without_a_key_is_refused() -> None:
    decision = Gateway.from_openapi(API).decide("GET", "/hello")

    assert decision.reason is Reason.API_KEY_MISSING
    assert decision.status == 403


def test_a_request_with_the_demo_key_is_let_through() -> None:
    assert Gateway.from_openapi(API).decide("GET", "/hello", headers=DEMO).allowed


def test_the_sixth_request_of_a_minute_has_to_wait() -> None:
    clock = VirtualClock("2026-01-01T00:00Z")
    gateway = Gateway.from_openapi(API, clock=clock)
    for _ in range(5):
        assert gateway.decide("GET", "/hello", headers=DEMO).allowed

    decision = gateway.decide("GET", "/hello", headers=DEMO)
    clock.advance("12s")

    assert decision.reason is Reason.THROTTLED
    assert gateway.decide("GET", "/hello", headers=DEMO).allowed


async def invoked() -> bytes:
    async with Gateway.from_openapi(API) as gateway:
        return (await gateway.invoke("GET", "/hello", headers=DEMO, address="203.0.113.7")).body


def test_the_answer_greets_the_caller() -> None:
    import asyncio

    assert asyncio.run(invoked()) == b'{"message": "Hello, 203.0.113.7"}'
