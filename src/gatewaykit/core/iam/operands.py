"""The values that conditions compare: numbers, instants, addresses and networks, booleans, binary, ARNs.

IAM user guide, "IAM JSON policy elements: Condition operators". Every reader gives None for what it cannot read. What
is read from requests again and again is kept, in bounded tables.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from datetime import datetime, timezone
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

__all__ = ["address", "arn_parts", "binary", "boolean", "instant", "network", "number"]

_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_EPOCH: Final = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_MONTH: Final = re.compile(r"(\d{4})-(\d\d)", re.ASCII)
_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6}\d*)?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII | re.IGNORECASE
)
_CACHED: Final = 512
_SIX: Final = 1 << 128  # above every address: tells IPv6 from IPv4
_FOUR: Final = (1 << 32) - 1
_ABOVE_FOUR: Final = (1 << 129) - (1 << 32)


@lru_cache(maxsize=_CACHED)
def number(text: str) -> int | Decimal | None:
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if text.isdecimal() else Decimal(text)


@lru_cache(maxsize=_CACHED)
def instant(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 month, day or moment (UTC unless it says so), or of such seconds themselves."""
    try:
        if (month := _MONTH.fullmatch(text)) is not None:
            return datetime(int(month[1]), int(month[2]), 1, tzinfo=timezone.utc).timestamp()
        if _MOMENT.fullmatch(text):
            moment = datetime.fromisoformat(text.upper())
            return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):  # the 30th of February; a year that no timestamp can hold
        return None
    return float(text) if _EPOCH.fullmatch(text) else None


@lru_cache(maxsize=_CACHED)
def address(text: str) -> int | None:
    """The number of an address, beyond the IPv4 ones for IPv6; what IPv6 maps an IPv4 address to is that."""
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):
        return _SIX | int(parsed) if parsed.ipv4_mapped is None else int(parsed.ipv4_mapped)
    return int(parsed)


def network(text: str) -> tuple[int, int] | None:
    """The first address and the mask of a network in CIDR form; a bare address is a network of one."""
    try:
        parsed = ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Network):
        if parsed.prefixlen >= 96 and (mapped := parsed.network_address.ipv4_mapped) is not None:
            return int(mapped), int(parsed.netmask) & _FOUR | _ABOVE_FOUR
        return _SIX | int(parsed.network_address), _SIX | int(parsed.netmask)
    return int(parsed.network_address), int(parsed.netmask) | _ABOVE_FOUR


@lru_cache(maxsize=_CACHED)
def boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def binary(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None


@lru_cache(maxsize=_CACHED)
def arn_parts(text: str) -> tuple[str, ...] | None:
    """The six parts of an ARN; colons in the last belong to it."""
    parts = text.split(":", 5)
    return tuple(parts) if len(parts) == 6 and parts[0] == "arn" else None
