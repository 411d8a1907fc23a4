"""What the contracts of stores share: a store and a virtual clock for one check, and both put away after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gatewaykit.clock import VirtualClock

__all__ = ["check_store"]

Store = TypeVar("Store", bound=Any)


def check_store(
    make_store: Callable[[VirtualClock], Awaitable[Store]], check: Callable[[Store, VirtualClock], Awaitable[None]]
) -> None:
    """Run a check on a store of its own."""

    async def run() -> None:
        clock = VirtualClock("2026-01-15T12:00Z")
        store = await make_store(clock)
        try:
            await check(store, clock)
        finally:
            await store.aclose()

    asyncio.run(run())
