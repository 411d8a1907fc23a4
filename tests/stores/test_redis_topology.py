"""Limits in a cluster and behind sentinels, against real ones: servers that move, fail over, and are cut off."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from gatewaykit.clock import VirtualClock
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket, Taken
from gatewaykit.errors import StoreError
from gatewaykit.stores.idempotency_redis import RedisIdempotencyStore
from gatewaykit.stores.redis import RedisThrottleStore
from gatewaykit.stores.redis_address import Place, RedisAddress
from gatewaykit.stores.redis_connection import RedisConnections
from gatewaykit.stores.redis_topology import redirected
from gatewaykit.stores.resp import ReplyError, command
from gatewaykit.testing.usage_store_contract import UsageStoreContract
from tests.peers.redis import Cluster, RedisServer, Watched, answering, cluster, free_port, running, watched

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.xdist_group("redis-topology")]

_LONGEST_S = 30.0
_NAMES = itertools.count()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    with cluster() as started:
        yield started


def places(*servers: RedisServer) -> tuple[Place, ...]:
    return tuple(("127.0.0.1", server.port) for server in servers)


def clustered(*seeds: RedisServer, gateway: str, time_us: Callable[[], int] | None = None, **options: Any) -> Any:
    address = RedisAddress(topology="cluster", seeds=places(*seeds), **{"timeout_s": 10.0, **options})
    return RedisThrottleStore(address, gateway=gateway, time_us=time_us)


def behind(peers: Watched, **options: Any) -> RedisThrottleStore:
    settings: dict[str, Any] = {
        "topology": "sentinel", "seeds": places(*peers.sentinels), "master": "shop", "password": peers.PASSWORD,
        "sentinel_password": peers.SENTINELS, "timeout_s": 1.0, **options,
    }  # fmt: skip
    return RedisThrottleStore(RedisAddress(**settings))


async def until_answered(verb: Callable[[str], Awaitable[Taken]], key: str = "key") -> Taken:
    """Poll real programs."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LONGEST_S
    while True:
        try:
            return await verb(key)
        except StoreError:
            assert loop.time() < deadline, "it took too long"
            await asyncio.sleep(0.02)  # real programs are polled


async def until_many(answers: list[Any], many: int, asking: list[asyncio.Task[None]]) -> None:
    """Wait for callers who are at it."""
    async with asyncio.timeout(_LONGEST_S):
        while len(answers) < many and not any(task.done() for task in asking):  # noqa: ASYNC110  # they are many
            await asyncio.sleep(0)


class TestRedisThrottleStoreInACluster(UsageStoreContract):
    @pytest.fixture(autouse=True)
    def _nodes(self, nodes: Cluster) -> None:
        self.nodes = nodes

    async def make_store(self, clock: VirtualClock) -> RedisThrottleStore:
        gateway = f"contract-{next(_NAMES)}"
        other = next(node for node in self.nodes.masters if node is not self.nodes.owner(f"gatewaykit:{{{gateway}}}:"))
        store: RedisThrottleStore = clustered(other, gateway=gateway, time_us=lambda: round(clock.wall() * 1e6))
        return store


@pytest.mark.parametrize("seed", range(4), ids=["first", "second", "third", "replica"])
async def test_any_node_leads_to_the_one_with_the_keys(nodes: Cluster, seed: int) -> None:
    gateway = nodes.named(nodes.masters[1])
    store = clustered(nodes.nodes[seed], gateway=gateway)

    answer = await store.bucket(f"b-{seed}", Bucket(1e-3, 5))("key")

    await store.aclose()
    assert answer.remaining == 4


async def test_each_purpose_has_a_connection_that_says_what_it_is_for(nodes: Cluster) -> None:
    gateway = nodes.named(nodes.masters[2])
    store = clustered(nodes.masters[0], gateway=gateway)
    keys = RedisIdempotencyStore(
        RedisAddress(topology="cluster", seeds=places(nodes.masters[0]), timeout_s=10), gateway=gateway
    )
    await store.bucket("b", Bucket(1e-3, 5))("key")
    await store.usage("b", Quota(5, "DAY"), ["key"], 0, 1)
    await keys.begin(b"k" * 32, b"r" * 32, b"h" * 16, 1.0)

    names = {
        part.removeprefix(b"name=")
        for part in nodes.masters[2].ask("CLIENT", "LIST").split()
        if part.startswith(b"name=gatewaykit")
    }

    await store.aclose()
    await keys.aclose()
    own = b"gatewaykit:" + gateway.encode()
    assert names >= {own + b":limits", own + b":usage", own + b":idempotency"}


async def test_a_slot_that_moves_under_load_costs_no_request_and_gives_no_token_twice(nodes: Cluster) -> None:
    gateway = nodes.named(nodes.masters[0])
    prefix, burst = f"gatewaykit:{{{gateway}}}:", 400
    store = clustered(*nodes.masters, gateway=gateway)
    one = store.bucket("one", Bucket(1e-5, burst))
    both = store.limits("both", (Bucket(1e-5, burst), Quota(burst, "MONTH")))
    keys, answers, asked = [f"key-{number}" for number in range(5)], list[tuple[str, str]](), list[None]()
    is_over = False

    async def ask_one(key: str) -> None:
        while not is_over:
            asked.append(None)
            if (await one(key)).allowed:
                answers.append(("one", key))

    async def ask_both(key: str) -> None:
        while not is_over:
            if (await both((key, key))).refused is None:
                answers.append(("both", key))

    asking = [asyncio.create_task(ask(key)) for key in keys * 2 for ask in (ask_one, ask_both)]
    moving = nodes.move(prefix, nodes.masters[1])
    while await asyncio.to_thread(next, moving, ""):  # decisions over two keys wait until both have moved
        await until_many(asked, len(asked) + 100, asking)
    await until_many(answers, 10 * burst, asking)
    is_over = True
    await asyncio.gather(*asking)
    last = [await one("key-0"), await one("key-1")]

    at = store._connections.here().at
    await store.aclose()
    assert {(kind, key): answers.count((kind, key)) for kind, key in set(answers)} == {
        (kind, key): burst for kind in ("one", "both") for key in keys
    }
    assert not any(answer.allowed for answer in last)
    assert at == ("127.0.0.1", nodes.masters[1].port)


async def test_a_node_that_has_left_keeps_nothing_waiting_and_new_keys_are_asked_where_they_are(nodes: Cluster) -> None:
    """While a slot moves, a key that is not there yet is asked for at its new node, and the old one keeps the rest."""
    gateway = nodes.named(nodes.masters[2])
    store = clustered(nodes.masters[2], gateway=gateway)
    verb = store.bucket("b", Bucket(1e-5, 9))
    await verb("old")
    moving = nodes.move(f"gatewaykit:{{{gateway}}}:", nodes.masters[1])
    next(moving)

    during = [await verb("old"), await verb("new"), await verb("new")]
    while next(moving, ""):
        pass
    after = [await verb("old"), await verb("new")]

    await store.aclose()
    assert [answer.remaining for answer in during] == [7, 8, 7]
    assert [answer.remaining for answer in after] == [6, 6]


async def test_the_replica_is_found_when_the_master_dies_under_load_and_every_seed_with_it() -> None:
    with cluster() as nodes:
        gateway = nodes.named(nodes.masters[0])
        store = clustered(nodes.masters[0], gateway=gateway)
        verb = store.bucket("b", Bucket(1e-5, 1000))
        before = (await asyncio.gather(*(verb("key") for _ in range(100))))[-1]
        nodes.masters[0].ask("WAIT", 1, 5000)
        lost = [asyncio.create_task(verb("key")) for _ in range(20)]
        nodes.masters[0].kill()
        answers = await asyncio.gather(*lost, return_exceptions=True)

        after = await until_answered(verb)

        at = store._connections.here().at
        await store.aclose()
    assert before.remaining == 900
    assert all(isinstance(answer, (Taken, StoreError)) for answer in answers)
    assert 879 <= after.remaining <= 899  # what was counted before the fall is counted yet
    assert at == ("127.0.0.1", nodes.replica.port)


async def test_a_cluster_that_is_down_is_a_store_error() -> None:
    with running("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as node:
        store = clustered(node, gateway="g")

        with pytest.raises(StoreError, match="CLUSTERDOWN"):
            await store.bucket("b", Bucket(1.0, 1))("key")

        await store.aclose()


async def test_a_node_of_a_cluster_that_is_not_called_one_says_how_to_write_it(nodes: Cluster) -> None:
    gateway = nodes.named(nodes.masters[1])
    store = RedisThrottleStore(RedisAddress(port=nodes.masters[0].port, timeout_s=10), gateway=gateway)

    with pytest.raises(StoreError, match=r"redis\+cluster"):
        await store.bucket("b", Bucket(1.0, 1))("key")

    await store.aclose()


@pytest.mark.parametrize("paused", [False, True], ids=["killed", "paused"])
async def test_the_promoted_server_is_asked_after_sentinels_fail_over(paused: bool) -> None:
    with watched() as peers:
        store = behind(peers)
        verb = store.bucket("b", Bucket(1e-5, 1000))
        before = await verb("key")
        peers.master.ask("WAIT", 1, 5000, password=peers.PASSWORD)
        with peers.master.paused() if paused else nullcontext(peers.master.kill()):
            with pytest.raises(StoreError):
                await verb("key")
            after = await until_answered(verb)

        at = store._connections.here().at
        await store.aclose()
    assert before.remaining == 999
    assert after.remaining in (997, 998)
    assert at == ("127.0.0.1", peers.replica.port)


async def test_a_master_that_became_a_replica_is_left_and_no_call_is_lost() -> None:
    with running() as old, running() as new, answering(lambda _: said(new)) as sentinel:
        seeds = (("127.0.0.1", sentinel),)
        store = RedisThrottleStore(RedisAddress(topology="sentinel", seeds=seeds, master="shop", timeout_s=10))
        store._connections._of[asyncio.get_running_loop()] = store._connections._new(
            asyncio.get_running_loop(), ("127.0.0.1", old.port)
        )
        verb = store.bucket("b", Bucket(1e-3, 500))
        first = await asyncio.gather(*(verb("key") for _ in range(10)))
        old.ask("REPLICAOF", "127.0.0.1", new.port)

        then = await asyncio.gather(*(verb("key") for _ in range(20)))

        await store.aclose()
    assert first[-1].remaining == 490
    assert sorted(answer.remaining for answer in then) == [*range(480, 500)]


async def test_sentinels_that_do_not_know_the_master_or_the_password_say_so() -> None:
    with watched() as peers:
        unknown, refused = behind(peers, master="other"), behind(peers, sentinel_password="wrong")
        for store, why in ((unknown, "knows no master 'other'"), (refused, "WRONGPASS|invalid")):
            with pytest.raises(StoreError, match=why):
                await store.bucket("b", Bucket(1.0, 1))("key")
            await store.aclose()


async def test_one_sentinel_that_is_behind_is_outvoted() -> None:
    with (
        running() as server, running("--replicaof", "127.0.0.1", "1") as past,
        answering(lambda _: said(past)) as behind, answering(lambda _: said(server)) as one,
        answering(lambda _: said(server)) as two,
    ):  # fmt: skip
        seeds = tuple(("127.0.0.1", port) for port in (behind, 1, one, two))
        store = RedisThrottleStore(RedisAddress(topology="sentinel", seeds=seeds, master="shop", timeout_s=10))

        answer = await store.bucket("b", Bucket(1e-3, 5))("key")

        await store.aclose()
    assert answer.remaining == 4


async def test_a_server_that_is_no_master_is_not_asked_whatever_a_sentinel_says() -> None:
    with running("--replicaof", "127.0.0.1", "1") as past, answering(lambda _: said(past)) as sentinel:
        seeds = (("127.0.0.1", sentinel),)
        store = RedisThrottleStore(RedisAddress(topology="sentinel", seeds=seeds, master="shop", timeout_s=10))

        with pytest.raises(StoreError, match="no master"):
            await store.bucket("b", Bucket(1e-3, 5))("key")

        await store.aclose()


def said(master: RedisServer) -> bytes:
    """What a sentinel answers."""
    return b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%d\r\n" % (len(str(master.port)), master.port)


async def test_a_server_that_stays_a_replica_is_not_flooded_with_connections() -> None:
    with running("--replicaof", "127.0.0.1", "1") as server:
        store = RedisThrottleStore(RedisAddress(port=server.port, timeout_s=10))
        verb = store.bucket("b", Bucket(1e-3, 5))
        for _ in range(200):
            with pytest.raises(StoreError, match="READONLY"):
                await verb("key")
        await store.aclose()
        opened = int(server.ask("INFO", "stats").split(b"total_connections_received:")[1].split(b"\r\n")[0])

    assert opened < 10


async def test_nodes_that_send_callers_to_one_another_get_two_connections() -> None:
    ports, greetings = [0, 0], [0, 0]

    def node(number: int) -> Callable[[bytes], bytes]:
        def answer(said: bytes) -> bytes:
            greetings[number] += b"LOAD" in said
            moved = b"-MOVED 1 127.0.0.1:%d\r\n" % ports[1 - number]
            return b"+OK\r\n" * said.count(b"CLIENT") + b"+OK\r\n" * (b"LOAD" in said) + moved * said.count(b"EVAL")

        return answer

    with answering(node(0)) as ports[0], answering(node(1)) as ports[1]:
        connections = RedisConnections(
            RedisAddress(topology="cluster", seeds=(("127.0.0.1", ports[0]),), timeout_s=10),
            [command([b"SCRIPT", b"LOAD", b"x"])],
        )
        loop = asyncio.get_running_loop()
        connections._of[loop] = connections._new(loop, ("127.0.0.1", ports[0]))
        for _ in range(20):
            with pytest.raises(StoreError, match="MOVED"):
                await connections.call(command([b"EVALSHA", b"x", b"0"]))
        await connections.aclose()

    assert greetings == [1, 1]


async def test_a_store_that_is_closed_while_it_looks_for_its_server_connects_to_none() -> None:
    asked, may_answer = threading.Event(), threading.Event()
    with running() as server:

        def sentinel(_: bytes) -> bytes:
            asked.set()
            may_answer.wait(_LONGEST_S)
            return said(server)

        with answering(sentinel) as port:
            seeds = (("127.0.0.1", port),)
            store = RedisThrottleStore(
                RedisAddress(topology="sentinel", seeds=seeds, master="m", connect_timeout_s=20, timeout_s=20)
            )
            before = asyncio.all_tasks()
            asking = asyncio.ensure_future(store.bucket("b", Bucket(1.0, 1))("key"))
            await asyncio.to_thread(asked.wait, _LONGEST_S)
            await store.aclose()
            may_answer.set()
            with pytest.raises(StoreError, match="closed"):
                await asking
            await asyncio.wait_for(asyncio.gather(*(asyncio.all_tasks() - before - {asking})), _LONGEST_S)

        clients = server.ask("CLIENT", "LIST")
    assert b"name=gatewaykit" not in clients


REDIRECTIONS = [
    ("MOVED 3999 10.0.0.1:6381", ("10.0.0.1", 6381)),
    ("ASK 3999 10.0.0.1:6381", ("10.0.0.1", 6381)),
    ("MOVED 3999 :6381", ("asked", 6381)),
    ("MOVED 3999 fe80::1:6381", ("fe80::1", 6381)),
    ("MOVED 3999 redis-1.example:6381", ("redis-1.example", 6381)),
    ("MOVED 3999", None),
    ("MOVED 3999 host:port", None),
    ("MOVED", None),
    ("ERR MOVED 3999 10.0.0.1:6381", None),
]


@pytest.mark.parametrize(("said", "place"), REDIRECTIONS, ids=[said for said, _ in REDIRECTIONS])
def test_a_redirection_is_read(said: str, place: Place | None) -> None:
    assert redirected(ReplyError(said), ("asked", 1)) == place
