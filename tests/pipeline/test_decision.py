"""Decisions without an event loop: what waits for nothing is driven, what really waits is a configuration error."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from gatewaykit import ConfigError, Identity, Reason, Request, Response, authenticate
from gatewaykit.core.gateway_response import compile_renderer
from gatewaykit.pipeline.chain import Chain
from gatewaykit.pipeline.decision import Decision, decide, drive
from gatewaykit.testing import decide as decide_policies
from gatewaykit.testing import make_request
from tests.asgi.apps import Deciding, Noting, refuse


def decision(*policies: Any) -> Decision:
    return decide(Chain(policies, None, compile_renderer(), 100), make_request("GET", "/"))


def test_an_allowed_request_has_no_response() -> None:
    allowed = decision()

    assert (allowed.allowed, allowed.status, allowed.reason, allowed.detail) == (True, None, None, "")
    assert (allowed.identity, allowed.limits) == (None, [])


def test_a_refusal_has_its_reason_and_the_response_it_would_get() -> None:
    notes: list[str] = []

    refused = decision(Noting("a", notes), refuse(Reason.THROTTLED, "why"))

    assert (refused.allowed, refused.status, refused.reason, refused.detail) == (False, 429, Reason.THROTTLED, "why")
    assert notes == ["a request", "a head 429", "a end 429"]


def test_an_answer_of_a_policy_is_a_response_without_a_reason() -> None:
    answered = decision(Deciding(lambda request: Response(204)))

    assert (answered.allowed, answered.status, answered.refusal) == (False, 204, None)


class Ready:
    """An awaitable that is no coroutine, and waits for nothing."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, None, Any]:
        yield from ()
        return self.value


def test_an_awaitable_that_waits_for_nothing_is_driven() -> None:
    assert drive(Ready(5)) == 5
    assert decision(Deciding(lambda request: Ready(request))).allowed


async def on_an_event(request: Request) -> Any:
    await asyncio.Event().wait()


async def on_a_connection(request: Request) -> Any:
    await asyncio.open_connection("127.0.0.1", 9)


async def on_a_future(request: Request) -> Any:
    await asyncio.get_running_loop().create_future()


async def on_a_bare_yield(request: Request) -> Any:
    await asyncio.sleep(0)


@pytest.mark.parametrize("waits", [on_an_event, on_a_connection, on_a_future, on_a_bare_yield])
def test_a_policy_that_waits_is_a_configuration_error(waits: Any, caplog: Any) -> None:
    notes: list[str] = []

    with pytest.raises(ConfigError, match="has to wait"):
        decision(Noting("a", notes), Deciding(waits))

    assert notes[-1] == "a end 0"
    assert caplog.records == []


@pytest.mark.parametrize("waits", [on_an_event, on_a_future, on_a_bare_yield])
async def test_so_it_is_within_a_running_loop(waits: Any) -> None:
    with pytest.raises(ConfigError, match="has to wait"):
        decision(Deciding(waits))


def test_an_authorizer_that_waits_is_one_too() -> None:
    with pytest.raises(ConfigError, match="has to wait"):
        decide_policies(authenticate(on_a_connection), make_request("GET", "/"))


def test_an_authorizer_with_a_time_limit_that_waits_for_nothing_is_driven() -> None:
    async def who(request: Request) -> Identity:
        return Identity(principal="alice")

    allowed = decide_policies(authenticate(who, timeout_s=1), make_request("GET", "/"))

    assert allowed.identity == Identity(principal="alice")


def test_a_policy_that_fails_is_refused_and_not_taken_for_one_that_waits(caplog: Any) -> None:
    def breaks(request: Request) -> Any:
        raise RuntimeError("no")

    assert decision(Deciding(breaks)).reason is Reason.INTERNAL_ERROR
