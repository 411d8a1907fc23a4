"""The bytes of an HTTP/1.1 request head, and the refusal of everything that must not reach the wire (RFC 9112).

Names, values, order and casing go out as given. Only Host (first, RFC 9110 section 7.2) and the framing field (last)
are added. Framing (RFC 9110 section 8.6, RFC 9112 section 6):

* a body of bytes has a Content-Length; a streamed one is chunked, unless the caller gave its Content-Length;
* without a body, POST, PUT and PATCH say `Content-Length: 0` and other methods say nothing.
"""

from __future__ import annotations

import re
from typing import Final

from gatewaykit.errors import UpstreamError
from gatewaykit.ports import UpstreamRequest

__all__ = ["CHUNKED", "IDEMPOTENT", "encode_head", "host_field"]

CHUNKED: Final = -1
"""The `length` of a body whose end is marked by its framing."""

IDEMPOTENT: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
"""RFC 9110 section 9.2.2: sending one of these twice does no more than sending it once."""

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_NOT_IN_TARGET = re.compile(rb"[\x00-\x20\x7f]").search
_NOT_IN_HOST = re.compile(rb"[^A-Za-z0-9\-._~!$&'()*+,;=:%]").search  # RFC 3986: reg-name, or an address
_SAYS_LENGTH_0: Final = frozenset(("POST", "PUT", "PATCH"))

_UNKNOWN, _HOST, _LENGTH, _CODING, _CONNECTION = -1, 1, 2, 4, 8
_ROLES: Final = {b"host": _HOST, b"content-length": _LENGTH, b"transfer-encoding": _CODING, b"connection": _CONNECTION}
_KNOWN_NAMES_MAX: Final = 2048

_join_field = b": ".join
_role_of: dict[bytes, int] = {}  # the names seen, in their casing: a look-up is all that a known one costs
_first_word: dict[str, bytes] = {}


def encode_head(request: UpstreamRequest, host: bytes) -> tuple[bytes, int, bool]:
    """The head, the length of the body it announces (or CHUNKED), and whether the connection may be used again.

    `host` is the whole Host field with its CRLF. Raises UpstreamError: `address` for a bad target, `invalid` for
    anything else that cannot be sent.
    """
    method, target, headers, body = request.method, request.target, request.headers, request.body
    start = _first_word.get(method) or _learn_method(method)
    if (target[:1] != b"/" and target != b"*") or _NOT_IN_TARGET(target):
        raise UpstreamError("address", f"{target!r} is no request target")
    seen = 0
    for name, _ in headers:
        if role := _role_of.get(name, _UNKNOWN):
            if role == _UNKNOWN:
                role = _learn_name(name)
            if seen & role and role != _CONNECTION:
                raise UpstreamError("invalid", f"the request has more than one {name.decode()} field")
            seen |= role

    fields = b"\r\n".join(map(_join_field, headers))
    breaks = len(headers) - 1 if headers else 0
    if fields.count(b"\n") != breaks or fields.count(b"\r") != breaks or b"\0" in fields:
        raise UpstreamError("invalid", f"the value of {_culprit(request)} holds CR, LF or NUL")
    if headers:
        fields += b"\r\n"
    if not seen & _HOST:
        fields = host + fields

    keep = True
    length = len(body) if isinstance(body, bytes) else CHUNKED
    if seen > _HOST:
        length, keep = _given_framing(request, seen, length)
    if not seen & (_LENGTH | _CODING):
        if length > 0 or (length == 0 and method in _SAYS_LENGTH_0):
            fields += b"Content-Length: %d\r\n" % length
        elif length == CHUNKED:
            fields += b"Transfer-Encoding: chunked\r\n"
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (start, target, fields), length, keep


def host_field(scheme: str, host: str, port: int) -> bytes:
    """The Host field of an origin, with its CRLF. Raises UpstreamError("address") where there is no such origin."""
    if scheme not in ("http", "https"):
        raise UpstreamError("address", f"{scheme!r} is neither http nor https")
    if not 0 < port < 65536:
        raise UpstreamError("address", f"{port} is no port")
    try:
        name = host.encode("ascii") if host.isascii() else host.encode("idna")
    except UnicodeError:
        raise UpstreamError("address", f"{host!r} is no host name") from None
    if not name or _NOT_IN_HOST(name):
        raise UpstreamError("address", f"{host!r} is no host name")
    if b":" in name:
        name = b"[%b]" % name
    if port == (443 if scheme == "https" else 80):
        return b"Host: %b\r\n" % name
    return b"Host: %b:%d\r\n" % (name, port)


def _given_framing(request: UpstreamRequest, seen: int, length: int) -> tuple[int, bool]:
    """Hold the caller's own framing fields against the body: two opinions about it are how requests are smuggled."""
    keep = True
    for name, value in request.headers:
        role = _role_of.get(name) or _ROLES.get(name.lower())
        if role == _CONNECTION:
            keep = keep and b"close" not in value.lower()
        elif role == _LENGTH:
            if seen & _CODING or not value.isdigit() or len(value) > 18 or (length != CHUNKED and int(value) != length):
                raise UpstreamError("invalid", f"Content-Length {value!r} does not describe the body")
            length = int(value)
        elif role == _CODING and (length != CHUNKED or value.lower() != b"chunked"):
            raise UpstreamError("invalid", f"Transfer-Encoding {value!r} does not describe the body")
    return length, keep


def _learn_method(method: str) -> bytes:
    name = method.encode("latin-1", "replace")
    if not _TOKEN(name) or method == "CONNECT":
        raise UpstreamError("invalid", f"{method!r} is no method that can be sent")
    if len(_first_word) < _KNOWN_NAMES_MAX:
        _first_word[method] = name
    return name


def _learn_name(name: bytes) -> int:
    if not _TOKEN(name):
        raise UpstreamError("invalid", f"{name!r} is no header name")
    role = _ROLES.get(name.lower(), 0)
    if len(_role_of) < _KNOWN_NAMES_MAX:
        _role_of[name] = role
    return role


def _culprit(request: UpstreamRequest) -> str:
    return next(name.decode() for name, value in request.headers if any(bad in value for bad in (b"\r", b"\n", b"\0")))
