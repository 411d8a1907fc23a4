"""Idempotency keys: a request that is sent again is answered again, and carried out once.

draft-ietf-httpapi-idempotency-key-header-07. A key belongs to its caller. With it is kept which request it came with,
who carries it out, and at last the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import Enum
from hashlib import blake2b
from typing import Final, NamedTuple

from gatewaykit.core.http import Response

__all__ = ["NEW", "Begun", "Record", "Verdict", "begin", "digest", "finish", "pack", "parse_key", "unpack"]

LONGEST_KEY: Final = 255
_QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')  # a string of RFC 9651
_BARE: Final = re.compile(r"[!#-+\--:<-\[\]-~]+")  # visible ASCII without " , ; and \
_OF_THE_CONNECTION: Final = frozenset(
    b"connection content-length date keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)


class Verdict(Enum):
    """What becomes of a request with a key."""

    START = "it is the first: carry it out"
    REPLAY = "it was answered before: answer so again"
    BUSY = "another one with this key is under way"
    MISMATCH = "the key came with another request"


class Record(NamedTuple):
    """What is kept of a key until `until_s`: its request's digest, who carries it out, and the answer at last.

    `holder` is empty when there is an answer. An empty `answer` then is one that could not be kept.
    """

    request: bytes
    until_s: float
    holder: bytes
    answer: bytes = b""


class Begun(NamedTuple):
    """The verdict; for REPLAY the answer, for BUSY the seconds after which nobody waits for the other one any more."""

    verdict: Verdict
    answer: bytes = b""
    retry_after_s: float = 0.0


NEW: Final = Begun(Verdict.START)


def begin(record: Record | None, request: bytes, holder: bytes, now_s: float, hold_s: float) -> tuple[Record, Begun]:
    """A request with a key comes at `now_s`: what is kept now, and what becomes of it."""
    if record is None or record.until_s <= now_s:
        return Record(request, now_s + hold_s, holder), NEW
    if record.request != request:
        return record, Begun(Verdict.MISMATCH)
    if record.holder:
        return record, Begun(Verdict.BUSY, retry_after_s=record.until_s - now_s)
    return record, Begun(Verdict.REPLAY, record.answer)


def finish(record: Record | None, holder: bytes, answer: bytes, now_s: float, keep_s: float) -> Record | None:
    """The answer is there. None where the key is not this holder's any more: then nothing is kept."""
    if record is None or record.holder != holder:
        return None
    return Record(record.request, now_s + keep_s, b"", answer)


def parse_key(values: Sequence[bytes]) -> str | None:
    """The key in its header fields: a quoted string, as the draft has it, or bare, as many clients send it.

    None where it is neither, or longer than 255 characters, or sent twice.
    """
    if len(values) != 1:
        return None
    text = values[0].decode("latin-1").strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text if _BARE.fullmatch(text) else ""
    return key if 0 < len(key) <= LONGEST_KEY else None


def digest(*parts: bytes) -> bytes:
    """One digest of several parts; which bytes belong to which part counts too."""
    hashed = blake2b(digest_size=32)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.digest()


def pack(response: Response, body: bytes) -> bytes:
    """A whole response as bytes, without what belongs to its connection and its moment."""
    fields = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in response.headers
        if name.lower() not in _OF_THE_CONNECTION
    ]
    return json.dumps([response.status, fields], separators=(",", ":")).encode() + b"\n" + body


def unpack(packed: bytes) -> Response | None:
    """The response of `pack`; None for bytes that are none."""
    head, _, body = packed.partition(b"\n")
    try:
        status, fields = json.loads(head)
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    if type(status) is not int or not 100 <= status <= 999:
        return None
    return Response(status, headers, body)
