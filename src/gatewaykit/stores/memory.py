"""Limits of one process, in dictionaries.

Rules
* A verb reads the clock itself and runs the step of core without awaiting: it is atomic.
* The step is written out here, for speed; a property test proves it equal to the one in core.
* No thread sweeps. A bucket's keys live in two generations: when a key comes that is not in the young one, and the
  young one is as old as a bucket needs to fill (one second at least), it grows old and the old one is dropped. A key
  that was not used in between had a full bucket, which is what an unknown key has.
* `max_keys` bounds the keys of one limit. Where that many are in use, the keys that come on top share one bucket (or
  quota) among them: they stay limited, memory stays bounded, and whoever was there before notices nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy
from functools import partial
from math import floor
from typing import Final
from weakref import WeakSet

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.core import throttle as throttle_step
from gatewaykit.core.limits import Decided, Limit, names_of
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import FULL, NEVER_S, TOLERANCE, Bucket, Taken, allowed, interval_s, refused
from gatewaykit.core.window import Window
from gatewaykit.stores.memory_limits import limits_verb
from gatewaykit.stores.memory_permits import MemoryPermits
from gatewaykit.stores.memory_quota import OVERFLOW, QuotaCounts, QuotaKeys
from gatewaykit.stores.memory_window import WindowKeys, window_keys

__all__ = ["BucketKeys", "MemoryThrottleStore"]

_READY_ANSWERS: Final = 5000
"""Answers are made beforehand for bursts up to this, the burst of an untouched API (recorded row 119)."""

_LEAST_ROTATION_S: Final = 1.0


class MemoryThrottleStore:
    """Limits in this process's memory. The same name and settings always mean the same limits."""

    __slots__ = (
        "_answers",
        "_buckets",
        "_clock",
        "_counts",
        "_look_only",
        "_max_keys",
        "_permits",
        "_quotas",
        "_windows",
    )

    never_waits: Final = True
    """No verb gives an awaitable: a policy may rely on it."""

    def __init__(self, clock: Clock = SYSTEM, *, max_keys: int = 1_000_000) -> None:
        if max_keys < 1:
            raise ValueError(f"max_keys is 1 or more, not {max_keys!r}")
        self._clock, self._max_keys, self._look_only = clock, max_keys, False
        self._buckets: dict[tuple[str, Bucket], BucketKeys] = {}
        self._quotas: dict[tuple[str, Quota], QuotaKeys] = {}
        self._windows: dict[tuple[str, Window], WindowKeys] = {}
        self._counts: dict[tuple[str, str], QuotaCounts] = {}
        self._permits: dict[str, dict[str, int]] = {}
        self._answers: dict[Bucket, tuple[Taken, ...]] = {}

    def bucket(self, name: str, bucket: Bucket) -> Callable[[str], Taken]:
        """The verb that takes one token from the bucket of a key."""
        keys = self._bucket_keys(name, bucket)
        return keys.look if self._look_only else keys.take

    def quota(self, name: str, quota: Quota) -> Callable[[str], Taken]:
        """The verb that counts one request of a key against its quota."""
        keys = self._quota_keys(name, quota)
        return keys.look if self._look_only else keys.take

    def window(self, name: str, window: Window) -> Callable[[str], Taken]:
        """The verb that counts one request of a key in its window."""
        keys = self._window_keys(name, window)
        return keys.look if self._look_only else keys.take

    def limits(self, name: str | Sequence[str], limits: Sequence[Limit]) -> Callable[..., Decided]:
        """The verb that takes a number of tokens (one if not said) of each limit, or none of any."""
        tables = [self._keys(each, limit) for each, limit in zip(names_of(name, limits), limits)]
        return limits_verb(limits, tables, self._clock.monotonic, self._clock.wall, look_only=self._look_only)

    def charge(self, name: str | Sequence[str], limits: Sequence[Limit]) -> Callable[[Sequence[str | None], int], None]:
        """The verb that takes tokens of each limit that may not be there, or gives some back."""
        tables = [self._keys(each, limit) for each, limit in zip(names_of(name, limits), limits)]

        def charge(keys: Sequence[str | None], amount: int) -> None:
            if self._look_only:
                return
            for table, key in {(table, key): None for table, key in zip(tables, keys, strict=True) if key is not None}:
                table.charge(key, amount)

        return charge

    def usage(
        self, name: str, quota: Quota, keys: Sequence[str], first_s: float, last_s: float
    ) -> Mapping[str, Sequence[tuple[int, int]]] | Awaitable[Mapping[str, Sequence[tuple[int, int]]]]:
        """What keys used on each day of a span, both ends included, and what they had left then."""
        return self._quota_keys(name, quota).usage(keys, first_s, last_s)

    def extend(self, name: str, quota: Quota, key: str, remaining: int) -> Awaitable[None] | None:
        """Leave a key so many requests in the window that is running."""
        self._quota_keys(name, quota).extend(key, remaining)
        return None

    def permits(self, name: str, most: int, hold_s: float) -> MemoryPermits:
        """The permits of a limit on requests in flight."""
        return MemoryPermits(most, self._permits.setdefault(name, {}), look_only=self._look_only)

    def looking(self) -> MemoryThrottleStore:
        """The same limits, with verbs that look and take nothing."""
        store = copy(self)
        store._look_only = True
        return store

    def __len__(self) -> int:
        """How many keys are kept, of all limits together."""
        return sum(len(keys) for kept in (self._buckets, self._counts, self._windows) for keys in kept.values())

    async def aclose(self) -> None:
        """Nothing to close."""

    def _keys(self, name: str, limit: Limit) -> BucketKeys | QuotaKeys | WindowKeys:
        if isinstance(limit, Quota):
            return self._quota_keys(name, limit)
        return self._window_keys(name, limit) if isinstance(limit, Window) else self._bucket_keys(name, limit)

    def _bucket_keys(self, name: str, bucket: Bucket) -> BucketKeys:
        keys = self._buckets.get((name, bucket))
        if keys is None:
            keys = BucketKeys(bucket, self._max_keys, self._clock.monotonic, self._ready_answers(bucket))
            self._buckets[name, bucket] = keys
        return keys

    def _quota_keys(self, name: str, quota: Quota) -> QuotaKeys:
        keys = self._quotas.get((name, quota))
        if keys is None:
            counts = self._counts.get((name, quota.period))
            if counts is None:
                counts = self._counts[name, quota.period] = self._new_counts(name, quota.period)
            keys = self._quotas[name, quota] = counts.view(quota)
        return keys

    def _window_keys(self, name: str, window: Window) -> WindowKeys:
        keys = self._windows.get((name, window))
        if keys is None:
            keys = self._windows[name, window] = window_keys(window, self._max_keys, self._clock)
        return keys

    def _new_counts(self, name: str, period: str) -> QuotaCounts:
        return QuotaCounts(period, self._max_keys, self._clock.wall)

    def _ready_answers(self, bucket: Bucket) -> tuple[Taken, ...] | None:
        if bucket.patience_s or not 0 < bucket.burst <= _READY_ANSWERS or interval_s(bucket) >= NEVER_S:
            return None
        if bucket not in self._answers:
            self._answers[bucket] = tuple(allowed(left, bucket) for left in range(bucket.burst + 1))
        return self._answers[bucket]


class BucketKeys:
    """The keys of one limit, each with the instant at which its bucket is full, in a young and an old generation.

    `followers` are called when `young` is another table.
    """

    __slots__ = (
        "_in_debt",
        "_max_keys",
        "_monotonic",
        "_rotate_at_s",
        "_rotation_s",
        "_sweep_at_s",
        "followers",
        "limit",
        "old",
        "take",
        "young",
    )

    def __init__(
        self, bucket: Bucket, max_keys: int, monotonic: Callable[[], float], answers: tuple[Taken, ...] | None
    ) -> None:
        self.young: dict[str, float] = {}
        self.old: dict[str, float] = {}
        self.limit, self._max_keys, self._monotonic = bucket, max_keys, monotonic
        self._rotation_s = max(_LEAST_ROTATION_S, (bucket.burst + TOLERANCE) * interval_s(bucket) + bucket.patience_s)
        self.followers: WeakSet[Callable[[], None]] = WeakSet()
        self._in_debt: set[str] = set()
        self._sweep_at_s = monotonic()
        self._rotate_at_s = self._sweep_at_s + self._rotation_s
        self.take: Callable[[str], Taken] = self._plain_take() if answers is None else self._fast_take(answers)

    def __len__(self) -> int:
        return len(self.young) + len(self.old)

    def look(self, key: str) -> Taken:
        """What `take` would answer."""
        return self.asked(key, self._monotonic(), True)[1]

    def asked(self, key: str, now: float, look_only: bool, cost: int = 1) -> tuple[Callable[[], None], Taken]:
        """What taking `cost` would answer at `now`, and what it would write."""
        full_at = self.young.get(key)
        if full_at is None and look_only:
            full_at = self.old.get(key, FULL)
            if full_at == FULL and len(self) >= self._max_keys:
                full_at = self.young.get(OVERFLOW, self.old.get(OVERFLOW, FULL))
        elif full_at is None:
            key, full_at = self._admit(key, now)
        after, taken = throttle_step.take(full_at, now, self.limit, cost)
        return partial(self._write, key, after), taken

    def left(self, key: str) -> Taken:
        """What a key that took a token has left now."""
        full_at = self.young.get(key)
        if full_at is None:
            full_at = self.old.get(key, FULL)
        return throttle_step.look(full_at - interval_s(self.limit), self._monotonic(), self.limit)

    def charge(self, key: str, amount: int) -> None:
        """Take tokens that may not be there, or give some back."""
        now = self._monotonic()
        full_at = self.young.get(key)
        if full_at is None:
            key, full_at = self._admit(key, now)
        full_at = throttle_step.charge(full_at, now, self.limit, amount)
        self._write(key, full_at)
        if full_at - now > self._rotation_s:
            self._in_debt.add(key)

    def _fast_take(self, answers: tuple[Taken, ...]) -> Callable[[str], Taken]:
        bucket, monotonic, admit = self.limit, self._monotonic, self._admit
        interval = interval_s(bucket)
        per_second = 1 / interval
        room_s = (bucket.burst - 1 + TOLERANCE) * interval
        young, known = self.young, self.young.get
        from_full = answers[bucket.burst - 1]
        new, owed_when_empty_s = tuple.__new__, (bucket.burst - 1) * interval
        reset_s = refused(interval, bucket).reset_s

        def follow() -> None:
            nonlocal young, known
            young, known = self.young, self.young.get

        def take(key: str) -> Taken:
            now = monotonic()
            full_at = known(key)
            if full_at is None:
                key, full_at = admit(key, now)
            if full_at <= now:
                young[key] = now + interval
                return from_full
            left = room_s - full_at + now
            if left < 0.0:
                return new(Taken, (False, 0, full_at - now - owed_when_empty_s, reset_s))
            young[key] = full_at + interval
            return answers[floor(left * per_second)]

        vars(take)["follow"] = follow  # so that it lives as long as the verb
        self.followers.add(follow)
        return take

    def _plain_take(self) -> Callable[[str], Taken]:
        """Core's own step: for bursts too large to have every answer ready, and for buckets that never refill."""

        def take(key: str) -> Taken:
            now = self._monotonic()
            full_at = self.young.get(key)
            if full_at is None:
                key, full_at = self._admit(key, now)
            full_at, taken = throttle_step.take(full_at, now, self.limit)
            if full_at != FULL:
                self.young[key] = full_at
            return taken

        return take

    def _write(self, key: str, full_at: float) -> None:
        if full_at == FULL:
            self.young.pop(key, None)
        else:
            self.young[key] = full_at

    def _admit(self, key: str, now: float) -> tuple[str, float]:
        """For a key that is not in the young generation: the key to count under, and when its bucket is full."""
        if now >= self._rotate_at_s:
            self.young, self.old = self._still_in_debt(now), self.young
            self._rotate_at_s = now + self._rotation_s
            for follow in self.followers:
                follow()
        full_at = self.old.pop(key, self.young.get(key, FULL))
        if full_at == FULL and len(self) >= self._max_keys and not self._sweep(now):
            key = OVERFLOW
            full_at = self.young[key] if key in self.young else self.old.pop(key, FULL)
        if full_at != FULL:
            self.young[key] = full_at  # also for a request that will be refused, and so write nothing
        return key, full_at

    def _still_in_debt(self, now: float) -> dict[str, float]:
        """Those of the generation that goes whose buckets needed longer to fill than a generation lasts."""
        self._in_debt = {key for key in self._in_debt if max(self.young.get(key, FULL), self.old.get(key, FULL)) > now}
        return {key: self.old[key] for key in self._in_debt if key in self.old}

    def _sweep(self, now: float) -> bool:
        """Drop the keys whose buckets are full again, once a second at most. Is there room now?"""
        if now < self._sweep_at_s:
            return False
        self._sweep_at_s = now + _LEAST_ROTATION_S
        for keys in (self.young, self.old):
            for key in [key for key, full_at in keys.items() if full_at <= now]:
                del keys[key]
        return len(self) < self._max_keys
