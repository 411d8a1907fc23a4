"""One call for all who miss the same response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gatewaykit import Response, VirtualClock
from gatewaykit.core.body import BodyRefused
from gatewaykit.policies.flight import APART, APART_S, Flights, Plan


class Origin:
    """Counts its calls. A call waits for `go`, then answers with `body`, or with chunks as they are put."""

    def __init__(self, body: bytes = b"hello", status: int = 200) -> None:
        self.calls = self.closed = 0
        self.go, self.body, self.status = asyncio.Event(), body, status
        self.chunks: asyncio.Queue[bytes | Exception] | None = None

    async def __call__(self) -> Response:
        self.calls += 1
        await self.go.wait()
        if self.chunks is None:
            return Response(self.status, [(b"x-call", b"%d" % self.calls)], self.body)

        async def close() -> None:
            self.closed += 1

        return Response(self.status, [], self._stream(self.chunks), close)

    async def _stream(self, chunks: asyncio.Queue[bytes | Exception]) -> AsyncIterator[bytes]:
        while chunk := await chunks.get():
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


class Kept:
    """What `done` was given."""

    def __init__(self, *, shared: bool = True, keeps: bool = True) -> None:
        self.bodies: list[bytes] = []
        self.plan = Plan(shared, self.bodies.append if keeps else None)

    def __call__(self, response: Response) -> Plan:
        return self.plan


def flights(clock: VirtualClock | None = None, **options: Any) -> Flights:
    return Flights(clock or VirtualClock(), **{"limit_bytes": 100, "max_waiting": 5000, "wait_s": 5.0, **options})


async def read(response: Response | None) -> bytes:
    assert response is not None
    if isinstance(response.body, bytes):
        return response.body
    try:
        return b"".join([chunk async for chunk in response.body])
    finally:
        if response.close is not None:
            await response.close()


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def together(number: int, made: Flights, origin: Callable[[], Awaitable[Response]], kept: Kept) -> list[Any]:
    return [asyncio.create_task(made.fetch("key", origin, kept)) for _ in range(number)]


async def test_a_thousand_that_come_at_once_are_one_call_and_get_the_same() -> None:
    origin, kept = Origin(), Kept()
    tasks = together(1000, flights(), origin, kept)
    await settled()
    origin.go.set()

    bodies = {await read(await task) for task in tasks}

    assert (bodies, origin.calls, kept.bodies) == ({b"hello"}, 1, [b"hello"])


async def test_each_gets_a_head_of_its_own() -> None:
    origin = Origin()
    origin.go.set()
    first, second = together(2, flights(), origin, Kept())

    (await first).headers.clear()

    assert (await second).headers == [(b"x-call", b"1")]


async def test_another_key_is_another_call() -> None:
    origin, made = Origin(), flights()
    origin.go.set()

    await asyncio.gather(*(made.fetch(key, origin, Kept()) for key in ("a", "b")))

    assert origin.calls == 2


async def test_after_it_has_landed_the_next_is_a_call_again() -> None:
    origin, made = Origin(), flights()
    origin.go.set()
    await made.fetch("key", origin, Kept())
    await settled()

    await made.fetch("key", origin, Kept())

    assert origin.calls == 2


async def test_a_client_that_leaves_takes_the_call_from_nobody() -> None:
    origin, kept = Origin(), Kept()
    leader, follower = together(2, flights(), origin, kept)
    await settled()
    leader.cancel()
    await settled()
    origin.go.set()

    assert (await read(await follower), origin.calls, kept.bodies) == (b"hello", 1, [b"hello"])


async def test_a_call_that_everybody_has_left_is_kept_all_the_same() -> None:
    origin, kept = Origin(), Kept()
    (leader,) = together(1, flights(), origin, kept)
    await settled()
    leader.cancel()
    origin.go.set()
    await settled()

    assert kept.bodies == [b"hello"]


async def test_followers_read_along_while_it_streams() -> None:
    origin, kept = Origin(), Kept()
    origin.chunks = asyncio.Queue()
    origin.go.set()
    leader, follower = together(2, flights(), origin, kept)
    chunks = [(await each).body for each in (leader, follower)]
    origin.chunks.put_nowait(b"he")

    assert [await anext(each) for each in chunks] == [b"he", b"he"]

    origin.chunks.put_nowait(b"llo")
    origin.chunks.put_nowait(b"")
    assert [[chunk async for chunk in each] for each in chunks] == [[b"llo"], [b"llo"]]
    await settled()
    assert (kept.bodies, origin.closed) == ([b"hello"], 1)


async def test_where_they_shall_wait_followers_get_it_whole() -> None:
    origin = Origin()
    origin.chunks = asyncio.Queue()
    origin.go.set()
    leader, follower = together(2, flights(stream=False), origin, Kept())
    await leader
    await settled()

    assert not follower.done()

    for chunk in (b"he", b"llo", b""):
        origin.chunks.put_nowait(chunk)
    assert (await follower).body == b"hello"


async def test_who_wants_it_whole_gets_bytes() -> None:
    origin = Origin()
    origin.chunks = asyncio.Queue()
    origin.go.set()
    for chunk in (b"he", b"llo", b""):
        origin.chunks.put_nowait(chunk)

    response = await flights().fetch("key", origin, Kept(), whole=True)

    assert response.body == b"hello"


async def test_a_failed_call_fails_those_who_waited_once_and_is_not_kept() -> None:
    calls = 0

    async def failing() -> Response:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        raise ConnectionError("down")

    results = await asyncio.gather(*together(50, flights(), failing, Kept()), return_exceptions=True)

    assert (calls, {type(result) for result in results}) == (1, {ConnectionError})


async def test_a_body_that_breaks_off_breaks_all_readers_and_is_not_kept() -> None:
    origin, kept = Origin(), Kept()
    origin.chunks = asyncio.Queue()
    origin.go.set()
    origin.chunks.put_nowait(b"he")
    origin.chunks.put_nowait(ConnectionError("broke off"))
    tasks = together(3, flights(), origin, kept)

    results = await asyncio.gather(*[read(await task) for task in tasks], return_exceptions=True)

    assert ([type(result) for result in results], kept.bodies, origin.closed) == ([ConnectionError] * 3, [], 1)


async def test_whom_it_does_not_fit_gets_none() -> None:
    origin, made = Origin(), flights()
    origin.go.set()
    plan = Plan(shared=True, fits=lambda asker: bool(asker == "english"))
    askers = ("english", "english", "german")

    found = await asyncio.gather(*(made.fetch("key", origin, lambda response: plan, asker=each) for each in askers))

    assert [response and response.body for response in found] == [b"hello", b"hello", None]


# ------------------------------------------------------------------------------------------------- not for all


async def test_a_response_for_one_only_goes_to_the_first_and_the_others_call_by_themselves() -> None:
    origin = Origin()
    tasks = together(3, flights(), origin, Kept(shared=False))
    await settled()
    origin.go.set()

    responses = [await task for task in tasks]

    assert (origin.calls, [await read(response) for response in responses]) == (3, [b"hello"] * 3)


async def test_they_do_not_wait_for_each_other_again_for_a_while() -> None:
    origin, clock = Origin(), VirtualClock()
    made = flights(clock)
    origin.go.set()
    await made.fetch("key", origin, lambda response: APART)
    origin.go.clear()

    waiting = together(3, made, origin, Kept(shared=False))
    await settled()
    assert origin.calls == 4
    origin.go.set()
    await asyncio.gather(*waiting)
    clock.advance(APART_S)
    origin.go.clear()
    waiting = together(3, made, origin, Kept())
    await settled()

    assert origin.calls == 5
    origin.go.set()
    await asyncio.gather(*waiting)


async def test_what_is_for_one_only_is_closed_where_that_one_has_left() -> None:
    origin = Origin()
    origin.chunks = asyncio.Queue()
    (leader,) = together(1, flights(), origin, Kept(shared=False))
    await settled()
    leader.cancel()
    await settled()
    origin.go.set()
    await settled()

    assert origin.closed == 1


# ------------------------------------------------------------------------------------------------- bounds


async def test_no_more_wait_than_may() -> None:
    origin = Origin()
    tasks = together(10, flights(max_waiting=3), origin, Kept())
    await settled()

    assert origin.calls == 7  # the first, three wait, six go by themselves

    origin.go.set()
    await asyncio.gather(*tasks)


async def test_nobody_waits_for_a_head_for_longer_than_said() -> None:
    hangs, answers = Origin(), Origin()
    answers.go.set()
    made = flights(wait_s=0.0)
    (leader,) = together(1, made, hangs, Kept())
    await settled()

    response = await made.fetch("key", answers, Kept())

    assert (await read(response), leader.done()) == (b"hello", False)
    hangs.go.set()
    await leader


async def test_a_body_over_the_limit_reaches_its_readers_and_is_not_kept() -> None:
    origin, kept = Origin(b"x" * 101), Kept()
    origin.go.set()

    responses = [await task for task in together(2, flights(), origin, kept)]

    assert ([len(await read(response)) for response in responses], kept.bodies) == ([101, 101], [])


async def test_a_large_body_is_read_no_faster_than_its_slowest_reader_and_nobody_joins_it() -> None:
    origin, kept, made = Origin(), Kept(), flights()
    origin.chunks = asyncio.Queue()
    origin.go.set()
    for _ in range(50):
        origin.chunks.put_nowait(b"x" * 50)
    origin.chunks.put_nowait(b"")
    fast, slow = [await task for task in together(2, made, origin, kept)]
    reading = asyncio.create_task(read(fast))
    await settled()

    assert (reading.done(), origin.chunks.qsize() > 40) == (False, True)

    later = Origin()
    later.go.set()
    await made.fetch("key", later, kept)
    assert later.calls == 1
    assert len(await read(slow)) == len(await reading) == 2500


async def test_a_reader_that_takes_nothing_is_broken_off_and_the_others_go_on() -> None:
    origin, made = Origin(), flights(wait_s=0.0)
    origin.chunks = asyncio.Queue()
    origin.go.set()
    for _ in range(10):
        origin.chunks.put_nowait(b"x" * 50)
    origin.chunks.put_nowait(b"")
    tasks = together(1, made, origin, Kept())
    stuck = await tasks[0]
    await settled()

    with pytest.raises(BodyRefused, match="too slowly"):
        await read(stuck)


async def test_a_large_body_that_nobody_reads_any_more_is_given_up() -> None:
    origin = Origin()
    origin.chunks = asyncio.Queue()
    origin.go.set()
    (task,) = together(1, flights(), origin, Kept())
    response = await task
    origin.chunks.put_nowait(b"x" * 200)
    await settled()
    assert response.close is not None
    await response.close()
    origin.chunks.put_nowait(b"x" * 200)
    await settled()

    assert origin.closed == 1


async def test_a_body_that_is_not_kept_is_given_up_with_its_last_reader() -> None:
    origin = Origin()
    origin.chunks = asyncio.Queue()
    origin.go.set()
    (task,) = together(1, flights(), origin, Kept(keeps=False))
    response = await task
    assert response.close is not None
    await response.close()
    origin.chunks.put_nowait(b"he")
    await settled()

    assert origin.closed == 1


@pytest.mark.parametrize("rest", [b"", b"x" * 200], ids=["not kept", "too large to be kept"])
async def test_a_silent_body_is_given_up_at_once_with_its_last_reader(rest: bytes) -> None:
    made, origin = flights(), Origin()
    origin.chunks = asyncio.Queue()
    origin.go.set()
    first, second = together(2, made, origin, Kept(keeps=bool(rest)))
    responses = [await first, await second]
    origin.chunks.put_nowait(rest or b"begun")
    await settled()
    closed = []
    for response in responses:
        await response.close()
        await settled()
        closed.append(origin.closed)
    (after,) = together(1, made, origin, Kept(keeps=bool(rest)))
    origin.chunks.put_nowait(b"")

    assert closed == [0, 1]
    assert (await read(await after), origin.calls) == (b"", 2)
    assert len(asyncio.all_tasks()) == 1
