"""Conditional requests, both ways (RFC 9110 section 13; RFC 9111 section 4.3)."""

from __future__ import annotations

import re
from typing import Final

from gatewaykit.core.caching.http_date import parse_date
from gatewaykit.core.caching.storing import kept_headers
from gatewaykit.core.http import HeaderList, header_values

__all__ = ["CONDITIONS", "is_unchanged", "not_modified_headers", "range_still_holds", "updated", "validators"]

CONDITIONS: Final = frozenset(
    (b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since", b"if-range")
)

_TAG: Final = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_ABOUT_CONTENT: Final = frozenset(
    (b"content-length", b"content-encoding", b"content-type", b"content-range", b"last-modified")
)
_NOT_UPDATED: Final = frozenset((b"content-length", b"content-encoding", b"content-range"))


def validators(headers: HeaderList) -> HeaderList:
    """The conditions with which a stored response is asked about; none where it has no validator."""
    conditions = [(b"if-none-match", value) for value in header_values(headers, b"etag")[:1]]
    return conditions + [(b"if-modified-since", value) for value in header_values(headers, b"last-modified")[:1]]


def is_unchanged(asked: HeaderList, stored: HeaderList, status: int, now_s: float) -> bool:
    """Is a 304 the answer, where a stored response meets the conditions of a request? If-None-Match comes first."""
    if status != 200:
        return False
    if lines := header_values(asked, b"if-none-match"):
        tag = b"".join(header_values(stored, b"etag")[:1])
        text = b",".join(lines)
        if text.strip() == b"*":
            return True
        wanted = tag.removeprefix(b"W/")
        return bool(tag) and (
            any(each.removeprefix(b"W/") == wanted for each in _TAG.findall(text)) or text.strip() == tag
        )
    since = header_values(asked, b"if-modified-since")
    if len(since) != 1 or (since_s := parse_date(since[0], now_s)) is None:
        return False
    changed = header_values(stored, b"last-modified") or header_values(stored, b"date")
    changed_s = parse_date(changed[0], now_s) if changed else None
    return changed_s is not None and changed_s <= since_s


def not_modified_headers(headers: HeaderList) -> HeaderList:
    """What of a stored response a 304 says (RFC 9110 section 15.4.5): nothing about the content that it has not."""
    tagged = any(name == b"etag" for name, _ in headers)
    return [
        field for field in headers
        if field[0] not in _ABOUT_CONTENT or (field[0] == b"last-modified" and not tagged)
    ]  # fmt: skip


def updated(stored: HeaderList, fresh: HeaderList) -> HeaderList:
    """The stored fields with those of a 304 in their place (RFC 9111 section 3.2)."""
    news = [field for field in kept_headers(fresh, {}) if field[0] not in _NOT_UPDATED]
    replaced = {name for name, _ in news}
    return [field for field in stored if field[0] not in replaced] + news


def range_still_holds(asked: HeaderList, stored: HeaderList, now_s: float) -> bool:
    """Does If-Range, where there is one, name this very response? Else the whole is sent (RFC 9110 section 13.1.5)."""
    values = header_values(asked, b"if-range")
    if not values:
        return True
    if len(values) != 1:
        return False
    tag = b"".join(header_values(stored, b"etag")[:1])
    if values[0].strip().startswith((b'"', b"W/")):
        return values[0].strip() == tag and not tag.startswith(b"W/")
    changed = header_values(stored, b"last-modified")
    asked_s = parse_date(values[0], now_s)
    return asked_s is not None and bool(changed) and parse_date(changed[0], now_s) == asked_s
