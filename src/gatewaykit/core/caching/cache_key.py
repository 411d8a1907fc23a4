"""The key of a response: which parts of a request it is chosen by. What is not among them must not decide about it.

Rules
* Host, path and query always count; the host in lower case, the path as it was sent: two spellings are two keys.
* Of the query, all counts, in the order sent, unless some parameters are named: then those, sorted by name, decoded
  once and with every value, as the gateway reads them everywhere.
* Headers and cookies count where they are named. They tell variants of one address apart, so that all of these go when
  the address is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from gatewaykit.core.caching.variants import normal
from gatewaykit.core.http import HeaderList, header_values

__all__ = ["STEERING", "CacheKey", "cookies_of", "primary_key"]

STEERING: Final = (
    b"x-forwarded-host", b"x-forwarded-scheme", b"x-forwarded-port", b"x-forwarded-prefix", b"x-original-url",
    b"x-rewrite-url", b"x-original-host", b"x-host", b"forwarded", b"x-http-method-override", b"x-http-method",
    b"x-method-override",
)  # fmt: skip
"""Headers by which many frameworks take another host, path or method for asked; clients can send them."""


_SHORT: Final = 128  # bytes; a digest has half as many, and no line feeds but by chance
_SEAMS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """What counts beside host and path. `query` None: all of it; names in lower case for headers."""

    query: frozenset[str] | None = None
    headers: tuple[bytes, ...] = ()
    cookies: tuple[str, ...] = ()

    def declared(self, headers: HeaderList) -> tuple[tuple[bytes, bytes], ...]:
        """The headers and cookies that count, with their values."""
        if not self.headers and not self.cookies:
            return ()
        fields = [(name, normal(name, header_values(headers, name))) for name in self.headers]
        if self.cookies:
            sent = cookies_of(headers)
            for cookie in self.cookies:
                values = sent.get(cookie, [])
                joined = b"".join(b"%d:%b" % (len(value), value) for value in values)
                fields.append((b"cookie " + cookie.encode(), joined))
        return tuple(fields)


def primary_key(
    key: CacheKey, scheme: str, host: bytes, path: bytes, query_string: bytes, query: Mapping[str, Sequence[str]]
) -> bytes:
    """The key of an address: a short one as text, else a digest. No two different ones have the same."""
    if key.query is None:
        asked = query_string
    else:
        named = sorted((name, values) for name, values in query.items() if name in key.query)
        asked = repr(named).encode("utf-8", "surrogatepass")
    parts = (scheme.encode(), host.lower(), path, asked)
    text = b"\n".join(parts)
    if len(text) <= _SHORT and text.count(b"\n") == _SEAMS:
        return text
    digest = blake2b(digest_size=_SHORT // 2)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


def cookies_of(headers: HeaderList) -> dict[str, list[bytes]]:
    """The cookies of a request, each with every value it was sent with."""
    found: dict[str, list[bytes]] = {}
    for line in header_values(headers, b"cookie"):
        for pair in line.split(b";"):
            name, _, value = pair.strip(b" \t").partition(b"=")
            if name:
                found.setdefault(name.decode("latin-1"), []).append(value)
    return found
