"""Quotas of one process, with what each key used on each day.

A table for each day holds what its keys have used since their window began; a key that was not seen today is looked for
in the earlier days of the window. So a day's turn costs nothing, and the days that are over are the usage.

`max_keys` bounds the entries of all days together. Days before the running window go first, then what later days
repeat; after that, the keys that come on top share one quota.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gatewaykit.core import quota as quota_step
from gatewaykit.core.quota import Quota, Use, window
from gatewaykit.core.throttle import Taken

__all__ = ["OVERFLOW", "QuotaKeys"]

OVERFLOW: Final = "\0more"
"""The key that the keys over `max_keys` share: no key function gives one that starts with a NUL."""

_DAY_S: Final = 86400
_KEPT_DAYS: Final = 92
"""GetUsage answers for up to 90 days."""


class QuotaKeys:
    """The keys of one quota. `young` is today's table; `limit_now` what the running window allows."""

    __slots__ = (
        "_days", "_end_s", "_extended", "_first_s", "_folded_s", "_max_keys", "_start_s", "_wall", "day_end_s", "limit",
        "limit_now", "young",
    )  # fmt: skip

    def __init__(self, quota: Quota, max_keys: int, wall: Callable[[], float]) -> None:
        self.limit, self._max_keys, self._wall = quota, max_keys, wall
        now = wall()
        self._start_s, self._end_s = window(quota.period, now)
        self._first_s, self._folded_s = self._start_s, -1.0
        self._days: dict[float, dict[str, float]] = {}
        self._extended: dict[float, dict[str, int]] = {}
        self._begin(now)

    def __len__(self) -> int:
        return sum(map(len, self._days.values()))

    def take(self, key: str) -> Taken:
        """Count one request."""
        now = self._wall()
        if now >= self.day_end_s:
            self.turn(now)
        used = self.young.get(key)
        if used is None:
            key, used = self._admit(key)
        if used >= self.limit_now:
            return Taken(False, 0, self._end_s - now, self._end_s - now)
        self.young[key] = used + 1
        return Taken(True, int(self.limit_now - used) - 1, 0.0, self._end_s - now)

    def look(self, key: str) -> Taken:
        """What `take` would answer."""
        return self.asked(key, self._wall(), True)[1]

    def asked(self, key: str, now: float, look_only: bool) -> tuple[Callable[[], None], Taken]:
        """What `take` would answer, and what it would write. Whoever writes has let the day turn before."""
        used: float | None
        if look_only:
            used = self._known(key)
            if used is None and self._is_full():
                key, used = OVERFLOW, self._known(OVERFLOW)
        else:
            used = self.young.get(key)
            if used is None:
                key, used = self._admit(key)
        use, taken = quota_step.count(Use(self._start_s, int(used or 0)), now, self.limit, self._first_s)

        def write() -> None:
            self.young[key] = use.used

        return write, taken

    def after(self, used: int, now: float) -> Taken:
        """The answer at `now` that left a key with `used` requests."""
        start, end = window(self.limit.period, now)
        return Taken(True, self._limit(start) - used, 0.0, end - now)

    def turn(self, now: float) -> None:
        """Begin a new day, and maybe a new window. A clock that is set back stays where it was."""
        if now >= self._end_s:
            self._start_s, self._end_s = window(self.limit.period, now)
        self._begin(now)

    def extend(self, key: str, remaining: int) -> None:
        """Leave a key so many requests in the running window."""
        now = self._wall()
        if now >= self.day_end_s:
            self.turn(now)
        key, used = self._admit(key) if key not in self.young else (key, self.young[key])
        charged = self.limit_now - remaining
        granted = self._extended.setdefault(self.day_end_s - _DAY_S, {})
        granted[key] = granted.get(key, 0) + int(used - charged)
        self.young[key] = charged

    def usage(self, keys: Sequence[str], first_s: float, last_s: float) -> dict[str, list[tuple[int, int]]]:
        """What each key used on each day of a span, both ends included, and what it had left then."""
        return {key: self._daily(key, first_s, last_s) for key in keys}

    def _daily(self, key: str, first_s: float, last_s: float) -> list[tuple[int, int]]:
        found = []
        start, _ = window(self.limit.period, first_s)
        day, before, running = window("DAY", start)[0], 0, start
        while day <= last_s:
            start, _ = window(self.limit.period, day)
            if start != running:
                before, running = 0, start
            charged = int(self._days.get(day, {}).get(key, before))
            used = charged - before + self._extended.get(day, {}).get(key, 0)
            if day + _DAY_S > first_s:
                found.append((used, max(0, self._limit(start) - charged)))
            before, day = charged, day + _DAY_S
        return found

    def _begin(self, now: float) -> None:
        day, self.day_end_s = window("DAY", max(now, self._start_s))
        self.limit_now = self._limit(self._start_s)
        self.young = self._days[day] = {}
        while len(self._days) > _KEPT_DAYS:
            oldest = next(iter(self._days))
            del self._days[oldest]
            self._extended.pop(oldest, None)

    def _limit(self, start_s: float) -> int:
        quota = self.limit
        return max(0, quota.limit - quota.offset) if start_s == self._first_s else quota.limit

    def _known(self, key: str) -> float | None:
        for day in reversed(self._days):
            if day < self._start_s:
                break
            if (used := self._days[day].get(key)) is not None:
                return used
        return None

    def _admit(self, key: str) -> tuple[str, float]:
        """For a key that was not seen today: the key to count under, and what it has used in this window."""
        used = self._known(key)
        if self._is_full() and not self._make_room():
            if used is None:
                return OVERFLOW, self._known(OVERFLOW) or 0
            for table in self._days.values():
                table.pop(key, None)  # it moves: its usage is forgotten, its quota is not
            self.young[key] = used
        return key, used or 0

    def _is_full(self) -> bool:
        return len(self) >= self._max_keys

    def _make_room(self) -> bool:
        """Forget usage, the oldest first, never what counts. Is there room now?"""
        for day in [day for day in self._days if day < self._start_s]:
            del self._days[day]
        today = self.day_end_s - _DAY_S
        if self._folded_s != today:
            self._folded_s, earlier = today, [day for day in self._days if day < today]
            together: dict[str, float] = {}
            for day in earlier:
                together.update(self._days[day])
                self._days[day] = {}
            if earlier:
                self._days[earlier[-1]] = {key: used for key, used in together.items() if key not in self.young}
        return not self._is_full()
