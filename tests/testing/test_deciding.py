"""Policies alone: decisions without an app, a server or an event loop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gatewaykit import ConfigError, Policy, Reason, Request, api_key, by, rule, throttle
from gatewaykit.testing import VirtualClock, decide, decider, make_request

LIMIT = throttle(rate=1, burst=1, key=by.address)


def test_one_policy_decides_one_request() -> None:
    decision = decide(api_key({"acme": "a-key-of-sixteen-or-more"}), make_request("GET", "/"))

    assert (decision.allowed, decision.reason, decision.status) == (False, Reason.API_KEY_MISSING, 403)
    assert "x-api-key" in decision.detail


def test_a_list_with_rules_decides_as_around_an_app() -> None:
    policies = [rule("POST /login", api_key({"acme": "a-key-of-sixteen-or-more"}))]

    assert not decide(policies, make_request("POST", "/login")).allowed
    assert decide(policies, make_request("GET", "/login")).allowed
    assert not decide(policies[0], make_request("post", "/login")).allowed


def test_what_was_learned_is_on_the_decision() -> None:
    key = "a-key-of-sixteen-or-more"
    decision = decide([api_key({"acme": key}), LIMIT], make_request("GET", "/", headers={"x-api-key": key}))

    assert decision.identity is not None
    assert (decision.identity.principal, decision.limits[0].remaining) == ("acme", 0)


def test_limits_start_afresh_with_decide_and_stay_with_a_decider() -> None:
    clock = VirtualClock()
    next_decision = decider(LIMIT, clock=clock)

    assert [decide(LIMIT, make_request("GET", "/")).allowed for _ in range(2)] == [True, True]
    assert [next_decision(make_request("GET", "/")).allowed for _ in range(2)] == [True, False]
    clock.advance("1s")
    assert next_decision(make_request("GET", "/")).allowed


def test_a_body_is_bounded_as_around_an_app() -> None:
    class Reads(Policy):
        reads_body = True

        def on_request(self, request: Request) -> Request:
            return request

    decision = decide(Reads(), make_request("POST", "/", body="abc"), max_body_bytes=2)

    assert (decision.reason, decision.status) == (Reason.BODY_TOO_LARGE, 413)


def test_a_policy_that_waits_for_nothing_may_be_async_and_one_that_waits_is_an_error() -> None:
    ends: list[str] = []

    class Waits(Policy):
        def __init__(self, really: bool) -> None:
            self.really = really

        async def on_request(self, request: Request) -> Any:  # type: ignore[override]  # a method, not a value
            if self.really:
                await asyncio.Event().wait()
            return request

        def on_end(self, request: Request) -> None:
            ends.append("end")

    assert decide(Waits(False), make_request("GET", "/")).allowed
    with pytest.raises(ConfigError, match="has to wait"):
        decide(Waits(True), make_request("GET", "/"))
    assert ends == ["end", "end"]


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="profile"):
        decide(LIMIT, make_request("GET", "/"), profile="azure")


def test_a_made_request_is_what_the_wire_would_give() -> None:
    request = make_request("get", "/a%2Fb/ü?q=%20x&r", headers=[("X-A", "1"), ("X-A", "2")], address="192.0.2.1")

    assert (request.method, request.path, request.raw_path) == ("GET", "/a/b/ü", b"/a%2Fb/%C3%BC")
    assert (request.query, request.header("x-a")) == ({"q": [" x"], "r": [""]}, "2")
    assert (request.address, len(request.id)) == ("192.0.2.1", 36)
