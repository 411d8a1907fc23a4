"""The request body by itself: read once, bounded, and watched for a client that leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gatewaykit.asgi.body import AsgiBody, replay
from gatewaykit.core.body import BodyTooLarge, ClientGone
from gatewaykit.core.reasons import Reason, Refusal


def piece(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


LEFT = {"type": "http.disconnect"}


class Channel:
    """A receive channel that has what was put into it, and says when two read it at once."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reading = False
        for message in messages:
            self.queue.put_nowait(message)

    async def receive(self) -> Any:
        assert not self.reading, "two read the channel at once"
        self.reading = True
        try:
            return await self.queue.get()
        finally:
            self.reading = False


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("messages", "body"),
    [
        pytest.param([piece(b"abc", False)], b"abc", id="whole"),
        pytest.param([piece(b"a"), piece(b""), piece(b"bc", False)], b"abc", id="in pieces"),
        pytest.param([piece(b"", False)], b"", id="empty"),
        pytest.param([{"type": "http.request"}], b"", id="without its fields"),
    ],
)
async def test_a_body_is_read(messages: list[Any], body: bytes) -> None:
    assert await AsgiBody(Channel(*messages).receive).read(3) == body


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        pytest.param([piece(b"abcd", False)], Reason.BODY_TOO_LARGE, id="over the limit at once"),
        pytest.param([piece(b"ab"), piece(b"cd")], Reason.BODY_TOO_LARGE, id="over the limit in the middle"),
        pytest.param([piece(b"ab"), LEFT], Reason.CLIENT_GONE, id="broken off"),
        pytest.param([LEFT], Reason.CLIENT_GONE, id="gone before it began"),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_refusal_or_an_exception(messages: list[Any], reason: Reason) -> None:
    refusal = await AsgiBody(Channel(*messages).receive).read(3)

    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason
    with pytest.raises(BodyTooLarge if reason is Reason.BODY_TOO_LARGE else ClientGone):
        async for _ in AsgiBody(Channel(*messages).receive).stream(3):
            pass


async def test_a_client_that_leaves_is_noticed_before_anybody_reads() -> None:
    channel = Channel(piece(b"a"))
    watching = asyncio.ensure_future(AsgiBody(channel.receive).gone())
    await settle()

    assert not watching.done()
    channel.queue.put_nowait(LEFT)
    await watching


@pytest.mark.parametrize("before", [0, 1, 2], ids=lambda number: f"{number} pieces before")
async def test_who_watches_and_who_reads_share_the_channel(before: int) -> None:
    channel = Channel(*[piece(b"x")] * before)
    body = AsgiBody(channel.receive)
    watching = asyncio.ensure_future(body.gone())
    await settle()
    reading = asyncio.ensure_future(body.read(10))
    await settle()
    for message in (piece(b"y"), piece(b"z", False)):
        channel.queue.put_nowait(message)
        await settle()

    assert await reading == b"x" * before + b"yz"
    assert not watching.done()
    channel.queue.put_nowait(LEFT)
    await watching


async def test_a_client_that_leaves_while_both_wait_is_told_to_both() -> None:
    channel = Channel()
    body = AsgiBody(channel.receive)
    watching = asyncio.ensure_future(body.gone())
    await settle()
    reading = asyncio.ensure_future(body.read(10))
    await settle()
    channel.queue.put_nowait(LEFT)

    await watching
    refusal = await reading
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.CLIENT_GONE


async def test_a_second_watcher_takes_over_what_the_first_has_held() -> None:
    channel = Channel(piece(b"a"))
    body = AsgiBody(channel.receive)
    first = asyncio.ensure_future(body.gone())
    await settle()
    first.cancel()
    await asyncio.wait([first])
    second = asyncio.ensure_future(body.gone())
    await settle()
    channel.queue.put_nowait(piece(b"b", False))
    await settle()

    assert await body.read(10) == b"ab"
    channel.queue.put_nowait(LEFT)
    await second


async def test_who_gives_up_on_a_body_leaves_the_channel_to_the_watcher() -> None:
    channel = Channel(piece(b"a"))
    body = AsgiBody(channel.receive)
    chunks = body.stream(10)
    assert await anext(chunks) == b"a"
    watching = asyncio.ensure_future(body.gone())
    await settle()
    await chunks.aclose()  # type: ignore[attr-defined]  # an async generator, as the code behind it knows
    for message in (piece(b"b"), piece(b"c", False), LEFT):
        channel.queue.put_nowait(message)

    await watching


async def test_a_replayed_body_is_given_once_and_then_the_channel_goes_on() -> None:
    receive = replay(b"abc", Channel(LEFT).receive)  # type: ignore[arg-type]  # a channel of plain dictionaries

    assert await receive() == piece(b"abc", False)
    assert await receive() == LEFT


@pytest.mark.parametrize("is_read", [False, True], ids=["before the body", "after it"])
async def test_a_channel_that_never_waits_keeps_nobody_from_anything(is_read: bool) -> None:
    async def receive() -> Any:
        return piece(b"", False)

    body = AsgiBody(receive)
    if is_read:
        assert await body.read(10) == b""
    watching = asyncio.ensure_future(body.gone())
    await settle()

    assert not watching.done()
    assert len(body._held or ()) <= 1
    watching.cancel()
