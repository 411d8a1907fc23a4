"""One request and its response, as the caller of the transport sees it; a `Connection` carries it while it lasts."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from gatewaykit.core.http import HeaderList
from gatewaykit.errors import UpstreamError

if TYPE_CHECKING:
    import asyncio

    from gatewaykit.upstream.connection import Connection

__all__ = ["RESUME_BELOW", "Exchange"]

RESUME_BELOW = 16 * 1024
"""Bytes held for a slow reader below which the connection reads on."""


class Exchange:
    """One request and its response. After the head: an `UpstreamResponse` whose body may still be arriving."""

    # Defaults of the class, not slots: most exchanges set few of them, and creating one is half as dear.
    status = 0
    headers: HeaderList = []  # noqa: RUF012  replaced, never changed
    held = 0  # bytes in chunks
    ended = False
    error: BaseException | None = None
    stale = False  # the connection closed before any byte of a response
    connection: Connection | None = None  # as long as it carries this exchange
    waiter: asyncio.Future[None] | None = None
    pump: asyncio.Task[None] | None = None

    def __init__(self, bare: bool, keep: bool, timeout_s: float) -> None:
        self.bare = bare  # the response has no body, whatever its head says: HEAD
        self.keep = keep  # the request allows the connection to be used again
        self.timeout_s = timeout_s
        self.chunks: deque[bytes] = deque()

    @property
    def complete(self) -> bool:
        """The whole body is here: reading it will not wait, and not fail."""
        return self.ended and self.error is None

    def stream(self) -> AsyncIterator[bytes]:
        """The body, chunk by chunk as it arrived. Each chunk is given once, to whoever asks first."""
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self.chunks:
            if self.ended:
                if self.error is not None:
                    raise self.error
                raise StopAsyncIteration
            await self._arrival()
        chunk = self.chunks.popleft()
        self.held -= len(chunk)
        if self.connection is not None and self.held < RESUME_BELOW:
            self.connection.resume()
        return chunk

    async def read(self, limit: int) -> bytes:
        """The rest of the body at once. Over `limit` bytes it is given up: UpstreamError("too_large")."""
        if self.ended and self.error is None and self.held <= limit:
            taken = list(self.chunks)
            self.chunks.clear()
            self.held = 0
            return taken[0] if len(taken) == 1 else b"".join(taken)
        chunks: list[bytes] = []
        size = 0
        async for chunk in self:
            size += len(chunk)
            if size > limit:
                self.close()
                self.chunks.clear()
                raise UpstreamError("too_large", f"the response body is over {limit} bytes")
            chunks.append(chunk)
        return b"".join(chunks)

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """Give up what has not come yet. A connection that still carries this exchange closes."""
        if self.connection is not None:
            self.connection.abort("the response was closed before its end")

    def end(self, error: BaseException | None) -> None:
        """No more will come. The connection's call."""
        self.connection, self.ended, self.error = None, True, error
        if self.pump is not None:
            self.pump.cancel()
            self.pump = None
        if self.waiter is not None:
            self.wake(self.waiter)

    def wake(self, waiter: asyncio.Future[None]) -> None:
        self.waiter = None
        if not waiter.done():  # done: its task was cancelled and has not run yet
            waiter.set_result(None)

    async def _arrival(self) -> None:
        assert self.connection is not None
        waiter = self.connection.wait(self)
        try:
            await waiter
        except BaseException:  # cancelled: whoever reads on must not meet a body with a hole
            self.close()
            raise
