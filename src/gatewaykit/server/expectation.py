"""`Expect: 100-continue` that was answered with a final status: the connection ends there (RFC 9110 section 10.1.1).

Whether the client sends its body after such an answer is its own choice. On a connection that goes on, the next request
would be read as that body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Cycle", "closing_unless_asked"]

_CLOSE = (b"connection", b"close")


class Cycle(Protocol):
    """One request of uvicorn's protocols."""

    waiting_for_100_continue: bool


def closing_unless_asked(app: ASGIApp, cycle: Cycle) -> Any:  # uvicorn has types of its own for an app
    """`app`, whose response closes the connection where the client was not asked for its body before."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_or_close(message: Message) -> None:
            if message["type"] == "http.response.start" and cycle.waiting_for_100_continue:
                kept = [field for field in message.get("headers", ()) if field[0].lower() != b"connection"]
                message = {**message, "headers": [*kept, _CLOSE]}
            await send(message)

        await app(scope, receive, send_or_close)

    return served
