"""uvicorn's httptools protocol, keeping header names as they were sent, with bounds on what a slow client may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gatewaykit.asgi.scope import RAW_HEADERS
from gatewaykit.server.expectation import closing_unless_asked
from gatewaykit.server.joined_writes import JoinedWrites
from gatewaykit.server.limits import (
    BODY_TIMEOUT_S,
    HEAD_TIMEOUT_S,
    MAX_HEAD_BYTES,
    OF_A_HOST,
    SEND_TIMEOUT_S,
    TOO_LARGE,
)
from gatewaykit.server.own_date import DefaultFields
from gatewaykit.server.tls import tls_extension

if TYPE_CHECKING:
    import asyncio

__all__ = ["RawHttpToolsProtocol"]


class RawHttpToolsProtocol(HttpToolsProtocol):
    """`scope["headers"]` stays lower case, as ASGI wants it; the scope extension holds the names as sent.

    The parser itself keeps a head of any size, and waits for its end, and that of a body, for ever: bounded here. So is
    a client that takes nothing of its response, which holds what is behind.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._messages = 0  # read to their end
        self._body_timer: asyncio.TimerHandle | None = None
        self._body_moved_s = 0.0
        self._send_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(cast("asyncio.Transport", JoinedWrites(transport, self.loop)))
        self._tls = tls_extension(transport)
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._body_timer is not None:
            self._body_timer.cancel()
        if self._send_timer is not None:
            self._send_timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_sending()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._send_timer is not None:
            self._send_timer.cancel()

    def data_received(self, data: bytes) -> None:
        was_in_head, messages = self._in_head, self._messages
        super().data_received(data)
        if not self._in_head:
            self._body_moved_s = self.loop.time()
            if self._body_timer is None:
                self._body_timer = self.loop.call_later(BODY_TIMEOUT_S, self._body_may_be_late)
        elif was_in_head and messages == self._messages:  # a piece of a head, and nothing else
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse_head()
            elif self._head_timer is None and not self.transport.is_closing():
                self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._raw: list[tuple[bytes, bytes]] = []
        extensions = {RAW_HEADERS: self._raw} if self._tls is None else {RAW_HEADERS: self._raw, "tls": self._tls}
        self.scope["extensions"] = extensions  # type: ignore[typeddict-item]  # a list, not an empty mapping

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer: it must not pass for what proxies before us and policies look at (RFC 9110 6.5.1)
        super().on_header(name, value)
        self._raw.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_timer()
        hosts = 0
        for name, value in self.headers:
            if name == b"host":
                hosts += 1 if not value.translate(None, OF_A_HOST) else 2
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise ValueError("a request has one Host field, a host (RFC 9112 section 3.2)")  # the parser makes it a 400
        if not self.url.startswith(b"/"):
            self.url = _origin_form(self.url)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._messages += 1
        self._in_head, self._head_bytes = True, 0

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        cycle.default_headers = DefaultFields(cycle.default_headers)
        super()._start_asgi_task(cycle, closing_unless_asked(app, cycle) if cycle.waiting_for_100_continue else app)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse_head(self) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def _head_is_late(self) -> None:
        self._head_timer = None
        self.transport.close()

    def _watch_sending(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._send_timer = self.loop.call_later(SEND_TIMEOUT_S, self._sending_may_be_late, left)

    def _sending_may_be_late(self, before: int) -> None:
        if self.transport.get_write_buffer_size() < before:
            self._watch_sending()
        else:
            self.transport.abort()

    def _body_may_be_late(self) -> None:
        """One timer looks on for as long as bodies come: a timer for each piece would cost more."""
        self._body_timer = None
        if self._in_head or self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        left_s = self._body_moved_s + BODY_TIMEOUT_S - self.loop.time()
        if self.flow.read_paused:  # it is we who do not read
            left_s = BODY_TIMEOUT_S
        if left_s > 0:
            self._body_timer = self.loop.call_later(left_s, self._body_may_be_late)
        else:
            self.transport.close()


def _origin_form(url: bytes) -> bytes:
    """An absolute target (`http://host/path?query`) as origin form; uvicorn fails on one without a path."""
    if url == b"*":
        return url
    parsed = httptools.parse_url(url)
    path = parsed.path or b"/"
    return path if parsed.query is None else path + b"?" + parsed.query
