"""A server that does exactly what a test says, connection by connection, however wrong that is."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gatewaykit.ports import UpstreamRequest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Received:
    """One request, as bytes."""

    head: bytes
    body: bytes

    @property
    def lines(self) -> list[bytes]:
        return self.head.split(b"\r\n")

    @property
    def target(self) -> bytes:
        return self.lines[0].split(b" ")[1]


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.number = number  # of this connection, from 0
        self.reader, self._writer = reader, writer

    async def head(self) -> bytes:
        """The next request head. Raises IncompleteReadError when the client closes instead."""
        return (await self.reader.readuntil(b"\r\n\r\n"))[:-4]

    async def request(self) -> Received:
        """The next request, whole."""
        head = await self.head()
        body = b""
        lower = head.lower()
        if b"\r\ncontent-length: " in lower:
            body = await self.reader.readexactly(int(lower.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0]))
        elif b"\r\ntransfer-encoding: chunked" in lower:
            while size := int(await self.reader.readuntil(b"\n"), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        return Received(head, body)

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def gone(self) -> None:
        """Return once the client has closed; a reset counts."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass

    def half_close(self) -> None:
        self._writer.write_eof()

    def reset(self) -> None:
        """Close with a TCP reset."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Behaviour = Callable[[Peer], Awaitable[None]]


class FaultServer:
    """Where it listens, and the connections it has had."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.port = 0
        self.accepted = 0
        self.open = 0
        self._behaviour = behaviour
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def has_accepted(self, count: int) -> None:
        """Return once so many connections have come."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.accepted >= count)

    async def idle(self) -> None:
        """Return once no connection is open."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self.open)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = Peer(reader, writer, self.accepted)
        async with self._changed:
            self.accepted += 1
            self.open += 1
            self._changed.notify_all()
        try:
            await self._behaviour(peer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client went first, or the test is over
        finally:
            writer.close()
            self._tasks.discard(task)
            async with self._changed:
                self.open -= 1
                self._changed.notify_all()


@asynccontextmanager
async def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[FaultServer]:
    """A server on a free port of 127.0.0.1 that treats each connection with `behaviour`, then closes it."""
    server = FaultServer(behaviour)
    listener = await asyncio.start_server(server._accept, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        tasks = list(server._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def answers_ok(peer: Peer) -> None:
    """Keep-alive, and `ok` for everything."""
    while True:
        await peer.request()
        await peer.send(OK)


async def echoes(peer: Peer) -> None:
    """Keep-alive; answers with the request it received, head and body."""
    while True:
        received = await peer.request()
        whole = received.head + b"\r\n\r\n" + received.body
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(whole), whole))


def sends(*parts: bytes) -> Behaviour:
    """Answers the first request with these bytes, piece by piece, and closes."""

    async def behave(peer: Peer) -> None:
        await peer.request()
        for part in parts:
            await peer.send(part)

    return behave


def get(port: int, target: bytes = b"/", **more: Any) -> UpstreamRequest:
    """A request to a server of this machine; GET, unless told otherwise."""
    defaults: dict[str, Any] = {"method": "GET", "scheme": "http", "host": "127.0.0.1", "headers": []}
    return UpstreamRequest(**{**defaults, "port": port, "target": target, **more})
