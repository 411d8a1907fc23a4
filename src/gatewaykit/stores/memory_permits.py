"""Requests in flight in this process: a count for each key, which is there as long as one of its requests is."""

from __future__ import annotations

from gatewaykit.core.permits import Entered

__all__ = ["MemoryPermits"]


class MemoryPermits:
    """The permits of one limit. Each is given back when its request is over, so it needs no end of its own."""

    def __init__(self, most: int, counts: dict[str, int], *, look_only: bool) -> None:
        self._most, self._counts, self._look_only = most, counts, look_only

    def enter(self, key: str, holder: bytes) -> Entered:
        in_flight = self._counts.get(key, 0)
        if in_flight >= self._most:
            return Entered(False, in_flight)
        if not self._look_only:
            self._counts[key] = in_flight + 1
        return Entered(True, in_flight + 1)

    def leave(self, key: str, holder: bytes) -> None:
        in_flight = self._counts.get(key, 0) - 1
        if in_flight > 0:
            self._counts[key] = in_flight
        else:
            self._counts.pop(key, None)
