"""Costs: fixed, from the request, and settled when the response has said what they were."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest

from gatewaykit import (
    ConfigError,
    Gateway,
    Policy,
    PolicyMiddleware,
    Reason,
    StoreError,
    ThrottleMiddleware,
    UpstreamError,
    VirtualClock,
    by,
    cost,
    quota,
    throttle,
    validate,
)
from gatewaykit.core.throttle import Bucket
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.testing import Client, PolicyContract, Reply, ScriptedTransport
from tests.conformance.documents import document

SSE = [(b"content-type", b"text/event-stream")]
JSON = [(b"content-type", b"application/json")]
SIZED = [*JSON, (b"content-length", b"29")]
TOKENS = cost.response_json("$.usage.total_tokens", reserve=10)


class App:
    """Answers in pieces; one that is None breaks off, one that is an Event is waited for."""

    def __init__(self, *pieces: bytes | asyncio.Event | None, headers: Any = JSON, status: int = 200) -> None:
        self.pieces, self.headers, self.status = pieces, headers, status
        self.seen: dict[bytes, bytes] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen = dict(scope["headers"])
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        for piece in self.pieces:
            if piece is None:
                raise RuntimeError("broken on purpose")
            if isinstance(piece, asyncio.Event):
                await piece.wait()
            else:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def limited(app: Any, price: Any, burst: int = 100, **options: Any) -> tuple[Client, Any]:
    """A client, and what is left; less than 0 where tokens are owed."""
    store = MemoryThrottleStore(VirtualClock())
    middleware = ThrottleMiddleware(
        app, rate=0, burst=burst, key=by.everyone, name="tokens", cost=price, store=store, **options
    )
    take = store.looking().limits("tokens", (Bucket(0.0, burst),))

    def left() -> int:
        (taken,) = take(("everyone",), 0).taken
        assert taken is not None
        return taken.remaining if taken.allowed else -1

    return Client(middleware), left


class TestSettled(PolicyContract):
    def make_policy(self) -> Policy:
        return throttle(rate=1000, burst=1000, key=by.everyone, cost=TOKENS)


class TestOfTheRequest(PolicyContract):
    def make_policy(self) -> Policy:
        return quota(limit=1000, period="DAY", key=by.everyone, cost=cost.header("x-cost"))


# ---------------------------------------------------------------------------------------------------- of the request


@pytest.mark.parametrize(
    ("price", "headers", "expected"),
    [
        (7, {}, 93),
        (0, {}, 100),
        (lambda request: len(request.path), {}, 99),
        (cost.header("x-cost"), {}, 99),
        (cost.header("x-cost", default=5), {}, 95),
        (cost.header("x-cost"), {"X-Cost": " 30 "}, 70),
        (cost.header("x-cost"), {"x-cost": "0"}, 100),
    ],
    ids=["number", "nothing", "function", "no header", "default", "header", "header of nothing"],
)
async def test_a_request_costs_what_is_said(price: Any, headers: dict[str, str], expected: int) -> None:
    client, left = limited(App(b"ok"), price)

    answer = await client.get("/", headers=headers)

    assert (answer.status, left()) == (200, expected)


@pytest.mark.parametrize("value", ["-1", "1.5", "1e3", "11", "9" * 40, "", "x", "٣"])
async def test_a_client_cannot_write_what_is_no_cost(value: str) -> None:
    client, left = limited(App(b"ok"), cost.header("x-cost", most=10))

    answer = await client.get("/", headers=[("x-cost", value.encode())])

    assert (answer.status, left()) == (400, 100)


async def test_a_cost_that_has_to_be_said_is_not_guessed() -> None:
    client, left = limited(App(b"ok"), cost.header("x-cost", default=None))

    assert ((await client.get("/")).status, left()) == (400, 100)


async def test_a_cost_over_what_is_left_is_refused_whole_and_one_over_the_burst_for_ever() -> None:
    middleware = ThrottleMiddleware(
        App(b"ok"), rate=1, burst=10, key=by.everyone, name="t", cost=cost.header("x-cost"), clock=VirtualClock()
    )

    decisions = [middleware.decide("GET", "/", headers={"x-cost": price}) for price in ("8", "5", "11", "2")]

    assert [decision.reason for decision in decisions] == [None, Reason.THROTTLED, Reason.THROTTLED, None]
    assert decisions[1].detail == "t: over 1 requests a second with a burst of 10 at a cost of 5; next in 3 s"
    assert decisions[2].detail == "t: over 1 requests a second with a burst of 10 at a cost of 11; no more to come"


@pytest.mark.parametrize("price", [-1, 1.5, "1", None, True])
async def test_a_function_that_gives_no_cost_fails_closed(price: Any) -> None:
    client, left = limited(App(b"ok"), lambda request: price)

    assert ((await client.get("/")).status, left()) == (500, 100)


@pytest.mark.parametrize("without_key", ["refuse", "share"])
async def test_requests_without_a_key_are_refused_or_share_one_limit(without_key: Any) -> None:
    middleware = ThrottleMiddleware(
        App(b"ok"), rate=0, burst=5, key=by.header("x"), cost=3, without_key=without_key, headers=True
    )

    answers = [await Client(middleware).get("/") for _ in range(2)]

    assert [answer.status for answer in answers] == ([429, 429] if without_key == "refuse" else [200, 429])
    if without_key == "share":
        assert answers[0].header("ratelimit") is not None


async def test_a_quota_counts_costs_too() -> None:
    app = PolicyMiddleware(App(b"ok"), policies=[quota(limit=10, period="DAY", key=by.everyone, cost=4)])

    assert [(await Client(app).get("/")).status for _ in range(3)] == [200, 200, 429]


# ---------------------------------------------------------------------------------------------------- of the response


@pytest.mark.parametrize(
    ("app", "price", "expected"),
    [
        (App(b'{"usage":{"total_', b'tokens":42}}', headers=SIZED), TOKENS, 58),
        (App(b'{"usage":{"total_tokens":3 }}'), TOKENS, 97),
        (App(b'{"usage":{"total_tokens":0 }}'), TOKENS, 100),
        (App(b'{"usage":{"total_tokens":10}}'), TOKENS, 90),
        (App(b'{"usage":{"total_tokens":900}}', headers=JSON), TOKENS, -1),
        (App(b"{}", headers=JSON), TOKENS, 90),
        (App(b"plain", headers=[]), TOKENS, 90),
        (App(b"data: {}\n", b'\ndata: {"usage":{"total_tokens":25}}\n\n', headers=SSE), TOKENS, 75),
        (App(b'{"usage":{"total_tokens":5}}', headers=[*JSON, (b"content-encoding", b"br")]), TOKENS, 90),
        (App(b"ok", headers=[(b"x-used", b"12")]), cost.response_header("x-used", reserve=5), 88),
        (App(b"ok", headers=[(b"x-used", b"-3")]), cost.response_header("x-used", reserve=5), 95),
        (App(b"ok", headers=[]), cost.response_header("x-used", reserve=5), 95),
        (App(b"ok", headers=[(b"x-used", b"99999")]), cost.response_header("x-used", reserve=5, most=20), 80),
    ],
)  # fmt: skip
async def test_a_response_settles_what_it_has_cost(app: App, price: Any, expected: int) -> None:
    client, left = limited(app, price)

    answer = await client.get("/")

    assert (answer.status, left()) == (200, expected)
    assert answer.header("content-length") == ("29" if app.headers is SIZED else None)


async def test_a_stream_passes_as_it_comes_and_is_settled_after_its_last_byte() -> None:
    gate = asyncio.Event()
    client, left = limited(
        App(b"data: first\n\n", gate, b'data: {"usage":{"total_tokens":60}}\n\n', headers=SSE), TOKENS
    )

    async with client.open("GET", "/") as exchange:
        exchange.feed(b"", more=False)
        assert (await exchange.next_message())["type"] == "http.response.start"
        assert (await exchange.next_message())["body"] == b"data: first\n\n"
        assert left() == 90
        gate.set()
        await exchange.result()

    assert left() == 40


async def test_a_stream_that_breaks_off_costs_what_was_reserved() -> None:
    app = App(b'data: {"usage":{"total_tokens":60}}\n\n', None, headers=SSE)
    client, left = limited(app, TOKENS)

    await client.get("/")

    assert left() == 90


async def test_the_app_is_asked_for_a_body_that_can_be_read() -> None:
    app = App(b"{}", headers=JSON)
    client, _ = limited(app, TOKENS)

    await client.get("/", headers={"accept-encoding": "br", "accept": "x"})

    assert app.seen == {b"accept": b"x"}


async def test_what_a_policy_behind_it_refuses_costs_nothing() -> None:
    store = MemoryThrottleStore(VirtualClock())
    limit = throttle(rate=0, burst=100, key=by.everyone, name="tokens", cost=TOKENS)
    app = PolicyMiddleware(App(b"{}"), policies=[limit, validate(parameters=["header.x-must"])], store=store)

    answer = await Client(app).get("/")

    (taken,) = store.limits("tokens", (Bucket(0.0, 100),))(("everyone",), 0).taken
    assert (answer.status, taken and taken.remaining) == (400, 100)


@pytest.mark.parametrize(("kind", "expected"), [("timeout", 90), ("refused", 100)])
async def test_a_back_end_that_was_not_reached_costs_nothing_and_one_that_said_nothing_the_reserve(
    kind: str, expected: int
) -> None:
    store = MemoryThrottleStore(VirtualClock())
    integration = {"type": "http_proxy", "httpMethod": "GET", "uri": "http://llm.example/"}
    gateway = Gateway.from_openapi(
        document({"/": {"get": {"x-amazon-apigateway-integration": integration}}}), store=store,
        policies=[throttle(rate=0, burst=100, key=by.everyone, name="tokens", cost=TOKENS)],
        transport=ScriptedTransport(lambda request: UpstreamError(kind, "on purpose")),
    )  # fmt: skip

    await Client(gateway).get("/")

    (taken,) = store.limits("tokens", (Bucket(0.0, 100),))(("everyone",), 0).taken
    assert (taken and taken.remaining) == expected


async def test_a_whole_response_of_a_gateway_is_read_without_waiting() -> None:
    store = MemoryThrottleStore(VirtualClock())
    integration = {
        "type": "http", "httpMethod": "GET", "uri": "http://llm.example/",
        "responses": {"default": {"statusCode": "200"}},
    }  # fmt: skip
    method = {"x-amazon-apigateway-integration": integration, "responses": {"200": {"description": ""}}}
    reply = Reply(headers=[(b"content-type", b"application/json")], body=b'{"usage":{"total_tokens":30}}')
    gateway = Gateway.from_openapi(
        document({"/": {"get": method}}), store=store,
        policies=[throttle(rate=0, burst=100, key=by.everyone, name="tokens", cost=TOKENS)],
        transport=ScriptedTransport([reply]),
    )  # fmt: skip

    answer = await Client(gateway).get("/")

    (taken,) = store.limits("tokens", (Bucket(0.0, 100),))(("everyone",), 0).taken
    assert (answer.status, taken and taken.remaining) == (200, 70)


def test_explain_takes_and_settles_nothing() -> None:
    gateway = Gateway.from_upstream(
        "http://llm.example", policies=[throttle(rate=0, burst=10, key=by.everyone, cost=TOKENS)]
    )

    assert [gateway.explain("GET", "/").decision.allowed for _ in range(3)] == [True, True, True]


# ---------------------------------------------------------------------------------------------------- stores


class Remote:
    """Memory that answers later, and may fail to settle."""

    def __init__(self, fails: bool = False, at_once: bool = False) -> None:
        self.memory, self.fails, self.at_once = MemoryThrottleStore(VirtualClock()), fails, at_once
        self.may_settle = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.memory, name)

    def limits(self, name: str, limits: Any) -> Any:
        verb = self.memory.limits(name, limits)

        async def take(keys: Sequence[str | None], cost: int = 1) -> Any:
            return verb(keys, cost)

        return take

    def charge(self, name: str, limits: Any) -> Any:
        verb = self.memory.charge(name, limits)

        async def later(keys: Sequence[str | None], amount: int) -> None:
            await self.may_settle.wait()
            if self.fails:
                raise StoreError("down")
            verb(keys, amount)

        def charge(keys: Sequence[str | None], amount: int) -> Awaitable[None]:
            if self.at_once:
                raise StoreError("down")
            return later(keys, amount)

        return charge


@pytest.mark.parametrize(("fails", "at_once", "expected"), [(False, False, 58), (True, False, 90), (True, True, 90)])
async def test_nobody_waits_for_a_remote_store_to_settle_and_closing_does(
    fails: bool, at_once: bool, expected: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "gatewaykit")
    store = Remote(fails, at_once)
    app = PolicyMiddleware(
        App(b'{"usage":{"total_tokens":42}}'), store=store,
        policies=[throttle(rate=0, burst=100, key=by.everyone, name="tokens", cost=TOKENS)],
    )  # fmt: skip

    answer = await Client(app).get("/")
    closing = asyncio.create_task(app.aclose())
    await asyncio.sleep(0)
    store.may_settle.set()
    await closing

    (taken,) = store.memory.limits("tokens", (Bucket(0.0, 100),))(("everyone",), 0).taken
    assert (answer.status, taken and taken.remaining) == (200, expected)
    assert ("could not be settled" in caplog.text) == fails


# ---------------------------------------------------------------------------------------------------- options

_OF_HEADER = ["response_header.reserve", "response_header.most"]


@pytest.mark.parametrize("price", [-1, True, 1.5, "5", None, 10**7, cost.header, cost.response_json])
@pytest.mark.parametrize("make", [throttle, quota])
def test_what_is_no_cost_is_a_problem(make: Any, price: Any) -> None:
    options: Any = {"rate": 1, "burst": 1} if make is throttle else {"limit": 1, "period": "DAY"}

    with pytest.raises(ConfigError) as caught:
        make(key=by.everyone, cost=price, **options)

    assert [problem.where for problem in caught.value.problems] == [f"{make.__name__}.cost"]


@pytest.mark.parametrize(
    ("make", "options", "wrong"),
    [
        (cost.header, {"name": "a b", "default": -1, "most": 0}, ["header", "header.most", "header.default"]),
        (cost.response_header, {"name": "x", "reserve": -1, "most": True}, _OF_HEADER),
        (cost.response_json, {"path": "$.a[*]", "reserve": 1.5}, ["response_json.reserve", "response_json.path"]),
        (cost.response_json, {"path": "$[", "reserve": 1}, ["response_json.path"]),
        (cost.response_json, {"path": None, "reserve": 1}, ["response_json.path"]),
    ],
)  # fmt: skip
def test_every_problem_of_a_cost_is_said_at_once(make: Any, options: dict[str, Any], wrong: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**options)

    assert [problem.where for problem in caught.value.problems] == [f"cost.{where}" for where in wrong]
