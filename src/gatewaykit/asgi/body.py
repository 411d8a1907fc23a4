"""The request body of an ASGI request: read once, bounded, replayable to the app behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from gatewaykit.core.body import BodyTooLarge, ClientGone
from gatewaykit.core.reasons import Reason, Refusal

if TYPE_CHECKING:
    from gatewaykit.asgi.types import Message, Receive

__all__ = ["AsgiBody", "replay"]


class AsgiBody:
    """A `ports.BodySource` over a receive channel, which also tells when the client leaves."""

    __slots__ = ("_finished", "_receive", "_started")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._started = False
        self._finished: asyncio.Event | None = None

    async def read(self, limit: int) -> bytes | Refusal:
        """The whole body; a refusal when it is over `limit` bytes or the client left before its end."""
        try:
            parts = [chunk async for chunk in self.stream(limit)]
        except BodyTooLarge as error:
            return Refusal(Reason.BODY_TOO_LARGE, str(error))
        except ClientGone as error:
            return Refusal(Reason.CLIENT_GONE, str(error))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def stream(self, limit: int) -> AsyncIterator[bytes]:
        """The body's chunks. Raises BodyTooLarge and ClientGone."""
        self._started = True
        return self._chunks(limit)

    async def _chunks(self, limit: int) -> AsyncIterator[bytes]:
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone("the client closed the connection before its body was whole")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise BodyTooLarge(f"the body has more than {limit} bytes")
            more = message.get("more_body", False)
            if not more:
                self._end()
            if chunk:
                yield chunk

    def _end(self) -> None:
        if self._finished is None:
            self._finished = asyncio.Event()
        self._finished.set()

    async def gone(self) -> None:
        """Return when the client leaves. Body messages nobody asked for are passed over."""
        if self._started:
            if self._finished is None:
                self._finished = asyncio.Event()
            await self._finished.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def replay(body: bytes, receive: Receive) -> Receive:
    """A receive channel that gives a body that was read already, then goes on with the real one."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
