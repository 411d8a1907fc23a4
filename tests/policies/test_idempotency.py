"""Idempotency keys: a request that is sent again is carried out once and answered again."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from gatewaykit import (
    ConfigError,
    Gateway,
    IdempotencyMiddleware,
    Identity,
    Policy,
    PolicyMiddleware,
    Reason,
    StoreError,
    UpstreamError,
    VirtualClock,
    api_key,
    authenticate,
    by,
    idempotency,
    rule,
    throttle,
)  # fmt: skip
from gatewaykit.core.idempotency import Begun, Verdict
from gatewaykit.ports import Runtime
from gatewaykit.stores.idempotency_memory import MemoryIdempotencyStore
from gatewaykit.testing import Client, PolicyContract, ScriptedTransport
from tests.conformance.documents import document, mock

KEY = {"idempotency-key": '"order-1"'}
JSON = {"content-type": "application/json"}


class Shop:
    """An app that counts its orders, and answers with what it is told."""

    def __init__(self, status: int = 201, body: bytes = b"", headers: Any = ()) -> None:
        self.orders = 0
        self.status, self.body, self.headers = status, body, list(headers)
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.began = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.orders += 1
        number = self.orders
        self.began.set()
        await self.may_go_on.wait()
        if self.status == 0:
            raise RuntimeError("broken on purpose")
        headers = [(b"location", b"/orders/%d" % number), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body or b"order %d" % number})


class TestContract(PolicyContract):
    headers = KEY

    def make_policy(self) -> Policy:
        return idempotency()


def client(shop: Shop, clock: VirtualClock | None = None, **options: Any) -> Client:
    return Client(IdempotencyMiddleware(shop, clock=clock or VirtualClock(), **options))


async def test_a_request_that_is_sent_again_is_answered_again_and_carried_out_once() -> None:
    shop = Shop(headers=[(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])
    shopping = client(shop)

    first, again = [await shopping.post("/orders", headers=KEY, body=b"tea") for _ in range(2)]

    assert (first.status, first.body, first.header("idempotent-replayed")) == (201, b"order 1", None)
    assert (again.status, again.body, again.header("idempotent-replayed")) == (201, b"order 1", "true")
    assert (again.header("location"), again.header("set-cookie")) == ("/orders/1", "a=1, b=2")
    assert shop.orders == 1


@pytest.mark.parametrize("feed", ["whole", "bytes", "chunks"])
async def test_the_app_still_reads_its_body(feed: str) -> None:
    read = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            read.append(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    await Client(IdempotencyMiddleware(app)).post("/", headers=KEY, body=b"tea and cake", feed=feed)

    assert b"".join(read) == b"tea and cake"


@pytest.mark.parametrize(
    ("method", "headers"),
    [("GET", KEY), ("PUT", KEY), ("POST", {})],
    ids=["a method that is safe", "a method that was not named", "no key"],
)
async def test_what_it_does_not_apply_to_passes(method: str, headers: dict[str, str]) -> None:
    shop = Shop()
    shopping = client(shop)

    for _ in range(2):
        await shopping.request(method, "/orders", headers=headers)

    assert shop.orders == 2


@pytest.mark.parametrize(
    "other",
    [
        {"path": "/orders/2"}, {"path": "/orders?urgent"}, {"body": b"cake"}, {"method": "PATCH"},
        {"headers": {**KEY, "content-type": "text/plain"}}, {"headers": {**KEY, "content-encoding": "gzip"}},
    ],
    ids=["path", "query", "body", "method", "media type", "coding"],
)  # fmt: skip
async def test_a_key_that_came_with_another_request_is_refused(other: dict[str, Any]) -> None:
    shop = Shop()
    shopping = client(shop)
    order: dict[str, Any] = {"method": "POST", "path": "/orders", "headers": KEY, "body": b"tea"}
    await shopping.request(**order)

    answer = await shopping.request(**order | other)

    assert (answer.status, shop.orders) == (422, 1)
    assert answer.json() == {"message": "This Idempotency-Key was used for another request"}


@pytest.mark.parametrize(
    ("headers", "reason", "status"),
    [
        ([], Reason.IDEMPOTENCY_KEY_MISSING, 400),
        ([("idempotency-key", "")], Reason.IDEMPOTENCY_KEY_INVALID, 400),
        ([("idempotency-key", "a"), ("idempotency-key", "b")], Reason.IDEMPOTENCY_KEY_INVALID, 400),
    ],
    ids=["missing", "empty", "twice"],
)
async def test_a_key_that_is_required_has_to_be_one(headers: Any, reason: Reason, status: int) -> None:
    shop = Shop()
    middleware = IdempotencyMiddleware(shop, required=True)

    answer = await Client(middleware).post("/orders", headers=headers)

    assert (answer.status, shop.orders) == (status, 0)
    assert middleware.decide("POST", "/orders", headers=headers).reason is reason


async def test_while_the_first_is_under_way_the_second_is_refused() -> None:
    shop = Shop()
    shop.may_go_on.clear()
    shopping = client(shop)
    first = asyncio.create_task(shopping.post("/orders", headers=KEY))
    await shop.began.wait()

    second = await shopping.post("/orders", headers=KEY)
    shop.may_go_on.set()

    assert (second.status, second.header("retry-after")) == (409, "1")
    assert (await first).status == 201
    assert (await shopping.post("/orders", headers=KEY)).body == b"order 1"
    assert shop.orders == 1


async def test_an_answer_is_kept_for_its_time() -> None:
    shop, clock = Shop(), VirtualClock()
    shopping = client(shop, clock, keep="1h")
    await shopping.post("/orders", headers=KEY)
    clock.advance("59m")
    again = await shopping.post("/orders", headers=KEY)
    clock.advance("1m")

    later = await shopping.post("/orders", headers=KEY)

    assert (again.body, later.body) == (b"order 1", b"order 2")


@pytest.mark.parametrize(("keep_errors", "orders"), [(False, 2), (True, 1)])
async def test_errors_of_the_back_end_may_be_tried_again_unless_they_are_kept(keep_errors: bool, orders: int) -> None:
    shop = Shop(status=503)
    shopping = client(shop, keep_errors=keep_errors)

    answers = [await shopping.post("/orders", headers=KEY) for _ in range(2)]

    assert [answer.status for answer in answers] == [503, 503]
    assert shop.orders == orders


async def test_what_a_policy_behind_it_refuses_was_not_carried_out() -> None:
    shop, clock = Shop(), VirtualClock()
    policies = [idempotency(), throttle(rate=1, burst=1, key=by.everyone)]
    shopping = Client(PolicyMiddleware(shop, policies=policies, clock=clock))
    await shopping.post("/orders", headers={"idempotency-key": "another"})
    refused = await shopping.post("/orders", headers=KEY)
    clock.advance("1s")

    answer = await shopping.post("/orders", headers=KEY)

    assert (refused.status, answer.status, answer.body) == (429, 201, b"order 2")


async def test_where_nobody_knows_the_outcome_the_key_is_held_for_a_while() -> None:
    shop, clock = Shop(status=0), VirtualClock()
    shopping = client(shop, clock, hold="30s")
    broken = await shopping.post("/orders", headers=KEY)
    meanwhile = await shopping.post("/orders", headers=KEY)
    clock.advance("30s")
    shop.status = 201

    answer = await shopping.post("/orders", headers=KEY)

    assert (broken.status, meanwhile.status, answer.status) == (500, 409, 201)
    assert shop.orders == 2


async def test_a_client_that_left_finds_its_key_held_and_then_its_answer() -> None:
    shop, clock = Shop(), VirtualClock()
    shop.may_go_on.clear()
    shopping = client(shop, clock)
    async with shopping.open("POST", "/orders", headers=KEY) as exchange:
        exchange.feed(b"", more=False)
        await shop.began.wait()
        exchange.leave()
        assert (await shopping.post("/orders", headers=KEY)).status == 409
        shop.may_go_on.set()
        await exchange.result()

    answer = await shopping.post("/orders", headers=KEY)

    assert (answer.body, answer.header("idempotent-replayed"), shop.orders) == (b"order 1", "true", 1)


async def test_of_an_answer_that_is_too_large_it_is_only_known_that_there_was_one() -> None:
    shop = Shop(body=b"x" * 200)
    shopping = client(shop, max_answer_bytes=200)

    first, again = [await shopping.post("/orders", headers=KEY) for _ in range(2)]

    assert (first.status, first.body, again.status, shop.orders) == (201, b"x" * 200, 409, 1)


async def test_policies_around_it_see_an_answer_that_is_given_again() -> None:
    class Stamp(Policy):
        name = "stamp"

        def on_head(self, request: Any, head: Any) -> None:
            head.headers.append((b"x-stamp", b"1"))

    shopping = Client(PolicyMiddleware(Shop(), policies=[Stamp(), idempotency()]))

    answers = [await shopping.post("/orders", headers=KEY) for _ in range(2)]

    assert [answer.header("x-stamp") for answer in answers] == ["1", "1"]


# ---------------------------------------------------------------------------------------------------- whose key it is


def known(request: Any) -> Identity:
    return Identity(principal=request.header("x-user"))


@pytest.mark.parametrize(
    ("policies", "alice", "bob"),
    [
        ([authenticate(known)], {"x-user": "alice"}, {"x-user": "bob"}),
        ([api_key({"a": "a" * 20, "b": "b" * 20})], {"x-api-key": "a" * 20}, {"x-api-key": "b" * 20}),
        ([], {"authorization": "Bearer alice"}, {"authorization": "Bearer bob"}),
        ([], {"x-api-key": "alice"}, {"x-api-key": "bob"}),
        ([], {"cookie": "session=alice"}, {"cookie": "session=bob"}),
        ([], {"cookie": "session=alice"}, {}),
    ],
    ids=["identity", "API key", "Authorization", "a key nobody checks", "cookies", "nobody"],
)
async def test_nobody_gets_the_answer_of_another_caller(policies: list[Policy], alice: Any, bob: Any) -> None:
    shopping = Client(PolicyMiddleware(Shop(), policies=[*policies, idempotency()]))

    answers = [(await shopping.post("/orders", headers={**KEY, **who})).body for who in (alice, bob, alice, bob)]

    assert answers == [b"order 1", b"order 2", b"order 1", b"order 2"]


async def test_names_that_run_into_each_other_are_still_two_callers() -> None:
    def named(request: Any) -> Identity:
        principal, key_id = request.header("x-user").split("|")
        return Identity(principal=principal, key_id=key_id)

    shopping = Client(PolicyMiddleware(Shop(), policies=[authenticate(named), idempotency()]))

    answers = [(await shopping.post("/orders", headers={**KEY, "x-user": who})).body for who in ("c d|b", "d|b c")]

    assert answers == [b"order 1", b"order 2"]


async def test_whose_a_key_is_may_be_said() -> None:
    shopping = client(Shop(), caller=by.header("x-tenant"))

    answers = [
        (await shopping.post("/orders", headers={**KEY, "x-tenant": tenant, "authorization": token})).body
        for tenant, token in (("a", "old"), ("a", "renewed"), ("b", "old"))
    ]

    assert answers == [b"order 1", b"order 1", b"order 2"]


# ---------------------------------------------------------------------------------------------------- stores that fail


class Failing(MemoryIdempotencyStore):
    """Memory, whose verb of that name does not answer."""

    def __init__(self, verb: str) -> None:
        super().__init__(VirtualClock())
        setattr(self, verb, self._fail)

    def _fail(self, *_: Any) -> Any:
        raise StoreError("down")


@pytest.mark.parametrize(("verb", "status", "orders"), [("begin", 503, 0), ("finish", 201, 1)], ids=["before", "after"])
async def test_a_store_that_fails_lets_nothing_through_unseen_and_takes_no_answer_away(
    verb: str, status: int, orders: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "gatewaykit")
    shop = Shop()

    answer = await client(shop, kept_in=Failing(verb)).post("/orders", headers=KEY)

    assert (answer.status, shop.orders) == (status, orders)
    assert "down" in caplog.text


async def test_what_is_kept_and_no_answer_is_never_sent() -> None:
    class Spoilt(MemoryIdempotencyStore):
        def begin(self, *_: Any) -> Begun:
            return Begun(Verdict.REPLAY, b"[200]\nspoilt")

    assert (await client(Shop(), kept_in=Spoilt()).post("/orders", headers=KEY)).status == 503


async def test_a_request_that_outlives_its_hold_is_answered_and_does_not_overwrite_the_next_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "gatewaykit")
    shop, clock = Shop(), VirtualClock()
    shop.may_go_on.clear()
    shopping = client(shop, clock, hold="1s")
    slow = asyncio.create_task(shopping.post("/orders", headers=KEY))
    await shop.began.wait()
    clock.advance("2s")
    shop.began.clear()
    next_one = asyncio.create_task(shopping.post("/orders", headers=KEY))
    await shop.began.wait()
    shop.may_go_on.set()

    assert ((await slow).body, (await next_one).body) == (b"order 1", b"order 2")
    assert "was held for" in caplog.text
    assert (await shopping.post("/orders", headers=KEY)).body == b"order 2"


# ---------------------------------------------------------------------------------------------------- other doors


@pytest.mark.parametrize(
    ("kind", "status"), [("timeout", 409), ("reset", 409), ("invalid", 409), ("refused", 504), ("unresolved", 504)]
)
async def test_in_a_definition_a_key_is_free_again_only_where_the_back_end_was_not_reached(
    kind: str, status: int
) -> None:
    integration = {"type": "http_proxy", "httpMethod": "POST", "uri": "http://shop.example/orders"}
    transport = ScriptedTransport(lambda request: UpstreamError(kind, "on purpose"))
    api = document({"/orders": {"post": {"x-amazon-apigateway-integration": integration}}})
    shopping = Client(Gateway.from_openapi(api, policies=[idempotency()], transport=transport))
    await shopping.post("/orders", headers=KEY)

    again = await shopping.post("/orders", headers=KEY)

    assert (again.status, len(transport.requests)) == (status, 1 if status == 409 else 2)


def test_explain_takes_no_key() -> None:
    gateway = Gateway.from_openapi(document({"/": {"post": mock()}}), policies=[idempotency()])

    seen = [gateway.explain("POST", "/", headers=KEY).decision.allowed for _ in range(2)]
    decided = [gateway.decide("POST", "/", headers=KEY).reason for _ in range(2)]

    assert seen == [True, True]
    assert decided == [None, Reason.REQUEST_IN_PROGRESS]
    assert gateway.explain("POST", "/", headers=KEY).decision.reason is Reason.REQUEST_IN_PROGRESS


async def test_in_a_rule_it_leaves_other_routes_alone() -> None:
    shop = Shop()
    shopping = Client(PolicyMiddleware(shop, policies=[rule("POST /orders", idempotency(required=True))]))

    answers = [(await shopping.post(path)).status for path in ("/orders", "/other")]

    assert answers == [400, 201]


# ---------------------------------------------------------------------------------------------------- options


def test_every_problem_is_said_at_once() -> None:
    wrong: dict[str, Any] = {
        "methods": ["GET"], "required": 1, "keep": "soon", "hold": 0, "header": "a b", "keep_errors": "no",
        "max_answer_bytes": 2_000_000, "caller": by.header, "kept_in": 5,
    }  # fmt: skip

    with pytest.raises(ConfigError) as caught:
        idempotency(**wrong)

    assert sorted(problem.where for problem in caught.value.problems) == sorted(f"idempotency.{name}" for name in wrong)


@pytest.mark.parametrize("methods", [[], [5]])
def test_it_applies_to_some_methods(methods: Any) -> None:
    with pytest.raises(ConfigError, match=r"idempotency\.methods"):
        idempotency(methods=methods)


def test_a_runtime_without_such_a_store_cannot_have_the_policy() -> None:
    runtime = Runtime(clock=VirtualClock(), throttles=None, transport=None, entropy=bytes)  # type: ignore[arg-type]

    with pytest.raises(ConfigError, match=r"idempotency\.kept_in"):
        idempotency().bind(runtime)
