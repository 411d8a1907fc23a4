"""Lifespan: passed to the app that has one, answered by us for the app that has none, and never needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["answer_lifespan", "lifespan_of_apps", "pass_lifespan"]


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
    except Exception:  # an app without a lifespan gives up in whatever way it likes
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


async def lifespan_of_apps(
    apps: Sequence[ASGIApp], scope: Scope, receive: Receive, send: Send, aclose: Callable[[], Awaitable[None]]
) -> None:
    """Run the lifespans of several apps inside one: start-up and shutdown are confirmed once all have.

    An app that fails to start fails the whole start-up, once those before it have stopped again; an app without a
    lifespan is left alone.
    """
    inner = [_Inner(app, scope) for app in apps]
    try:
        await receive()  # lifespan.startup
        for position, each in enumerate(inner):
            if (failure := await each.start()) is not None:
                await _stop(inner[:position])
                await aclose()
                await send({"type": "lifespan.startup.failed", "message": failure})
                return
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        failures = await _stop(inner)
        await aclose()
        if failures:
            await send({"type": "lifespan.shutdown.failed", "message": "; ".join(failures)})
        else:
            await send({"type": "lifespan.shutdown.complete"})
    finally:
        for each in inner:
            each.cancel()


async def _stop(inner: Sequence[_Inner]) -> list[str]:
    """Shut apps down, the last first; why those failed that did."""
    return [failure for each in reversed(inner) if (failure := await each.stop()) is not None]


class _Inner:
    """One app's lifespan, in a task of its own because it stays open between start-up and shutdown."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        looked = False

        async def receive() -> Message:
            nonlocal looked
            looked = True
            return await self._events.get()

        try:
            await app(scope, receive, self._answers.put)
        except Exception as error:  # noqa: BLE001 - the app's own failure; it is told to whoever waits for its answer
            if looked:
                await self._answers.put({"type": "failed", "message": f"{type(error).__name__}: {error}"})
        finally:
            self._answers.put_nowait({"type": "ended"})

    async def start(self) -> str | None:
        """Start the app; the reason where it failed."""
        self._events.put_nowait({"type": "lifespan.startup"})
        return _failure(await self._answers.get())

    async def stop(self) -> str | None:
        """Shut the app down and wait until it is done; the reason where it failed."""
        failure = None
        self._events.put_nowait({"type": "lifespan.shutdown"})
        while not self._task.done() and (answer := await self._answers.get())["type"] != "ended":
            failure = failure or _failure(answer)
        return failure

    def cancel(self) -> None:
        self._task.cancel()


def _failure(answer: Message) -> str | None:
    return answer.get("message", "") if answer["type"].endswith("failed") else None
