"""Where limits are kept, as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewaykit import ConfigError, Gateway, PolicyMiddleware, by, quota, throttle
from gatewaykit.deploy.config import read_config
from gatewaykit.deploy.throttle_stores import throttle_store, throttle_store_problems
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.stores.resilient import OnStoreError, ResilientThrottleStore
from gatewaykit.testing import Client
from tests.peers.redis import running


def test_memory_is_the_store_in_this_process() -> None:
    assert isinstance(throttle_store("memory://"), MemoryThrottleStore)


ADDRESSES = [
    ("redis://", "127.0.0.1", 6379, "", 0, False),
    ("redis://cache", "cache", 6379, "", 0, False),
    ("redis://u%40x:p%2Fw@cache:6380/3", "cache", 6380, "", 3, False),
    ("rediss://cache:6380/3", "cache", 6380, "", 3, True),
    ("redis://[::1]:7/", "::1", 7, "", 0, False),
    ("redis://cache?db=4", "cache", 6379, "", 4, False),
    ("unix:///run/redis%20one.sock?db=2", "127.0.0.1", 6379, "/run/redis one.sock", 2, False),
]


@pytest.mark.parametrize(("spec", "host", "port", "path", "database", "tls"), ADDRESSES, ids=[a[0] for a in ADDRESSES])
def test_an_address_is_read(spec: str, host: str, port: int, path: str, database: int, tls: bool) -> None:
    store = throttle_store(spec)

    assert isinstance(store, ResilientThrottleStore)
    address = store._store._connections._address  # type: ignore[attr-defined]  # of the store in Redis
    assert (address.host, address.port, address.path, address.database, address.tls) == (
        host,
        port,
        path,
        database,
        tls,
    )
    assert (address.user, address.password) == (("u@x", "p/w") if "@" in spec else ("", ""))
    assert "p/w" not in repr(address)


ANSWERS = [
    ("", OnStoreError("local"), OnStoreError("deny")),
    ("?on_store_error=allow", OnStoreError("allow"), OnStoreError("allow")),
    ("?throttles=local(0.25)&quotas=local", OnStoreError("local", 0.25), OnStoreError("local")),
    ("?on_store_error=deny&throttles=allow", OnStoreError("allow"), OnStoreError("deny")),
]


@pytest.mark.parametrize(("query", "throttles", "quotas"), ANSWERS, ids=[answer[0] or "none" for answer in ANSWERS])
def test_what_limits_do_without_the_store_is_in_the_address(
    query: str, throttles: OnStoreError, quotas: OnStoreError
) -> None:
    store = throttle_store("redis://cache" + query)

    assert isinstance(store, ResilientThrottleStore)
    assert (store._throttles, store._quotas) == (throttles, quotas)


WRONG = [
    ("memcached://x", "'memcached' is no kind of store", ""),
    ("reddis://secret@x", "'reddis' is no kind of store", "redis://"),
    ("redis", "names no server", ""),
    ("redis://x:99999", "the address cannot be read", ""),
    ("redis://x/one", "'/one' is no number of a database", ""),
    ("unix://", "the address names no socket", ""),
    ("redis://x/0#b", "the address has a '#' in it", ""),
    ("redis://x?time_out=1s", "has an option 'time_out'", "timeout"),
    ("redis://x?timeout=0s", "timeout: '0s' is not between 1ms and 60s", ""),
    ("redis://x?gateway=a}b", "gateway: 'a}b' is no name: up to 64 letters, digits and . _ -", ""),
    ("redis://x?quotas=local(2)", "quotas: 'local(2)' is none of allow, deny, local and local(FRACTION)", ""),
]


@pytest.mark.parametrize(("spec", "what", "near"), WRONG, ids=[wrong[0] for wrong in WRONG])
def test_a_mistake_in_an_address_is_named(spec: str, what: str, near: str) -> None:
    problem = throttle_store_problems(spec)[0]

    assert problem.what.startswith(what)
    assert problem.near == near
    assert "secret" not in str(problem)
    with pytest.raises(ConfigError):
        PolicyMiddleware(app, policies=[], store=spec)


def test_the_store_of_a_configuration_is_looked_at_when_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"store: 'reddis' is no kind of store"):
        read_config({"store": "reddis://cache"}, ".".join, tmp_path)


async def app(scope: object, receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]  # ASGI's send
    await send({"type": "http.response.body", "body": b"fine"})  # type: ignore[operator]  # ASGI's send


@pytest.mark.needs("redis-server")
async def test_two_gateways_share_a_limit() -> None:
    policies = [throttle(rate=0.001, burst=3, key=by.everyone, name="shared")]
    with running() as server:
        gateways = [PolicyMiddleware(app, policies=policies, store=f"redis://127.0.0.1:{server.port}") for _ in "ab"]
        answers = [await Client(gateway).get("/") for _ in range(2) for gateway in gateways]
        for gateway in gateways:
            await gateway.aclose()

    assert [answer.status for answer in answers] == [200, 200, 200, 429]


async def test_without_its_store_a_throttle_counts_here_and_a_quota_is_a_503() -> None:
    store = "redis://127.0.0.1:1"
    throttled = PolicyMiddleware(app, policies=[throttle(rate=0.001, burst=1, key=by.everyone)], store=store)
    counted = PolicyMiddleware(app, policies=[quota(limit=9, period="DAY", key=by.everyone)], store=store)

    first = [(await Client(throttled).get("/")).status for _ in range(2)]
    second = [(await Client(counted).get("/")).status for _ in range(5)]

    await throttled.aclose()
    await counted.aclose()
    assert first == [200, 429]
    assert second == [503] * 5


def test_a_decision_without_waiting_says_that_it_would_have_to_wait() -> None:
    gateway = Gateway.from_upstream(
        "http://127.0.0.1:1", policies=[throttle(rate=1, burst=1, key=by.everyone)], store="redis://127.0.0.1:1"
    )

    with pytest.raises(ConfigError, match="wait"):
        gateway.decide("GET", "/")
