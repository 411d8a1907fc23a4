"""Where log lines go: batched, because a write for each costs more than the request.

A batch is written when it is large enough, when its first line is old enough (by a timer of the running event loop, or
at the next line where no loop runs), at `close`, and when the interpreter exits. A write that fails loses its batch:
it is counted and reported once on the error log, and never disturbs a request. Lines may come from several threads.
"""

from __future__ import annotations

import atexit
import io
import logging
from collections import deque
from collections.abc import Callable
from os import PathLike, fspath
from os.path import dirname, isdir
from typing import IO, TYPE_CHECKING, Any

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.units import parse_duration

if TYPE_CHECKING:
    from asyncio import TimerHandle

__all__ = ["BufferedSink"]


class BufferedSink:
    """Lines for a stream (text or binary), a file to append to, or a function that gets whole batches of text."""

    def __init__(
        self,
        target: IO[Any] | str | PathLike[str] | Callable[[str], object],
        *,
        flush_bytes: int = 64 * 1024,
        flush_interval_s: str | float = 1.0,
        clock: Clock = SYSTEM,
    ) -> None:
        problems = []
        if isinstance(flush_bytes, bool) or not isinstance(flush_bytes, int) or flush_bytes < 1:
            problems.append(Problem(where="sink.flush_bytes", what=f"{flush_bytes!r} is not a number of bytes"))
        try:
            self._interval_s = parse_duration(flush_interval_s)
        except ValueError as error:
            problems.append(Problem(where="sink.flush_interval_s", what=str(error)))
        if not isinstance(target, (str, PathLike)) and not hasattr(target, "write") and not callable(target):
            problems.append(Problem(where="sink", what=f"{target!r} is no stream, path or function"))
        if isinstance(target, (str, PathLike)) and (wrong := _wrong_path(fspath(target))):
            problems.append(Problem(where="sink", what=wrong))
        if problems:
            raise ConfigError(problems)
        self._target, self._flush_bytes, self._clock = target, flush_bytes, clock
        self._lines: deque[str] = deque()
        self._size = 0
        self._due_s = 0.0
        self._timer: TimerHandle | None = None
        self._send: Callable[[str], object] | None = None
        self._file: io.FileIO | None = None
        self._failing = False
        self.lost_lines = 0

    def write(self, line: str) -> None:
        """Take one line, without its line feed."""
        self._lines.append(line)
        if self._size == 0:
            self._begin()
        self._size += len(line) + 1
        if self._size >= self._flush_bytes or (self._timer is None and self._clock.monotonic() >= self._due_s):
            self.flush()

    def flush(self) -> None:
        """Write what there is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._size = 0
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if not lines:
            return
        try:
            if self._send is None:
                self._send = self._open()
            self._send("\n".join(lines) + "\n")
            self._failing = False
        except Exception as error:  # noqa: BLE001 - a full disk or a closed stream must not fail requests
            self.lost_lines += len(lines)
            if not self._failing:
                self._failing = True
                logging.getLogger("gatewaykit").error("log lines are lost: %s: %s", type(error).__name__, error)

    def close(self) -> None:
        """Write what there is and close the file, if it is ours. The next line opens it again."""
        self.flush()
        atexit.unregister(self.close)
        if self._file is not None:
            self._file.close()
            self._file = None
        self._send = None

    def _begin(self) -> None:
        """The first line of a batch: see to it that it does not wait for ever."""
        self._due_s = self._clock.monotonic() + self._interval_s
        if self._send is None:
            atexit.register(self.close)
        loop = _running_loop()
        if loop is not None:
            self._timer = loop.call_later(self._interval_s, self.flush)

    def _open(self) -> Callable[[str], object]:
        target = self._target
        if isinstance(target, (str, PathLike)):
            file = self._file = io.FileIO(
                target, "a"
            )  # unbuffered: one write a batch, and processes may share the file
            return lambda text: _write_all(file, text.encode("utf-8", "replace"))
        if not hasattr(target, "write"):
            return target
        stream: Any = target
        binary = isinstance(stream, (io.RawIOBase, io.BufferedIOBase))

        def send(text: str) -> None:
            if binary:
                _write_all(stream, text.encode("utf-8", "replace"))
            else:
                stream.write(text)
            stream.flush()

        return send


def _wrong_path(path: str | bytes) -> str:
    """Why no file can be appended to there, as far as it shows before the first line; "" where it may be."""
    if not path or isdir(path):
        return f"{path!r} is a directory, not a file" if path else "'' names no file"
    directory = dirname(path)
    return f"{path!r}: there is no directory {directory!r}" if directory and not isdir(directory) else ""


def _write_all(stream: Any, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[stream.write(view) :]


def _running_loop() -> Any:
    """The event loop of this thread; None where none runs, and where asyncio was never loaded."""
    import sys

    if "asyncio" not in sys.modules:
        return None
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
