"""The short cut of a cache alone says what the long way says."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import PolicyMiddleware, VirtualClock, edge_cache
from gatewaykit.asgi.cache_lane import cache_lane
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.testing import Client
from tests.asgi.apps import Noting


class App:
    def __init__(self, *fields: tuple[bytes, bytes], status: int = 200) -> None:
        self.fields, self.status, self.calls = fields, status, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        fields = [(b"cache-control", b"max-age=60"), *self.fields]
        await send({"type": "http.response.start", "status": self.status, "headers": fields})
        await send({"type": "http.response.body", "body": b"" if self.status == 204 else b"%d" % self.calls})


def both(app_fields: Any = (), status: int = 200, **options: Any) -> tuple[VirtualClock, list[Client]]:
    """A cache alone, and one behind a policy that does nothing: the same, without the short cut."""
    clock = VirtualClock()
    quiet = Noting("quiet", [])
    quiet.on_head = None  # type: ignore[assignment]  # a method becomes a hook that is left out
    lists = ([edge_cache(**options)], [quiet, edge_cache(**options)])
    return clock, [
        Client(PolicyMiddleware(App(*app_fields, status=status), policies=each, clock=clock)) for each in lists
    ]


REQUESTS = [
    ("GET", "/", {}), ("GET", "/", {}), ("HEAD", "/", {}), ("GET", "/?x=1", {}), ("GET", "/?x=1", {}),
    ("GET", "/", {"host": "other"}), ("GET", "/", {"host": "other"}), ("GET", "/", {"host": "OTHER"}),
    ("GET", "/", {"if-none-match": '"a"'}), ("GET", "/", {"range": "bytes=0-0"}), ("GET", "/", {"cookie": "a=b"}),
    ("GET", "/", {"authorization": "x"}), ("GET", "/", {"x-forwarded-host": "evil"}), ("POST", "/", {}),
    ("GET", "/", {}), ("GET", "/", {"cache-control": "no-cache"}), ("GET", "/a%2Fb", {}), ("GET", "/a%2Fb", {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "status", "options"),
    [
        pytest.param((), 200, {}, id="plain"),
        pytest.param(((b"etag", b'"a"'),), 200, {}, id="tagged"),
        pytest.param(((b"age", b"7"),), 200, {}, id="aged"),
        pytest.param(((b"vary", b"cookie"),), 200, {}, id="varied"),
        pytest.param(((b"set-cookie", b"a=b"),), 200, {}, id="not kept"),
        pytest.param((), 204, {}, id="no content"),
        pytest.param((), 404, {"cache_status": False}, id="an error, without Cache-Status"),
        pytest.param((), 200, {"obey_client": True}, id="clients may ask"),
        pytest.param((), 200, {"stale_while_revalidate": "5s"}, id="stale while it is fetched"),
    ],
)
async def test_both_ways_say_the_same(fields: Any, status: int, options: dict[str, Any]) -> None:
    clock, clients = both(fields, status, **options)
    for seconds in ("0s", "0.4s", "0.7s", "30s", "28.5s", "0.3s", "0.2s", "10s"):
        clock.advance(seconds)
        for method, target, headers in REQUESTS:
            short, long = [await client.request(method, target, headers=headers) for client in clients]
            assert (short.status, short.body) == (long.status, long.body), (seconds, method, target, headers)
            assert sorted(short.headers) == sorted(long.headers), (seconds, method, target, headers)


async def test_what_was_dropped_is_not_found_by_the_short_cut() -> None:
    cache, clock, app = edge_cache(), VirtualClock(), App()
    client = Client(PolicyMiddleware(app, policies=[cache], clock=clock))
    for _ in range(2):
        await client.get("/")

    await cache.flush()

    assert (await client.get("/")).body == b"2"


async def test_a_clock_that_is_set_back_goes_the_long_way() -> None:
    clock = VirtualClock()
    client = Client(PolicyMiddleware(App(), policies=[edge_cache()], clock=clock))
    await client.get("/")
    assert (await client.get("/")).header("age") == "0"
    clock._start_s -= 3600

    assert (await client.get("/")).body == b"2"


async def test_messages_may_be_changed_by_whoever_gets_them() -> None:
    app = PolicyMiddleware(App(), policies=[edge_cache()], clock=VirtualClock())

    async def meddling(scope: Scope, receive: Receive, send: Send) -> None:
        async def changed(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-more", b"1"))
                message["status"] = 299
            await send(message)

        await app(scope, receive, changed)

    client = Client(meddling)
    for _ in range(3):
        answer = await client.get("/")

    assert (answer.status, [name for name, _ in answer.headers].count(b"x-more")) == (299, 1)


async def test_it_remembers_a_bounded_number_of_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewaykit.asgi.cache_lane._MOST", 3)
    app = App()
    client = Client(PolicyMiddleware(app, policies=[edge_cache()], clock=VirtualClock()))

    for _ in range(2):
        for number in range(10):
            await client.get(f"/{number}")

    assert app.calls == 10


@pytest.mark.parametrize("options", [{"query": ["a"]}, {"headers": ["x"]}, {"cookies": ["a"]}])
def test_a_key_of_more_than_the_address_has_no_short_cut(options: dict[str, Any]) -> None:
    middleware = PolicyMiddleware(App(), policies=[edge_cache(**options)])

    assert cache_lane(middleware._chain.policies[0]) is None
