"""One range of bytes of a stored response (RFC 9110 section 14). Several at once are answered with the whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = ["Span", "span_of"]

_ONE: Final = re.compile(rb"[ \t]*bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)


class Span(NamedTuple):
    """Bytes `start` to `end`, the last one not among them. An empty span cannot be satisfied."""

    start: int
    end: int


def span_of(values: Sequence[bytes], length: int) -> Span | None:
    """What a Range asks for of so many bytes; None where the whole is the answer."""
    match = _ONE.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        if not last:
            return None
        many = min(int(last), length)
        return Span(length - many, length)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= length:
        return Span(0, 0)
    return Span(start, min(int(last) + 1, length) if last else length)
