"""Waiting with a limit, and many callers waiting for one call. Both work where no event loop runs and nothing waits.

asyncio is loaded when something waits, not with the policies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio

    from gatewaykit.clock import Clock

__all__ = ["SingleFlight", "TimeUp", "in_thread", "pause", "within"]

T = TypeVar("T")


class TimeUp(Exception):
    """The time given to `within` is over; not to be confused with a TimeoutError of what was waited for."""


async def within(timeout_s: float | None, waiting: Awaitable[T]) -> T:
    """The result of `waiting`, or TimeUp after `timeout_s` seconds; None waits without a limit."""
    if timeout_s is None or _loop() is None:
        return await waiting
    import asyncio

    try:
        async with asyncio.timeout(timeout_s) as scope:
            return await waiting
    except TimeoutError as error:
        if scope.expired():
            raise TimeUp(f"no answer in {timeout_s:g} s") from error
        raise


async def pause(clock: Clock, seconds: float) -> None:
    """Wait for so many seconds of a clock; not at all where no event loop runs, as in a test of a policy."""
    if _loop() is not None:
        await clock.sleep(seconds)


async def in_thread(call: Callable[[], T]) -> T:
    """The result of a call that may wait for a disk: made in a worker thread; at once where no event loop runs."""
    if _loop() is None:
        return call()
    import asyncio

    return await asyncio.to_thread(call)


class SingleFlight(Generic[T]):
    """Callers with the same key share one call, and its result or exception.

    The call is a task of its own, so a caller that leaves takes it from nobody; when the last has left it is cancelled.
    Calls belong to the event loop they were made in.
    """

    def __init__(self) -> None:
        self._flights: dict[tuple[object, Any], _Flight[T]] = {}

    async def run(self, key: Any, call: Callable[[], Awaitable[T]]) -> T:
        """The result of `call()`, made once for all callers that ask for `key` while it is under way."""
        loop = _loop()
        if loop is None:
            return await call()
        import asyncio

        flight = self._flight(loop, key, call)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._landed(loop, key, flight)
                flight.task.cancel()

    def start(self, key: Any, call: Callable[[], Awaitable[T]]) -> None:
        """Make the call for whoever asks for `key` later, unless it is under way. It has to deal with its exceptions.

        Without an event loop nothing is started.
        """
        if (loop := _loop()) is not None and (loop, key) not in self._flights:
            self._flight(loop, key, call).waiting += 1  # nobody waits for it, so nobody takes it along

    def under_way(self, key: Any) -> bool:
        """Whether a call for `key` has been made in this event loop, and has not come back."""
        return (_loop(), key) in self._flights

    def _flight(self, loop: asyncio.AbstractEventLoop, key: Any, call: Callable[[], Awaitable[T]]) -> _Flight[T]:
        flight = self._flights.get((loop, key))
        if flight is None:
            flight = self._flights[loop, key] = _Flight(loop.create_task(_awaited(call)))
            flight.task.add_done_callback(lambda task: self._landed(loop, key, flight))
        return flight

    def _landed(self, loop: object, key: Any, flight: _Flight[T]) -> None:
        if self._flights.get((loop, key)) is flight:
            del self._flights[loop, key]


class _Flight(Generic[T]):
    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task, self.waiting = task, 0


async def _awaited(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


def _loop() -> asyncio.AbstractEventLoop | None:
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
