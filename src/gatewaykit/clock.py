"""The only reads of system time, and the virtual clock that stands in for them in tests.

`monotonic` (seconds, arbitrary origin) serves buckets and timeouts; `wall` (seconds since 1970, UTC) serves expiry,
signatures and calendar quotas.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

from gatewaykit.units import parse_duration, parse_instant

if TYPE_CHECKING:
    import asyncio

__all__ = ["SYSTEM", "Clock", "SystemClock", "VirtualClock"]


_ROUNDING_S: Final = 1e-9  # a sleep that ends at this very instant has ended


class Clock(Protocol):
    """Where time comes from. Both readings are seconds."""

    def monotonic(self) -> float: ...
    def wall(self) -> float: ...

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds have passed."""


class SystemClock:
    """The machine's clock."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)


SYSTEM: Clock = SystemClock()


class VirtualClock:
    """A clock that stands still until told to move.

    >>> clock = VirtualClock("2026-01-01T00:00Z")
    >>> clock.advance("1d")
    >>> clock.wall() - VirtualClock("2026-01-01T00:00Z").wall()
    86400.0
    """

    __slots__ = ("_elapsed_s", "_sleepers", "_start_s")

    def __init__(self, start: str | float = "2026-01-01T00:00Z") -> None:
        self._start_s = parse_instant(start) if isinstance(start, str) else float(start)
        self._elapsed_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    @property
    def sleeping(self) -> int:
        """How many wait in `sleep`."""
        return len(self._sleepers)

    def monotonic(self) -> float:
        return self._elapsed_s

    def wall(self) -> float:
        return self._start_s + self._elapsed_s

    def advance(self, by: str | float) -> None:
        """Move on by a duration: seconds, or text such as `"250ms"`, `"30s"`, `"5m"`, `"2h"`, `"1d"`.

        Raises ValueError for a negative or malformed duration.
        """
        self._elapsed_s += parse_duration(by)
        for wakes_at_s, sleeper in [*self._sleepers]:
            if wakes_at_s <= self._elapsed_s + _ROUNDING_S and not sleeper.done():
                sleeper.set_result(None)

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved on by so much."""
        import asyncio

        sleeper = self._elapsed_s + seconds, asyncio.get_running_loop().create_future()
        self._sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self._sleepers.remove(sleeper)
