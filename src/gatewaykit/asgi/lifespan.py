"""Lifespan: passed to the app that has one, answered by us for the app that has none, and never needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["answer_lifespan", "pass_lifespan"]


async def pass_lifespan(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, aclose: Callable[[], Awaitable[None]]
) -> None:
    """Run the app's lifespan. `aclose` runs before its shutdown is confirmed.

    An app that gives up before it has looked at a single event (Django, WSGI bridges) has no lifespan: we answer.
    """
    looked = False

    async def noting() -> Message:
        nonlocal looked
        looked = True
        return await receive()

    async def closing(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown"):
            await aclose()
        await send(message)

    try:
        await app(scope, noting, closing)
    except Exception:
        if looked:
            raise
    if not looked:
        await answer_lifespan(receive, send, aclose)


async def answer_lifespan(receive: Receive, send: Send, aclose: Callable[[], Awaitable[None]]) -> None:
    """Confirm start-up and, after `aclose`, shutdown."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await aclose()
            await send({"type": "lifespan.shutdown.complete"})
            return
