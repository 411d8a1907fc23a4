"""Responses as ASGI messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatewaykit.core.http import Response

if TYPE_CHECKING:
    from gatewaykit.asgi.types import Message, Send
    from gatewaykit.core.http import HeaderList, Request

__all__ = ["close_code", "send_response"]

_BODILESS = frozenset((204, 304))


async def send_response(send: Send, request: Request, response: Response, prefix: str = "") -> None:
    """Send a whole or streamed response. `prefix` is `websocket.` for the denial of a handshake.

    Content-Length is ours where the body is whole: an endpoint's own is dropped. HEAD, 1xx, 204 and 304 have no body
    (RFC 9110 sections 6.4.1 and 15). The last three say no length either: a 304 may (section 8.6), but servers take it
    for a promise, and break the connection when nothing follows.
    """
    status, body = response.status, response.body
    if type(body) is bytes and status >= 200 and status not in _BODILESS and request.method != "HEAD" and not prefix:
        headers = [(low, value) for name, value in response.headers if (low := name.lower()) != b"content-length"]
        headers.append((b"content-length", b"%d" % len(body)))
        try:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            request.sent_bytes = len(body)
            await send({"type": "http.response.body", "body": body})
        finally:
            if response.close is not None:
                await response.close()
        return
    bodiless = status in _BODILESS or status < 200 or request.method == "HEAD"
    headers = [(name.lower(), value) for name, value in response.headers]
    if status in _BODILESS or status < 200:
        headers = [field for field in headers if field[0] != b"content-length"]
    try:
        if isinstance(body, bytes):
            if status not in _BODILESS and status >= 200:
                length = _own_length(headers)
                if length is None or not (request.method == "HEAD" and not body):
                    if length is not None:
                        headers = [field for field in headers if field[0] != b"content-length"]
                    headers.append((b"content-length", b"%d" % len(body)))
            await send(_start(prefix, status, headers))
            body = b"" if bodiless else body
            request.sent_bytes = len(body)
            await send({"type": f"{prefix}http.response.body", "body": body})
            return
        await send(_start(prefix, status, headers))
        length = _own_length(headers)
        more, left = True, int(length) if length is not None and length.isdigit() else -1
        if not bodiless:
            async for chunk in body:
                request.sent_bytes += len(chunk)
                left -= len(chunk)
                more = left != 0  # the chunk that completes a known length ends the response: one message less
                await send({"type": f"{prefix}http.response.body", "body": chunk, "more_body": more})
        if more:
            await send({"type": f"{prefix}http.response.body", "body": b""})
    finally:
        if response.close is not None:
            await response.close()


def _start(prefix: str, status: int, headers: HeaderList) -> Message:
    return {"type": f"{prefix}http.response.start", "status": status, "headers": headers}


def _own_length(headers: HeaderList) -> bytes | None:
    for name, value in headers:
        if name == b"content-length":
            return value
    return None


def close_code(status: int) -> int:
    """The WebSocket close code that stands for a refused handshake where no HTTP answer can be given (RFC 6455 7.4)."""
    if status == 429 or status == 503:
        return 1013
    return 1011 if status >= 500 else 1008
