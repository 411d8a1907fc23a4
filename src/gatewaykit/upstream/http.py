"""The HTTP/1.1 client behind `ports.Transport`: origins, their connections, and when a request is sent again.

Rules:

* Connections belong to the event loop that opened them. Each loop has its own, opened when first needed and closed by
  `aclose` in that loop; the transport itself can be used from the next loop, and from several at once.
* `timeout_s` bounds waiting for a free connection, resolving, connecting and TLS (`connect_timeout`), then sending and
  the response head (`timeout`). Each wait for more of the body is bounded by the same.
* A cancelled request closes its connection. No connection returns to the pool unless its exchange came to its end.
* A request is sent again, once, when the idle connection it was sent on closed before any byte of a response, and it is
  safe to repeat: an idempotent method (RFC 9110 section 9.2.2) with a body that is still at hand. Any other request is
  never repeated; before it uses an idle connection the kernel is asked whether that is still open.
* A response that is dropped unread closes its connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

from gatewaykit.errors import ConfigError, UpstreamError
from gatewaykit.upstream.pool import IdlePool, PoolLimits
from gatewaykit.upstream.request_head import IDEMPOTENT, encode_head, host_field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from gatewaykit.core.http import HeaderList
    from gatewaykit.ports import UpstreamRequest, UpstreamResponse
    from gatewaykit.upstream.connection import Connection, Origin
    from gatewaykit.upstream.exchange import Exchange

__all__ = ["HttpTransport"]

_ORIGINS_SWEPT_AT = 256


class HttpTransport:
    """Sends requests to HTTP/1.1 back ends over pooled connections. Needs the `proxy` extra.

    `verify=False` accepts any certificate. `server_name` replaces the host as the name that TLS asks for and checks.
    `tls_context` replaces the context altogether: it then decides about certificates, and `verify` is not read.
    """

    def __init__(
        self,
        *,
        limits: PoolLimits | None = None,
        verify: bool = True,
        server_name: str | None = None,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        try:
            import gatewaykit.upstream.connection  # noqa: F401  # the part that needs httptools
        except ModuleNotFoundError as missing:
            if missing.name != "httptools":
                raise
            raise ConfigError('HTTP integrations need httptools: pip install "gatewaykit[proxy]"') from None
        self.limits = limits or PoolLimits()
        self._verify, self._server_name, self._tls_context = verify, server_name, tls_context
        self._last: _LoopConnections | None = None
        self._by_loop: dict[asyncio.AbstractEventLoop, _LoopConnections] = {}

    async def send(self, request: UpstreamRequest, *, timeout_s: float) -> UpstreamResponse:
        """Send a request and wait for the head of its response. Raises UpstreamError, or what its body raised."""
        loop = asyncio.get_running_loop()
        here = self._last
        if here is None or here.loop is not loop:
            here = self._enter(loop)
        key = (request.scheme, request.host, request.port)
        origin = here.origins.get(key) or here.new_origin(key)
        head, length, keep = encode_head(request, origin.host_field)
        method, body = request.method, request.body
        repeatable = method in IDEMPOTENT and isinstance(body, bytes)
        deadline = loop.time() + timeout_s
        fresh_only = False
        while True:
            connection = here.idle_connection(origin, not repeatable) if origin.idle and not fresh_only else None
            reused = connection is not None
            if connection is None:
                connection = await here.free_connection(origin, deadline)
            exchange = here.exchange_type(method == "HEAD", keep, timeout_s)
            try:
                await connection.start(exchange, head, body, length, deadline)
            except BaseException:  # cancelled
                exchange.close()
                raise
            if exchange.status:
                return exchange if exchange.ended and exchange.error is None else _Arriving(exchange)
            if not (exchange.stale and reused and repeatable and not fresh_only):
                assert exchange.error is not None
                raise exchange.error
            fresh_only = True

    async def aclose(self) -> None:
        """Close this loop's connections, and wait until they are; those of other loops are told to close.

        Requests under way fail. The transport can be used again afterwards.
        """
        here = asyncio.get_running_loop()
        self._last = None
        for loop, connections in list(self._by_loop.items()):
            del self._by_loop[loop]
            if loop is here:
                await connections.close()
            elif not loop.is_closed():
                loop.call_soon_threadsafe(connections.abort_all)

    def tls_context(self) -> ssl.SSLContext:
        """The TLS context, made when first needed: reading the system's certificates takes a while."""
        if self._tls_context is None:
            context = ssl.create_default_context()
            context.set_alpn_protocols(["http/1.1"])
            if not self._verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._tls_context = context
        return self._tls_context

    def server_name(self, host: str) -> str:
        """The name TLS asks for and checks."""
        return self._server_name or host

    def _enter(self, loop: asyncio.AbstractEventLoop) -> _LoopConnections:
        here = self._by_loop.get(loop)
        if here is None:
            for other in [other for other in self._by_loop if other.is_closed()]:
                del self._by_loop[other]
            here = self._by_loop[loop] = _LoopConnections(loop, self)
        self._last = here
        return here


class _Arriving:
    """A response whose body is still arriving. When the last reference to it goes, so does its connection."""

    __slots__ = ("_exchange", "headers", "status")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.status: int = exchange.status
        self.headers: HeaderList = exchange.headers

    @property
    def complete(self) -> bool:
        """The whole body is here: reading it will not wait, and not fail."""
        return self._exchange.complete

    def stream(self) -> AsyncIterator[bytes]:
        """The body, chunk by chunk as it arrived. Each chunk is given once, to whoever asks first."""
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        return self._exchange.__anext__()

    async def read(self, limit: int) -> bytes:
        """The rest of the body at once. Over `limit` bytes it is given up: UpstreamError("too_large")."""
        return await self._exchange.read(limit)

    async def aclose(self) -> None:
        """Give up what has not come yet."""
        self._exchange.close()

    def __del__(self) -> None:
        # The collector may run in any thread.
        connection = self._exchange.connection
        if connection is not None and not connection.loop.is_closed():
            connection.loop.call_soon_threadsafe(self._exchange.close)


class _LoopConnections:
    """What one event loop has open."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: HttpTransport) -> None:
        from gatewaykit.upstream import connection, exchange

        self.loop = loop
        self.origins: dict[tuple[str, str, int], Origin] = {}
        self.exchange_type = exchange.Exchange
        self._connection_type, self._origin_type = connection.Connection, connection.Origin
        self._transport = transport
        self._limits = transport.limits
        self._pool: IdlePool[Connection, asyncio.Future[Connection | None]] = IdlePool(transport.limits)
        self._open: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._all_lost: asyncio.Future[None] | None = None

    def new_origin(self, key: tuple[str, str, int]) -> Origin:
        origin = self._origin_type(key, host_field(*key))
        if len(self.origins) >= _ORIGINS_SWEPT_AT:
            for unused in [key for key, origin in self.origins.items() if not origin.open]:
                del self.origins[unused]
        self.origins[key] = origin
        return origin

    def idle_connection(self, origin: Origin, must_be_quiet: bool) -> Connection | None:
        while (connection := self._pool.take(origin)) is not None:
            if not connection.closed:  # else its loss has not been reported yet
                if not must_be_quiet or connection.is_quiet():
                    return connection
                connection.abort()
        return None

    async def free_connection(self, origin: Origin, deadline: float) -> Connection:
        """A new connection, or where no more may be opened the next one that becomes free."""
        if origin.open < self._limits.max_open:
            origin.open += 1
            return await self._connect(origin, deadline)
        turn: asyncio.Future[Connection | None] = self.loop.create_future()
        origin.waiting.append(turn)
        try:
            async with asyncio.timeout_at(deadline):
                connection = await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # its turn came at the same moment: pass it on
                self._pass_on(origin, turn.result())
            if isinstance(error, TimeoutError):
                raise UpstreamError("connect_timeout", f"no connection to {_name(origin)} became free") from None
            raise
        if connection is None:
            return await self._connect(origin, deadline)
        if connection.closed:  # while this request was being woken
            return await self.free_connection(origin, deadline)
        return connection

    def release(self, connection: Connection) -> None:
        """A connection is free again."""
        origin = connection.origin
        if origin.waiting and self._give_turn(origin, connection):
            return
        for surplus in self._pool.put(origin, connection, self.loop.time()):
            surplus.abort()
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(self._limits.idle_s, self._sweep)

    def lost(self, connection: Connection) -> None:
        """A connection has closed."""
        if connection in self._open:
            self._open.discard(connection)
            self._pool.drop(connection)
            self._slot_freed(connection.origin)
        if self._all_lost is not None and not self._open and not self._all_lost.done():
            self._all_lost.set_result(None)

    def abort_all(self) -> None:
        self._closed = True
        for connection in list(self._open):
            connection.abort("the transport was closed")
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    async def close(self) -> None:
        self.abort_all()
        if self._open:
            self._all_lost = self.loop.create_future()
            await self._all_lost

    # ------------------------------------------------------------------- opening

    async def _connect(self, origin: Origin, deadline: float) -> Connection:
        """Open a connection in a slot that is already counted."""
        scheme, host, port = origin.origin
        try:
            async with asyncio.timeout_at(deadline):
                connection = await self._first_that_answers(origin, scheme, host, port)
            if self._closed:
                connection.abort()
            if connection.closed:
                raise UpstreamError("reset", f"{_name(origin)}: the connection was closed as soon as it was open")
        except (OSError, UnicodeError) as error:
            self._slot_freed(origin)
            raise _classified(error, _name(origin)) from error
        except BaseException:
            self._slot_freed(origin)
            raise
        self._open.add(connection)
        return connection

    async def _first_that_answers(self, origin: Origin, scheme: str, host: str, port: int) -> Connection:
        """Try a name's addresses in their order. The last one's error stands for all."""
        tls = self._transport.tls_context() if scheme == "https" else None
        name = self._transport.server_name(host) if tls else None
        if ":" in host or host.replace(".", "").isdigit():
            addresses = [host]  # it is an address: asking the resolver would take a thread
        else:
            found = await self.loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [str(sockaddr[0]) for *_, sockaddr in found]
        failure: OSError = OSError("the name has no address")
        for address in addresses:
            try:
                _, connection = await self.loop.create_connection(
                    lambda: self._connection_type(self.loop, self, origin), address, port, ssl=tls, server_hostname=name
                )
            except ssl.SSLError:
                raise
            except OSError as error:
                failure = error
            else:
                return connection
        raise failure

    # ------------------------------------------------------------------- slots and turns

    def _slot_freed(self, origin: Origin) -> None:
        """A connection of an origin is gone: the next request that waits may open one."""
        if not self._give_turn(origin, None):
            origin.open -= 1

    def _pass_on(self, origin: Origin, connection: Connection | None) -> None:
        if connection is None:
            self._slot_freed(origin)
        elif not connection.closed:
            self.release(connection)

    def _give_turn(self, origin: Origin, connection: Connection | None) -> bool:
        while origin.waiting:
            turn = origin.waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return True
        return False

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in self._pool.expire(now):
            connection.abort()
        due = self._pool.next_expiry()
        self._sweeper = None if due is None else self.loop.call_at(due, self._sweep)


def _name(origin: Origin) -> str:
    scheme, host, port = origin.origin
    return f"{scheme}://{host}:{port}"


def _classified(error: OSError | UnicodeError, where: str) -> UpstreamError:
    """What stopped a connection from being opened, as the kind of UpstreamError it is."""
    if isinstance(error, TimeoutError):
        kind, what = "connect_timeout", "no connection within the time allowed"
    elif isinstance(error, socket.gaierror):
        kind, what = "unresolved", str(error.strerror or error)
    elif isinstance(error, ssl.SSLError):
        kind, what = "tls", str(error.reason or error)
        if isinstance(error, ssl.SSLCertVerificationError):
            what = f"certificate refused: {error.verify_message}"
    elif isinstance(error, ConnectionRefusedError):
        kind, what = "refused", "connection refused"
    elif isinstance(error, ConnectionError) and where.startswith("https:"):
        kind, what = "tls", "the back end closed the connection during the handshake"
    elif isinstance(error, UnicodeError):
        kind, what = "address", f"no host name: {error}"
    else:
        kind, what = "unreachable", str(error.strerror or error)
    return UpstreamError(kind, f"{where}: {what}")
