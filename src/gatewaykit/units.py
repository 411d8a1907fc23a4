"""Durations, rates and instants as people write them in configuration."""

from __future__ import annotations

import re
from datetime import datetime, timezone

__all__ = ["duration_text", "instant_text", "parse_count", "parse_duration", "parse_instant", "parse_rate"]

_UNIT_S = {
    "ms": 0.001, "s": 1.0, "second": 1.0, "seconds": 1.0, "m": 60.0, "min": 60.0, "mins": 60.0, "minute": 60.0,
    "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0, "d": 86400.0, "day": 86400.0, "days": 86400.0,
}  # fmt: skip
_MOST = 1e15  # seconds, or events a second: beyond it sums of floats lose whole ones
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*")
_RATE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:/|per)\s*([1-9][0-9]{0,8})?\s*([a-z]+)\s*")


def parse_duration(value: str | float) -> float:
    """Seconds in `value`: a number of seconds, or text such as `"250ms"`, `"30s"`, `"5m"`, `"2h"`, `"1d"`.

    Raises ValueError for anything else, and for negative, non-finite and absurd numbers.
    """
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is None or match[2] not in _UNIT_S or (seconds := float(match[1]) * _UNIT_S[match[2]]) >= _MOST:
            raise ValueError(f"{value!r} is not a duration; write a number and a unit, such as '30s' or '5m'")
        return seconds
    if not _is_number(value):
        raise ValueError(f"{value!r} is not a duration; write seconds (0 or more), or text such as '30s'")
    return float(value)


def parse_rate(value: str | float) -> float:
    """Events per second in `value`: a number, or text such as `"5/minute"`, `"100/s"`, `"100/15 minutes"`.

    Raises ValueError for anything else, and for rates that are negative, not finite, or absurd.
    """
    count, period_s = parse_count(value)
    return count / period_s


def parse_count(value: str | float) -> tuple[float, float]:
    """How many events in how many seconds `value` says. A number is events in one second.

    Raises ValueError for what is no rate.
    """
    if isinstance(value, str):
        match = _RATE.fullmatch(value)
        if match is None or match[3] not in _UNIT_S or float(match[1]) / _UNIT_S[match[3]] >= _MOST:
            raise ValueError(f"{value!r} is not a rate; write events per second, or text such as '5/minute'")
        return float(match[1]), int(match[2] or 1) * _UNIT_S[match[3]]
    if not _is_number(value):
        raise ValueError(f"{value!r} is not a rate; write events per second (0 or more), or text such as '5/minute'")
    return float(value), 1.0


def parse_instant(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 instant such as `2026-01-01T00:00Z`; without an offset it is UTC.

    Raises ValueError when `text` is no instant.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def duration_text(seconds: float) -> str:
    """A duration for people: `0.25 s`, `12 s`, `11 h 50 min`, `3 days 4 h`."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    for size, name, part, part_name in ((1440, "days", 60, "h"), (60, "h", 1, "min")):
        if minutes >= 2 * size:
            whole, rest = divmod(minutes, size)
            return f"{whole} {name}" + (f" {rest // part} {part_name}" if rest // part else "")
    return f"{minutes} min"


def instant_text(instant_s: float) -> str:
    """An instant as ISO 8601, in UTC and to the second: what `parse_instant` reads."""
    try:
        moment = datetime.fromtimestamp(instant_s, timezone.utc)
    except (ValueError, OverflowError, OSError):  # beyond what a calendar has
        return f"{instant_s!r} s after 1970"
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _MOST
