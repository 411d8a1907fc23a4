"""Attacks on leased limits, seen from the door of an app: hoarding, leaving, and a flood of names."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from gatewaykit import PolicyMiddleware, by, throttle
from gatewaykit.clock import VirtualClock
from gatewaykit.stores.leases import LeasedThrottleStore
from gatewaykit.stores.redis import RedisThrottleStore
from gatewaykit.stores.redis_connection import RedisAddress
from gatewaykit.stores.resilient import OnStoreError, ResilientThrottleStore
from gatewaykit.testing import Client
from tests.peers.redis import RedisServer, running

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.xdist_group("redis")]

LEASE_S = 0.01
_GATEWAYS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})


def leased(server: RedisServer, clock: VirtualClock, gateway: str, max_keys: int = 1000) -> LeasedThrottleStore:
    address = RedisAddress(port=server.port, timeout_s=20)
    redis = RedisThrottleStore(address, gateway=gateway, time_us=lambda: round(clock.wall() * 1e6))
    return LeasedThrottleStore(redis, LEASE_S, clock=clock, max_keys=max_keys)


def guarded(store: LeasedThrottleStore, clock: VirtualClock, rate: float, burst: int) -> PolicyMiddleware:
    limit = throttle(rate=rate, burst=burst, key=by.header("x-name"), name="each name")
    deny = OnStoreError("deny")
    return PolicyMiddleware(
        app, policies=[limit], store=ResilientThrottleStore(store, throttles=deny, clock=clock), clock=clock
    )


async def admitted(processes: list[PolicyMiddleware], times: int, name: str = "a") -> int:
    """How many of so many requests at each process, all at once, come through."""
    clients = [Client(each) for each in processes for _ in range(times)]
    answers = await asyncio.gather(*(client.get("/", headers={"x-name": name}) for client in clients))
    return sum(answer.status == 200 for answer in answers)


async def test_slices_that_were_hoarded_at_many_processes_are_worth_nothing_later(server: RedisServer) -> None:
    clock, gateway, rate, burst = VirtualClock(), f"hoard-{next(_GATEWAYS)}", 2000.0, 400
    processes = [guarded(leased(server, clock, gateway), clock, rate, burst) for _ in range(4)]
    await admitted(processes, 16)
    clock.advance(0.0001)
    await admitted(processes, 1)  # each takes twenty and spends one
    clock.advance(1)  # and the bucket is full again

    at_once = await admitted(processes, 150) + await admitted(processes, 150)  # the rest of new slices too

    for process in processes:
        await process.aclose()
    assert at_once == burst


async def test_clients_that_leave_take_no_tokens_from_those_who_stay(server: RedisServer) -> None:
    clock = VirtualClock()
    process = guarded(leased(server, clock, f"leave-{next(_GATEWAYS)}"), clock, 0.001, 21)
    await admitted([process], 1)  # so the next ones want a slice
    with server.paused():
        asking = [asyncio.create_task(admitted([process], 1)) for _ in range(60)]
        for _ in range(8):
            await asyncio.sleep(0)
        for gone in [*asking[::3], *asking[1::3]]:
            gone.cancel()

    answers = await asyncio.gather(*asking, return_exceptions=True)

    await process.aclose()
    assert [answers[place] for place in range(2, 60, 3)] == [1] * 20


async def test_a_flood_of_names_is_kept_in_bounds_and_every_name_stays_limited(server: RedisServer) -> None:
    clock = VirtualClock()
    store = leased(server, clock, f"flood-{next(_GATEWAYS)}", max_keys=20)
    process = guarded(store, clock, 0.001, 2)

    came = [await admitted([process], 3, f"n{number}") for number in range(100)]

    await process.aclose()
    assert came == [2] * 100
    assert len(store) <= 20
