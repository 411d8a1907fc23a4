"""A chain that ends in an endpoint, served over ASGI; while it waits, a client that leaves cancels it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar, cast

from gatewaykit.asgi.sending import send_response
from gatewaykit.core.body import BodyRefused
from gatewaykit.core.http import Request, Response
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import words_of
from gatewaykit.pipeline.record import log_failure

if TYPE_CHECKING:
    from gatewaykit.asgi.scope import AsgiRequest
    from gatewaykit.asgi.types import Send
    from gatewaykit.pipeline.chain import Chain

__all__ = ["Gone", "send_watched", "serve_endpoint", "watched"]

T = TypeVar("T")

_PATIENCE_S = 0.02
"""How long a wait lasts before somebody watches for the client: most are over by then, and cost no task."""


class Gone(BaseException):
    """The client left while we waited. Like a cancellation, it is not for `except Exception` to swallow."""


async def serve_endpoint(chain: Chain, request: AsgiRequest, send: Send) -> None:
    """One HTTP request through `chain` to its endpoint, and the response out."""
    try:
        try:
            response = await chain.run(request, watched)
            if request.refusal is not None and request.refusal.reason is Reason.CLIENT_GONE:
                return
            if isinstance(response.body, bytes):  # as `send_watched`, without the call
                await send_response(send, request, response)
            else:
                await send_watched(send, request, response)
        except Gone:
            _left(request)
    finally:
        chain.end(request)


async def send_watched(send: Send, request: AsgiRequest, response: Response) -> None:
    """Send a response. One that is streamed ends where its client leaves: most servers say nothing of it."""
    if isinstance(response.body, bytes):
        await send_response(send, request, response)
        return
    try:
        await watched(request, _send_stream(send, request, response))
    except Gone:
        _left(request)


def _left(request: Request) -> None:
    request.refusal = Refusal(Reason.CLIENT_GONE, "the client closed the connection before it was answered")
    request.status = 499  # what access logs of proxies write for it; nobody is left to read an answer


async def _send_stream(send: Send, request: AsgiRequest, response: Response) -> None:
    try:
        await send_response(send, request, response)
    except Exception as error:
        # The head is out, so the only honest ending is a broken connection: the server makes one of an exception.
        if isinstance(error, BodyRefused):
            refusal = error.refusal
        else:
            told = f"{type(error).__name__} while streaming: {words_of(error)}"
            refusal = Refusal(Reason.INTEGRATION_RESPONSE_INVALID, told)
        request.refusal = refusal
        log_failure(request, refusal, error)
        raise


async def watched(request: Request, waiting: Awaitable[T]) -> T:
    """Await something on behalf of a request; raise when its client leaves first, with `waiting` cancelled."""
    task = cast("asyncio.Task[object]", asyncio.current_task())
    gone = False

    async def watch() -> None:
        nonlocal gone
        await request.source.gone()
        gone = True
        task.cancel()

    watcher: asyncio.Task[None] | None = None

    def begin() -> None:
        nonlocal watcher
        watcher = loop.create_task(watch())

    loop = task.get_loop()
    beginning = loop.call_later(_PATIENCE_S, begin)
    try:
        return await waiting
    except asyncio.CancelledError:
        if gone and task.uncancel() == 0:
            raise Gone from None
        raise
    finally:
        beginning.cancel()
        if watcher is not None:
            watcher.cancel()
