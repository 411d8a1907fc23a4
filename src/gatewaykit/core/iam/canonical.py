"""The canonical form of a request: what is hashed and signed.

IAM user guide, "Create a signed AWS API request". Services other than S3 encode the path a second time; empty and dot
segments are taken out before, as botocore does. Everything is bytes, as on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from gatewaykit.core.http import HeaderList

__all__ = [
    "EMPTY_HASH", "UNSIGNED_PAYLOAD", "canonical_headers", "canonical_path", "canonical_queries", "encoded",
    "header_values_of", "plain_query", "query_pairs",
]  # fmt: skip

EMPTY_HASH: Final = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The hash of an empty body."""

UNSIGNED_PAYLOAD: Final = b"UNSIGNED-PAYLOAD"
"""Stands in place of the hash where the body is not signed."""

_PLAIN_PATH: Final = re.compile(rb"/|(?:/[\w~-][\w.~-]*)+/?").fullmatch
_PLAIN_QUERY: Final = re.compile(rb"[\w.~-]+=[\w.~-]*(?:&[\w.~-]+=[\w.~-]*)*").fullmatch
_BLANKS: Final = re.compile(rb"[ \t]+")


def canonical_path(path: bytes) -> bytes:
    """A path as sent, without empty and dot segments, encoded once more."""
    if _PLAIN_PATH(path) is not None:
        return path
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment and segment != b".":
            kept.append(segment)
    path = b"/" + b"/".join(kept) + (b"/" if kept and path.endswith(b"/") else b"")
    return quote_from_bytes(path, safe="/~").encode()


def canonical_queries(query: bytes, *, without: bytes | None = None) -> tuple[bytes, ...]:
    """The canonical forms of a query as sent: one, or two where clients differ.

    The guide encodes what a parameter means; botocore takes the pairs as they were sent. Both give the same for what
    is encoded as the guide tells. The parameter named `without` is left out.
    """
    if (plain := plain_query(query)) is not None and without is None:
        return (plain,)
    sent = [pair.partition(b"=")[::2] for pair in query.split(b"&")]
    meant = ((encoded(name), encoded(value)) for name, value in query_pairs(query) if name != without)
    as_sent = (pair for pair in sent if without is None or _decoded(pair[0]) != without)
    return tuple(dict.fromkeys((_joined(meant), _joined(as_sent))))


def plain_query(query: bytes) -> bytes | None:
    """The canonical form of a query of unreserved characters, in which everybody agrees; None for another one."""
    if not query:
        return query
    if _PLAIN_QUERY(query) is None:
        return None
    if b"&" not in query:
        return query
    # By name, then value: the end of a name has to come before every character that a name may hold.
    return b"&".join(sorted(query.replace(b"=", b"\0").split(b"&"))).replace(b"\0", b"=")


def query_pairs(query: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values as the gateway reads them (`core.http.parse_query`), in their order."""
    pairs = (pair.partition(b"=") for pair in query.replace(b";", b"&").split(b"&") if pair)
    return [(_decoded(name), _decoded(value)) for name, _, value in pairs]


def encoded(text: bytes) -> bytes:
    """Percent-encoded, but for unreserved characters."""
    return quote_from_bytes(text, safe="~").encode()


def header_values_of(headers: HeaderList) -> dict[bytes, list[bytes]]:
    """Every value of each field, in order, by lower-case name."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)
    return values


def canonical_headers(names: Iterable[bytes], values: dict[bytes, list[bytes]]) -> bytes:
    """The lines of the fields of these names, runs of blanks made one. KeyError for a field that is not there."""
    lines = [name + b":" + b",".join(_BLANKS.sub(b" ", value).strip(b" ") for value in values[name]) for name in names]
    return b"\n".join(lines) + b"\n"


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _joined(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"&".join(name + b"=" + value for name, value in sorted(pairs))
