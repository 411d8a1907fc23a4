"""A server in this process, with one of our protocol classes, and an app that remembers what it was asked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from gatewaykit.server.wsproto_protocol import TlsWSProtocol

__all__ = ["Recorder", "exchange", "serving"]


class Recorder:
    """An app that remembers its scopes, reads bodies, and answers 200."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b"no"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(
    app: Any, protocol: type[asyncio.Protocol], context: ssl.SSLContext | None = None, *, date: bytes = b""
) -> AsyncIterator[int]:
    """The port of a server with this protocol class. `date` is what it says where a response says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=protocol, ws=TlsWSProtocol, lifespan="off", log_config=None, interface="asgi3", proxy_headers=False
    )
    server = uvicorn.Server(config)
    config.load()
    config.ssl = context
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    server.server_state.default_headers = [(b"date", date)] if date else []
    try:
        yield listener.getsockname()[1]
    finally:
        await server.shutdown(sockets=[listener])


async def exchange(port: int, *pieces: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """What the server sends for these pieces, until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    answer = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        while piece := await reader.read(65536):
            answer += piece
    except ConnectionError:
        pass  # it had not read all that was sent when it closed
    finally:
        writer.close()
    return answer
