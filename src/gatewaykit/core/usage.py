"""What keys used of their quotas, by day: the answer of GetUsage.

API Gateway API reference, "GetUsage" and "UpdateUsage"; developer guide, "Maintain a usage plan": for each key a list
with one entry a day, `[used, remaining]`. How long AWS keeps the days, and how many it answers for, is not documented;
here it is `READABLE_DAYS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timezone
from typing import Any, Final, NamedTuple

from gatewaykit.core.quota import Quota, window

__all__ = ["DAY_S", "KEPT_DAYS", "PLAN", "READABLE_DAYS", "Day", "Span", "daily", "page", "read_span", "usage_of"]

DAY_S: Final = 86400
READABLE_DAYS: Final = 92
"""Three months, today included."""

KEPT_DAYS: Final = READABLE_DAYS + 31
"""Stores keep the month before, too: what a day used is the difference to the day before it in its window."""

PLAN: Final = "plan:"
"""The names of the limits of usage plans begin so. Their keys are known ones, so the days of each may be kept long."""

_MOST_A_PAGE: Final = 500  # as AWS has it
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Day(NamedTuple):
    """What counted against a key's window at the end of a day, and how much of it was forgiven on that day."""

    charged: int
    granted: int = 0


class Span(NamedTuple):
    """Days from and to a date, both included, as they were asked for; and instants on the first and last that were."""

    start_date: str
    end_date: str
    first_s: float
    last_s: float


def daily(
    days: Mapping[float, Day], quota: Quota, first_window_s: float, first_s: float, last_s: float
) -> list[tuple[int, int]]:
    """What a key used on each day of a span, and what it had left then. `days` has those on which it came.

    `first_window_s` is the start of the window in which the quota began to run: the offset counts there.
    """
    found = []
    running, _ = window(quota.period, first_s)
    day, before = window("DAY", running)[0], 0
    while day <= last_s:
        start, _ = window(quota.period, day)
        if start != running:
            running, before = start, 0
        charged, granted = days.get(day) or Day(before)
        if day + DAY_S > first_s:
            limit = max(0, quota.limit - (quota.offset if start == first_window_s else 0))
            found.append((charged - before + granted, max(0, limit - charged)))
        before, day = charged, day + DAY_S
    return found


def read_span(start_date: object, end_date: object, now_s: float) -> Span | str:
    """The days that two dates such as `2026-01-31` name; or what is wrong with them.

    Days that have not come yet are left out: a span ends today.
    """
    start, end = _day(start_date), _day(end_date)
    for name, given, read in (("start", start_date, start), ("end", end_date, end)):
        if read is None:
            return f"the {name} date {given!r:.40} is no date such as 2026-01-31"
    assert start is not None
    assert end is not None
    today, _ = window("DAY", now_s)
    oldest = today - (READABLE_DAYS - 1) * DAY_S
    if start > end:
        return f"the start date {start_date} is after the end date {end_date}"
    if start > today:
        return f"the start date {start_date} has not come yet; today is {_text(today)} in UTC"
    if start < oldest:
        return f"the start date {start_date} is too long ago: usage is kept from {_text(oldest)}, {READABLE_DAYS} days"
    return Span(str(start_date), str(end_date), start, min(end, today))


def page(keys: Sequence[str], limit: int | None, position: str | None) -> tuple[Sequence[str], str | None] | str:
    """Some of the keys, those after `position`, and the position of the next; or what is wrong with the question."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _MOST_A_PAGE):
        return f"the limit {limit!r:.40} is no number from 1 to {_MOST_A_PAGE}"
    if position is not None:
        if position not in keys:
            return f"the position {position!r:.40} is none that was given"
        keys = keys[keys.index(position) + 1 :]
    if limit is None or len(keys) <= limit:
        return keys, None
    return keys[:limit], keys[limit - 1]


def usage_of(
    plan_id: str, span: Span, items: Mapping[str, Sequence[tuple[int, int]]], position: str | None = None
) -> dict[str, Any]:
    """The answer of GetUsage."""
    answer: dict[str, Any] = {
        "usagePlanId": plan_id,
        "startDate": span.start_date,
        "endDate": span.end_date,
        "items": {key: [[*day] for day in days] for key, days in items.items()},
    }
    if position is not None:
        answer["position"] = position
    return answer


def _day(given: object) -> float | None:
    """The start of a day."""
    if isinstance(given, datetime):
        return None
    text = given.isoformat() if isinstance(given, date) else given
    if not isinstance(text, str) or not _DATE.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None


def _text(day_s: float) -> str:
    return datetime.fromtimestamp(day_s, timezone.utc).date().isoformat()
