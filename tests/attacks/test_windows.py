"""Attacks on limits that count in windows: on their edges, on their memory, and on the clock."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import PolicyMiddleware, by, throttle
from gatewaykit.clock import VirtualClock
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.testing import Client

LIMIT = 10
ALL = ("fixed_window", "moving_window", "sliding_window")


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})


def client_of(algorithm: Any, clock: Any, **options: Any) -> Client:
    limit = throttle(rate=f"{LIMIT}/minute", algorithm=algorithm, key=by.header("x-user"))
    return Client(PolicyMiddleware(app, store=MemoryThrottleStore(clock, **options), clock=clock, policies=[limit]))


async def admitted(client: Client, user: str, times: int) -> int:
    answers = [await client.get("/", headers={"x-user": user}) for _ in range(times)]
    return sum(answer.status == 200 for answer in answers)


@pytest.mark.parametrize("algorithm", ["moving_window", "sliding_window"])
async def test_an_edge_does_not_double_a_limit(algorithm: str) -> None:
    clock = VirtualClock("2026-01-15T12:00:59Z")
    client = client_of(algorithm, clock)
    before = await admitted(client, "mallory", 3 * LIMIT)
    clock.advance(1.5)

    after = await admitted(client, "mallory", 3 * LIMIT)

    assert (before, after) == (LIMIT, 0)


@pytest.mark.parametrize("algorithm", ALL)
async def test_a_flood_of_names_neither_fills_memory_nor_frees_whoever_used_up_a_limit(algorithm: str) -> None:
    clock = VirtualClock("2026-01-15T12:00:01Z")
    store_keys = 50
    client = client_of(algorithm, clock, max_keys=store_keys)
    await admitted(client, "mallory", LIMIT)

    strangers = [await admitted(client, f"stranger-{number}", 1) for number in range(20 * store_keys)]

    assert sum(strangers) <= store_keys - 1 + LIMIT
    assert await admitted(client, "mallory", 1) == 0


@pytest.mark.parametrize(("algorithm", "free_at_s"), list(zip(ALL, (60, 60, 120))), ids=ALL)
async def test_refused_requests_keep_nobody_out_for_longer(algorithm: str, free_at_s: int) -> None:
    clock = VirtualClock("2026-01-15T12:00:00Z")
    client = client_of(algorithm, clock)
    await admitted(client, "victim", LIMIT)
    for _ in range(59):
        clock.advance(1)
        await admitted(client, "victim", 5)  # somebody else keeps asking in the victim's name
    clock.advance(free_at_s - 59)

    assert await admitted(client, "victim", 2 * LIMIT) == LIMIT


class Wound:
    """A clock whose wall time somebody can set."""

    def __init__(self) -> None:
        self.elapsed_s, self.set_s = 0.0, 1.8e9

    def monotonic(self) -> float:
        return self.elapsed_s

    def wall(self) -> float:
        return self.set_s + self.elapsed_s


@pytest.mark.parametrize("algorithm", ALL)
@pytest.mark.parametrize("by_s", [-3600.0, 3600.0], ids=["back", "forth"])
async def test_a_clock_that_is_set_gives_nothing_and_takes_nothing(algorithm: str, by_s: float) -> None:
    clock = Wound()
    client = client_of(algorithm, clock)
    await admitted(client, "mallory", LIMIT)
    clock.set_s += by_s

    at_once = await admitted(client, "mallory", LIMIT)
    clock.elapsed_s += 120
    later = await admitted(client, "mallory", LIMIT)

    assert (at_once, later) == (0, LIMIT)
