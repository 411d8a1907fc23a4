"""Reading what a request has cost from its response, while that passes: a number in JSON, or in a stream of events.

A stream is one of server-sent events (WHATWG HTML, "Server-sent events") or of lines of JSON. The last number counts:
services that are paid by the token say how many at the end. What is held is bounded; a body or a line that is longer
says nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import ceil, isfinite
from typing import Any, Final, TypeAlias

from gatewaykit.core.jsonpath import Path

__all__ = ["Reader", "amount_of", "reader_of"]

LONGEST_BODY: Final = 1024 * 1024
LONGEST_LINE: Final = 256 * 1024
_JSON: Final = re.compile(r"application/(?:[\w.+-]+\+)?json(?:[ \t]*;.*)?", re.ASCII | re.IGNORECASE)
_LINES: Final = ("application/x-ndjson", "application/jsonl", "application/json-lines")
_LAST_NAME: Final = re.compile(r"\.([A-Za-z_][\w-]*)$", re.ASCII)

Reader: TypeAlias = "_Whole | _Lines"


def reader_of(path: Path, content_type: str) -> Reader | None:
    """What reads a body of a media type; None for one that has no such number."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return _Lines(path, b"data:")
    if kind in _LINES:
        return _Lines(path, b"")
    return _Whole(path) if _JSON.fullmatch(content_type.strip()) else None


def amount_of(value: Any, most: int) -> int | None:
    """A number as a whole amount, rounded up, at most `most`. None for what is none, or less than 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value) or value < 0:
        return None
    return min(most, ceil(value))


class _Whole:
    """A body of JSON."""

    def __init__(self, path: Path) -> None:
        self._find, self._parts, self._size = path.find, list[bytes](), 0

    def feed(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= LONGEST_BODY:
            self._parts.append(chunk)

    def value(self) -> Any:
        """What the body said; None where it said nothing."""
        return _found(self._find, b"".join(self._parts)) if self._size <= LONGEST_BODY else None


class _Lines:
    """A stream of lines, each with JSON behind a prefix."""

    def __init__(self, path: Path, prefix: bytes) -> None:
        name = _LAST_NAME.search(path.text)
        self._find, self._prefix, self._hint = path.find, prefix, name[1].encode() if name else b""
        self._begun, self._size = list[bytes](), 0  # of the line that has not ended
        self._value: Any = None

    def feed(self, chunk: bytes) -> None:
        first, *lines = chunk.replace(b"\r", b"\n").split(b"\n")
        self._begin(first)
        if lines:
            if self._size <= LONGEST_LINE:
                self._read(b"".join(self._begun))
            for line in lines[:-1]:
                self._read(line)
            self._begun, self._size = [], 0
            self._begin(lines[-1])

    def value(self) -> Any:
        """The last that a line said; None where none did."""
        self.feed(b"\n")
        return self._value

    def _begin(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= LONGEST_LINE:
            self._begun.append(part)
        else:
            self._begun.clear()

    def _read(self, line: bytes) -> None:
        if line.startswith(self._prefix) and self._hint in line:
            value = _found(self._find, line[len(self._prefix) :])
            self._value = self._value if value is None else value


def _found(find: Callable[[Any], Any], text: bytes) -> Any:
    try:
        value = find(json.loads(text))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
