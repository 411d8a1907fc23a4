"""Run an app under uvicorn, set up for a gateway."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from gatewaykit.pipeline.record import is_logged
from gatewaykit.server.limits import BACKLOG, GRACE_S

if TYPE_CHECKING:
    import ssl

    from gatewaykit.asgi.types import ASGIApp

__all__ = ["MissingServer", "bind", "serve", "url_of"]

_GC_THRESHOLDS = (50_000, 20, 50)


class MissingServer(Exception):
    """uvicorn is not installed."""

    def __init__(self) -> None:
        super().__init__('serving needs uvicorn; run: pip install "gatewaykit[serve]"')


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError (`gaierror` for a name that means nothing)."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


def serve(
    app: ASGIApp,
    listener: socket.socket | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    tls: ssl.SSLContext | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then let running requests finish. `on_ready` gets the URL once it answers.

    The client's address is decided by `trusted_proxies` alone, so uvicorn's reading of proxy headers is off; the access
    log is a policy. With `tls`, such as `server_context` makes, it is HTTPS. Raises MissingServer, and OSError where
    the address cannot be bound.
    """
    try:
        import uvicorn
    except ImportError:
        raise MissingServer from None
    from gatewaykit.server.wsproto_protocol import TlsWSProtocol

    listening = bind(host, port) if listener is None else listener
    config = uvicorn.Config(
        app,
        http=_http_protocol(),
        # wsproto rather than whatever is installed: it is always there, and it does not log an error for a WebSocket
        # that was refused over HTTP. Without compression no small frame can become a large message.
        ws=TlsWSProtocol,
        ws_per_message_deflate=False,
        interface="asgi3",
        lifespan="on",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    config.load()
    config.ssl = tls

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            _tune_collector()
            if on_ready is not None and self.started:
                on_ready(url_of(listening, tls))

    log, once = logging.getLogger("uvicorn.error"), _Once()
    log.addFilter(once)
    try:
        Server(config).run(sockets=[listening])
    finally:
        log.removeFilter(once)


class _Once(logging.Filter):
    """What uvicorn says of exceptions.

    One that a gateway let go up, to break a connection, is in the log with its request's id. A second Ctrl-C, or the
    end of the grace period, cuts requests off: that is a line, and no failure of the app.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and is_logged(error):
            return False
        if isinstance(error, asyncio.CancelledError):
            if "lifespan" in record.msg:  # it ends with the requests, and is none
                return False
            record.msg, record.args, record.exc_info = "a request was cut off: the server stops", (), None
        return True


def _http_protocol() -> type[asyncio.Protocol]:
    try:
        from gatewaykit.server.httptools_protocol import RawHttpToolsProtocol
    except ImportError:  # httptools comes with the extra; without it, uvicorn has h11
        from gatewaykit.server.h11_protocol import RawH11Protocol

        return RawH11Protocol
    return RawHttpToolsProtocol


def _tune_collector() -> None:
    """What start-up made stays; what requests make is freed by reference counting. Worth 4 to 7 us a request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def url_of(listener: socket.socket, tls: ssl.SSLContext | None) -> str:
    """Where a listening socket answers."""
    scheme = "http" if tls is None else "https"
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
