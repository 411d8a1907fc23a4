"""The lifespans of several apps inside one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gatewaykit.asgi.lifespan import lifespan_of_apps
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.testing import Client


class Living:
    """An app that notes what happens to it."""

    def __init__(self, name: str, notes: list[str], fails: str = "") -> None:
        self.name, self.notes, self.fails = name, notes, fails

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for step in ("startup", "shutdown"):
            await receive()
            self.notes.append(f"{self.name} {step}")
            if self.fails == f"raises in {step}":
                raise LookupError("no database")
            if self.fails == step:
                await send({"type": f"lifespan.{step}.failed", "message": "no database"})
                return
            await send({"type": f"lifespan.{step}.complete"})


async def raises_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("only http")


async def returns_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    return


def together(notes: list[str], *apps: Any) -> Client:
    async def aclose() -> None:
        notes.append("closed")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await lifespan_of_apps(apps, scope, receive, send, aclose)

    return Client(app)


async def test_all_start_and_then_all_stop_in_reverse() -> None:
    notes: list[str] = []

    async with together(notes, Living("a", notes), Living("b", notes)).lifespan():
        notes.append("serving")

    assert notes == ["a startup", "b startup", "serving", "b shutdown", "a shutdown", "closed"]


@pytest.mark.parametrize("app", [raises_at_once, returns_at_once])
async def test_an_app_without_a_lifespan_is_left_alone(app: Any) -> None:
    notes: list[str] = []

    async with together(notes, app, Living("b", notes)).lifespan():
        pass

    assert notes == ["b startup", "b shutdown", "closed"]


@pytest.mark.parametrize("fails", ["startup", "raises in startup"])
async def test_an_app_that_fails_to_start_stops_those_that_have(fails: str) -> None:
    notes: list[str] = []
    apps = Living("a", notes), Living("b", notes, fails), Living("c", notes)

    with pytest.raises(AssertionError, match="no database"):
        async with together(notes, *apps).lifespan():
            pass
    await asyncio.sleep(0)

    assert notes == ["a startup", "b startup", "a shutdown", "closed"]
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("fails", ["shutdown", "raises in shutdown"])
async def test_a_failed_shutdown_is_told_once_all_have_stopped(fails: str) -> None:
    notes: list[str] = []

    with pytest.raises(AssertionError, match=r"shutdown failed: .*no database"):
        async with together(notes, Living("a", notes), Living("b", notes, fails)).lifespan():
            pass

    assert notes == ["a startup", "b startup", "b shutdown", "a shutdown", "closed"]


async def test_a_server_that_gives_up_leaves_no_task_behind() -> None:
    started = asyncio.Event()

    async def receive() -> Any:
        if started.is_set():
            await asyncio.Event().wait()
        started.set()
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None: ...

    async def aclose() -> None: ...

    task = asyncio.ensure_future(lifespan_of_apps([Living("a", [])], {"type": "lifespan"}, receive, send, aclose))
    await started.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)

    assert len(asyncio.all_tasks()) == 1
