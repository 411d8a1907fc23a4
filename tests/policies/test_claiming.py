"""One process fetches what is missing; the others wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from gatewaykit import StoreError, VirtualClock
from gatewaykit.policies.claiming import claimed


class Space:
    """Gives these claims in turn; one that is an exception is raised."""

    def __init__(self, *claims: int | Exception) -> None:
        self.claims: Iterator[int | Exception] = iter(claims)
        self.released: list[int] = []

    def claim(self, key: bytes, hold_s: float) -> int:
        given = next(self.claims, 0)
        if isinstance(given, Exception):
            raise given
        return given

    def release(self, key: bytes, claim: int) -> None:
        self.released.append(claim)


async def ask(space: Any, found: list[str | None], wait_s: float = 1.0) -> tuple[int, str | None]:
    clock = VirtualClock()
    looks = iter(found)

    async def look() -> str | None:
        return next(looks, None)

    task = asyncio.create_task(claimed(space, b"key", look, hold_s=5, wait_s=wait_s, clock=clock))
    while not task.done():
        await asyncio.sleep(0)
        if clock.sleeping:
            clock.advance("10ms")
    return await task


@pytest.mark.parametrize(
    ("claims", "found", "expected"),
    [
        pytest.param((7,), [], (7, None), id="the first has it at once"),
        pytest.param((0, 0), [None, "entry"], (0, "entry"), id="another had it, and its entry is there"),
        pytest.param((0, 7), [None, "entry"], (0, "entry"), id="another kept it between a look and a claim"),
        pytest.param((0, 0, 9), [], (9, None), id="another had it, and it came to nothing"),
        pytest.param((0,), [], (0, None), id="the wait was in vain"),
        pytest.param((StoreError("away"),), [], (0, None), id="the store is away"),
        pytest.param((0, StoreError("away")), [], (0, None), id="the store goes away"),
    ],
)
async def test_a_claim_or_what_another_fetched(
    claims: tuple[Any, ...], found: list[str | None], expected: tuple[int, str | None]
) -> None:
    assert await ask(Space(*claims), found) == expected


async def test_a_claim_for_what_is_there_by_now_is_given_back() -> None:
    space = Space(7)

    assert await ask(space, ["entry"]) == (0, "entry")
    assert space.released == [7]


async def test_without_a_wait_nobody_waits() -> None:
    assert await ask(Space(0), ["entry"], wait_s=0) == (0, None)
