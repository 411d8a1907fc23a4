"""Content codings of bodies: gzip, deflate and identity, both ways; no other is supported.

Developer guide, "Payload compression for REST APIs"; reference 01 section 11. RFC 9110 section 8.4.1: deflate is the
zlib format (RFC 1950).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

from gatewaykit.core.body import too_large
from gatewaykit.core.http import Head, header_values
from gatewaykit.core.reasons import Reason, Refusal

__all__ = ["Deflater", "answer_coding", "inflated", "is_compressible", "request_coding"]


# ------------------------------------------------------------------------------------------------- requests


def request_coding(values: Sequence[bytes]) -> str | Refusal:
    """The coding that `Content-Encoding` names, "" for none; a refusal (415) where it cannot be undone.

    Two codings, one upon the other, are refused like an unknown one.
    """
    named = [coding.strip().lower() for value in values for coding in value.split(b",")]
    codings = [coding for coding in named if coding not in (b"", b"identity")]
    if not codings:
        return ""
    if len(codings) == 1 and (coding := codings[0].decode("latin-1")) in _WINDOW_BITS:
        return coding
    told = b", ".join(codings).decode("latin-1")
    return Refusal(
        Reason.BODY_CODING_UNUSABLE, f"the content coding {told!r:.100} is none of gzip, deflate and identity"
    )


def inflated(body: bytes, coding: str, limit: int) -> bytes | Refusal:
    """A body without its coding; a refusal where it is not in it (415), or has more than `limit` bytes (413).

    No more than one piece over the limit is ever made. No data at all is an empty body.
    """
    bits, pieces, size, members = _WINDOW_BITS[coding], [], 0, 1
    inflate = zlib.decompressobj(bits)
    for start in range(0, len(body), _SLICE):
        waiting = body[start : start + _SLICE]
        while True:
            if inflate.eof:
                if not waiting:
                    break
                if coding != "gzip" or members == _MOST_MEMBERS:
                    return _broken("there is more behind its end")
                members += 1  # gzip data may be several members, one behind the other (RFC 1952 section 2.2)
                inflate = zlib.decompressobj(bits)
            try:
                piece = inflate.decompress(waiting, _PIECE)
            except zlib.error as error:
                return _broken(str(error))
            size += len(piece)
            if size > limit:
                return too_large(limit)
            pieces.append(piece)
            waiting = inflate.unconsumed_tail or inflate.unused_data
            if not waiting and len(piece) < _PIECE:  # a whole piece may be a part of what zlib has
                break
    if body and not inflate.eof:
        return _broken("it breaks off")
    return b"".join(pieces)


# ------------------------------------------------------------------------------------------------- responses


def answer_coding(accept_encoding: str | None) -> str:
    """What to compress an answer with, "" for nothing.

    The client has to name a coding: neither a missing header nor `*` asks for one. What it wants most has to be
    supported, or nothing is compressed. Where it wants several codings as much, a supported one among them will do
    (the developer guide does not say), the first of them.
    """
    wanted: dict[str, float] = {}
    for part in (accept_encoding or "").lower().split(","):
        coding, *parameters = (word.strip() for word in part.split(";"))
        weight = _weight(parameters)
        if coding and weight:
            wanted.setdefault(coding, weight)
    most = max(wanted.values(), default=0)
    return next((coding for coding, weight in wanted.items() if weight == most and coding in _WINDOW_BITS), "")


def is_compressible(head: Head) -> bool:
    """May the body of this response be coded? Not where it is already, where it is a part, or where it is forbidden.

    `Cache-Control: no-transform` forbids it (RFC 9111 section 5.2.2.6).
    """
    if head.status < 200 or head.status in _WITHOUT_WHOLE_BODY:
        return False
    names = {name.lower() for name, _ in head.headers}
    if b"content-encoding" in names or b"content-range" in names:
        return False
    if b"cache-control" in names:
        return not any(b"no-transform" in value.lower() for value in header_values(head.headers, b"cache-control"))
    return True


class Deflater:
    """Codes one body, chunk by chunk; each chunk can be read by the client as soon as it is there."""

    __slots__ = ("_deflate",)

    def __init__(self, coding: str) -> None:
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS[coding])

    def __call__(self, chunk: bytes, more: bool, /) -> bytes:
        if more:
            return self._deflate.compress(chunk) + self._deflate.flush(zlib.Z_SYNC_FLUSH) if chunk else b""
        return self._deflate.compress(chunk) + self._deflate.flush(zlib.Z_FINISH)


_WINDOW_BITS: Final = {"gzip": 31, "deflate": 15}
"""The codings that are supported, with what zlib calls them."""

_SLICE: Final = 16 * 1024  # of the input at a time: zlib copies what it has not taken yet
_PIECE: Final = 64 * 1024
_MOST_MEMBERS: Final = 1000  # each costs a new state; a body of empty ones is an attack
_LEVEL: Final = 6  # zlib's own default
_WITHOUT_WHOLE_BODY: Final = frozenset((204, 205, 206, 304))


def _broken(why: str) -> Refusal:
    return Refusal(Reason.BODY_CODING_UNUSABLE, f"the body is not in the content coding it names: {why}")


def _weight(parameters: Sequence[str]) -> float:
    """The weight of a coding (RFC 9110 section 12.4.2); one that is none counts as 0."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            digits = value.strip()
            is_weight = digits.replace(".", "", 1).isdecimal() and digits.isascii() and len(digits) <= 5
            return min(float(digits), 1.0) if is_weight else 0.0
    return 1.0
