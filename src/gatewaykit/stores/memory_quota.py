"""Quotas of one process, with what each key used on each day.

A table for each day holds what its keys have used since their window began; a key that was not seen today is looked for
in the earlier days of the window. So a day's turn costs nothing, and the days that are over are the usage.

The counts belong to a quota's name and period: where its limit is changed, what was used stays counted.

`max_keys` bounds the entries of all days together. Days before the running window go first, then what later days
repeat; after that, the keys that come on top share one quota.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Final
from weakref import WeakSet

from gatewaykit.core import quota as quota_step
from gatewaykit.core.quota import Quota, Use, window
from gatewaykit.core.throttle import Taken
from gatewaykit.core.usage import DAY_S, KEPT_DAYS, Day, daily

__all__ = ["OVERFLOW", "QuotaCounts", "QuotaKeys"]

OVERFLOW: Final = "\0more"
"""The key that the keys over `max_keys` share: no key function gives one that starts with a NUL."""


class QuotaCounts:
    """What the keys of the quotas of one name and period have used. `young` is today's table."""

    __slots__ = (
        "_folded_s", "_max_keys", "_views", "_wall", "day_end_s", "days", "end_s", "extended", "first_s", "period",
        "start_s", "young",
    )  # fmt: skip

    def __init__(self, period: str, max_keys: int, wall: Callable[[], float]) -> None:
        self.period, self._max_keys, self._wall = period, max_keys, wall
        self.days: dict[float, dict[str, float]] = {}
        self.extended: dict[float, dict[str, int]] = {}
        self._views: list[QuotaKeys] = []
        now = wall()
        self.start_s, self.end_s = window(period, now)
        self.first_s, self._folded_s = self.start_s, -1.0
        self._begin(now)

    def __len__(self) -> int:
        return sum(map(len, self.days.values()))

    def view(self, quota: Quota) -> QuotaKeys:
        """The same counts under a limit."""
        keys = QuotaKeys(quota, self, self._wall)
        self._views.append(keys)
        keys.follow()
        return keys

    def turn(self, now: float) -> None:
        """Begin a new day, and maybe a new window. A clock that is set back stays where it was."""
        if now >= self.end_s:
            self.start_s, self.end_s = window(self.period, now)
        self._begin(now)

    def known(self, key: str) -> float | None:
        """What a key has used in the running window."""
        for day in reversed(self.days):
            if day < self.start_s:
                break
            if (used := self.days[day].get(key)) is not None:
                return used
        return None

    def admit(self, key: str) -> tuple[str, float]:
        """For a key that was not seen today: the key to count under, and what it has used in this window."""
        used = self.known(key)
        if self.is_full() and not self._make_room():
            if used is None:
                return OVERFLOW, self.known(OVERFLOW) or 0
            for table in self.days.values():
                table.pop(key, None)  # it moves: its usage is forgotten, its quota is not
            self.young[key] = used
        return key, used or 0

    def is_full(self) -> bool:
        return len(self) >= self._max_keys

    def table(self, day: float) -> dict[str, float]:
        """A new table."""
        return {}

    def of_days(self, key: str) -> Mapping[float, Day]:
        """What is known of a key's days."""
        return {
            day: Day(int(table[key]), self.extended.get(day, {}).get(key, 0))
            for day, table in self.days.items()
            if key in table
        }

    def _begin(self, now: float) -> None:
        day, self.day_end_s = window("DAY", max(now, self.start_s))
        self.young = self.days[day] = self.table(day)
        while len(self.days) > KEPT_DAYS:
            oldest = next(iter(self.days))
            del self.days[oldest]
            self.extended.pop(oldest, None)
        for view in self._views:
            view.follow()

    def _make_room(self) -> bool:
        """Forget usage, the oldest first, never what counts. Is there room now?"""
        for day in [day for day in self.days if day < self.start_s]:
            del self.days[day]
        today = self.day_end_s - DAY_S
        if self._folded_s != today:
            self._folded_s, earlier = today, [day for day in self.days if day < today]
            together: dict[str, float] = {}
            for day in earlier:
                together.update(self.days[day])
                self.days[day] = {}
            if earlier:
                self.days[earlier[-1]] = {key: used for key, used in together.items() if key not in self.young}
        return not self.is_full()


class QuotaKeys:
    """The keys of one quota. `young` is today's table; `limit_now` what the running window allows.

    `followers` are called when one of them is another.
    """

    __slots__ = ("_counts", "_wall", "day_end_s", "followers", "limit", "limit_now", "young")

    def __init__(self, quota: Quota, counts: QuotaCounts, wall: Callable[[], float]) -> None:
        self.limit, self._counts, self._wall = quota, counts, wall
        self.followers: WeakSet[Callable[[], None]] = WeakSet()

    def follow(self) -> None:
        """Take over what changed with the day."""
        self.young, self.day_end_s = self._counts.young, self._counts.day_end_s
        self.limit_now = self._limit(self._counts.start_s)
        for follow in self.followers:
            follow()

    def take(self, key: str) -> Taken:
        """Count one request."""
        now = self._wall()
        if now >= self.day_end_s:
            self.turn(now)
        used = self.young.get(key)
        if used is None:
            key, used = self._counts.admit(key)
        reset_s = self._counts.end_s - now
        if used >= self.limit_now:
            return Taken(False, 0, reset_s if self.limit.limit else inf, reset_s)
        self.young[key] = used + 1
        return Taken(True, int(self.limit_now - used) - 1, 0.0, reset_s)

    def look(self, key: str) -> Taken:
        """What `take` would answer."""
        return self.asked(key, self._wall(), True)[1]

    def asked(self, key: str, now: float, look_only: bool, cost: int = 1) -> tuple[Callable[[], None], Taken]:
        """What taking `cost` would answer, and what it would write. Whoever writes has let the day turn before."""
        counts = self._counts
        used: float | None
        if look_only:
            used = counts.known(key)
            if used is None and counts.is_full():
                key, used = OVERFLOW, counts.known(OVERFLOW)
        else:
            used = self.young.get(key)
            if used is None:
                key, used = counts.admit(key)
        use, taken = quota_step.count(Use(counts.start_s, int(used or 0)), now, self.limit, counts.first_s, cost)

        def write() -> None:
            self.young[key] = use.used

        return write, taken

    def charge(self, key: str, amount: int) -> None:
        """Count requests that may be over the limit, or take some back."""
        now = self._wall()
        if now >= self.day_end_s:
            self.turn(now)
        used: float | None = self.young.get(key)
        if used is None:
            key, used = self._counts.admit(key)
        self.young[key] = quota_step.charge(Use(self._counts.start_s, int(used)), now, self.limit, amount).used

    def after(self, used: int, now: float) -> Taken:
        """The answer at `now` that left a key with `used` requests."""
        start, end = window(self.limit.period, now)
        return Taken(True, self._limit(start) - used, 0.0, end - now)

    def left(self, key: str) -> Taken:
        """What a key that was counted has left now."""
        used = self.young.get(key)
        return self.after(int(used if used is not None else self._counts.known(key) or 0), self._wall())

    def turn(self, now: float) -> None:
        """Begin a new day, for all quotas that share the counts."""
        self._counts.turn(now)

    def extend(self, key: str, remaining: int) -> None:
        """Leave a key so many requests in the running window."""
        now, counts = self._wall(), self._counts
        if now >= self.day_end_s:
            self.turn(now)
        key, used = counts.admit(key) if key not in self.young else (key, self.young[key])
        charged = self.limit_now - remaining
        granted = counts.extended.setdefault(self.day_end_s - DAY_S, {})
        granted[key] = granted.get(key, 0) + int(used - charged)
        self.young[key] = charged

    def usage(self, keys: Sequence[str], first_s: float, last_s: float) -> dict[str, list[tuple[int, int]]]:
        """What each key used on each day of a span, both ends included, and what it had left then."""
        counts = self._counts
        return {key: daily(counts.of_days(key), self.limit, counts.first_s, first_s, last_s) for key in keys}

    def _limit(self, start_s: float) -> int:
        quota = self.limit
        return max(0, quota.limit - quota.offset) if start_s == self._counts.first_s else quota.limit
