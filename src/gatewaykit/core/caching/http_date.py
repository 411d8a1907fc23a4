"""Dates in header fields: the three formats of RFC 9110 section 5.6.7, names in any casing, nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

__all__ = ["format_date", "parse_date"]

_MONTHS: Final = {
    month: number for number, month in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)
}
_WEEK: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAYS: Final = rb"(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG_DAYS: Final = rb"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_TIME: Final = rb"(\d\d):(\d\d):(\d\d)"
_IMF: Final = re.compile(_DAYS + rb", (\d\d) ([a-z]{3}) (\d{4}) " + _TIME + rb" gmt")
_RFC850: Final = re.compile(_LONG_DAYS + rb", (\d\d)-([a-z]{3})-(\d\d) " + _TIME + rb" gmt")
_ASCTIME: Final = re.compile(_DAYS + rb" ([a-z]{3}) ([ \d]\d) " + _TIME + rb" (\d{4})")


def parse_date(value: bytes, now_s: float) -> float | None:
    """Seconds since 1970; None for what is no date. `now_s` says which century a year of two digits is of."""
    text = value.strip(b" \t").lower()
    if match := _IMF.fullmatch(text):
        day, month, year, *time = match.groups()
    elif match := _RFC850.fullmatch(text):
        day, month, short, *time = match.groups()
        this_year = datetime.fromtimestamp(now_s, UTC).year
        full = this_year - this_year % 100 + int(short)
        year = b"%04d" % (full - 100 if full > this_year + 50 else full)
    elif match := _ASCTIME.fullmatch(text):
        month, day, *time, year = match.groups()
    else:
        return None
    if month not in _MONTHS:
        return None
    hour, minute, second = map(int, time)
    leap, second = (1, 59) if second == 60 else (0, second)
    try:
        moment = datetime(int(year), _MONTHS[month], int(day), hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp() + leap


def format_date(seconds: float) -> bytes:
    """The date of an instant, as it is sent today."""
    moment = datetime.fromtimestamp(int(seconds), UTC)
    day, month = _WEEK[moment.weekday()], [*_MONTHS][moment.month - 1].title()
    return f"{day}, {moment.day:02} {month.decode()} {moment:%Y %H:%M:%S} GMT".encode()
