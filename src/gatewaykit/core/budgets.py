"""What each client may still spend on failures: token buckets whose tokens come back when all went well.

The step is that of `core.throttle`. A bucket that is full is not kept, so that the table holds only clients that owe
something. At most `most` of them: those that come on top share one bucket, so they stay limited and memory bounded.
"""

from __future__ import annotations

from typing import Final

from gatewaykit.core.throttle import TOLERANCE, Bucket, interval_s

__all__ = ["Budgets"]

_SHARED: Final = "\0more"
_SWEEP_S: Final = 1.0


class Budgets:
    """A bucket for each key, kept as the instant at which it will be full."""

    __slots__ = ("_full_at_s", "_interval_s", "_most", "_room_s", "_sweep_at_s")

    def __init__(self, bucket: Bucket, *, most: int = 100_000) -> None:
        self._interval_s = interval_s(bucket)
        self._room_s = (bucket.burst - 1 + TOLERANCE) * self._interval_s
        self._most = most
        self._full_at_s: dict[str, float] = {}
        self._sweep_at_s = 0.0

    def wait_s(self, key: str, now_s: float) -> float:
        """Seconds until a token is there; 0 where one is."""
        owed_s = self._full_at_s.get(self._counted(key, now_s), now_s) - now_s
        return max(0.0, owed_s - self._room_s)

    def take(self, key: str, now_s: float) -> float:
        """Take a token. Gives 0, or the seconds until one is there, and then nothing was taken."""
        key = self._counted(key, now_s)
        full_at_s = max(self._full_at_s.get(key, now_s), now_s)
        if full_at_s - now_s > self._room_s:
            return full_at_s - now_s - self._room_s
        self._full_at_s[key] = full_at_s + self._interval_s
        return 0.0

    def give_back(self, key: str, now_s: float) -> None:
        """Put a token back that was taken."""
        if key not in self._full_at_s:
            key = _SHARED
        full_at_s = self._full_at_s.get(key, now_s) - self._interval_s
        if full_at_s > now_s:
            self._full_at_s[key] = full_at_s
        else:
            self._full_at_s.pop(key, None)

    def __len__(self) -> int:
        return len(self._full_at_s)

    def _counted(self, key: str, now_s: float) -> str:
        """The key that a client is counted under: its own, while there is room for it."""
        table = self._full_at_s
        if key in table or len(table) < self._most:
            return key
        if now_s >= self._sweep_at_s:
            self._sweep_at_s = now_s + _SWEEP_S
            for full in [each for each, full_at_s in table.items() if full_at_s <= now_s]:
                del table[full]
        return key if len(table) < self._most else _SHARED
