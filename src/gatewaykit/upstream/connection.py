"""One HTTP/1.1 connection to a back end, and the exchange it carries (RFC 9112), on asyncio.Protocol and httptools.

Rules:

* A connection carries one exchange at a time and belongs to it until the exchange has ended. Then it is either given
  back (`release`) or closed, and the exchange keeps nothing of it.
* It is given back only when nothing is left over: the response came to its end by its own framing, the peer keeps the
  connection open, the request is fully sent, and not a byte too many arrived.
* Everything else closes it: EOF, a parse error, a timeout, a cancelled or given-up exchange, bytes nobody asked for.
* What was received stays readable after the end. Then comes the error, if there was one.
* An exchange has at most one waiter (for the head, later for the next chunk). It is woken with None, never with an
  exception: the state says what happened.
* 1xx responses are skipped. HEAD, 204 and 304 have no body. A response without length ends with the connection.
  Trailers are dropped.
* Reading pauses while more than 64 kB wait to be taken, and goes on below 16 kB.
* More than 64 kB without a byte of body (head, trailers, chunk extensions, 1xx without end) is an error.
* A request body that is streamed is pumped by a task, because the response may come first. An error status stops the
  pump (RFC 9112 section 9.5), as does the end of the response; other early responses run beside it.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import httptools

from gatewaykit.core.http import HeaderList
from gatewaykit.errors import UpstreamError
from gatewaykit.upstream.exchange import Exchange
from gatewaykit.upstream.pool import Lane
from gatewaykit.upstream.request_head import CHUNKED

__all__ = ["Connection", "Origin", "Owner"]

HEAD_LIMIT = 64 * 1024
PAUSE_ABOVE = 64 * 1024
TIMER_SLACK_S = 0.001  # event loops round to milliseconds

_JOINED_BYTES = 1 << 16  # a copy of so much costs less than another system call


class Origin(Lane["Connection", "asyncio.Future[Connection | None]"]):
    """The connections of one origin; what waits for one is a future that gives it, or None for leave to open one."""

    __slots__ = ()


class Owner(Protocol):
    """Who holds the connections of an event loop."""

    def release(self, connection: Connection, /) -> None: ...
    def lost(self, connection: Connection, /) -> None: ...


class _EndOfResponse(Exception):
    """Raised to the parser to stop it. It cannot be told otherwise that a response to HEAD ends with its head."""


class Connection(asyncio.Protocol):
    """The protocol object. Everything runs in its event loop's thread."""

    __slots__ = (
        "_complete", "_deadline", "_drained", "_fields", "_headed", "_heads", "_keep", "_owner", "_parser", "_poll",
        "_raw_heads", "_reading_paused", "_timer", "_timer_at", "_transport", "_unproductive", "_writing_paused",
        "closed", "exchange", "loop", "origin",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner, origin: Origin) -> None:
        self.origin = origin
        self.exchange: Exchange | None = None
        self.closed = False
        self.loop, self._owner = loop, owner
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self._parser = httptools.HttpResponseParser(self)
        self._fields: HeaderList = []
        self._headed = False  # the head of a final response has come
        self._complete = False  # and its end
        self._keep = False
        self._unproductive = 0  # bytes since the request or the last byte of body
        self._heads = 0  # of a response to HEAD: how many came, 1xx included
        self._raw_heads = b""  # and their bytes
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._reading_paused = False
        self._writing_paused = False
        self._drained: asyncio.Future[None] | None = None
        self._poll: Any = None

    # ------------------------------------------------------------------- the exchange

    def start(
        self, exchange: Exchange, head: bytes, body: bytes | AsyncIterator[bytes], length: int, deadline: float
    ) -> asyncio.Future[None]:
        """Send a request. The future is done when the head of the response is there, or the exchange has ended."""
        self.exchange = exchange
        exchange.connection = self
        exchange.waiter = waiter = self.loop.create_future()
        self._unproductive = 0
        self._deadline = deadline
        if self._timer is None or self._timer_at > deadline:
            self._arm(deadline)
        # Never `writelines`: in Python 3.12 and 3.13 up to 3.13.1 it does not pause a sender (CVE-2024-12254).
        if isinstance(body, bytes) and len(body) < _JOINED_BYTES:
            self._transport.write(head + body)
        elif isinstance(body, bytes):
            self._transport.write(head)
            self._transport.write(body)
        else:
            self._transport.write(head)
            exchange.pump = self.loop.create_task(self._pump(exchange, body, length))
        return waiter

    def wait(self, exchange: Exchange) -> asyncio.Future[None]:
        """A future that is done when more of the body is there, or the exchange has ended."""
        if exchange.waiter is not None:
            raise RuntimeError("two tasks read the same response body")
        exchange.waiter = waiter = self.loop.create_future()
        self._arm(self.loop.time() + exchange.timeout_s)
        return waiter

    def abort(self, why: str = "the connection was closed") -> None:
        """Close at once; an exchange under way fails."""
        self.fail(UpstreamError("reset", why))

    def fail(self, error: BaseException) -> None:
        """Close at once; an exchange under way ends with `error`."""
        if not self.closed:
            self.closed = True
            self._transport.abort()
        if (exchange := self.exchange) is not None:
            self.exchange = None
            exchange.end(error)

    def resume(self) -> None:
        """Read on, if reading had been paused."""
        if self._reading_paused and not self.closed:
            self._reading_paused = False
            self._transport.resume_reading()

    def is_quiet(self) -> bool:
        """Ask the kernel whether an idle connection is still open with nothing to read, events not yet seen included.

        It narrows the race in which a peer closes an idle connection while a request that must not be repeated is on
        its way, and costs a system call.
        """
        if self._poll is None:
            if not hasattr(select, "poll"):  # Windows
                return True
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._poll.poll(0)

    # ------------------------------------------------------------------- the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream has a read-write transport

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            self.abort()
            return
        self._unproductive += len(data)
        if exchange.bare:
            self._raw_heads += data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._complete:
                cause = error.__context__ if isinstance(error.__context__, UpstreamError) else None
                self.fail(cause or UpstreamError("invalid", f"the response is not HTTP/1.1: {error}"))
                return
            self._after_error(exchange)
        if self._complete:
            self._finish(exchange)
        elif self._unproductive > HEAD_LIMIT:
            self.fail(UpstreamError("invalid", f"more than {HEAD_LIMIT} bytes without a response body"))
        elif self._headed:
            if exchange.held > PAUSE_ABOVE and not self._reading_paused:
                self._reading_paused = True
                self._transport.pause_reading()
            if exchange.waiter is not None:
                exchange.wake(exchange.waiter)

    def eof_received(self) -> None:
        self._closed_by_peer(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed_by_peer(exc)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.resume_writing()
        self._owner.lost(self)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # ------------------------------------------------------------------- the parser calls

    def on_message_begin(self) -> None:
        if self._complete:  # a response to nothing follows
            raise _EndOfResponse

    def on_header(self, name: bytes, value: bytes) -> None:
        # The parser leaves spaces and tabs at the end, and lets no other white space through. Trailers come here too.
        self._fields.append((name, value.rstrip()))

    def on_headers_complete(self) -> None:
        exchange = self.exchange
        assert exchange is not None
        self._heads += 1
        status = self._parser.get_status_code()
        fields, self._fields = self._fields, []
        if status < 200:
            if status < 100 or status == 101:
                raise UpstreamError("invalid", f"the back end answered {status}, which nothing asked for")
            return
        if self._unproductive > HEAD_LIMIT and sum(map(len, map(b": \r\n".join, fields))) > HEAD_LIMIT:
            raise UpstreamError("invalid", f"the response head is over {HEAD_LIMIT} bytes")
        self._headed = True
        exchange.status, exchange.headers = status, fields
        if exchange.bare:
            self._complete = True
            raise _EndOfResponse
        if exchange.pump is not None and status >= 400:
            exchange.pump.cancel()
            exchange.pump = None
            exchange.keep = False

    def on_body(self, chunk: bytes) -> None:
        exchange = self.exchange
        assert exchange is not None
        self._unproductive = 0
        exchange.chunks.append(chunk)
        exchange.held += len(chunk)

    def on_message_complete(self) -> None:
        if self._headed and not self._complete:  # else the end of a 1xx
            self._complete = True
            self._keep = self._parser.should_keep_alive()  # right only in here
            if self._fields:  # trailers
                self._fields = []

    # ------------------------------------------------------------------- endings

    def _finish(self, exchange: Exchange) -> None:
        keep = self._keep and exchange.keep and exchange.pump is None and not self._writing_paused
        self.exchange = None
        self._headed = self._complete = self._keep = False
        self._heads = 0
        if not keep:
            exchange.end(None)
            self.abort()
            return
        exchange.connection, exchange.ended = None, True  # what `end` would do, without its calls
        if (waiter := exchange.waiter) is not None:
            exchange.waiter = None
            if not waiter.done():
                waiter.set_result(None)
        if self._reading_paused:
            self.resume()
        self._owner.release(self)

    def _after_error(self, exchange: Exchange) -> None:
        """The response is whole and the parser has stopped: the end of a response to HEAD, or bytes too many."""
        self._keep = False
        if exchange.bare:
            raw, self._raw_heads = self._raw_heads, b""
            connection = b",".join(value.lower() for name, value in exchange.headers if name.lower() == b"connection")
            # One blank line a head and nothing behind the last: a body that must not be there would show.
            only_heads = raw.endswith(b"\r\n\r\n") and raw.count(b"\r\n\r\n") == self._heads
            self._keep = only_heads and self._parser.get_http_version() == "1.1" and b"close" not in connection
            self._parser = httptools.HttpResponseParser(self)

    def _closed_by_peer(self, exc: Exception | None) -> None:
        exchange = self.exchange
        if exchange is None:
            self.abort()
        elif self._headed and exc is None and _ends_with_connection(exchange.headers):
            self._finish(exchange)
        elif self._headed:
            self.abort("the back end closed the connection in the middle of its response")
        else:
            exchange.stale = not self._unproductive
            self.abort("the back end closed the connection before it answered")

    # ------------------------------------------------------------------- time

    def _arm(self, deadline: float) -> None:
        """Have `_tick` called at the deadline, or earlier.

        A timer that is already set and not later stays and moves itself, so that most requests set none.
        """
        self._deadline = deadline
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self.loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        exchange = self.exchange
        if exchange is None or exchange.waiter is None:
            return
        if self._deadline - self.loop.time() > TIMER_SLACK_S:
            self._arm(self._deadline)
        else:
            what = "the next part of the body" if self._headed else "the response"
            self.fail(UpstreamError("timeout", f"{what} did not come within {exchange.timeout_s:g} s"))

    # ------------------------------------------------------------------- the request body

    async def _pump(self, exchange: Exchange, body: AsyncIterator[bytes], length: int) -> None:
        """Send a streamed body. Cancelled when it is no longer wanted; its own errors end the exchange."""
        write = self._transport.write
        sent = 0
        try:
            async for chunk in body:
                if not chunk:  # a chunk of no bytes would end a chunked body
                    continue
                if length == CHUNKED:
                    write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                else:
                    sent += len(chunk)
                    if sent > length:
                        raise UpstreamError("invalid", f"the body is longer than its Content-Length of {length}")
                    write(chunk)
                if self._writing_paused:
                    self._drained = self.loop.create_future()
                    await self._drained
                else:
                    await asyncio.sleep(0)  # an answer that came early must be seen before more is sent
            if length == CHUNKED:
                write(b"0\r\n\r\n")
            elif sent < length:
                raise UpstreamError("invalid", f"the body is shorter than its Content-Length of {length}")
            exchange.pump = None
        except asyncio.CancelledError:
            if exchange.pump is not None and self.exchange is exchange:  # raised by the body, not by us
                exchange.pump = None
                self.abort("the request body was cancelled")
        except Exception as error:  # noqa: BLE001  whatever the caller's iterator raises is given to the caller
            if self.exchange is exchange:
                exchange.pump = None
                self.fail(error)
        finally:
            close: Callable[[], Any] | None = getattr(body, "aclose", None)
            if close is not None:
                await close()


def _ends_with_connection(headers: HeaderList) -> bool:
    """Whether nothing but the end of the connection ends the body (RFC 9112 section 6.3)."""
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-length" or (lower == b"transfer-encoding" and value.lower().endswith(b"chunked")):
            return False
    return True
