"""What of a request says who asks. A response to it is one person's, unless that is in the key or it says otherwise."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewaykit.core.http import Request

__all__ = ["unkeyed_caller"]


def unkeyed_caller(request: Request, headers: Collection[bytes], *, cookies: bool) -> str:
    """The first thing that says who asks and is not in the key; "" where there is none.

    `headers` are those in the key, in lower case. `cookies` says whether cookies are told apart by the key, or do not
    go on to what is behind.
    """
    sent = request.headers
    if b"authorization" in sent and b"authorization" not in headers:
        return "Authorization"
    if b"cookie" in sent and not cookies and b"cookie" not in headers:
        return "Cookie"
    if b"x-api-key" in sent and b"x-api-key" not in headers:
        return "an API key"
    if request.client_cert is not None or (request.tls and request.tls.get("client_cert_chain")):
        return "a client certificate"
    if request.identity is not None and not (b"authorization" in headers or b"x-api-key" in headers):
        return "an identity"
    return ""
