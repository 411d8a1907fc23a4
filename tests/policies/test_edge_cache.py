"""The shared HTTP cache around an app: what is kept, what is served, what goes on to the app."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gatewaykit import ConfigError, Policy, PolicyMiddleware, StoreError, VirtualClock, api_key, edge_cache
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.stores.cache_memory import MemoryCacheStore
from gatewaykit.testing import Client
from gatewaykit.testing.policy_contract import PolicyContract


class Origin:
    """An app that numbers its responses, and remembers what it was asked."""

    def __init__(self, control: str = "max-age=60", *fields: tuple[str, str], status: int = 200) -> None:
        self.control, self.fields, self.status = control, fields, status
        self.asked: list[Scope] = []
        self.body: bytes | None = None
        self.go: asyncio.Event | None = None
        self.breaks = False

    @property
    def calls(self) -> int:
        return len(self.asked)

    def header(self, name: str, call: int = -1) -> str | None:
        found = [value for key, value in self.asked[call]["headers"] if key == name.encode()]
        return b", ".join(found).decode() if found else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope)
        number = self.calls
        if self.go is not None:
            await self.go.wait()
        if self.breaks:
            raise ConnectionError("down")
        fields = [("cache-control", self.control), *self.fields] if self.control else self.fields
        status, body = self.status, b"%d" % number if self.body is None else self.body
        tag = dict(self.fields).get("etag")
        if tag and self.header("if-none-match") == tag:
            status, body = 304, b""
        headers = [(name.encode(), value.encode()) for name, value in fields]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body[:1], "more_body": True})
        await send({"type": "http.response.body", "body": body[1:]})


def cached(app: Any, clock: VirtualClock | None = None, before: Any = (), **options: Any) -> Client:
    return Client(PolicyMiddleware(app, policies=[*before, edge_cache(**options)], clock=clock or VirtualClock()))


class TestContract(PolicyContract):
    def make_policy(self) -> Policy:
        return edge_cache()


async def test_a_fresh_response_is_served_again_with_its_age() -> None:
    origin, clock = Origin(), VirtualClock()
    client = cached(origin, clock)
    first = await client.get("/")
    clock.advance("30s")

    second = await client.get("/")

    assert (first.body, second.body, origin.calls) == (b"1", b"1", 1)
    assert (first.header("age"), second.header("age")) == (None, "30")
    assert first.header("cache-status") == "gatewaykit; fwd=uri-miss; stored"
    assert second.header("cache-status") == "gatewaykit; hit; ttl=30"


async def test_what_is_kept_has_the_date_it_came_in_where_it_says_none() -> None:
    clock = VirtualClock("2026-01-01T00:00Z")
    client = cached(Origin(), clock)
    own = cached(Origin("max-age=60", ("date", "Wed, 31 Dec 2025 23:59:59 GMT")), clock)
    for each in (client, own):
        await each.get("/")
    clock.advance("5s")

    assert (await client.get("/")).header("date") == "Thu, 01 Jan 2026 00:00:00 GMT"
    assert (await own.get("/")).header("date") == "Wed, 31 Dec 2025 23:59:59 GMT"


async def test_a_stale_response_is_fetched_anew() -> None:
    origin, clock = Origin(), VirtualClock()
    client = cached(origin, clock)
    await client.get("/")
    clock.advance("60s")

    assert (await client.get("/")).body == b"2"


async def test_a_stale_response_with_a_tag_is_validated_and_fresh_again() -> None:
    origin, clock = Origin("max-age=60", ("etag", '"a"'), ("x-new", "1")), VirtualClock()
    client = cached(origin, clock)
    await client.get("/")
    clock.advance("61s")

    answer = await client.get("/")
    again = await client.get("/")

    assert (answer.status, answer.body, again.body, origin.calls) == (200, b"1", b"1", 2)
    assert origin.header("if-none-match") == '"a"'
    assert answer.header("cache-status") == "gatewaykit; fwd=stale; stored"


async def test_conditions_of_a_client_are_met_from_what_is_kept_and_do_not_go_on() -> None:
    origin = Origin("max-age=60", ("etag", '"a"'))
    client = cached(origin)

    first = await client.get("/", headers={"if-none-match": '"a"'})
    second = await client.get("/", headers={"if-none-match": '"a"'})

    assert (first.status, second.status, origin.calls, origin.header("if-none-match")) == (304, 304, 1, None)


async def test_a_range_of_what_is_kept_and_a_range_of_what_is_not() -> None:
    origin = Origin()
    origin.body = b"hello"
    client = cached(origin)

    missed = await client.get("/", headers={"range": "bytes=1-2"})
    assert (missed.status, origin.header("range")) == (200, "bytes=1-2")

    await client.get("/")
    found = await client.get("/", headers={"range": "bytes=1-2"})
    assert (found.status, found.body, origin.calls) == (206, b"el", 2)


async def test_head_is_answered_from_a_get_and_goes_on_otherwise() -> None:
    origin = Origin()
    client = cached(origin)

    await client.request("HEAD", "/")
    assert (origin.calls, origin.asked[0]["method"]) == (1, "HEAD")
    await client.get("/")
    head = await client.request("HEAD", "/")

    assert (head.status, head.body, origin.calls) == (200, b"", 2)


@pytest.mark.parametrize(
    ("control", "fields"),
    [
        ("no-store", ()), ("private", ()), ("max-age=60", (("set-cookie", "a=b"),)), ("max-age=60", (("vary", "*"),)),
        ("", ()), ("max-age=0", ()),
    ],
    ids=["no-store", "private", "Set-Cookie", "Vary *", "nothing said", "stale at once"],
)  # fmt: skip
async def test_what_is_not_kept(control: str, fields: tuple[tuple[str, str], ...]) -> None:
    origin = Origin(control, *fields)
    client = cached(origin)

    answers = [await client.get("/") for _ in range(2)]

    assert ([answer.body for answer in answers], origin.calls) == ([b"1", b"2"], 2)


# --------------------------------------------------------------------------------------------------- who asks

CALLERS = [
    pytest.param({"authorization": "Bearer x"}, id="Authorization"),
    pytest.param({"cookie": "sid=1"}, id="Cookie"),
    pytest.param({"x-api-key": "k"}, id="an API key"),
]


@pytest.mark.parametrize("headers", CALLERS)
async def test_a_response_to_somebody_is_not_kept(headers: dict[str, str]) -> None:
    origin = Origin()
    client = cached(origin)

    bodies = [(await client.get("/", headers=headers)).body for _ in range(2)]

    assert bodies == [b"1", b"2"]


@pytest.mark.parametrize("headers", CALLERS)
async def test_but_it_is_where_it_says_that_it_is_for_all(headers: dict[str, str]) -> None:
    client = cached(Origin("max-age=60, public"))

    assert [(await client.get("/", headers=headers)).body for _ in range(2)] == [b"1", b"1"]


@pytest.mark.parametrize("name", ["authorization", "cookie", "x-api-key"])
async def test_and_where_what_says_who_asks_is_in_the_key(name: str) -> None:
    client = cached(Origin(), headers=[name])

    bodies = [(await client.get("/", headers={name: value})).body for value in ("a", "b", "a")]

    assert bodies == [b"1", b"2", b"1"]


async def test_an_identity_that_was_proved_before_counts() -> None:
    origin = Origin()
    before = [api_key({"alice": "k" * 20})]
    client = cached(origin, before=before)

    bodies = [(await client.get("/", headers={"X-API-Key": "k" * 20})).body for _ in range(2)]

    assert bodies == [b"1", b"2"]


async def test_cookies_that_are_not_named_do_not_go_on_and_do_not_count() -> None:
    origin = Origin()
    client = cached(origin, cookies=["lang"])

    bodies = [
        (await client.get("/", headers={"cookie": cookie})).body
        for cookie in ("lang=en; sid=1", "sid=2; lang=en", "lang=de")
    ]

    assert bodies == [b"1", b"1", b"2"]
    assert [origin.header("cookie", call) for call in (0, 1)] == ["lang=en", "lang=de"]


async def test_parameters_that_are_not_named_do_not_go_on_and_do_not_count() -> None:
    origin = Origin()
    client = cached(origin, query=["page"])

    bodies = [(await client.get(target)).body for target in ("/?page=1&evil=%3Cb%3E", "/?evil=2&page=1", "/?page=2")]

    assert bodies == [b"1", b"1", b"2"]
    assert [scope["query_string"] for scope in origin.asked] == [b"page=1", b"page=2"]


# --------------------------------------------------------------------------------------------------- variants


async def test_responses_that_vary_are_told_apart() -> None:
    origin = Origin("max-age=60", ("vary", "Accept-Language"))
    client = cached(origin)

    asked = ("en", "de", "en", "DE", "de, en")
    bodies = [(await client.get("/", headers={"accept-language": language})).body for language in asked]

    assert bodies == [b"1", b"2", b"1", b"2", b"3"]


async def test_who_waits_for_a_response_that_does_not_fit_gets_one_of_their_own() -> None:
    origin = Origin("max-age=60", ("vary", "Accept-Language"))
    origin.go = asyncio.Event()
    client = cached(origin)
    asked = ["en", "de"] * 10

    tasks = [asyncio.create_task(client.get("/", headers={"accept-language": language})) for language in asked]
    await asyncio.sleep(0)
    origin.go.set()
    bodies = [(await task).body for task in tasks]

    assert len(set(bodies[::2])) == len(set(bodies[1::2])) == 1
    assert origin.calls == 2


# --------------------------------------------------------------------------------------------------- what passes by


@pytest.mark.parametrize(
    ("method", "headers", "body"),
    [
        ("POST", {}, b""), ("OPTIONS", {}, b""), ("GET", {"content-length": "1"}, b"x"),
        ("GET", {"x-forwarded-host": "evil"}, b""), ("GET", {"x-http-method-override": "DELETE"}, b""),
        ("GET", {"x-original-url": "/admin"}, b""), ("GET", {"forwarded": "host=evil"}, b""),
    ],
    ids=["POST", "OPTIONS", "a body", "another host", "another method", "another path", "Forwarded"],
)  # fmt: skip
async def test_what_passes_by_is_neither_kept_nor_served(method: str, headers: dict[str, str], body: bytes) -> None:
    origin = Origin()
    client = cached(origin)
    answers = [await client.request(method, "/", headers=headers, body=body) for _ in range(2)]

    assert [answer.body for answer in answers] == [b"1", b"2"]
    assert answers[0].header("cache-status") in ("gatewaykit; fwd=method", "gatewaykit; fwd=bypass")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "M-SEARCH"])
async def test_a_method_that_changes_something_drops_what_is_kept_of_the_address(method: str) -> None:
    origin = Origin()
    client = cached(origin)
    for target in ("/a", "/b", "/a?x=1"):
        await client.get(target)

    await client.request(method, "/a")

    bodies = [(await client.get(target)).body for target in ("/a", "/b", "/a?x=1")]
    assert bodies == [b"5", b"2", b"3"]


async def test_it_drops_the_addresses_that_the_response_names_too_on_this_host_only() -> None:
    origin = Origin("max-age=60")
    client = cached(origin)
    for target in ("/made", "/here/other", "/evil"):
        await client.get(target)
    origin.fields = (("location", "/made"), ("content-location", "other"), ("location", "http://elsewhere/evil"))
    await client.request("POST", "/here/form")
    origin.fields = ()

    bodies = [(await client.get(target)).body for target in ("/made", "/here/other", "/evil")]

    assert bodies == [b"5", b"6", b"3"]


@pytest.mark.parametrize(
    ("named", "target"),
    [
        pytest.param("?page=2", "/here/form?page=2", id="another query"),
        pytest.param("../other", "/other", id="a folder above"),
        pytest.param("./other", "/here/other", id="this folder"),
        pytest.param("http://localhost", "/", id="the host alone"),
        pytest.param("other#top", "/here/other", id="a place in it"),
    ],
)
async def test_an_address_that_a_response_names_is_read_from_where_it_was_asked(named: str, target: str) -> None:
    origin = Origin("max-age=60")
    client = cached(origin)
    await client.get(target, headers={"host": "localhost"})
    origin.fields = (("location", named),)
    await client.request("POST", "/here/form", headers={"host": "localhost"})

    assert (await client.get(target, headers={"host": "localhost"})).body == b"3"


@pytest.mark.parametrize("status", [400, 500])
async def test_a_change_that_failed_drops_nothing(status: int) -> None:
    origin = Origin()
    client = cached(origin)
    await client.get("/")
    origin.status = status
    await client.request("POST", "/")

    assert (await client.get("/")).body == b"1"


async def test_a_response_that_was_under_way_while_its_address_was_dropped_is_not_kept() -> None:
    origin = Origin()
    origin.go = asyncio.Event()
    client = cached(origin)
    old = asyncio.create_task(client.get("/"))
    await asyncio.sleep(0)
    origin.go.set()
    changed = asyncio.create_task(client.request("POST", "/"))
    await asyncio.sleep(0)
    await asyncio.gather(old, changed)

    assert (await client.get("/")).body != b"1"


# --------------------------------------------------------------------------------------------------- stale


async def test_a_stale_response_is_served_while_it_is_fetched_anew() -> None:
    origin, clock = Origin("max-age=60, stale-while-revalidate=30"), VirtualClock()
    client = cached(origin, clock)
    await client.get("/")
    clock.advance("70s")

    stale = await asyncio.gather(*(client.get("/") for _ in range(3)))
    for _ in range(20):
        await asyncio.sleep(0)
    fresh = await client.get("/")

    assert ({answer.body for answer in stale}, fresh.body, origin.calls) == ({b"1"}, b"2", 2)


@pytest.mark.parametrize("breaks", [False, True], ids=["503", "no answer"])
async def test_a_stale_response_is_served_while_what_is_behind_fails(breaks: bool) -> None:
    origin, clock = Origin(), VirtualClock()
    client = cached(origin, clock, stale_if_error="1m", keep_stale="1h")
    await client.get("/")
    clock.advance("70s")
    origin.status, origin.breaks = 503, breaks

    assert (await client.get("/")).body == b"1"

    clock.advance("60s")
    assert (await client.get("/")).status in (500, 503)


async def test_nothing_stale_is_served_where_the_response_forbids_it() -> None:
    origin, clock = Origin("max-age=60, must-revalidate"), VirtualClock()
    client = cached(origin, clock, stale_if_error="1m", stale_while_revalidate="1m")
    await client.get("/")
    clock.advance("70s")
    origin.status = 503

    assert (await client.get("/")).status == 503


async def test_a_clock_that_was_set_back_far_makes_nothing_fresh() -> None:
    origin, clock = Origin(), VirtualClock()
    store = MemoryCacheStore(clock)
    client = cached(origin, clock, kept_in=store)
    await client.get("/")
    earlier = VirtualClock("2025-12-31T00:00Z")
    client = cached(origin, earlier, kept_in=store)

    assert (await client.get("/")).body == b"2"


# --------------------------------------------------------------------------------------------------- one call


@pytest.mark.parametrize("waiters", ["stream", "wait"])
async def test_a_thousand_misses_at_once_are_one_call(waiters: str) -> None:
    origin = Origin()
    origin.go = asyncio.Event()
    client = cached(origin, waiters=waiters)
    tasks = [asyncio.create_task(client.get("/")) for _ in range(1000)]
    await asyncio.sleep(0)
    origin.go.set()

    answers = await asyncio.gather(*tasks)

    assert ({answer.body for answer in answers}, origin.calls) == ({b"1"}, 1)


async def test_a_failure_is_shared_by_those_who_waited_and_not_kept() -> None:
    origin = Origin(status=503)
    origin.go = asyncio.Event()
    client = cached(origin)
    tasks = [asyncio.create_task(client.get("/")) for _ in range(100)]
    await asyncio.sleep(0)
    origin.go.set()

    assert ({(await task).status for task in tasks}, origin.calls) == ({503}, 1)


async def test_responses_to_somebody_are_never_shared_by_those_who_wait() -> None:
    origin = Origin()
    origin.go = asyncio.Event()
    client = cached(origin)
    tasks = [asyncio.create_task(client.get("/", headers={"cookie": f"sid={user}"})) for user in range(50)]
    await asyncio.sleep(0)
    origin.go.set()

    assert len({(await task).body for task in tasks}) == 50


async def test_a_client_that_leaves_takes_the_response_from_nobody() -> None:
    origin = Origin()
    origin.go = asyncio.Event()
    client = cached(origin)
    first, second = (asyncio.create_task(client.get("/")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    origin.go.set()

    assert ((await second).body, origin.calls) == (b"1", 1)


# --------------------------------------------------------------------------------------------------- options


async def test_bodies_over_the_limit_are_not_kept() -> None:
    origin = Origin()
    origin.body = b"x" * 11
    client = cached(origin, max_object_bytes=10)

    answers = [await client.get("/") for _ in range(2)]

    assert ([answer.body for answer in answers], origin.calls) == ([b"x" * 11] * 2, 2)


async def test_what_clients_ask_of_caches_counts_where_it_may() -> None:
    fresh = {"cache-control": "no-cache"}
    for obey, expected in ((False, b"1"), (True, b"2")):
        client = cached(Origin(), obey_client=obey)
        await client.get("/")
        assert (await client.get("/", headers=fresh)).body == expected


async def test_a_response_that_says_nothing_has_the_default_time() -> None:
    origin, clock = Origin(""), VirtualClock()
    client = cached(origin, clock, default_ttl="10s")

    first, second = await client.get("/"), await client.get("/")
    clock.advance("10s")

    assert (first.body, second.body, (await client.get("/")).body) == (b"1", b"1", b"2")


async def test_cache_status_can_be_left_away() -> None:
    client = cached(Origin(), cache_status=False)

    for method in ("GET", "GET", "POST"):
        assert (await client.request(method, "/")).header("cache-status") is None


async def test_purging_by_prefix_and_by_tag() -> None:
    origin = Origin("max-age=60", ("surrogate-key", "a b"), ("cache-tag", "c, d"))
    cache = edge_cache()
    client = Client(PolicyMiddleware(origin, policies=[cache], clock=VirtualClock()))
    host = {"host": "shop.example"}
    for target in ("/x/1", "/x/2", "/y"):
        await client.get(target, headers=host)

    assert await cache.purge(prefix="shop.example/x/") == 2
    assert [(await client.get(target, headers=host)).body for target in ("/x/1", "/y")] == [b"4", b"3"]
    assert await cache.purge(tag="d") == 2
    await client.get("/y", headers=host)
    await cache.flush()
    assert (await client.get("/y", headers=host)).body == b"6"


async def test_what_is_asked_only_is_neither_fetched_nor_kept() -> None:
    origin = Origin()
    app = PolicyMiddleware(origin, policies=[edge_cache()])

    decision = app.decide("GET", "/")
    passes = app.decide("POST", "/")

    assert (decision.allowed, origin.calls) == (True, 0)
    assert decision.cache == "edge:edge: not kept"
    assert passes.cache == "edge:edge: passes by: its method is neither GET nor HEAD"


async def test_who_asks_is_told_what_is_kept() -> None:
    origin, clock = (
        Origin("max-age=60", ("vary", "accept-language"), ("cache-tag", "a"), ("etag", '"e"')),
        VirtualClock(),
    )
    app = PolicyMiddleware(origin, policies=[edge_cache()], clock=clock)
    await Client(app).get("/")
    clock.advance("20s")

    kept = app.decide("GET", "/")
    other = app.decide("GET", "/", headers={"accept-language": "de", "cookie": "a=b"})
    clock.advance("50s")

    assert kept.cache == "edge:edge: kept: 200, 1 bytes, 20 s old, fresh for 40 s, tags a"
    assert "not kept" in other.cache
    assert "it came with Cookie" in other.cache
    assert "stale for 10 s" in app.decide("GET", "/").cache


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"min_ttl": "2h", "max_ttl": "1h"}, "edge_cache.min_ttl"),
        ({"max_object_bytes": -1}, "edge_cache.max_object_bytes"),
        ({"max_object_bytes": True}, "edge_cache.max_object_bytes"),
        ({"max_waiting": 0}, "edge_cache.max_waiting"),
        ({"waiters": "queue"}, "edge_cache.waiters"),
        ({"kept_in": 5}, "edge_cache.kept_in"),
        ({"headers": ["a b"]}, "edge_cache.headers"),
        ({"wait": 0}, "edge_cache.wait"),
        ({"default_ttl": "soon"}, "edge_cache.default_ttl"),
        ({"obey_client": 1}, "edge_cache.obey_client"),
        ({"name": ""}, "edge_cache.name"),
    ],
)  # fmt: skip
def test_wrong_options(options: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        edge_cache(**options)

    assert where in [problem.where for problem in caught.value.problems]


# --------------------------------------------------------------------------------------------------- without a store


class Broken:
    """A store that answers nothing, at once or later."""

    shared = False

    def __init__(self, *, later: bool, verbs: tuple[str, ...] = ()) -> None:
        self.later, self.verbs = later, verbs

    def space(self, name: str) -> Any:
        real = MemoryCacheStore(VirtualClock()).space(name)
        for verb in self.verbs:
            setattr(real, verb, self._fails)
        return real

    def _fails(self, *args: Any, **options: Any) -> Any:
        if not self.later:
            raise StoreError("away")

        async def fails() -> None:
            raise StoreError("away")

        return fails()

    async def aclose(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("verbs", [("get",), ("put",), ("claim",), ("drop",), ("get", "put", "claim", "drop")],
                         ids=["get", "put", "claim", "drop", "all"])  # fmt: skip
async def test_without_its_store_a_cache_lets_everything_pass(later: bool, verbs: tuple[str, ...]) -> None:
    origin = Origin()
    client = cached(origin, kept_in=Broken(later=later, verbs=verbs))

    statuses = [(await client.request(method, "/")).status for method in ("GET", "GET", "POST")]

    assert statuses == [200, 200, 200]
