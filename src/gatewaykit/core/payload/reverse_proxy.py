"""What a plain reverse proxy forwards: everything but what belongs to one hop (RFC 9110 section 7.6.1).

The client's Host is kept, so that the service behind makes its links as if it stood here. `X-Forwarded-For` grows by
the peer where the peer is a trusted proxy, and is begun anew where it is not: what a client wrote is not passed on.
"""

from __future__ import annotations

import re
from typing import Final

from gatewaykit.core.http import HeaderList, Request, header_values
from gatewaykit.core.payload.headers import connection_names
from gatewaykit.core.reasons import Reason, Refusal

__all__ = ["forwarded_request_headers", "forwarded_response_headers", "forwarded_target"]

_HOP: Final = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding "
    b"upgrade".split()
)
_NOT_SENT: Final = _HOP | frozenset(
    b"content-length expect x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto".split()
)


def forwarded_request_headers(request: Request) -> HeaderList | Refusal:
    """The client's fields, in their order, and the X-Forwarded ones. Two Hosts are refused (RFC 9112 section 3.2)."""
    if len(header_values(request.header_list, b"host")) > 1:
        return Refusal(Reason.MALFORMED_REQUEST, "the request has more than one Host field")
    unwanted = _NOT_SENT
    if b"connection" in request.headers:
        unwanted = unwanted | connection_names(request.header_list)
    headers = [field for field in request.header_list if field[0].lower() not in unwanted]
    peer = (request.client[0] if request.client else "").encode("latin-1")
    vouched = peer.decode("latin-1") != request.address
    before = header_values(request.header_list, b"x-forwarded-for") if vouched else []
    headers.append((b"X-Forwarded-For", b", ".join([*before, peer])))
    for name, value in (
        (b"X-Forwarded-Host", request.headers.get(b"host", b"")),
        (b"X-Forwarded-Proto", request.scheme.encode()),
    ):
        told = header_values(request.header_list, name.lower()) if vouched else []
        headers.append((name, told[-1] if told else value))
    return headers


def forwarded_response_headers(headers: HeaderList) -> HeaderList:
    """The back end's fields without those of its hop; its length stays, for the body passes as it is."""
    unwanted = _HOP | connection_names(headers)
    return [field for field in headers if field[0].lower() not in unwanted]


def forwarded_target(path: bytes, query_string: bytes) -> bytes:
    """The request target as the client sent it; bytes that must not stand in one are percent-encoded."""
    target = path + b"?" + query_string if query_string else path
    return _NOT_IN_TARGET.sub(lambda found: b"%%%02X" % found[0][0], target)


_NOT_IN_TARGET: Final = re.compile(rb"[^!-~]|#")
