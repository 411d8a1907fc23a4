"""Quotas: so many requests per calendar day, week or month, in UTC.

Developer guide, "Usage plans and API keys"; the alignment of the windows is not documented there, so it is the plain
one: midnight UTC, Monday (ISO 8601), the first of the month.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from math import inf
from typing import Final, NamedTuple

from gatewaykit.core.throttle import Taken

__all__ = ["PERIODS", "Quota", "Use", "charge", "count", "look", "window"]

PERIODS: Final = ("DAY", "WEEK", "MONTH")

_DAY_S: Final = 86400
_EPOCH_MONDAY_S: Final = 4 * _DAY_S  # 1970-01-01 was a Thursday; the first Monday is the fifth
_LAST_S: Final = 253_370_764_800.0  # 9999-01-01: later instants have no calendar here and share its last year


@dataclass(frozen=True, slots=True)
class Quota:
    """`limit` requests per calendar `period` (DAY, WEEK or MONTH, UTC); `offset` counts against the first period."""

    limit: int
    period: str
    offset: int = 0

    def __post_init__(self) -> None:
        if self.period not in PERIODS:
            raise ValueError(f"a quota's period is one of {', '.join(PERIODS)}, not {self.period!r}")
        for name in ("limit", "offset"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"a quota's {name} is a whole number of requests, 0 or more, not {value!r}")


class Use(NamedTuple):
    """What a key has used: `used` requests in the window that starts at `window_s`."""

    window_s: float
    used: int


def window(period: str, wall_s: float) -> tuple[float, float]:
    """Start and end of the calendar window around an instant."""
    wall_s = min(max(0.0, wall_s), _LAST_S)
    if period == "DAY":
        start = wall_s // _DAY_S * _DAY_S
        return start, start + _DAY_S
    if period == "WEEK":
        start = (wall_s - _EPOCH_MONDAY_S) // (7 * _DAY_S) * (7 * _DAY_S) + _EPOCH_MONDAY_S
        return start, start + 7 * _DAY_S
    first = datetime.fromtimestamp(wall_s, timezone.utc).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return first.timestamp(), following.timestamp()


def count(use: Use | None, wall_s: float, quota: Quota, first_window_s: float, cost: int = 1) -> tuple[Use, Taken]:
    """Count `cost` requests at `wall_s`, all or none: what the key has used now, and the answer.

    `first_window_s` is the start of the window in which the quota began to run: the offset counts there. A clock that
    is set back stays in the window it had reached.
    """
    start, _ = window(quota.period, wall_s)
    if use is None or start > use.window_s:
        use = Use(start, 0)
    limit = max(0, quota.limit - quota.offset) if use.window_s == first_window_s else quota.limit
    reset = max(0.0, window(quota.period, use.window_s)[1] - wall_s)
    if use.used + cost > limit:
        return use, Taken(False, 0, reset if cost <= quota.limit else inf, reset)
    return Use(use.window_s, use.used + cost), Taken(True, limit - use.used - cost, 0.0, reset)


def look(use: Use | None, wall_s: float, quota: Quota, first_window_s: float, cost: int = 1) -> Taken:
    """What `count` would answer."""
    return count(use, wall_s, quota, first_window_s, cost)[1]


def charge(use: Use | None, wall_s: float, quota: Quota, amount: int) -> Use:
    """Count requests although they may be over the limit, or, where `amount` is less than 0, take some back."""
    start, _ = window(quota.period, wall_s)
    if use is None or start > use.window_s:
        use = Use(start, 0)
    return Use(use.window_s, max(min(0, use.used), use.used + amount))  # an extension may have left less than 0
