"""Windows: so many requests in a stretch of time, counted in one of three ways.

* `fixed`: one counter for each window, which starts at a whole multiple of its length since 1970. At most `limit` in
  each; over an edge up to twice that, in no time at all.
* `moving`: the instant of every request of the last window. At most `limit` in any window, exactly; it keeps up to
  `limit` instants.
* `sliding`: two counters, that of the running window and that of the one before, which counts for as much as it still
  overlaps. It takes the requests before to have come evenly; where they did, it answers as `moving` does. Where not, it
  is off by at most the count before, times the larger of the two parts an instant divides its window in. Any span of
  T seconds has at most limit x (1 + T / window) requests: those of a token bucket with a burst of `limit` that fills in
  one window. So an edge does not double it, and no aligned window has more than `limit`.

Time is whole microseconds since 1970, so that an instant is on the same side of an edge for everybody who counts. A
clock that is set back stays in the window it had reached: it never gives more. A refused request does not count.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from math import floor, inf
from typing import Final, NamedTuple, TypeAlias

from gatewaykit.core.throttle import TOLERANCE, Taken

__all__ = ["KINDS", "LONGEST_S", "Counted", "Log", "Window", "WindowState", "charge", "length_us", "look", "take"]

KINDS: Final = ("fixed", "moving", "sliding")

LONGEST_S: Final = 10 * 365 * 86400


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` requests in `window_s` seconds, counted as `kind` says."""

    limit: int
    window_s: float
    kind: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a window is one of {', '.join(KINDS)}, not {self.kind!r}")
        if isinstance(self.limit, bool) or not isinstance(self.limit, int) or self.limit < 0:
            raise ValueError(f"a window's limit is a whole number of requests, 0 or more, not {self.limit!r}")
        if not 0.001 <= self.window_s <= LONGEST_S or abs(self.window_s * 1000 - round(self.window_s * 1000)) > 1e-6:
            raise ValueError(f"a window is whole milliseconds long, from 1 ms to ten years, not {self.window_s!r} s")


class Counted(NamedTuple):
    """What a key has used in the window of a number (the first of 1970 has 0), and in the one before."""

    number: int
    used: int
    before: int = 0


Log: TypeAlias = tuple[int, ...]
"""The microseconds of the requests that a moving window counts, the oldest first."""

WindowState: TypeAlias = "Counted | Log | None"
"""What is kept of a key; None where nobody has used it."""


def length_us(window: Window) -> int:
    """A window's length in microseconds."""
    return round(window.window_s * 1000) * 1000


def take(state: WindowState, at_s: float, window: Window, cost: int = 1) -> tuple[WindowState, Taken]:
    """Count `cost` requests at `at_s` seconds since 1970, all or none: what is kept now, and the answer."""
    now = round(at_s * 1e6)
    if window.kind == "moving":
        return _moving(state if type(state) is tuple else (), now, window, cost)
    kept = _at(state if isinstance(state, Counted) else None, now // length_us(window))
    return (_fixed if window.kind == "fixed" else _sliding)(kept, now, window, cost)


def look(state: WindowState, at_s: float, window: Window, cost: int = 1) -> Taken:
    """What `take` would answer."""
    return take(state, at_s, window, cost)[1]


def charge(state: WindowState, at_s: float, window: Window, amount: int) -> WindowState:
    """Count requests although they may be over the limit, or, where `amount` is less than 0, take the latest back.

    What is over the limit counts like the rest: until it is a window old. A moving window takes no more than its limit
    at a time.
    """
    now = round(at_s * 1e6)
    if window.kind != "moving":
        kept = _at(state if isinstance(state, Counted) else None, now // length_us(window))
        return kept._replace(used=max(0, kept.used + amount))
    log: Log = state if type(state) is tuple else ()
    at = max(now, log[-1]) if log else now
    live = log[bisect_right(log, at - length_us(window)) :]
    return live[: max(0, len(live) + amount)] if amount < 0 else live + (at,) * min(amount, window.limit)


def _at(kept: Counted | None, number: int) -> Counted:
    """What counts in the window of a number."""
    if kept is None or number > kept.number + 1:
        return Counted(number, 0)
    return kept if number <= kept.number else Counted(number, 0, kept.used)


def _fixed(kept: Counted, now: int, window: Window, cost: int) -> tuple[Counted, Taken]:
    reset_s = ((kept.number + 1) * length_us(window) - now) / 1e6
    left = window.limit - kept.used - cost
    if left < 0:
        return kept, Taken(False, 0, reset_s if cost <= window.limit else inf, reset_s)
    return kept._replace(used=kept.used + cost), Taken(True, left, 0.0, reset_s)


def _sliding(kept: Counted, now: int, window: Window, cost: int) -> tuple[Counted, Taken]:
    length = length_us(window)
    ends = (kept.number + 1) * length - now
    left = window.limit - cost - kept.used - kept.before * min(ends, length) / length
    allowed = left >= -TOLERANCE
    after = kept._replace(used=kept.used + cost) if allowed else kept
    reset_s = (ends + length if after.used else ends if kept.before else 0) / 1e6
    if allowed:
        return after, Taken(True, floor(left + TOLERANCE), 0.0, reset_s)
    return kept, Taken(False, 0, _until_lighter(kept, ends, window, cost) / 1e6, reset_s)


def _until_lighter(kept: Counted, ends: int, window: Window, cost: int) -> float:
    """Microseconds until what was used before counts for so little that the cost fits in."""
    if cost > window.limit:
        return inf
    length, free = length_us(window), window.limit - cost - kept.used
    if free >= 0:
        return ends - length * free / kept.before
    return ends + length * max(0.0, 1 - (window.limit - cost) / kept.used)


def _moving(log: Log, now: int, window: Window, cost: int) -> tuple[Log, Taken]:
    length, at = length_us(window), max(now, log[-1]) if log else now
    live = log[bisect_right(log, at - length) :]
    left = window.limit - len(live) - cost
    if left < 0:
        wait = live[-left - 1] + length - now if cost <= window.limit else inf
        return live, Taken(False, 0, wait / 1e6, (live[-1] + length - now) / 1e6 if live else 0.0)
    live += (at,) * cost
    return live, Taken(True, left, 0.0, (live[-1] + length - now) / 1e6 if live else 0.0)
