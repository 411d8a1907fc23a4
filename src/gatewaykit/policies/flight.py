"""One call of what is behind for all requests that miss the same response, and the body for each of them.

Rules
* The call belongs to no request: whoever leaves takes it from nobody. Where the last one leaves, it goes on if its
  response will be kept, and is given up if not.
* The first request reads along. Those that come while the call is under way read along too, or wait for its end
  (`stream=False`), and get what it came to, a failure as well: none of them makes a call of its own because of it.
* Where the plan says that a response does not fit who asks, as with Vary, that one gets None.
* A response that is for one request only goes to the first; the others make calls of their own, and for `APART_S` the
  requests for it do not wait for each other.
* At most `max_waiting` requests wait for a call, each for `wait_s` until it has a head. The rest call by themselves.
* A body over `limit_bytes` is not kept. Nobody joins it any more, and it is read no faster than its slowest reader; one
  that takes nothing for `wait_s` is broken off.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.body import BodyRefused
from gatewaykit.core.expiring import Expiring
from gatewaykit.core.http import Response
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.waiting import TimeUp, within

if TYPE_CHECKING:
    from gatewaykit.clock import Clock

__all__ = ["APART", "APART_S", "Flights", "Plan"]

APART_S: Final = 10.0
_MOST_APART: Final = 10_000
_GRACE_S: Final = 5.0  # for what is under way when a gateway closes


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of a response. `done`, where it is kept, is given the whole body: within the limit, and unbroken.

    Where it turns out to be neither, `lost` is called. `fits` says of another asker whether the response is for that
    one too.
    """

    shared: bool
    done: Callable[[bytes], Awaitable[Any] | Any] | None = None
    fits: Callable[[Any], bool] | None = None
    lost: Callable[[], Awaitable[None]] | None = None


APART: Final = Plan(shared=False)


class Flights:
    """The calls of one cache that are under way."""

    def __init__(self, clock: Clock, *, limit_bytes: int, max_waiting: int, wait_s: float, stream: bool = True) -> None:
        self._clock, self._limit, self._most, self._wait_s, self._stream = (
            clock, limit_bytes, max_waiting, wait_s, stream,
        )  # fmt: skip
        self._flights: dict[tuple[object, Any], _Flight] = {}
        self._apart: Expiring[Any, bool] = Expiring(_MOST_APART)

    async def fetch(
        self,
        key: Any,
        call: Callable[[], Awaitable[Response]],
        settle: Callable[[Response], Plan],
        *,
        alone: Callable[[], Awaitable[Response]] | None = None,
        asker: Any = None,
        whole: bool = False,
    ) -> Response | None:
        """The response for a key: of the call that is under way, else of `call()`. None: that does not fit `asker`.

        `settle` says once, when its head is there, what becomes of it. `alone` makes the call that is for this request
        only: nobody settles it. With `whole` the body is bytes, where it is not over the limit.
        """
        alone = alone or call
        loop = asyncio.get_running_loop()
        place = loop, key
        flight = self._flights.get(place)
        if flight is not None and not flight.given_up:
            return await self._follow(flight, alone, asker, whole=whole)
        if self._apart.get(key, self._clock.monotonic()):
            return await alone()
        flight = self._flights[place] = _Flight(loop)
        flight.task = loop.create_task(self._fly(flight, place, call, settle))
        reader = flight.join()
        try:
            await asyncio.shield(flight.head)
        except BaseException:  # a cancellation too: the client left
            reader.leave()
            raise
        finally:
            flight.taken.set()
        if flight.apart:
            return flight.response
        return await self._read(flight, reader, whole)

    async def aclose(self) -> None:
        """Wait for what is under way in this event loop: what it came to is still to be kept."""
        loop = asyncio.get_running_loop()
        tasks = [flight.task for (own, _), flight in self._flights.items() if own is loop]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_GRACE_S)
            for task in late:
                task.cancel()

    def is_under_way(self, key: Any) -> bool:
        """Whether a call for this key has been made in this event loop, and has not come back."""
        return (asyncio.get_running_loop(), key) in self._flights

    async def _follow(
        self, flight: _Flight, alone: Callable[[], Awaitable[Response]], asker: Any, *, whole: bool
    ) -> Response | None:
        if len(flight.readers) > self._most:
            return await alone()
        reader = flight.join()
        try:
            await within(self._wait_s, asyncio.shield(flight.head))
        except TimeUp:
            reader.leave()
            return await alone()
        except BaseException:  # as above
            reader.leave()
            raise
        if flight.apart:
            return await alone()
        if flight.fits is not None and not flight.fits(asker):
            reader.leave()
            return None
        return await self._read(flight, reader, whole or not self._stream)

    async def _read(self, flight: _Flight, reader: _Reader, whole: bool) -> Response:
        response = flight.response
        if whole:
            try:
                while not (flight.over or flight.large):
                    await flight.news()
            except BaseException:  # as above
                reader.leave()
                raise
        head = [*response.headers]
        if flight.over and flight.error is None and not flight.large:
            reader.leave()
            return Response(response.status, head, flight.whole())
        return Response(response.status, head, reader.chunks(), reader.aclose)

    async def _fly(
        self,
        flight: _Flight,
        place: tuple[object, Any],
        call: Callable[[], Awaitable[Response]],
        settle: Callable[[Response], Plan],
    ) -> None:
        response: Response | None = None
        try:
            response = flight.response = await call()
            plan = settle(response)
            flight.fits, flight.kept = plan.fits, plan.done is not None
            if not plan.shared:
                self._apart.put(place[1], True, self._clock.monotonic() + APART_S)
                flight.apart = True
        except BaseException as error:
            if response is not None and response.close is not None:
                await response.close()
            self._landed(flight, place)
            flight.failed(error)
            if not isinstance(error, Exception):
                raise
            return
        if flight.apart:
            self._landed(flight, place)
            flight.head.set_result(None)
            await flight.taken.wait()
            if flight.first.left and response.close is not None:
                await response.close()
            return
        flight.head.set_result(None)
        try:
            await self._pump(flight, response, place, plan)
            if flight.error is not None or flight.large:
                if plan.lost is not None:
                    await plan.lost()
            elif plan.done is not None:
                kept = plan.done(flight.whole())
                if isinstance(kept, Awaitable):
                    await kept
        finally:
            self._landed(flight, place)

    async def _pump(self, flight: _Flight, response: Response, place: tuple[object, Any], plan: Plan) -> None:
        body = response.body
        try:
            if isinstance(body, bytes):
                flight.add(body)
                self._measure(flight, place)
            else:
                flight.waits = True
                async for chunk in body:
                    flight.waits = False
                    flight.add(chunk)
                    self._measure(flight, place)
                    if flight.large:
                        await flight.room(self._limit, self._wait_s)
                    if flight.is_for_nobody():
                        raise _NobodyReads
                    flight.waits = True
        except asyncio.CancelledError:
            if not flight.given_up or flight.task.uncancel():
                flight.error = ConnectionError("the call was given up")
                raise
            flight.error = _NobodyReads()
        except Exception as error:  # noqa: BLE001 - each reader raises it in its turn
            flight.error = error
        except BaseException:
            flight.error = ConnectionError("the call was given up")
            raise
        finally:
            flight.waits = False
            if response.close is not None:
                await response.close()
            flight.over = True
            flight.tell()

    def _measure(self, flight: _Flight, place: tuple[object, Any]) -> None:
        if flight.size > self._limit and not flight.large:
            flight.large = True
            self._landed(flight, place)

    def _landed(self, flight: _Flight, place: tuple[object, Any]) -> None:
        if self._flights.get(place) is flight:
            del self._flights[place]


class _NobodyReads(Exception):
    """The last reader of a body that is not kept has left."""


class _Flight:
    """One call, the body so far, and who reads it."""

    __slots__ = (
        "apart", "base", "error", "first", "fits", "given_up", "head", "joined", "kept", "large", "over", "parts",
        "readers", "response", "size", "taken", "task", "told", "waits",
    )  # fmt: skip

    response: Response
    first: _Reader
    task: asyncio.Task[None]

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.head: asyncio.Future[None] = loop.create_future()
        self.taken, self.told = asyncio.Event(), asyncio.Event()
        self.readers: set[_Reader] = set()
        self.parts: list[bytes] = []
        self.base = self.size = 0  # the number of the first part that is still here; bytes so far
        self.apart = self.given_up = self.kept = self.large = self.over = False
        self.waits = False  # for the next piece of the body
        self.error: Exception | None = None
        self.joined: bytes | None = None
        self.fits: Callable[[Any], bool] | None = None

    def join(self) -> _Reader:
        reader = _Reader(self)
        if not self.readers:
            self.first = reader
        self.readers.add(reader)
        return reader

    def failed(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            self.head.set_exception(error)
            self.head.exception()  # seen: nobody may be waiting for it any more
        else:
            self.head.cancel()

    def is_for_nobody(self) -> bool:
        """Nobody reads the body, and it will not be kept."""
        return not self.readers and (self.large or not self.kept)

    def left(self) -> None:
        """A reader has gone: the last one takes along what nobody wants any more, however long it is silent."""
        self.tell()
        if self.waits and self.is_for_nobody():
            self.waits, self.given_up = False, True
            self.task.cancel()

    def add(self, chunk: bytes) -> None:
        if chunk:
            self.parts.append(chunk)
            self.size += len(chunk)
            self.tell()

    def tell(self) -> None:
        """Wake who waits for news."""
        told, self.told = self.told, asyncio.Event()
        told.set()

    async def news(self) -> None:
        await self.told.wait()

    def whole(self) -> bytes:
        """The body, once it is over: one object for all."""
        if self.joined is None:
            self.joined = b"".join(self.parts)
        return self.joined

    async def room(self, limit: int, wait_s: float) -> None:
        """Wait until the slowest reader is at most `limit` bytes behind; break it off where it does not move."""
        while self.readers:
            slowest = min(self.readers, key=lambda reader: reader.at)
            del self.parts[: slowest.at - self.base]
            self.base = slowest.at
            if sum(map(len, self.parts)) <= limit:
                return
            at, told = slowest.at, self.told
            try:
                await within(wait_s, told.wait())
            except TimeUp:
                if slowest.at == at:
                    slowest.broken = True
                    slowest.leave()


class _Reader:
    """One request's place in a body."""

    __slots__ = ("at", "broken", "flight", "left")

    def __init__(self, flight: _Flight) -> None:
        self.flight, self.at = flight, 0
        self.left = self.broken = False

    def leave(self) -> None:
        if not self.left:
            self.left = True
            self.flight.readers.discard(self)
            self.flight.left()

    async def aclose(self) -> None:
        self.leave()

    async def chunks(self) -> AsyncIterator[bytes]:
        flight = self.flight
        try:
            while True:
                if self.broken:
                    why = "it was read too slowly, and others wait for the rest"
                    raise BodyRefused(Refusal(Reason.INTEGRATION_BROKE_OFF, why))
                if self.at - flight.base < len(flight.parts):
                    chunk = flight.parts[self.at - flight.base]
                    self.at += 1
                    if flight.large:
                        flight.tell()
                    yield chunk
                elif flight.over:
                    if flight.error is not None:
                        raise flight.error
                    return
                else:
                    await flight.news()
        finally:
            self.leave()
