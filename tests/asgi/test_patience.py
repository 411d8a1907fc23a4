"""A wait that is soon over costs no task; a longer one is watched."""

from __future__ import annotations

import asyncio

from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.conformance.documents import gateway


async def test_a_wait_that_is_soon_over_has_no_watcher() -> None:
    transport = ScriptedTransport(lambda _: Reply())
    hold = transport.hold()
    api = gateway(
        {"/x": {"get": {"type": "http_proxy", "httpMethod": "GET", "uri": "http://b.test/"}}}, transport=transport
    )
    before = len(asyncio.all_tasks())

    async with Client(api).open("GET", "/dev/x") as exchange:
        exchange.feed(b"", more=False)
        await hold.reached()
        during = len(asyncio.all_tasks())
        hold.release()
        answer = await exchange.result()

    assert answer.status == 200
    assert during - before == 1  # the request's own, which the client started
