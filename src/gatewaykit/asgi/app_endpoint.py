"""An ASGI app as an endpoint, for a policy that calls what is behind it by itself: its response is a stream.

Rules
* The app runs in a task of its own, a little ahead of whoever reads the response. Closing the response before its end
  cancels it; what it does after that end (background tasks) is left to it.
* It gets the scope that the server made, with what policies changed; of the client it learns nothing more. The body is
  what was read of it already.
* What it raises before its response has started is the caller's; after that, the reader's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.asgi.app_call import scope_of
from gatewaykit.asgi.handlers_outside import answered_outside
from gatewaykit.asgi.scope import STATE_KEY, AsgiRequest, rewritten, view_of
from gatewaykit.asgi.shell import without_shortcuts
from gatewaykit.core.http import Response

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp, Message, Scope
    from gatewaykit.core.http import Request

__all__ = ["AppEndpoint"]

_AHEAD: Final = 4  # messages


class AppEndpoint:
    """Calls an app, and streams what it answers."""

    reads_body = False

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._finishing: set[asyncio.Task[None]] = set()  # an event loop does not hold on to its tasks

    async def __call__(self, request: Request) -> Response:
        call = _Call(self._app, request, self._finishing)
        try:
            start = await call.next()
            while start["type"] != "http.response.start":  # a push or an early hint: not for whoever reads this
                start = await call.next()
        except BaseException:
            await call.close()
            raise
        return Response(start["status"], [*start.get("headers", ())], call.body(), call.close)

    async def aclose(self) -> None:
        """Nothing is open."""


class _Call:
    def __init__(self, app: ASGIApp, request: Request, finishing: set[asyncio.Task[None]]) -> None:
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue(_AHEAD)
        self._given = self._whole = False
        self._finishing = finishing
        self._request = request
        self._task = asyncio.get_running_loop().create_task(self._run(app))

    async def _run(self, app: ASGIApp) -> None:
        request = self._request
        scope: Scope
        if isinstance(request, AsgiRequest):
            state: dict[str, Any] = {**(request.state or {}), STATE_KEY: view_of(request)}
            scope = {**without_shortcuts(rewritten(request.scope, request)), "method": request.method, "state": state}
        else:
            scope = scope_of(request)
        begun = False

        def put(message: Message) -> Awaitable[None]:
            nonlocal begun
            begun = True
            return self._queue.put(message)

        try:
            await app(scope, self._receive, put)
        except Exception as error:
            if begun or not await answered_outside(scope, self._receive, put, error):
                raise
        finally:
            scope["state"].pop(STATE_KEY, None)
            if not self._task.cancelling():
                await self._queue.put(None)

    async def _receive(self) -> Message:
        if self._given:
            await asyncio.get_running_loop().create_future()  # until the task is cancelled: nobody leaves before
        self._given = True
        return {"type": "http.request", "body": self._request.body or b"", "more_body": False}

    async def next(self) -> Message:
        message = await self._queue.get()
        if message is None:
            await self._task  # what it raised, if it did
            raise RuntimeError("the app returned before its response was whole")
        return message

    async def body(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self.next()
            if message["type"] == "http.response.body":
                more = message.get("more_body", False)
                self._whole = not more
                if chunk := message.get("body", b""):
                    yield chunk

    async def close(self) -> None:
        if self._whole and not self._task.done():
            self._finishing.add(self._task)
            self._task.add_done_callback(self._finishing.discard)
            return
        self._task.cancel()
        await asyncio.wait((self._task,))
        if not self._task.cancelled():
            self._task.exception()  # seen: it was the reader's, or comes too late for anybody
