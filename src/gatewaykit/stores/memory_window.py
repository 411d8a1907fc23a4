"""Windows of one process.

All windows of a limit that are aligned to 1970 start together, so their counters stand in one table, which is dropped
when they end: that costs nothing, and needs no sweeping. A moving window has the instants of each key, 8 bytes a
request, in a young and an old generation, as buckets have.

Time is the wall clock as it stood when the limit was made, carried on by the monotonic one: setting the clock changes
nothing. `max_keys` bounds the keys of a limit; those that come on top share one window.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from math import floor, inf
from typing import TYPE_CHECKING, Final, TypeAlias

from gatewaykit.core import window as window_step
from gatewaykit.core.throttle import TOLERANCE, Taken
from gatewaykit.core.window import Counted, Window, length_us
from gatewaykit.stores.memory_quota import OVERFLOW

if TYPE_CHECKING:
    from gatewaykit.clock import Clock

__all__ = ["CountedKeys", "LoggedKeys", "WindowKeys", "window_keys"]

_LEAST_ROTATION_S: Final = 1.0

WindowKeys: TypeAlias = "CountedKeys | LoggedKeys"


def window_keys(window: Window, max_keys: int, clock: Clock) -> WindowKeys:
    """The keys of a window."""
    return (LoggedKeys if window.kind == "moving" else CountedKeys)(window, max_keys, clock)


class CountedKeys:
    """The keys of a fixed or a sliding window.

    `young` has what each has used in the running window, `old` what keys that have not come since had used in the one
    before, and `_before` what the others had.
    """

    __slots__ = (
        "_before", "_end_s", "_max_keys", "_monotonic", "_number", "_since_s", "limit", "old", "take", "young",
    )  # fmt: skip

    def __init__(self, window: Window, max_keys: int, clock: Clock) -> None:
        self.limit, self._max_keys, self._monotonic = window, max_keys, clock.monotonic
        self._since_s = clock.wall() - clock.monotonic()
        self._number, self._end_s = -1, -inf
        self.young: dict[str, int] = {}
        self.old: dict[str, int] = {}
        self._before: dict[str, int] = {}
        self.take: Callable[[str], Taken] = self._fast_take() if window.limit else self._plain_take

    def __len__(self) -> int:
        return len(self.young) + len(self.old)

    def look(self, key: str) -> Taken:
        """What `take` would answer."""
        return self.asked(key, self._monotonic(), True)[1]

    def asked(self, key: str, now: float, look_only: bool, cost: int = 1) -> tuple[Callable[[], None], Taken]:
        """What taking `cost` would answer at `now`, and what it would write."""
        if now >= self._end_s:
            self._turn(now)
        used = self.young.get(key)
        if used is None and not look_only:
            key, used = self._admit(key)
        elif used is None and key not in self.old and len(self) >= self._max_keys:
            key, used = OVERFLOW, self.young.get(OVERFLOW)
        before = self._before.get(key, 0) if used is not None else self.old.get(key, 0)
        _, taken = window_step.take(
            Counted(self._number, used or 0, before), now + self._since_s, self.limit, cost
        )  # fmt: skip
        return partial(self.young.__setitem__, key, (used or 0) + cost), taken

    def charge(self, key: str, amount: int) -> None:
        """Count requests that may be over the limit, or take some back."""
        if (now := self._monotonic()) >= self._end_s:
            self._turn(now)
        used = self.young.get(key)
        if used is None:
            key, used = self._admit(key)
        self.young[key] = max(0, used + amount)

    def _plain_take(self, key: str) -> Taken:
        """A limit of 0 writes nothing."""
        return self.asked(key, self._monotonic(), False)[1]

    def _fast_take(self) -> Callable[[str], Taken]:
        limit, monotonic, admit = self.limit.limit, self._monotonic, self._admit
        is_fixed, length_s = self.limit.kind == "fixed", self.limit.window_s
        end_s, young, before, new = self._end_s, self.young, self._before, tuple.__new__

        def take(key: str) -> Taken:
            nonlocal end_s, young, before
            now = monotonic()
            if now >= end_s:
                if now >= self._end_s:
                    self._turn(now)
                end_s, young, before = self._end_s, self.young, self._before
            used = young.get(key)
            if used is None:
                key, used = admit(key)
            left = free = limit - used - 1
            reset_s = end_s - now
            if is_fixed:
                if left < 0:
                    return new(Taken, (False, 0, reset_s, reset_s))
                young[key] = used + 1
                return new(Taken, (True, left, 0.0, reset_s))
            if key in before:
                exactly = left - before[key] * reset_s / length_s
                left = floor(exactly + TOLERANCE)
            if left < 0:
                if free >= 0:
                    wait_s = reset_s - length_s * free / before[key]
                else:
                    wait_s = reset_s + length_s * max(0.0, 1 - (limit - 1) / used)
                return new(Taken, (False, 0, wait_s, reset_s + length_s if used else reset_s))
            young[key] = used + 1
            return new(Taken, (True, left, 0.0, reset_s + length_s))

        return take

    def _turn(self, now: float) -> None:
        """The next window begins."""
        length = length_us(self.limit)
        # Rounding could find the number of the window that ends: it would be counted anew.
        number = max(self._number + 1, round((now + self._since_s) * 1e6) // length)
        follows = number == self._number + 1 and self.limit.kind == "sliding"
        self.old, self.young, self._before = self.young if follows else {}, {}, {}
        self._number, self._end_s = number, (number + 1) * length / 1e6 - self._since_s

    def _admit(self, key: str) -> tuple[str, int]:
        """For a key that is new in this window: the key to count under, and what it has used."""
        before = self.old.pop(key, None)
        if before is None and len(self) >= self._max_keys:
            key = OVERFLOW
            if key in self.young:
                return key, self.young[key]
            before = self.old.pop(key, None)
        if before:
            self._before[key], self.young[key] = before, 0
        return key, 0


class LoggedKeys:
    """The keys of a moving window, each with the instants of its requests, the oldest first.

    Those that no longer count go when they are more than half, so a key has at most twice `limit` of them.
    """

    __slots__ = (
        "_max_keys",
        "_monotonic",
        "_rotate_at_s",
        "_rotation_s",
        "_sweep_at_s",
        "limit",
        "old",
        "take",
        "young",
    )

    def __init__(self, window: Window, max_keys: int, clock: Clock) -> None:
        self.limit, self._max_keys, self._monotonic = window, max_keys, clock.monotonic
        self.young: dict[str, array[float]] = {}
        self.old: dict[str, array[float]] = {}
        self._rotation_s = max(_LEAST_ROTATION_S, window.window_s)
        self._sweep_at_s = clock.monotonic()
        self._rotate_at_s = self._sweep_at_s + self._rotation_s
        self.take: Callable[[str], Taken] = self._fast_take() if window.limit else self._plain_take

    def __len__(self) -> int:
        return len(self.young) + len(self.old)

    def _plain_take(self, key: str) -> Taken:
        """A limit of 0 writes nothing."""
        return self.asked(key, self._monotonic(), False)[1]

    def _fast_take(self) -> Callable[[str], Taken]:
        limit, length_s, monotonic, new = self.limit.limit, self.limit.window_s, self._monotonic, tuple.__new__

        def take(key: str) -> Taken:
            now = monotonic()
            log = self.young.get(key)
            if log is None:
                key, log = self._admit(key, now)
            if not log:
                log.append(now)
                self.young[key] = log
                return new(Taken, (True, limit - 1, 0.0, length_s))
            edge, count, gone = now - length_s, len(log), 0
            if log[0] <= edge:
                gone = bisect_right(log, edge)
            left = limit - count + gone - 1
            if left < 0:
                return new(Taken, (False, 0, log[gone - left - 1] - edge, log[-1] - edge))
            if gone * 2 > count:
                del log[:gone]
            log.append(now)
            return new(Taken, (True, left, 0.0, length_s))

        return take

    def look(self, key: str) -> Taken:
        """What `take` would answer."""
        return self.asked(key, self._monotonic(), True)[1]

    def asked(self, key: str, now: float, look_only: bool, cost: int = 1) -> tuple[Callable[[], None], Taken]:
        """What taking `cost` would answer at `now`, and what it would write: once, however often it is called."""
        log = self.young.get(key)
        if log is None and not look_only:
            key, log = self._admit(key, now)
        elif log is None:
            log = self.old.get(key)
            if log is None and len(self) >= self._max_keys:
                log = self.young.get(OVERFLOW, self.old.get(OVERFLOW))
            log = _EMPTY if log is None else log
        taken = self._answer(log, now, cost)
        return partial(self._write, key, log, len(log), now, cost), taken

    def charge(self, key: str, amount: int) -> None:
        """Count requests that may be over the limit, or take the latest back."""
        now = self._monotonic()
        log = self.young.get(key)
        if log is None:
            key, log = self._admit(key, now)
        if amount < 0:
            live = len(log) - bisect_right(log, now - self.limit.window_s)
            del log[len(log) - min(live, -amount) :]
        else:
            log.extend([now] * min(amount, self.limit.limit))
        if log:
            self.young[key] = log

    def _answer(self, log: array[float], now: float, cost: int) -> Taken:
        window, length_s = self.limit, self.limit.window_s
        gone = 0 if not log or log[0] > now - length_s else bisect_right(log, now - length_s)
        if gone * 2 > len(log):
            del log[:gone]
            gone = 0
        left = window.limit - len(log) + gone - cost
        if left >= 0:
            return Taken(True, left, 0.0, length_s if cost else log[-1] + length_s - now if len(log) > gone else 0.0)
        reset_s = log[-1] + length_s - now if len(log) > gone else 0.0
        return Taken(False, 0, log[gone - left - 1] + length_s - now if cost <= window.limit else inf, reset_s)

    def _write(self, key: str, log: array[float], length: int, now: float, cost: int) -> None:
        if len(log) == length:
            log.extend([now] * cost)
            self.young[key] = log

    def _admit(self, key: str, now: float) -> tuple[str, array[float]]:
        """For a key that is not in the young generation: the key to count under, and its log."""
        if now >= self._rotate_at_s:
            self.young, self.old = {}, self.young
            self._rotate_at_s = now + self._rotation_s
        log = self.old.pop(key, None)
        if log is None and len(self) >= self._max_keys and not self._sweep(now):
            key = OVERFLOW
            log = self.young.get(key) or self.old.pop(key, None)
        if log is None:
            return key, array("d")
        self.young[key] = log
        return key, log

    def _sweep(self, now: float) -> bool:
        """Drop the keys whose last request counts no longer, once a second at most. Is there room now?"""
        if now < self._sweep_at_s:
            return False
        self._sweep_at_s = now + _LEAST_ROTATION_S
        for keys in (self.young, self.old):
            for key in [key for key, log in keys.items() if not log or log[-1] <= now - self.limit.window_s]:
                del keys[key]
        return len(self) < self._max_keys


_EMPTY: Final = array("d")
