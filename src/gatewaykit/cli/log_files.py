"""Access logs read in one pass, with a bound on memory: what is kept of a line is when, and the number of its key.

Rules
* A line takes 12 bytes here; beyond a few million lines they are in a temporary file.
* A server writes a request when it has answered it, so lines are a little out of order. They are put in order among
  the 100 000 lines around them. One that is later still counts at the time that was reached, and is said.
* Files are read in the order of their first lines, so that rotated logs may be given in any order.
* Beyond `_MOST_KEYS` keys, the keys that come on top count as one, as in a gateway's memory.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from io import BufferedReader, FileIO
from tempfile import SpooledTemporaryFile
from typing import IO, Final, cast

from gatewaykit.cli.usage_error import UsageError
from gatewaykit.clock import SYSTEM
from gatewaykit.core.log_lines import LogLine, read_line
from gatewaykit.policies.by import address_key

__all__ = ["BY", "LogEvents", "read_logs"]

_IN_ORDER: Final = 100_000
_IN_MEMORY: Final = 64 * 1024 * 1024
_MOST_KEYS: Final = 1_000_000
_LONGEST_LINE: Final = 64 * 1024
_SHOWN: Final = 5
_GZIP: Final = b"\x1f\x8b"
_OTHERS: Final = "(all others)"

_address: Final = lru_cache(maxsize=4096)(address_key)

BY: Final[dict[str, Callable[[LogLine], str]]] = {
    "address": lambda line: _address(line.address),
    "user": lambda line: line.user,
    "key": lambda line: line.key,
    "route": lambda line: f"{line.method} {line.path}" if line.path else "",
    "everyone": lambda line: "everyone",
}
"""What to count by. The address and the route are those of `by.address` and `by.route`, as far as a log has them."""


class LogEvents:
    """The requests of logs in order of time, as often as they are asked for, and what was met in reading them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.lines = self.requests = self.without_key = self.refused_then = self.late = self.bad = 0
        self.bad_lines: list[tuple[str, int, str]] = []  # the first of them: file, line, what is wrong
        self.fine = False  # any time says parts of a second
        self._numbers: dict[str, int] = {}
        self._at, self._key = array("d"), array("I")
        self._reached_s = 0.0
        self._blocks: list[int] = []
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed by close

    @property
    def keys(self) -> int:
        return len(self.names)

    def add(self, line: LogLine, key: str) -> None:
        number = self._numbers.get(key)
        if number is None:
            if len(self.names) >= _MOST_KEYS:
                key = _OTHERS
            number = self._numbers.setdefault(key, len(self.names))
            if number == len(self.names):
                self.names.append(key)
        self._at.append(line.at_s)
        self._key.append(number)
        self.fine = self.fine or line.fine
        self.refused_then += line.status == "429"
        if len(self._at) == 2 * _IN_ORDER:
            self._write(_IN_ORDER)

    def finish(self) -> None:
        self._write(len(self._at))
        self.requests = sum(self._blocks)
        self._numbers = {}

    def close(self) -> None:
        self._file.close()

    def complain(self, name: str, number: int, what: str) -> None:
        self.bad += 1
        if len(self.bad_lines) < _SHOWN:
            self.bad_lines.append((name, number, what))

    def __iter__(self) -> Iterator[tuple[float, int]]:
        self._file.seek(0)
        for count in self._blocks:
            at, key = array("d"), array("I")
            at.frombytes(self._file.read(count * at.itemsize))
            key.frombytes(self._file.read(count * key.itemsize))
            place = self._file.tell()
            yield from zip(at, key)
            self._file.seek(place)  # another pass may have been begun in between

    def _write(self, count: int) -> None:
        """The earliest `count` of those at hand, in order."""
        at, key = self._at, self._key
        order = sorted(range(len(at)), key=at.__getitem__)
        at, key = array("d", [at[place] for place in order]), array("I", [key[place] for place in order])
        self._at, self._key, at, key = at[count:], key[count:], at[:count], key[:count]
        for place, at_s in enumerate(at):
            if at_s >= self._reached_s:
                break
            at[place] = self._reached_s
            self.late += 1
        if at:
            self._reached_s = at[-1]
            self._blocks.append(len(at))
            self._file.write(at.tobytes() + key.tobytes())


def read_logs(events: LogEvents, names: Sequence[str], by: str) -> None:
    """Add the requests of the files; `-` is standard input. Raises UsageError where one cannot be read."""
    key_of, progress = BY.get(by) or _field(by), _Progress()
    for name in names if len(names) == 1 else sorted(names, key=_begins_s):
        number = 0
        try:
            with _opened(name) as file:
                while raw := file.readline(_LONGEST_LINE):
                    number += 1
                    whole = raw.endswith(b"\n")
                    while not whole and len(raw) == _LONGEST_LINE and (more := file.readline(_LONGEST_LINE)):
                        whole = more.endswith(b"\n")  # the rest of a line that is too long
                    _read(events, name, number, raw, key_of)
                    if not number % 8192:
                        progress.show(events.lines)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            events.complain(name, number + 1, f"the rest cannot be decompressed: {error}")
        except OSError as error:
            raise UsageError(f"{name}: {error.strerror or error}") from None
    progress.end()
    try:
        events.finish()
    except OSError as error:
        raise UsageError(f"no room for the requests of the logs: {error.strerror or error}") from None


def _read(events: LogEvents, name: str, number: int, raw: bytes, key_of: Callable[[LogLine], str]) -> None:
    text = raw.decode("utf-8", "surrogateescape")
    if not text.strip():
        return
    events.lines += 1
    line = read_line(text) if len(raw) < _LONGEST_LINE else "a line of 64 KiB and more"
    if isinstance(line, str):
        events.complain(name, number, line)
    elif key := key_of(line):
        events.add(line, key)
    else:
        events.without_key += 1


def _field(by: str) -> Callable[[LogLine], str]:
    _, _, name = by.partition(":")
    return lambda line: line.field(name)


def _begins_s(name: str) -> float:
    """The time of a file's first line that has one."""
    if name == "-":
        return 0.0
    try:
        with _opened(name) as file:
            for _ in range(100):
                line = read_line(file.readline(_LONGEST_LINE).decode("utf-8", "surrogateescape"))
                if isinstance(line, LogLine):
                    return line.at_s
    except (OSError, EOFError, zlib.error):
        pass  # it is said when the file is read
    return 0.0


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    """A file, decompressed where it is gzip's."""
    try:
        file = BufferedReader(FileIO(sys.stdin.fileno(), closefd=False) if name == "-" else FileIO(name))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    with file:
        if file.peek(2)[:2] == _GZIP:
            with gzip.open(file) as decompressed:
                yield cast("IO[bytes]", decompressed)
        else:
            yield file


class _Progress:
    """How far it is, twice a second, where somebody looks."""

    def __init__(self) -> None:
        self._on, self._next, self._said = sys.stderr.isatty(), SYSTEM.monotonic() + 0.5, False

    def show(self, lines: int) -> None:
        if self._on and SYSTEM.monotonic() >= self._next:
            self._next, self._said = SYSTEM.monotonic() + 0.5, True
            print(f"\r{lines:,} lines", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._said:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
