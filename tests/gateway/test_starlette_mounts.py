"""Policies within a Starlette app, at a mount: what the app around them answers is the answer, and no failure."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router

from gatewaykit import PolicyMiddleware, by, cors, edge_cache, rule, throttle
from gatewaykit.testing import Client
from tests.asgi.apps import Noting

ORIGIN = "https://shop.example"
POLICIES = {
    "cors alone": lambda: [cors(origins=[ORIGIN])],
    "a limit alone": lambda: [throttle(rate=100, burst=100, key=by.address)],
    "several": lambda: [cors(origins=[ORIGIN]), throttle(rate=100, burst=100, key=by.address)],
    "a rule": lambda: [cors(origins=[ORIGIN]), rule("GET /x", throttle(rate=100, burst=100, key=by.address))],
    "a cache": lambda: [cors(origins=[ORIGIN]), edge_cache()],
}


class Sold(Exception):
    """What a user's own handler answers."""


async def endpoint(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def raw(scope: Any, receive: Any, send: Any) -> None:
    what = scope["path"].rpartition("/")[2]
    if what == "late":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
    raise {"sold": Sold, "broken": LookupError, "twice": ZeroDivisionError}.get(what, Sold)("why")


def app(policies: Any) -> Starlette:
    def sold(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(f"sold: {error}", 410)

    async def twice(request: Request, error: Exception) -> PlainTextResponse:
        raise error

    async def gone(request: Request, error: Exception) -> PlainTextResponse:
        assert isinstance(error, HTTPException)
        return PlainTextResponse("no such page", error.status_code)

    return Starlette(
        routes=[
            Mount("/m", routes=[Route("/x", endpoint)], middleware=[Middleware(PolicyMiddleware, policies=policies)]),
            Mount("/r", PolicyMiddleware(Router([Route("/x", endpoint)]), policies=policies)),
            Mount("/raw", PolicyMiddleware(raw, policies=policies)),
        ],
        exception_handlers={Sold: sold, 404: gone, ZeroDivisionError: twice},
    )


@pytest.mark.parametrize("policies", [make() for make in POLICIES.values()], ids=[*POLICIES])
@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/m/x", 200, b"hello"),
        ("GET", "/m/none", 404, b"no such page"),
        ("GET", "/r/none", 404, b"no such page"),
        ("POST", "/m/x", 405, b"Method Not Allowed"),
        ("GET", "/raw/sold", 410, b"sold: why"),
    ],
)
async def test_the_app_around_answers_its_own_exceptions(
    policies: Any, method: str, path: str, status: int, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await Client(app(policies)).request(method, path, headers={"origin": ORIGIN})

    assert (answer.status, answer.body, answer.raised) == (status, body, None)
    assert caplog.records == []
    if len(policies) > 1 or policies[0].name == "cors":
        assert answer.header("access-control-allow-origin") == ORIGIN


async def test_the_policies_see_the_status_that_goes_out() -> None:
    notes: list[str] = []

    await Client(app([Noting("a", notes)])).get("/m/none")

    assert notes[-1] == "a end 404"


@pytest.mark.parametrize("path", ["/raw/broken", "/raw/twice"])
async def test_what_it_has_no_answer_to_is_a_500_and_one_record(path: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = await Client(app(POLICIES["several"]())).get(path, headers={"origin": ORIGIN})

    assert (answer.status, answer.header("access-control-allow-origin")) == (500, ORIGIN)
    assert len(caplog.records) == 1


async def test_after_the_start_of_a_response_nobody_answers(caplog: pytest.LogCaptureFixture) -> None:
    answer = await Client(app(POLICIES["several"]())).get("/raw/late")

    assert (answer.body, answer.complete) == (b"part", False)
    assert answer.raised is not None
    assert len(caplog.records) == 1


@pytest.mark.parametrize("policies", [make() for make in POLICIES.values()], ids=[*POLICIES])
async def test_a_websocket_is_answered_in_the_same_way(policies: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with Client(app(policies)).websocket("/raw/sold") as socket:
        pass

    assert socket.refusal is not None
    assert (socket.refusal.status, socket.refusal.body, socket.raised) == (410, b"sold: why", None)
    assert caplog.records == []
