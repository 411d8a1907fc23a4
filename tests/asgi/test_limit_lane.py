"""One limit in memory takes a short cut; beside another policy it goes through the shell. Both say the same."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from gatewaykit import Policy, PolicyMiddleware, VirtualClock, by, quota, throttle
from gatewaykit.testing import Client
from tests.asgi.apps import breaks_after, breaks_before, echo, hello

LIMITS: dict[str, Any] = {
    "by address": lambda: throttle(rate=0.5, burst=2, key=by.address, name="limit"),
    "for all": lambda: throttle(rate=0.5, burst=2, key=by.everyone, name="limit"),
    "a window": lambda: throttle(rate="2/minute", algorithm="fixed_window", key=by.address, name="limit"),
    "a quota": lambda: quota(limit=2, period="DAY", key=by.address, name="limit"),
    "without a key, one for all": lambda: throttle(
        rate=0.5, burst=2, key=by.address, name="limit", without_key="share"
    ),
}
CLIENTS: list[Any] = [
    ("192.0.2.1", 1), ("192.0.2.1", 2), ("2001:db8::1", 1), ("2001:db8::2", 1), ("::ffff:192.0.2.1", 1),
    ("192.0.2.1", 1), ("", 1), None, (None, 1), ("2001:db8::3", 1),
]  # fmt: skip


async def looking(scope: Any, receive: Any, send: Any) -> None:
    """An app that answers with what it is told."""
    view = scope["state"]["gatewaykit"]
    told = f"{view.limits} {view.identity} {view.client_cert} {view.address!r} {view.request_id == view.request_id}"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": told.encode()})


@pytest.mark.parametrize("app", [hello, looking, breaks_before, breaks_after], ids=lambda app: app.__name__)
@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
async def test_both_ways_say_the_same(limit: Any, app: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    clock = VirtualClock()
    alone = PolicyMiddleware(app, policies=[limit()], clock=clock)
    beside = PolicyMiddleware(app, policies=[limit(), Policy()], clock=clock)

    for address in [*CLIENTS, *CLIENTS]:
        clock.advance(0.3)
        short = await Client(alone, client=address).get("/")
        long = await Client(beside, client=address).get("/")

        assert (short.started, short.complete) == (long.started, long.complete)
        assert type(short.raised) is type(long.raised)
        if long.started:
            assert (short.status, sorted(short.headers), short.body) == (long.status, sorted(long.headers), long.body)


async def test_the_messages_of_the_app_are_handed_on_as_they_are() -> None:
    opening = {"type": "http.response.start", "status": 200, "headers": ((b"a", b"b"),)}
    sent: list[Any] = []

    async def constant(scope: Any, receive: Any, send: Any) -> None:
        await send(opening)

    async def keep(message: Any) -> None:
        sent.append(message)

    app = PolicyMiddleware(constant, policies=[LIMITS["by address"]()])
    await app(_scope(), _nothing, keep)

    assert sent[0] is opening


async def test_nothing_of_a_request_stays_on_its_scope() -> None:
    scope = _scope()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert "gatewaykit" in scope["state"]

    await PolicyMiddleware(app, policies=[LIMITS["by address"]()])(scope, _nothing, _nothing)

    assert scope["state"] == {}


async def test_two_of_them_around_each_other_show_both() -> None:
    inner = PolicyMiddleware(looking, policies=[throttle(rate=1, burst=5, key=by.address, name="inner")])
    outer = PolicyMiddleware(inner, policies=[throttle(rate=1, burst=9, key=by.address, name="outer")])

    told = (await Client(outer).get("/")).body

    assert told.index(b"'outer', limit=9, remaining=8") < told.index(b"'inner', limit=5, remaining=4")


async def test_a_websocket_takes_a_token_too() -> None:
    client = Client(PolicyMiddleware(echo, policies=[throttle(rate=0, burst=1, key=by.address)]))

    first = await client.get("/")
    async with client.websocket("/") as websocket:
        refused = websocket.refusal

    assert refused is not None
    assert (first.status, refused.status) == (200, 429)


def _scope() -> Any:
    return {
        "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "root_path": "", "query_string": b"",
        "headers": [], "http_version": "1.1", "client": ("192.0.2.1", 1), "state": {},
    }  # fmt: skip


async def _nothing(*arguments: Any) -> Any:
    return {"type": "http.disconnect"}
