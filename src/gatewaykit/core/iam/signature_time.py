"""When a signature holds: its date, the tolerance for clocks, the life of an address (reference 02 section 2)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from gatewaykit.core.iam.signature_parts import Parts
from gatewaykit.core.reasons import Reason, Refusal

__all__ = ["check_time", "instant", "is_date", "read_date", "window"]

_BASIC: Final = re.compile(rb"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")
_HTTP: Final = re.compile(rb"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT")
_MONTHS: Final = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_SHOWN: Final = 64


def instant(seconds: float) -> bytes:
    """A time as signatures have it: `20260101T120000Z`."""
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=int(seconds))
    return b"%04d%02d%02dT%02d%02d%02dZ" % moment.timetuple()[:6]


@lru_cache(maxsize=64)
def window(second: int, skew_s: int) -> tuple[bytes, bytes]:
    """The first and the last date that are near enough to a second. Such dates compare as text."""
    return instant(second - skew_s), instant(second + skew_s)


def read_date(date: bytes) -> tuple[bytes, int] | None:
    """A date in basic form, and its second; None for what is no date. A `Date` header may have the form of RFC 9110."""
    if (match := _BASIC.fullmatch(date)) is not None:
        numbers = [int(digits) for digits in match.groups()]
    elif (match := _HTTP.fullmatch(date)) is not None and match[2] in _MONTHS:
        numbers = [int(match[3]), _MONTHS.index(match[2]) + 1, *(int(match[place]) for place in (1, 4, 5, 6))]
    else:
        return None
    try:
        moment = datetime(*numbers, tzinfo=timezone.utc)  # type: ignore[misc, arg-type]  # six numbers
    except ValueError:
        return None
    return b"%04d%02d%02dT%02d%02d%02dZ" % moment.timetuple()[:6], int(moment.timestamp())


@lru_cache(maxsize=1024)
def is_date(date: bytes) -> bool:
    """Whether it is a date in basic form. Ask it of what is inside a window: few texts are, so few are remembered."""
    return _BASIC.fullmatch(date) is not None and read_date(date) is not None


def check_time(parts: Parts, now_s: float, skew_s: int) -> bytes | Refusal:
    """The signature's date in basic form, if it holds now."""
    sent = parts.date or b""
    read = read_date(sent)
    if read is None:
        told = (
            f"Date must be in ISO-8601 'basic format'. Got '{sent[:_SHOWN].decode('latin-1')}'. "
            "See http://en.wikipedia.org/wiki/ISO_8601"
        )
        return Refusal(Reason.SIGNATURE_INCOMPLETE, told, message=told)
    (date, second), now = read, int(now_s)
    life_s = skew_s if parts.expires_s is None else parts.expires_s
    if now - second > life_s:
        told = (
            f"Signature expired: {date.decode()} is now earlier than {_text(now - life_s)} "
            f"({_text(now)} - {_span(life_s)})"
        )
        return Refusal(Reason.SIGNATURE_EXPIRED, told, message=told)
    if second - now > skew_s:
        told = (
            f"Signature not yet current: {date.decode()} is still later than {_text(now + skew_s)} "
            f"({_text(now)} + {_span(skew_s)})"
        )
        return Refusal(Reason.SIGNATURE_EXPIRED, told, message=told)
    return date


def _text(second: int) -> str:
    return instant(second).decode()


def _span(seconds: int) -> str:
    return f"{seconds} sec." if seconds % 60 else f"{seconds // 60} min."
