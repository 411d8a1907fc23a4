"""The request body of an ASGI request: read once, bounded, replayable to the app behind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from gatewaykit.core.body import BodyTooLarge, ClientGone, too_large
from gatewaykit.core.reasons import Reason, Refusal

if TYPE_CHECKING:
    from gatewaykit.asgi.types import Message, Receive

__all__ = ["AsgiBody", "replay"]


_HOLD_BYTES = 64 * 1024


class AsgiBody:
    """A `ports.BodySource` over a receive channel, which also tells when the client leaves.

    The channel has one reader at a time. `gone` reads it until somebody wants the body, and holds what comes of it.
    """

    __slots__ = ("_asked", "_ended", "_finished", "_held", "_reading", "_receive", "_started")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._started = self._ended = False
        self._finished: asyncio.Event | None = None
        self._asked: asyncio.Event | None = None
        self._held: deque[Message] | None = None  # and the rest, once `gone` looked before the body was asked for
        self._reading: asyncio.Lock | None = None

    async def read(self, limit: int) -> bytes | Refusal:
        """The whole body; a refusal when it is over `limit` bytes or the client left before its end."""
        if self._held is None and not self._started:
            self._started = True
            try:
                message = await self._receive()
            except BaseException:  # a cancellation too; nothing is kept from going up
                self._end()
                raise
            body: bytes = message.get("body", b"")
            if message["type"] == "http.request" and not message.get("more_body", False) and len(body) <= limit:
                self._end()
                return body  # nearly every body comes in one piece
            self._held, self._reading = deque((message,)), asyncio.Lock()
        try:
            parts = [chunk async for chunk in self.stream(limit)]
        except BodyTooLarge as error:
            return too_large(error.limit)
        except ClientGone as error:
            return Refusal(Reason.CLIENT_GONE, str(error))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def stream(self, limit: int) -> AsyncIterator[bytes]:
        """The body's chunks. Raises BodyTooLarge and ClientGone."""
        self._started = True
        if self._asked is not None:
            self._asked.set()
        return self._chunks(limit)

    async def _chunks(self, limit: int) -> AsyncIterator[bytes]:
        size, more = 0, True
        try:
            while more:
                message = await (self._receive() if self._held is None else self._held_or_next())
                if message["type"] == "http.disconnect":
                    raise ClientGone("the client closed the connection before its body was whole")
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > limit:
                    raise BodyTooLarge(limit)
                more = message.get("more_body", False)
                if not more:
                    self._end()  # before the last chunk is handed on: its taker may wait long
                if chunk:
                    yield chunk
        finally:
            self._end()  # whoever gives up on the body in the middle leaves the channel to `gone`

    def _end(self) -> None:
        self._ended = True
        if self._finished is not None:
            self._finished.set()

    async def gone(self) -> None:
        """Return when the client leaves."""
        if not self._started and await self._gone_before_asked():
            return
        if not self._ended:
            if self._finished is None:
                self._finished = asyncio.Event()
            await self._finished.wait()
        while (await self._receive())["type"] != "http.disconnect":  # noqa: ASYNC110 - it waits for the message
            await asyncio.sleep(0)  # a channel that never waits must not keep the loop from all else

    async def _gone_before_asked(self) -> bool:
        """True when the client left, False when somebody began to read the body."""
        if self._held is None:
            self._held, self._reading, self._asked = deque(), asyncio.Lock(), asyncio.Event()
        assert self._reading is not None
        assert self._asked is not None
        while not self._started:
            if sum(len(each.get("body", b"")) for each in self._held) > _HOLD_BYTES and self._held[-1].get("more_body"):
                await self._asked.wait()  # no more of it in memory; a client that leaves now is found out later
                break
            async with self._reading:
                message = await self._receive()
                left = message["type"] == "http.disconnect"
                if left or not self._held or self._held[-1].get("more_body"):
                    self._held.append(message)
            if left:
                return True
            await asyncio.sleep(0)  # as in `gone`
        return False

    async def _held_or_next(self) -> Message:
        assert self._held is not None
        assert self._reading is not None
        if not self._held:
            async with self._reading:
                if not self._held:
                    return await self._receive()
        return self._held.popleft()


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
