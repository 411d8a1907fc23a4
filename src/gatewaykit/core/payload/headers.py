"""Header rules of the integrations, as tables: developer guide, "Important notes"; reference 01 section 6, rows 79-94.

Names are lower-case bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from gatewaykit.core.http import HeaderList

__all__ = [
    "NEVER_READABLE", "NOT_FORWARDED", "REMAP_NON_PROXY", "REMAP_HTTP_PROXY", "REMAP_LAMBDA_PROXY", "HeaderMap",
    "connection_names", "field", "readable_headers", "remap",
]  # fmt: skip

NEVER_READABLE: Final = frozenset(
    b"connection content-length content-md5 expect max-forwards proxy-authenticate server te transfer-encoding trailer "
    b"upgrade www-authenticate".split()
)
"""Client headers that reach neither mappings nor templates nor a back end (row 89)."""

NOT_FORWARDED: Final = NEVER_READABLE | frozenset(
    b"host via keep-alive proxy-connection proxy-authorization content-encoding x-http-method-override x-amzn-trace-id "
    b"x-amzn-apigateway-api-id".split()
)
"""Client headers that HTTP_PROXY does not forward (rows 80 and 89; RFC 9110 section 7.6.1).

The body of a Content-Encoding has been decoded before (reference 01 section 6)."""

_REMAP_ALL: Final = frozenset(b"connection content-length date server".split())
_REMAP_NON_PROXY: Final = _REMAP_ALL | frozenset(
    b"authorization content-md5 expect host max-forwards proxy-authenticate trailer upgrade user-agent "
    b"www-authenticate".split()
)

REMAP_NON_PROXY: Final = (_REMAP_NON_PROXY, frozenset((b"transfer-encoding",)))
"""Response headers that HTTP and AWS integrations rename and drop (row 93)."""

REMAP_HTTP_PROXY: Final = (
    _REMAP_ALL | {b"x-amzn-requestid"},
    frozenset((b"transfer-encoding", b"via", b"keep-alive", b"proxy-connection")),
)
"""The same for HTTP_PROXY (row 81). A Content-Encoding stays: the body passes in that coding."""

REMAP_LAMBDA_PROXY: Final = (
    _REMAP_ALL | frozenset(b"authorization content-md5 max-forwards www-authenticate x-amzn-requestid".split()),
    frozenset(b"transfer-encoding expect host proxy-authenticate te trailer upgrade via".split()),
)
"""The same for AWS_PROXY (developer guide; its table of response headers)."""

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def field(name: str, value: str) -> tuple[bytes, bytes] | None:
    """A header field of this name and value, or None when it could not stand in one line of a message."""
    raw_name = name.encode("utf-8", "replace")
    if not _NAME.fullmatch(raw_name) or _UNSAFE.search(value):
        return None
    return raw_name, value.strip(" \t").encode("utf-8", "replace")


def remap(headers: HeaderList, rules: tuple[frozenset[bytes], frozenset[bytes]]) -> HeaderList:
    """Rename what the gateway keeps for itself to `x-amzn-Remapped-…`, and drop what must not pass."""
    renamed, dropped = rules
    return [
        (b"x-amzn-Remapped-" + name if name.lower() in renamed else name, value)
        for name, value in headers
        if name.lower() not in dropped
    ]


def connection_names(headers: HeaderList) -> frozenset[bytes]:
    """The names that `Connection` lists: fields for this hop only (RFC 9110 section 7.6.1)."""
    return frozenset(
        name.strip().lower() for key, value in headers if key.lower() == b"connection" for name in value.split(b",")
    )


class HeaderMap(dict[str, str]):
    """Headers by name as sent. A name that is not there as spelt is looked up in any casing.

    API Gateway matches names by their case; but HTTP/2 and most ASGI servers hand on lower-case names, so that a
    template's `$input.params('X-Name')` could never match.
    """

    __slots__ = ("_folded",)

    def __init__(self, headers: Iterable[tuple[str, str]]) -> None:
        super().__init__(headers)
        self._folded = {name.lower(): value for name, value in self.items()}

    def __missing__(self, name: str) -> str:
        return self._folded[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._folded

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]  # one signature of dict's three
        return self._folded.get(name.lower(), default)


def readable_headers(headers: HeaderList) -> Mapping[str, str]:
    """What mappings and templates see: the last value of each name, without those that are never readable."""
    return HeaderMap(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in headers
        if name.lower() not in NEVER_READABLE
    )
