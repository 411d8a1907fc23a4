"""Cancelled requests: no answer reaches the wrong request, and nothing stays open or promised."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gatewaykit.upstream.http import HttpTransport
from gatewaykit.upstream.pool import PoolLimits
from tests.upstream.fault_server import OK, Behaviour, Peer, get, serving


async def tells_the_target(peer: Peer) -> None:
    """Answers with the target it was asked for, in pieces and with pauses that depend on it."""
    while True:
        target = (await peer.request()).target
        pauses = hash(target) % 4
        body = target * (1 + hash(target) % 50)
        whole = b"HTTP/1.1 200 OK\r\nX: %b\r\nContent-Length: %d\r\n\r\n%b" % (target, len(body), body)
        for part in (whole[:9], whole[9:45], whole[45:]):
            await peer.send(part)
            for _ in range(pauses):
                await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("max_open", [3, 1000])
async def test_no_answer_reaches_the_wrong_request(max_open: int, seed: int) -> None:
    rng = random.Random(seed)
    transport = HttpTransport(limits=PoolLimits(max_open=max_open, max_idle_per_origin=20))
    answered = 0

    async def ask(number: int) -> None:
        nonlocal answered
        target = b"/%d-" % number
        body: Any = b"" if number % 3 else _slowly(target)
        request = get(server.port, target, method=rng.choice(["GET", "POST", "PUT"]), body=body)
        response = await transport.send(request, timeout_s=20)
        assert dict(response.headers)[b"X"] == target
        if number % 5 == 0:
            await response.aclose()
        elif number % 7 != 0:  # those are dropped unread
            whole = await response.read(1 << 20)
            assert whole == target * (len(whole) // len(target))
            answered += 1

    async def ask_and_cancel(number: int) -> None:
        task = asyncio.create_task(ask(number))
        if rng.random() < 0.5:
            for _ in range(rng.randrange(25)):
                await asyncio.sleep(0)
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass

    async with serving(tells_the_target) as server:
        for start in range(0, 600, 60):
            await asyncio.gather(*[ask_and_cancel(number) for number in range(start, start + 60)])
        for number in range(1001, 1021):  # whatever happened, every slot is usable
            await ask(number)
        await transport.aclose()
        await server.idle()

    assert answered > 100


async def _slowly(text: bytes) -> AsyncIterator[bytes]:
    for byte in text:
        await asyncio.sleep(0)
        yield bytes([byte])


async def never_answers(peer: Peer) -> None:
    await peer.gone()


async def stalls_in_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    await peer.gone()


@pytest.mark.parametrize("behaviour", [never_answers, stalls_in_body])
async def test_a_cancelled_request_closes_its_connection(transport: HttpTransport, behaviour: Behaviour) -> None:
    async with serving(behaviour) as server:

        async def ask() -> None:
            response = await transport.send(get(server.port), timeout_s=10)
            reading.set()
            await response.read(10)

        reading = asyncio.Event()
        task = asyncio.create_task(ask())
        await server.has_accepted(1)
        if behaviour is stalls_in_body:
            await reading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        await server.idle()


async def test_a_request_cancelled_while_it_waits_for_its_turn_gives_the_turn_on() -> None:
    transport = HttpTransport(limits=PoolLimits(max_open=1))
    go_on = asyncio.Event()

    async def behave(peer: Peer) -> None:
        while True:
            await peer.request()
            await go_on.wait()
            await peer.send(OK)

    async with serving(behave) as server:
        tasks = [asyncio.create_task(transport.send(get(server.port), timeout_s=10)) for _ in range(4)]
        await server.has_accepted(1)
        tasks[1].cancel()
        go_on.set()
        await tasks[0]
        tasks[2].cancel()  # its turn comes at this moment, or has just come and its connection is lost
        response = await tasks[3]

        assert await response.read(10) == b"ok"
        await transport.aclose()


async def test_a_request_cancelled_while_connecting_leaves_no_slot_taken() -> None:
    transport = HttpTransport(limits=PoolLimits(max_open=1))

    async def behave(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(OK)

    async with serving(behave) as server:
        for steps in range(12):
            task = asyncio.create_task(transport.send(get(server.port), timeout_s=10))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        response = await transport.send(get(server.port), timeout_s=10)

        assert await response.read(10) == b"ok"
        await transport.aclose()
        await server.idle()
