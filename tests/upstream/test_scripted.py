"""What the scripted transport does beyond the contract: it records, holds, and needs no event loop."""

from __future__ import annotations

import asyncio

import pytest

from gatewaykit.errors import UpstreamError
from gatewaykit.upstream.scripted import Hold, Reply, ScriptedTransport
from tests.upstream.fault_server import get


def test_it_answers_without_an_event_loop() -> None:
    transport = ScriptedTransport([Reply(body=b"hello")])
    sending = transport.send(get(80, b"/x"), timeout_s=1)

    with pytest.raises(StopIteration) as sent:
        sending.send(None)  # drives the coroutine by hand

    assert sent.value.value.status == 200


async def test_it_keeps_each_request_as_it_was_sent() -> None:
    transport = ScriptedTransport(lambda request: Reply(body=request.target))
    request = get(80, b"/a", headers=[(b"X", b"1")], method="PUT", body=b"b")
    response = await transport.send(request, timeout_s=1)
    request.headers.append((b"later", b"2"))

    assert await response.read(10) == b"/a"
    assert transport.requests == [get(80, b"/a", headers=[(b"X", b"1")], method="PUT", body=b"b")]


async def test_a_callable_may_answer_with_an_error() -> None:
    transport = ScriptedTransport(lambda request: UpstreamError("refused", "nobody listens"))

    with pytest.raises(UpstreamError, match="refused: nobody listens"):
        await transport.send(get(80), timeout_s=1)


async def test_a_script_that_has_ended_says_which_request_was_too_many() -> None:
    with pytest.raises(AssertionError, match="no answer is left for GET /more"):
        await ScriptedTransport().send(get(80, b"/more"), timeout_s=1)


async def test_a_held_request_waits_until_it_is_released() -> None:
    transport = ScriptedTransport([Reply(status=201), Reply(status=202)])
    hold = transport.hold()
    first = asyncio.create_task(transport.send(get(80, b"/1"), timeout_s=1))
    await hold.reached()
    second = await transport.send(get(80, b"/2"), timeout_s=1)
    hold.release()

    assert (second.status, (await first).status) == (201, 202)
    assert transport.given_up == []


async def test_what_was_cancelled_or_closed_too_early_is_recorded() -> None:
    transport = ScriptedTransport([Reply(chunks=[b"a", b"b"]), Reply(chunks=[b"a", Hold()]), Reply(body=b"whole")])
    closed = await transport.send(get(80, b"/closed"), timeout_s=1)
    await anext(closed.stream())
    await closed.aclose()
    transport.hold()
    held = asyncio.create_task(transport.send(get(80, b"/cancelled"), timeout_s=1))
    await asyncio.sleep(0)
    held.cancel()
    await asyncio.wait([held])
    response = await transport.send(get(80, b"/read"), timeout_s=1)
    reading = asyncio.create_task(response.read(10))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    await (await transport.send(get(80, b"/whole"), timeout_s=1)).aclose()

    assert [request.target for request in transport.given_up] == [b"/closed", b"/cancelled", b"/read"]
