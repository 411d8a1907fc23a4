"""Entries as bytes, for stores outside of this process and for what is encrypted: compact, versioned, checked.

A head of fixed length with a checksum of the rest; then the header fields, the fields of Vary and the tags, each as
lines; then the body as it is. What was cut short, changed or is of another version is no entry.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import Final
from zlib import crc32

from gatewaykit.core.caching.entry import Entry

__all__ = ["pack", "unpack"]

_VERSION: Final = 1
_PLAIN, _ESCAPED = 0, 1
_HEAD: Final = struct.Struct(">BBIIIIHddd")  # version, how lines are written, checksum, three lengths, status, times
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
    rest = b"".join((*blocks, entry.body))
    how = _ESCAPED if escaped else _PLAIN
    times = entry.stored_s, entry.fresh_s, entry.age_s
    return _HEAD.pack(_VERSION, how, crc32(rest), *map(len, blocks), entry.status, *times) + rest


def unpack(packed: bytes) -> Entry | None:
    """The entry; None where these bytes are none."""
    if len(packed) < _HEAD.size or packed[0] != _VERSION:
        return None
    _, how, checksum, headers, vary, told, status, stored_s, fresh_s, age_s = _HEAD.unpack_from(packed)
    rest = packed[_HEAD.size :]
    end = headers + vary + told
    if crc32(rest) != checksum or end > len(rest):
        return None
    fields = rest[:headers].split(b"\n")
    chosen = rest[headers : headers + vary].split(b"\n")
    texts = rest[headers + vary : end].split(b"\n")
    if len(fields) % 2 == 0 or len(chosen) % 2 == 0 or len(texts) < 2:
        return None
    if how == _ESCAPED:
        fields, chosen, texts = map(_unescaped, (fields, chosen, texts))
    try:
        url, *tags = [text.decode("utf-8", "surrogatepass") for text in texts[:-1]]
    except UnicodeDecodeError:
        return None
    return Entry(
        status, list(zip(fields[::2], fields[1::2])), rest[end:], stored_s, fresh_s, age_s,
        tuple(zip(chosen[::2], chosen[1::2])), tuple(tags), url,
    )  # fmt: skip


def _lines(texts: Iterable[bytes], *, escaped: bool) -> bytes:
    """Each text and a line feed."""
    if escaped:
        texts = [text.replace(b"\\", b"\\\\").replace(b"\n", b"\\n") for text in texts]
    return b"".join([text + b"\n" for text in texts])


def _unescaped(texts: list[bytes]) -> list[bytes]:
    return [_ESCAPES.sub(lambda match: b"\n" if match[1] == b"n" else match[1], text) for text in texts]
