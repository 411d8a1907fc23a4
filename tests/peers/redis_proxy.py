"""A TCP proxy before a server that a test makes slow, holds, or cuts."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any

__all__ = ["FaultProxy"]


class FaultProxy:
    """`async with FaultProxy(port) as proxy`: what is sent to `proxy.port` goes on to the server, and back.

    Answers wait for `latency_s` and up to `jitter_s` more. While `hold` is set, and after an answer that has
    `hold_after` in it, they do not come at all; `held` is set when the first one was kept back.
    """

    def __init__(self, port: int, *, latency_s: float = 0.0, jitter_s: float = 0.0, seed: int = 0) -> None:
        self._behind, self._latency_s, self._jitter_s = port, latency_s, jitter_s
        self._chance = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self.hold, self.hold_after, self.held, self.port = False, b"", asyncio.Event(), 0

    async def __aenter__(self) -> FaultProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, behind_writer))
                group.create_task(self._pass_back(behind_reader, writer))
        except* OSError:
            pass
        finally:
            for one in (writer, behind_writer):
                one.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await reader.read(65536):
            writer.write(some)
        raise ConnectionError("the client has left")

    async def _pass_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await reader.read(65536):
            if self.hold:
                self.held.set()
                continue
            self.hold = bool(self.hold_after) and self.hold_after in some
            await asyncio.sleep(self._latency_s + self._jitter_s * self._chance.random())  # the fault itself
            cut = self._chance.randint(0, len(some))  # replies come in any pieces
            for piece in (some[:cut], some[cut:]):
                with suppress(OSError):
                    writer.write(piece)
                await asyncio.sleep(0)
        raise ConnectionError("the server has left")
