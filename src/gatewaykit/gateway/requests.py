"""Requests made by hand, for `decide`, `explain`, `invoke` and tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

from gatewaykit.asgi.ids import IDS
from gatewaykit.core.http import Request

__all__ = ["Headers", "make_request"]

Headers = Mapping[str, str] | Iterable[tuple[str, str]] | None
_SAFE = "/%:@!$&'()*+,;=~-._"


def make_request(
    method: str,
    path: str,
    *,
    headers: Headers = None,
    body: bytes | str = b"",
    address: str = "127.0.0.1",
    scheme: str = "http",
) -> Request:
    """A request as the shell would make it from the wire. `path` may carry a query string and percent-encoding."""
    target, _, query = path.partition("?")
    raw = quote(target, safe=_SAFE)
    pairs = headers.items() if isinstance(headers, Mapping) else (headers or ())
    request = Request(
        method.upper(),
        unquote(raw),
        raw_path=raw.encode(),
        headers=[(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in pairs],
        query_string=quote(query, safe=_SAFE + "?[]{}|").encode(),
        body=body.encode() if isinstance(body, str) else body,
        client=(address, 0),
        scheme=scheme,
    )
    request.id, request.extended_id = IDS.request_id(), IDS.extended_id()
    return request
