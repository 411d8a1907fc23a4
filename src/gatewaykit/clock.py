"""The only reads of system time, and the virtual clock that stands in for them in tests.

`monotonic` (seconds, arbitrary origin) serves buckets and timeouts; `wall` (seconds since 1970, UTC) serves expiry,
signatures and calendar quotas.
"""

from __future__ import annotations

import time
from typing import Protocol

from gatewaykit.units import parse_duration, parse_instant

__all__ = ["SYSTEM", "Clock", "SystemClock", "VirtualClock"]


class Clock(Protocol):
    """Where time comes from. Both readings are seconds."""

    def monotonic(self) -> float: ...
    def wall(self) -> float: ...


class SystemClock:
    """The machine's clock."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


SYSTEM: Clock = SystemClock()


class VirtualClock:
    """A clock that stands still until told to move.

    >>> clock = VirtualClock("2026-01-01T00:00Z")
    >>> clock.advance("1d")
    >>> clock.wall() - VirtualClock("2026-01-01T00:00Z").wall()
    86400.0
    """

    __slots__ = ("_elapsed_s", "_start_s")

    def __init__(self, start: str | float = "2026-01-01T00:00Z") -> None:
        self._start_s = parse_instant(start) if isinstance(start, str) else float(start)
        self._elapsed_s = 0.0

    def monotonic(self) -> float:
        return self._elapsed_s

    def wall(self) -> float:
        return self._start_s + self._elapsed_s

    def advance(self, by: str | float) -> None:
        """Move on by a duration: seconds, or text such as `"250ms"`, `"30s"`, `"5m"`, `"2h"`, `"1d"`.

        Raises ValueError for a negative or malformed duration.
        """
        self._elapsed_s += parse_duration(by)
