"""One call for what is missing, of all processes that share a store: who fetches holds a claim, the others wait.

A claim ends by itself, so that a process that dies keeps nobody waiting for longer; what comes late with an old claim
is not kept. Without the store, each process fetches for itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from gatewaykit.errors import StoreError
from gatewaykit.waiting import pause

if TYPE_CHECKING:
    from gatewaykit.clock import Clock
    from gatewaykit.ports import CacheSpace

__all__ = ["claimed"]

T = TypeVar("T")

_FIRST_LOOK_S: Final = 0.01
_LONGEST_LOOK_S: Final = 0.25


async def claimed(
    space: CacheSpace,
    key: bytes,
    look: Callable[[], Awaitable[T | None]],
    *,
    hold_s: float,
    wait_s: float,
    clock: Clock,
) -> tuple[int, T | None]:
    """A claim, or what `look` found. `(0, None)`: fetch without one, the wait was in vain.

    Who gets a claim looks as well: another may have kept a response since this one was last looked for.
    """
    until_s, delay_s = clock.monotonic() + wait_s, _FIRST_LOOK_S
    try:
        while True:
            given = space.claim(key, hold_s)
            claim = await given if inspect.isawaitable(given) else given
            if claim:
                if (found := await look()) is None:
                    return claim, None
                if (released := space.release(key, claim)) is not None:
                    await released
                return 0, found
            left_s = until_s - clock.monotonic()
            if left_s <= 0:
                return 0, None
            await pause(clock, min(delay_s, left_s))
            delay_s = min(2 * delay_s, _LONGEST_LOOK_S)
            if (found := await look()) is not None:
                return 0, found
    except StoreError:
        return 0, None
