"""What a request leaves to be done when it is over: for a store that answers later, nobody waits for it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from gatewaykit.errors import StoreError

if TYPE_CHECKING:
    import asyncio

__all__ = ["Unawaited"]

_LOG: Final = logging.getLogger("gatewaykit")


class Unawaited:
    """The tasks of one policy. `aclose` waits for all of them; one that fails is logged as `what`."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, work: Awaitable[None] | None) -> None:
        """Have something done. None is done already."""
        if work is None:
            return
        import asyncio

        async def done() -> None:
            try:
                await work
            except StoreError as error:
                self.failed(error)

        task = asyncio.ensure_future(done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def failed(self, error: StoreError) -> None:
        _LOG.warning("%s: %s", self._what, error)

    async def aclose(self) -> None:
        for task in [*self._tasks]:
            await task
