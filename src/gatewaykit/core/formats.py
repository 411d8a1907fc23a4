"""The `format`s of JSON Schema that are enforced. Each check takes time in proportion to the text, whatever the text.

RFC 3339 (date-time, date, time), RFC 5321 in the shape of mailbox@host (email), RFC 1123 (hostname), RFC 3986 (uri,
uri-reference), RFC 6901 (json-pointer), RFC 9562 (uuid).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date as calendar_date
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from gatewaykit.core.ecma_regex import python_pattern

__all__ = ["formats_of"]

_DATE: Final = re.compile(r"(?a)(\d{4})-(\d\d)-(\d\d)")
_TIME: Final = re.compile(r"(?a)([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,12})?([zZ]|[+-]([01]\d|2[0-3]):[0-5]\d)")
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_MAILBOX: Final = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}")
_URI_REFERENCE: Final = re.compile(r"[^\s\x00-\x1f\x7f\"<>\\^`{|}]*")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_POINTER: Final = re.compile(r"(?:/(?:[^/~]|~[01])*)*", re.DOTALL)
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def formats_of(draft: int) -> Mapping[str, Callable[[str], bool]]:
    """The checks of the formats that a draft (4, 6 or 7) knows; with 7 also `uuid`, which later drafts added."""
    return _BY_DRAFT[draft]


def _date(text: str) -> bool:
    if not (match := _DATE.fullmatch(text)):
        return False
    try:
        calendar_date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:  # the thirtieth of February
        return False
    return True


def _time(text: str) -> bool:
    return _TIME.fullmatch(text) is not None


def _date_time(text: str) -> bool:
    return text[10:11] in ("T", "t") and _date(text[:10]) and _time(text[11:])


def _hostname(text: str) -> bool:
    return 0 < len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split("."))


def _email(text: str) -> bool:
    mailbox, at, host = text.rpartition("@")
    if not at or not _MAILBOX.fullmatch(mailbox) or mailbox[0] == "." or mailbox[-1] == "." or ".." in mailbox:
        return False
    return "." in host and _hostname(host)


def _ipv4(text: str) -> bool:
    return len(text) <= 15 and _parses(IPv4Address, text)


def _ipv6(text: str) -> bool:
    return len(text) <= 45 and "%" not in text and _parses(IPv6Address, text)


def _parses(kind: Callable[[str], object], text: str) -> bool:
    try:
        kind(text)
    except AddressValueError:
        return False
    return True


def _uri_reference(text: str) -> bool:
    return _URI_REFERENCE.fullmatch(text) is not None


def _uri(text: str) -> bool:
    return _SCHEME.match(text) is not None and _uri_reference(text)


def _json_pointer(text: str) -> bool:
    return _POINTER.fullmatch(text) is not None


def _regex(text: str) -> bool:
    return not isinstance(python_pattern(text), ValueError)


def _uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


_DRAFT_4: Final = {
    "date-time": _date_time, "email": _email, "hostname": _hostname, "ipv4": _ipv4, "ipv6": _ipv6, "uri": _uri,
    "regex": _regex,
}  # fmt: skip
_DRAFT_6: Final = {**_DRAFT_4, "uri-reference": _uri_reference, "json-pointer": _json_pointer}
_DRAFT_7: Final = {**_DRAFT_6, "date": _date, "time": _time, "uuid": _uuid}
_BY_DRAFT: Final = {4: _DRAFT_4, 6: _DRAFT_6, 7: _DRAFT_7}
