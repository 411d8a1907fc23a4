"""Small writes join; none waits for longer than a turn of the event loop, and none is lost or overtaken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.server.joined_writes import JoinedWrites

LARGE = b"x" * 40_000


class Recorder:
    """The part of a transport that writes, and what it was given."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed_after: int | None = None

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.closed_after = len(self.writes)

    def is_closing(self) -> bool:
        return self.closed_after is not None

    def get_extra_info(self, name: str) -> str:
        return name

    def pause_reading(self) -> str:
        return "paused"


async def written(*pieces: bytes) -> list[bytes]:
    """What reaches a transport at once, and what it has got a turn later."""
    recorder = Recorder()
    joined = JoinedWrites(recorder, asyncio.get_running_loop())  # type: ignore[arg-type]  # the part that is used
    for piece in pieces:
        joined.write(piece)
    await asyncio.sleep(0)
    return recorder.writes


@pytest.mark.parametrize(
    ("pieces", "writes"),
    [
        pytest.param([b"head", b"body"], [b"headbody"], id="head and body"),
        pytest.param([b"head"], [b"head"], id="head alone"),
        pytest.param([b"head", LARGE], [b"head", LARGE], id="a large body is not copied"),
        pytest.param([LARGE], [LARGE], id="large alone"),
        pytest.param([b"head", b"", b"body"], [b"head", b"body"], id="an empty write between"),
        pytest.param([b"a", b"b", b"c"], [b"ab", b"c"], id="three"),
        pytest.param([b""], [b""], id="nothing"),
    ],
)
async def test_small_writes_of_one_turn_are_joined(pieces: list[bytes], writes: list[bytes]) -> None:
    assert await written(*pieces) == writes


@given(pieces=st.lists(st.sampled_from([b"", b"a", b"bc", LARGE])))
def test_every_byte_is_written_in_its_order(pieces: list[bytes]) -> None:
    assert b"".join(asyncio.run(written(*pieces))) == b"".join(pieces)


async def test_what_is_held_is_written_before_the_transport_closes() -> None:
    recorder: Any = Recorder()
    joined = JoinedWrites(recorder, asyncio.get_running_loop())
    joined.write(b"last words")

    joined.close()

    assert (recorder.writes, recorder.closed_after) == ([b"last words"], 1)


async def test_nothing_is_written_to_a_connection_that_is_gone() -> None:
    recorder: Any = Recorder()
    joined = JoinedWrites(recorder, asyncio.get_running_loop())
    joined.write(b"too late")

    recorder.close()
    await asyncio.sleep(0)

    assert recorder.writes == []


async def test_everything_else_is_the_transport_s_own() -> None:
    recorder: Any = Recorder()
    joined = JoinedWrites(recorder, asyncio.get_running_loop())

    assert (joined.get_extra_info("peername"), joined.is_closing(), joined.pause_reading()) == (
        "peername",
        False,
        "paused",
    )
