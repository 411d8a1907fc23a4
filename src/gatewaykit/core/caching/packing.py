"""Entries as bytes, for stores outside of this process and for what is encrypted: compact, versioned, checked.

A checksum of all, a head of fixed length; then the header fields, the fields of Vary and the tags, each as
lines; then the body as it is. What was cut short, changed or is of another version is no entry.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import Final
from zlib import crc32

from gatewaykit.core.caching.entry import Entry

__all__ = ["is_marker", "may_hold", "pack", "unpack"]

_VERSION: Final = 1
_PLAIN, _ESCAPED = 0, 1
_MARK: Final = struct.Struct(">BBI")  # version, how lines are written, the checksum of all that follows
_HEAD: Final = struct.Struct(">IIIHddd")  # three lengths, status, times
_ESCAPES: Final = re.compile(rb"\\(.)", re.DOTALL)


def pack(entry: Entry) -> bytes:
    """An entry as bytes."""
    parts = (
        [text for field in entry.headers for text in field],
        [text for field in entry.vary for text in field],
        [text.encode("utf-8", "surrogatepass") for text in (entry.url, *entry.tags)],
    )
    escaped = any(b"\n" in text for lines in parts for text in lines)
    blocks = [_lines(lines, escaped=escaped) for lines in parts]
    head = _HEAD.pack(*map(len, blocks), entry.status, entry.stored_s, entry.fresh_s, entry.age_s)
    rest = b"".join((head, *blocks, entry.body))
    return _MARK.pack(_VERSION, _ESCAPED if escaped else _PLAIN, crc32(rest)) + rest


def unpack(packed: bytes, at: int = 0) -> Entry | None:
    """The entry that begins at a place; None where these bytes are none."""
    start = at + _MARK.size
    if len(packed) < start + _HEAD.size or packed[at] != _VERSION:
        return None
    _, how, checksum = _MARK.unpack_from(packed, at)
    headers, vary, told, status, stored_s, fresh_s, age_s = _HEAD.unpack_from(packed, start)
    zeroth = start + _HEAD.size
    first, second, third = zeroth + headers, zeroth + headers + vary, zeroth + headers + vary + told
    if crc32(memoryview(packed)[start:]) != checksum or third > len(packed):
        return None
    fields = packed[zeroth:first].split(b"\n")
    chosen = packed[first:second].split(b"\n")
    texts = packed[second:third].split(b"\n")
    if len(fields) % 2 == 0 or len(chosen) % 2 == 0 or len(texts) < 2:
        return None
    if how == _ESCAPED:
        fields, chosen, texts = map(_unescaped, (fields, chosen, texts))
    try:
        url, *tags = [text.decode("utf-8", "surrogatepass") for text in texts[:-1]]
    except UnicodeDecodeError:
        return None
    return Entry(
        status, list(zip(fields[::2], fields[1::2])), packed[third:], stored_s, fresh_s, age_s,
        tuple(zip(chosen[::2], chosen[1::2])) if vary else (), tuple(tags), url,
    )  # fmt: skip


def is_marker(packed: bytes) -> bool:
    """Is what `pack` gave an entry that is no response?"""
    status: int = _HEAD.unpack_from(packed, _MARK.size)[3]
    return status == 0


def may_hold(packed: bytes, text: str) -> bool:
    """Could the url or a tag of what `pack` gave hold this text? No is certain."""
    return packed[1] == _ESCAPED or text.encode("utf-8", "surrogatepass") in packed


def _lines(texts: Iterable[bytes], *, escaped: bool) -> bytes:
    """Each text and a line feed."""
    if escaped:
        texts = [text.replace(b"\\", b"\\\\").replace(b"\n", b"\\n") for text in texts]
    return b"".join([text + b"\n" for text in texts])


def _unescaped(texts: list[bytes]) -> list[bytes]:
    return [_ESCAPES.sub(lambda match: b"\n" if match[1] == b"n" else match[1], text) for text in texts]
