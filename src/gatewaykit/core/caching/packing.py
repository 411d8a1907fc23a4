"""Entries as bytes, for stores outside of this process and for what is encrypted: compact, versioned, checked.

One byte of version, a checksum, then JSON of what is small, in latin-1, and the body as it is. What was cut short,
changed or is of another version is no entry.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final
from zlib import crc32

from gatewaykit.core.caching.entry import Entry

__all__ = ["pack", "unpack"]

_VERSION: Final = 1
_HEAD: Final = struct.Struct(">BIIHddd")  # version, checksum of the rest, bytes of JSON, status, the three times


def pack(entry: Entry) -> bytes:
    """An entry as bytes."""
    told: list[Any] = [
        [text.decode("latin-1") for field in entry.headers for text in field],
        [text.decode("latin-1") for field in entry.vary for text in field],
        list(entry.tags),
        entry.url,
    ]
    texts = json.dumps(told, separators=(",", ":")).encode()
    rest = texts + entry.body
    head = _HEAD.pack(_VERSION, crc32(rest), len(texts), entry.status, entry.stored_s, entry.fresh_s, entry.age_s)
    return head + rest


def unpack(packed: bytes) -> Entry | None:
    """The entry; None where these bytes are none."""
    if len(packed) < _HEAD.size or packed[0] != _VERSION:
        return None
    _, checksum, length, status, stored_s, fresh_s, age_s = _HEAD.unpack_from(packed)
    rest = packed[_HEAD.size :]
    if crc32(rest) != checksum or length > len(rest):
        return None
    try:
        headers, vary, tags, url = json.loads(rest[:length])
        return Entry(
            status, _pairs(headers), rest[length:], stored_s, fresh_s, age_s, tuple(_pairs(vary)), tuple(tags), url
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _pairs(texts: list[str]) -> list[tuple[bytes, bytes]]:
    parts = [text.encode("latin-1") for text in texts]
    return list(zip(parts[::2], parts[1::2], strict=True))
