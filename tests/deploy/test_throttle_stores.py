"""Where limits are kept, as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewaykit import ConfigError, Gateway, PolicyMiddleware, by, quota, throttle
from gatewaykit.deploy.config import read_config
from gatewaykit.deploy.idempotency_stores import idempotency_store
from gatewaykit.deploy.throttle_stores import lease_of, redis_address, throttle_store, throttle_store_problems
from gatewaykit.stores.idempotency_redis import RedisIdempotencyStore
from gatewaykit.stores.leases import LeasedThrottleStore
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.stores.resilient import OnStoreError, ResilientThrottleStore
from gatewaykit.testing import Client
from tests.peers.certificates import issue
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


TOPOLOGIES = [
    ("redis+cluster://a,b:7000", "cluster", (("a", 6379), ("b", 7000)), "", 0, False),
    ("redis+cluster://u%40x:p%2Fw@[::1]:7,[::2]/0", "cluster", (("::1", 7), ("::2", 6379)), "", 0, False),
    ("rediss+cluster://a", "cluster", (("a", 6379),), "", 0, True),
    ("redis+sentinel://s1,s2:7000/mymaster", "sentinel", (("s1", 26379), ("s2", 7000)), "mymaster", 0, False),
    ("redis+sentinel://u%40x:p%2Fw@s1/my%20master/3", "sentinel", (("s1", 26379),), "my master", 3, False),
    ("rediss+sentinel://s1/m?db=2", "sentinel", (("s1", 26379),), "m", 2, True),
]


@pytest.mark.parametrize(
    ("spec", "topology", "seeds", "master", "database", "tls"), TOPOLOGIES, ids=[one[0] for one in TOPOLOGIES]
)
def test_an_address_of_several_servers_is_read(
    spec: str, topology: str, seeds: tuple[tuple[str, int], ...], master: str, database: int, tls: bool
) -> None:
    address = redis_address(spec)

    assert (address.topology, address.seeds, address.master) == (topology, seeds, master)
    assert (address.database, address.tls) == (database, tls)
    assert (address.user, address.password) == (("u@x", "p/w") if "@" in spec else ("", ""))
    assert throttle_store_problems(spec) == []


def test_options_of_a_connection_are_in_the_address(tmp_path: Path) -> None:
    certificate, key = issue("CN=client").files(tmp_path, "client")
    files = f"ca_file={certificate}&cert_file={certificate}&key_file={key}"
    spec = f"rediss+sentinel://s/m?max_waiting=7&sentinel_user=u&sentinel_password=p%26&{files}"

    address = redis_address(spec)

    assert throttle_store_problems(spec) == []
    assert (address.max_waiting, address.sentinel_user, address.sentinel_password) == (7, "u", "p&")
    assert (address.ca_file, address.cert_file, address.key_file) == (str(certificate), str(certificate), str(key))
    assert "p&" not in repr(address)


def test_idempotency_keys_are_kept_in_every_kind_of_redis() -> None:
    for spec in ("redis+cluster://a,b", "redis+sentinel://a,b/m"):
        assert isinstance(idempotency_store(spec), RedisIdempotencyStore)


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


LEASES = [
    ("redis://x", 0.0), ("redis://x?lease=0", 0.0), ("redis://x?lease=0ms", 0.0), ("redis://x?lease=10ms", 0.01),
    ("redis+cluster://x,y?lease=1s&gateway=shop", 1.0), ("memory://", 0.0), ("sqlite:///l.db", 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "lease_s"), LEASES, ids=[lease[0] for lease in LEASES])
def test_a_lease_is_said_in_the_address_and_none_is_taken_where_it_is_not(spec: str, lease_s: float) -> None:
    store = throttle_store(spec)

    assert lease_of(spec) == lease_s
    remote = getattr(store, "_store", None)
    assert (remote._lease_s if isinstance(remote, LeasedThrottleStore) else 0.0) == lease_s


WRONG = [
    ("memcached://x", "'memcached' is no kind of store", ""),
    ("reddis://secret@x", "'reddis' is no kind of store", "redis://"),
    ("redis", "names no server", ""),
    ("redis://x:99999", "the address cannot be read", ""),
    ("redis://x/one", "'/one' is no number of a database", ""),
    ("unix://", "the address names no socket", ""),
    ("redis://x/0#b", "the address has a '#' in it", ""),
    ("redis://u:secret@x:1,y:2", "the address names several servers", ""),
    ("redis+cluser://x", "'redis+cluser' is no kind of store", "redis+cluster://"),
    ("redis+cluster://", "the address names no server", ""),
    ("redis+cluster://u:secret@x,,y", "the address names no server", ""),
    ("redis+cluster://u:secret@x:port", "the address cannot be read", ""),
    ("redis+cluster://x/1", "'/1' is no database of a cluster", ""),
    ("redis+cluster://x?db=1", "db: a cluster has only the database 0", ""),
    ("redis+sentinel://x", "'' names no master", ""),
    ("redis+sentinel://x/m/one", "'/m/one' names no master", ""),
    ("redis://x?sentinel_password=secret", "sentinel_password is for sentinels", ""),
    ("redis://x?ca_file=/ca.pem", "ca_file is for TLS", ""),
    ("rediss://x?key_file=/key.pem", "key_file has no cert_file beside it", ""),
    ("rediss://x?ca_file=/no/such.pem", "ca_file: '/no/such.pem' cannot be read: No such file or directory", ""),
    (f"rediss://x?ca_file={__file__}", "ca_file cannot be used", ""),
    ("redis://x?max_waiting=0", "max_waiting: '0' is not between 1 and 999999", ""),
    ("redis://x?time_out=1s", "has an option 'time_out'", "timeout"),
    ("redis://x?timeout=0s", "timeout: '0s' is not between 1ms and 60s", ""),
    ("redis://x?gateway=a}b", "gateway: 'a}b' is no name: up to 64 letters, digits and . _ -", ""),
    ("redis://x?lease=2s", "lease: '2s' is neither 0 nor between 1ms and 1s", ""),
    ("redis://x?lease=0.5ms", "lease: '0.5ms' is neither 0 nor between 1ms and 1s", ""),
    ("redis://x?lease=-10ms", "lease: '-10ms' is not a duration", ""),
    ("redis://x?lease=10", "lease: '10' is not a duration", ""),
    ("redis://x?lease=", "lease: '' is not a duration", ""),
    ("redis://x?leases=10ms", "has an option 'leases'", "lease"),
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


def test_all_mistakes_of_an_address_are_named_at_once() -> None:
    spec = "redis+cluster://a,,b/7?timeout=1h&quota=deny&ca_file=x&sentinel_user=u"

    problems = throttle_store_problems(spec)

    assert [problem.what.partition(":")[0].partition(" is")[0] for problem in problems] == [
        "the address names no server", "'/7'", "timeout", "has an option 'quota'", "sentinel_user", "ca_file",
    ]  # fmt: skip


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
