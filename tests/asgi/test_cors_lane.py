"""CORS alone takes a short cut; with any other policy beside it, it goes through the shell. Both say the same."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from gatewaykit import Policy, PolicyMiddleware, cors
from gatewaykit.testing import Client
from tests.asgi.apps import breaks_after, breaks_before, hello

SHOP = "https://shop.example"
PREFLIGHT = {"origin": SHOP, "access-control-request-method": "POST"}
RULES: dict[str, dict[str, Any]] = {
    "listed": {"origins": [SHOP]},
    "any": {"origins": ["*"]},
    "pattern": {"origin_regex": r"https://.*\.example", "expose": ["x-total"]},
    "credentials": {"origins": [SHOP], "credentials": True, "private_network": True},
    "enforced": {"origins": [SHOP], "enforce": True},
}
REQUESTS: dict[str, tuple[str, dict[str, str]]] = {
    "no origin": ("GET", {}),
    "allowed": ("GET", {"origin": SHOP}),
    "not allowed": ("GET", {"origin": "https://evil.test"}),
    "preflight": ("OPTIONS", PREFLIGHT),
    "preflight again": ("OPTIONS", PREFLIGHT),
    "preflight of a header": ("OPTIONS", {**PREFLIGHT, "access-control-request-headers": "x-api-key"}),
    "preflight of another header": ("OPTIONS", {**PREFLIGHT, "access-control-request-headers": "x-other"}),
    "preflight to a private network": ("OPTIONS", {**PREFLIGHT, "access-control-request-private-network": "true"}),
    "preflight not allowed": ("OPTIONS", {**PREFLIGHT, "origin": "https://evil.test"}),
    "options": ("OPTIONS", {"origin": SHOP}),
    "options without origin": ("OPTIONS", {}),
}


async def owning(scope: Any, receive: Any, send: Any) -> None:
    """An app that sends such fields of its own."""
    headers = [(b"vary", b"Accept"), (b"access-control-allow-origin", b"*"), (b"etag", b'"1"')]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"own"})


@pytest.mark.parametrize("app", [hello, owning, breaks_before, breaks_after], ids=lambda app: app.__name__)
@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
async def test_both_ways_say_the_same(rules: dict[str, Any], app: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    alone = Client(PolicyMiddleware(app, policies=[cors(**rules)]))
    beside = Client(PolicyMiddleware(app, policies=[cors(**rules), Policy()]))

    for method, headers in REQUESTS.values():
        short = await alone.request(method, "/", headers=headers)
        long = await beside.request(method, "/", headers=headers)

        assert (short.started, short.complete) == (long.started, long.complete)
        assert type(short.raised) is type(long.raised)
        if long.started:
            assert (short.status, sorted(short.headers), short.body) == (long.status, sorted(long.headers), long.body)


async def test_the_messages_of_the_app_are_never_changed() -> None:
    opening = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}

    async def constant(scope: Any, receive: Any, send: Any) -> None:
        await send(opening)
        await send({"type": "http.response.body", "body": b""})

    client = Client(PolicyMiddleware(constant, policies=[cors([SHOP])]))

    first = await client.get("/", headers={"origin": SHOP})
    second = await client.get("/", headers={"origin": SHOP})

    assert first.headers == second.headers
    assert opening["headers"] == [(b"content-type", b"text/plain")]


async def test_a_ready_answer_is_not_shared_with_whoever_changes_it() -> None:
    client = Client(PolicyMiddleware(hello, policies=[cors([SHOP])]))

    first = await client.request("OPTIONS", "/", headers=PREFLIGHT)
    first.messages[0]["headers"].append((b"x-outer", b"1"))
    second = await client.request("OPTIONS", "/", headers=PREFLIGHT)

    assert second.header("x-outer") is None
