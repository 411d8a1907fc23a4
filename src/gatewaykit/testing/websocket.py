"""One WebSocket of the in-process client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gatewaykit.testing.messages import AsgiViolation, WebSocketRules

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp, Message, Scope
    from gatewaykit.testing.client import Result

__all__ = ["WebSocket"]


class WebSocket:
    """A WebSocket after its handshake. `refusal` is the HTTP answer to a refused one, `close_code` the code of a close.

    Made by `Client.websocket`.
    """

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self.messages: list[Message] = []
        self.raised: BaseException | None = None
        self._rules = WebSocketRules(scope["extensions"])
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message | None] = asyncio.Queue()
        self._violation: AsgiViolation | None = None
        self._incoming.put_nowait({"type": "websocket.connect"})
        self._app = asyncio.ensure_future(app(scope, self._receive, self._send))
        self._app.add_done_callback(lambda _: self._outgoing.put_nowait(None))

    @property
    def accepted(self) -> bool:
        return self._rules.accepted

    @property
    def refusal(self) -> Result | None:
        """The HTTP response that answered the handshake; None where it was accepted or closed."""
        from gatewaykit.testing.client import Result

        return None if self._rules.denial is None else Result(self._rules.denial, self.messages, self.raised)

    @property
    def close_code(self) -> int | None:
        """The code that the app closed with; None while it has not."""
        closing = [message for message in self.messages if message["type"] == "websocket.close"]
        return closing[0].get("code", 1000) if closing else None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The header fields that the app accepted the handshake with."""
        return [(name, value) for name, value in self.messages[0].get("headers", ())] if self.messages else []

    @property
    def subprotocol(self) -> str | None:
        return self.messages[0].get("subprotocol") if self.messages else None

    def send_text(self, text: str) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    def send_bytes(self, data: bytes) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "bytes": data})

    def close(self, code: int = 1000) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})

    async def receive(self) -> str | bytes:
        """The next message. Raises AssertionError when the app closes, or ends, instead."""
        message = await self._outgoing.get()
        if message is None or message["type"] != "websocket.send":
            raise AssertionError(f"no message: {message}") from self._ended()
        text: str | bytes | None = message.get("text")
        return message["bytes"] if text is None else text

    async def handshake(self) -> None:
        """Wait until the app has accepted, refused, or ended."""
        while not (self._rules.accepted or self._rules.closed):
            if await self._outgoing.get() is None:
                self._ended()
                return
        self._forget_handshake()

    async def end(self) -> None:
        """Leave. Raises AsgiViolation when the app broke the contract."""
        self.close(1001)
        await asyncio.wait([self._app], timeout=1)
        self._app.cancel()
        await asyncio.wait([self._app])
        self._ended()
        if self._violation is not None:
            raise self._violation from self.raised

    def _forget_handshake(self) -> None:
        """`receive` starts with what came after the handshake."""
        while self._rules.closed and not self._outgoing.empty():
            self._outgoing.get_nowait()

    def _ended(self) -> BaseException | None:
        if self._app.done() and not self._app.cancelled():
            self.raised = self._app.exception()
        return self.raised

    async def _receive(self) -> Message:
        return await self._incoming.get()

    async def _send(self, message: Message) -> None:
        try:
            self._rules.take(message)
        except AsgiViolation as violation:
            self._violation = self._violation or violation
            raise
        self.messages.append(message)
        self._outgoing.put_nowait(message)
