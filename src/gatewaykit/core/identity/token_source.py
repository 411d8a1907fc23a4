"""Where the token of a request stands: a header or a query parameter.

Written `header:authorization` and `query:token`, or as definitions do: `method.request.header.Authorization`,
`$request.header.Authorization`, `$request.querystring.token` (developer guide, "Identity sources").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["TokenSource", "token_source"]

_OURS = re.compile(r"(header|query):(.+)")
_AWS = re.compile(r"(?:method\.|\$)request\.(header|querystring)\.(.+)")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSource:
    """`header` in lower case, or `query` as it is spelt; the other is empty."""

    header: bytes = b""
    query: str = ""

    def __str__(self) -> str:
        return f"header {self.header.decode()}" if self.header else f"query parameter {self.query}"


def token_source(text: object) -> TokenSource:
    """Raises ValueError for what names neither a header nor a query parameter."""
    match = isinstance(text, str) and (_OURS.fullmatch(text) or _AWS.fullmatch(text))
    if not match:
        raise ValueError(f"{text!r} names no place; write 'header:NAME' or 'query:NAME'")
    if match[1] != "header":
        return TokenSource(query=match[2])
    if not _HEADER_NAME.fullmatch(match[2]):
        raise ValueError(f"{match[2]!r} is no header name")
    return TokenSource(header=match[2].lower().encode())
