"""The buffered sink."""

from __future__ import annotations

import asyncio
import atexit
import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from gatewaykit.clock import VirtualClock
from gatewaykit.errors import ConfigError
from gatewaykit.observe.sink import BufferedSink


def test_lines_wait_until_there_are_enough(clock: VirtualClock) -> None:
    batches: list[str] = []
    sink = BufferedSink(batches.append, flush_bytes=10, clock=clock)
    sink.write("1234")
    before = list(batches)
    sink.write("5678")

    assert before == []
    assert batches == ["1234\n5678\n"]
    sink.close()


def test_without_a_loop_lines_wait_until_the_first_is_old_enough(clock: VirtualClock) -> None:
    batches: list[str] = []
    sink = BufferedSink(batches.append, flush_interval_s="5s", clock=clock)
    sink.write("a")
    clock.advance(4)
    sink.write("b")
    before = list(batches)
    clock.advance(1)
    sink.write("c")

    assert before == []
    assert batches == ["a\nb\nc\n"]
    sink.close()


async def test_in_a_loop_a_timer_writes_them() -> None:
    written = asyncio.Event()
    batches: list[str] = []

    def take(text: str) -> None:
        batches.append(text)
        written.set()

    sink = BufferedSink(take, flush_interval_s=0.001)
    sink.write("a")
    sink.write("b")
    await asyncio.wait_for(written.wait(), 10)

    assert batches == ["a\nb\n"]
    sink.write("c")
    sink.flush()
    assert batches == ["a\nb\n", "c\n"]
    sink.close()


def test_closing_writes_what_is_left_and_the_next_line_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"before\n")
    sink = BufferedSink(path)
    for line in ("a", "é"):
        sink.write(line)
        sink.close()
    sink.close()

    assert path.read_text("utf-8") == "before\na\né\n"


@pytest.mark.parametrize("stream", [io.StringIO, io.BytesIO], ids=["text", "binary"])
def test_a_stream_may_be_text_or_binary(stream: type[io.StringIO] | type[io.BytesIO]) -> None:
    target = stream()
    sink = BufferedSink(target)
    sink.write("é")
    sink.close()

    assert target.getvalue() in ("é\n", "é\n".encode())


class Dribble(io.RawIOBase):
    """Takes three bytes at a time, as a pipe may."""

    def __init__(self) -> None:
        self.taken = b""

    def write(self, data: object) -> int:
        piece = bytes(data)[:3]  # type: ignore[call-overload]  # a buffer
        self.taken += piece
        return len(piece)


def test_a_stream_that_takes_a_part_gets_the_rest() -> None:
    target = Dribble()
    sink = BufferedSink(target)
    sink.write("a long line")
    sink.close()

    assert target.taken == b"a long line\n"


def test_a_write_that_fails_disturbs_nobody_and_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    failing = True
    batches: list[str] = []

    def take(text: str) -> None:
        if failing:
            raise OSError("disk full")
        batches.append(text)

    sink = BufferedSink(take, flush_bytes=1)
    with caplog.at_level(logging.ERROR, "gatewaykit"):
        sink.write("a")
        sink.write("b")
        failing = False
        sink.write("c")
        sink.close()

    assert [record.getMessage() for record in caplog.records] == ["log lines are lost: OSError: disk full"]
    assert (sink.lost_lines, batches) == (2, ["c\n"])


def test_what_is_left_is_written_when_the_interpreter_exits(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    program = f"from gatewaykit.observe.sink import BufferedSink; BufferedSink({str(path)!r}).write('last words')"

    subprocess.run([sys.executable, "-c", program], check=True)

    assert path.read_text() == "last words\n"


def test_a_program_that_never_loaded_asyncio_does_not_load_it_for_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "asyncio")
    sink = BufferedSink([].append)
    sink.write("a")

    assert "asyncio" not in sys.modules
    sink.close()


def test_a_closed_sink_leaves_nothing_behind_at_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[object] = []
    monkeypatch.setattr(atexit, "register", registered.append)
    monkeypatch.setattr(atexit, "unregister", registered.remove)
    sink = BufferedSink([].append)
    sink.write("a")
    assert registered == [sink.close]

    sink.close()
    assert registered == []


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        BufferedSink(5, flush_bytes=0, flush_interval_s="soon")  # type: ignore[arg-type]  # users' mistakes

    assert [problem.where for problem in caught.value.problems] == ["sink.flush_bytes", "sink.flush_interval_s", "sink"]
