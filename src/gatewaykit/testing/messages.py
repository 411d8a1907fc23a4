"""What an ASGI application may send, and when (ASGI HTTP and WebSocket message format 2.5).

Rules
* A response: `start` once, before any body; then bodies, until one without `more_body`; then nothing, but trailers
  where the start announced them.
* Header fields are pairs of bytes, names in lower case and tokens, values without CR, LF and NUL.
* A body is as long as its Content-Length says.
* A WebSocket: `accept` once, then messages, then `close` once; before `accept` it may be closed, or answered with a
  response where the server offers that.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatewaykit.asgi.types import Message

__all__ = ["AsgiViolation", "ResponseRules", "WebSocketRules"]

_TOKEN = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")
_TOKEN_IN_ANY_CASING = re.compile(_TOKEN.pattern, re.IGNORECASE)


class AsgiViolation(AssertionError):
    """An application broke the ASGI contract."""


class ResponseRules:
    """One HTTP response, message by message. `prefix` is `websocket.` for the denial of a handshake."""

    def __init__(
        self, method: str = "GET", extensions: Collection[str] = (), prefix: str = "", *, any_casing: bool = False
    ) -> None:
        self.method, self.extensions, self.prefix = method, extensions, prefix
        self._any_casing = any_casing
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self.ended = False  # the body is whole
        self.done = False  # and so are the trailers
        self._trailers = False

    def take(self, message: Message) -> None:
        """Raises AsgiViolation for a message that may not come now, or not like this."""
        kind = message.get("type")
        if self.done:
            raise AsgiViolation(f"{kind!r} was sent after the end of the response")
        if kind == f"{self.prefix}http.response.start":
            self._start(message)
        elif kind == f"{self.prefix}http.response.body":
            self._body(message)
        elif kind == "http.response.trailers" and self._trailers and self.ended:
            _check_headers(message.get("headers", ()), self._any_casing)
            self.done = not message.get("more_trailers", False)
        elif kind not in self.extensions:
            raise AsgiViolation(f"{kind!r} is no message of this response, nor of an extension the server offers")

    def finish(self) -> None:
        """Raises AsgiViolation when the application returned too early."""
        if self.status is None:
            raise AsgiViolation("the application returned without a response")
        if not self.ended:
            raise AsgiViolation("the application returned before the end of its response")

    @property
    def body(self) -> bytes:
        """The body as a client gets it: none for HEAD, 204 and 304."""
        return b"" if self._bodiless() else b"".join(self.parts)

    def _start(self, message: Message) -> None:
        if self.status is not None:
            raise AsgiViolation("the response was started twice")
        status = message.get("status")
        if type(status) is not int or not 100 <= status <= 999:
            raise AsgiViolation(f"the status {status!r} is no number of three digits")
        headers = message.get("headers", ())
        _check_headers(headers, self._any_casing)
        self.status, self.headers = status, [(name, value) for name, value in headers]
        self._trailers = bool(message.get("trailers", False))

    def _body(self, message: Message) -> None:
        if self.status is None:
            raise AsgiViolation("a body was sent before the start of the response")
        if self.ended:
            raise AsgiViolation("a body was sent after the end of the response")
        body, more = message.get("body", b""), message.get("more_body", False)
        if not isinstance(body, bytes):
            raise AsgiViolation(f"a body must be bytes, not {type(body).__name__}")
        if not isinstance(more, bool):
            raise AsgiViolation(f"more_body must be a bool, not {more!r}")
        self.parts.append(body)
        if not more:
            self.ended, self.done = True, not self._trailers
            self._check_length()

    def _check_length(self) -> None:
        declared = [value for name, value in self.headers if name.lower() == b"content-length"]
        if len(declared) > 1:
            raise AsgiViolation("Content-Length was sent twice")
        size = sum(map(len, self.parts))
        if declared and not self._bodiless() and declared[0] != b"%d" % size:
            raise AsgiViolation(f"Content-Length says {declared[0].decode('latin-1')}, the body has {size} bytes")

    def _bodiless(self) -> bool:
        return self.method == "HEAD" or self.status in (204, 304)


class WebSocketRules:
    """One WebSocket connection, message by message."""

    def __init__(self, extensions: Collection[str] = ()) -> None:
        self.accepted = self.closed = False
        self.denial: ResponseRules | None = None
        self._extensions = extensions

    def take(self, message: Message) -> None:
        """Raises AsgiViolation for a message that may not come now, or not like this."""
        kind = message.get("type", "")
        if self.closed:
            raise AsgiViolation(f"{kind!r} was sent after the connection was closed")
        if kind.startswith("websocket.http.response."):
            self._deny(message)
        elif self.denial is not None:
            raise AsgiViolation(f"{kind!r} was sent after a response had been started")
        elif kind == "websocket.accept":
            if self.accepted:
                raise AsgiViolation("the connection was accepted twice")
            _check_headers(message.get("headers", ()), False)
            self.accepted = True
        elif kind == "websocket.send":
            self._send(message)
        elif kind == "websocket.close":
            self.closed = True
        else:
            raise AsgiViolation(f"{kind!r} is no message of a WebSocket")

    def _deny(self, message: Message) -> None:
        if "websocket.http.response" not in self._extensions:
            raise AsgiViolation("a handshake was answered with a response, which this server does not offer")
        if self.accepted:
            raise AsgiViolation("a response was sent after the connection had been accepted")
        if self.denial is None:
            self.denial = ResponseRules(prefix="websocket.")
        self.denial.take(message)
        self.closed = self.denial.done

    def _send(self, message: Message) -> None:
        if not self.accepted:
            raise AsgiViolation("a message was sent before the connection was accepted")
        text, data = message.get("text"), message.get("bytes")
        if (text is None) == (data is None):
            raise AsgiViolation("a message has either text or bytes")
        if not isinstance(text if data is None else data, str if data is None else bytes):
            raise AsgiViolation("text must be str and bytes must be bytes")


def _check_headers(headers: Any, any_casing: bool) -> None:
    for field in headers:
        if len(field) != 2:
            raise AsgiViolation(f"the header field {field!r} is no pair")
        name, value = field
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise AsgiViolation(f"the header field {field!r} is not made of bytes")
        if not (_TOKEN_IN_ANY_CASING if any_casing else _TOKEN).fullmatch(name):
            raise AsgiViolation(f"the header name {name!r} is no token in lower case")
        if any(each in value for each in (b"\r", b"\n", b"\0")):
            raise AsgiViolation(f"the value of {name!r} holds CR, LF or NUL: {value!r}")
