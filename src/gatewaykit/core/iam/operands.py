"""The values that conditions compare: numbers, instants, addresses and networks, booleans, binary, ARNs.

IAM user guide, "IAM JSON policy elements: Condition operators". Every reader gives None for what it cannot read.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from datetime import datetime, timezone
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final, TypeAlias

__all__ = ["Network", "address", "arn_parts", "binary", "boolean", "instant", "network", "number"]

Network: TypeAlias = tuple[int, int, int]
"""Version, first address, and mask."""

_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_EPOCH: Final = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_DAY: Final = re.compile(r"(\d{4})(?:-(\d\d))?", re.ASCII)
_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6}\d*)?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII | re.IGNORECASE
)
_CACHED: Final = 512


@lru_cache(maxsize=_CACHED)
def number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=_CACHED)
def instant(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 date (year, month, day, or moment; UTC unless it says so) or an epoch."""
    try:
        if (day := _DAY.fullmatch(text)) is not None:
            return datetime(int(day[1]), int(day[2] or 1), 1, tzinfo=timezone.utc).timestamp()
        if _MOMENT.fullmatch(text):
            moment = datetime.fromisoformat(text.upper())
            return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):  # the 30th of February; a year that no timestamp can hold
        return None
    return float(text) if _EPOCH.fullmatch(text) else None


@lru_cache(maxsize=_CACHED)
def address(text: str) -> tuple[int, int] | None:
    """Version and number of an address; an IPv4 address written as IPv6 is what it stands for."""
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.version, int(parsed)


def network(text: str) -> Network | None:
    """A network in CIDR form; a bare address is a network of one."""
    try:
        parsed = ip_network(text, strict=False)
    except ValueError:
        return None
    return parsed.version, int(parsed.network_address), int(parsed.netmask)


def boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def binary(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None


def arn_parts(text: str) -> list[str] | None:
    """The six parts of an ARN; colons in the last belong to it."""
    parts = text.split(":", 5)
    return parts if len(parts) == 6 and parts[0] == "arn" else None
