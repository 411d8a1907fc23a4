from __future__ import annotations

import asyncio

import pytest

from gatewaykit.pipeline.decision import drive
from gatewaykit.waiting import SingleFlight, TimeUp, within


class Calls:
    """A call that lands when told to."""

    def __init__(self) -> None:
        self.made = 0
        self.cancelled = 0
        self.land = asyncio.Event()

    async def __call__(self) -> int:
        self.made += 1
        try:
            await self.land.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.made


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_callers_of_one_key_share_one_call() -> None:
    flights, calls = SingleFlight[int](), Calls()
    waiting = [asyncio.create_task(flights.run("key", calls)) for _ in range(50)]
    await settled()
    calls.land.set()

    results = await asyncio.gather(*waiting)

    assert (calls.made, set(results)) == (1, {1})
    assert await flights.run("key", calls) == 2  # that call has landed: the next is made anew


async def test_other_keys_do_not_wait() -> None:
    flights, calls = SingleFlight[int](), Calls()
    held = asyncio.create_task(flights.run("held", calls))
    await settled()

    async def now() -> int:
        return 7

    assert await flights.run("other", now) == 7
    held.cancel()
    await asyncio.gather(held, return_exceptions=True)


async def test_a_caller_that_leaves_takes_the_call_from_nobody() -> None:
    flights, calls = SingleFlight[int](), Calls()
    first, second = (asyncio.create_task(flights.run("key", calls)) for _ in range(2))
    await settled()
    first.cancel()
    await settled()
    calls.land.set()

    assert await second == 1
    assert calls.cancelled == 0


async def test_a_call_that_nobody_waits_for_is_cancelled() -> None:
    flights, calls = SingleFlight[int](), Calls()
    only = asyncio.create_task(flights.run("key", calls))
    await settled()
    only.cancel()
    await settled()

    assert calls.cancelled == 1
    calls.land.set()
    assert await flights.run("key", calls) == 2


async def test_everyone_gets_the_exception() -> None:
    flights = SingleFlight[int]()

    async def fails() -> int:
        await asyncio.sleep(0)
        raise LookupError("nothing there")

    results = await asyncio.gather(*(flights.run("key", fails) for _ in range(3)), return_exceptions=True)

    assert [str(result) for result in results] == ["nothing there"] * 3


async def test_time_is_up() -> None:
    with pytest.raises(TimeUp, match=r"no answer in 0\.001 s"):
        await within(0.001, asyncio.Event().wait())


async def test_a_timeout_of_what_is_waited_for_stays_one() -> None:
    async def fails() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await within(10, fails())


def test_without_an_event_loop_what_never_waits_still_works() -> None:
    async def now() -> int:
        return 3

    assert drive(within(1.0, now())) == 3
    assert drive(SingleFlight[int]().run("key", now)) == 3


async def test_a_call_is_under_way_until_it_has_come_back() -> None:
    flights, go = SingleFlight[bool](), asyncio.Event()
    caller = asyncio.create_task(flights.run("key", go.wait))
    before = flights.under_way("key")
    await asyncio.sleep(0)
    meanwhile = (flights.under_way("key"), flights.under_way("other"))
    go.set()

    assert await caller
    assert (before, meanwhile, flights.under_way("key")) == (False, (True, False), False)


async def test_a_call_may_be_started_for_those_who_come_later() -> None:
    flights, go = SingleFlight[bool](), asyncio.Event()
    flights.start("key", go.wait)
    flights.start("key", go.wait)
    leaver, stayer = (asyncio.create_task(flights.run("key", go.wait)) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    stayer.cancel()
    await asyncio.gather(leaver, stayer, return_exceptions=True)
    still = flights.under_way("key")
    last = asyncio.create_task(flights.run("key", go.wait))
    go.set()

    assert await last
    assert (still, flights.under_way("key")) == (True, False)


def test_without_an_event_loop_nothing_is_started() -> None:
    async def never() -> int:
        raise AssertionError("it was called")

    flights = SingleFlight[int]()
    flights.start("key", never)

    assert not flights.under_way("key")
