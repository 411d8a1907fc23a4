"""Exceptions that the app around this one answers: Starlette's way to say 404 and 405, and what its users add.

A middleware of a `Mount` or a `Router` stands within Starlette's exception handlers. They are named in the scope; the
response is theirs, and it goes out through the policies like any other.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatewaykit.asgi.types import Message, Receive, Scope, Send

__all__ = ["answered_outside"]

_KEY = "starlette.exception_handlers"


async def answered_outside(scope: Scope, receive: Receive, send: Send, error: Exception) -> bool:
    """Answer as the app around this one would; False where it has nothing to say to this exception."""
    by_type, by_status = scope.get(_KEY) or ({}, {})
    if not any(kind in by_type for kind in type(error).__mro__):
        return False
    from starlette.middleware.exceptions import ExceptionMiddleware

    begun = False

    async def raising(*_: Any) -> None:
        raise error

    def noting(message: Message) -> Awaitable[None]:
        nonlocal begun
        begun = True
        return send(message)

    try:
        await ExceptionMiddleware(raising, handlers={**by_type, **by_status})({**scope}, receive, noting)
    except Exception:  # a handler that fails itself
        if begun:
            raise
    return begun
