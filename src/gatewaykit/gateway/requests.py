"""Requests made by hand, for `decide`, `explain`, `invoke` and tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from gatewaykit.asgi.ids import IDS
from gatewaykit.core.http import Request

__all__ = ["Certificate", "Headers", "make_request", "tls_with"]

Certificate = str | Sequence[str] | None
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
    client_cert: Certificate = None,
) -> Request:
    """A request as the shell would make it from the wire. `path` may carry a query string and percent-encoding.

    `client_cert` is the certificate the client came with over TLS: PEM, or a list with the whole chain.
    """
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
    if client_cert is not None:
        request.tls = tls_with(client_cert)
    return request


def tls_with(certificate: str | Sequence[str]) -> dict[str, Any]:
    """The ASGI TLS extension of a connection with this client certificate."""
    return {"client_cert_chain": [certificate] if isinstance(certificate, str) else list(certificate)}
