"""Matching with patterns that a template brings along: it ends, whatever the pattern and the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from gatewaykit.core.vtl.linear_regex import MAX_STEPS, Spans, TooLong, degree, linear_regex
from gatewaykit.core.vtl.values import Failure

__all__ = ["find_all", "matches"]

MAX_COST: Final = 5_000_000
"""Steps that Python's engine may take for one call: a few tenths of a second."""

MAX_MATCHES: Final = 1_000_000

_linear: Final = lru_cache(maxsize=256)(linear_regex)


@lru_cache(maxsize=1024)
def _longest(pattern: re.Pattern[str], *, anchored: bool) -> int:
    """The longest text that is for Python's engine."""
    power = degree(pattern, anchored=anchored)
    return 16 if power is None else int(MAX_COST ** (1 / power))


def matches(pattern: re.Pattern[str], text: str) -> bool:
    """Whether the whole text matches. Raises Failure when that takes too long."""
    if len(text) <= _longest(pattern, anchored=True):
        return pattern.fullmatch(text) is not None
    linear = _linear(pattern)
    if linear is None:
        raise _too_long(pattern, text)
    try:
        return linear.matches(text)
    except TooLong:
        raise _too_long(pattern, text) from None


def find_all(pattern: re.Pattern[str], text: str) -> Iterator[Spans]:
    """Each match from the left, as Java goes on: behind the match, one further if it is empty. Raises Failure."""
    linear = None
    if len(text) > _longest(pattern, anchored=False):
        linear = _linear(pattern)
        if linear is None:
            raise _too_long(pattern, text)
    steps = [MAX_STEPS]
    at = count = 0
    while at <= len(text):
        count += 1
        if count > MAX_MATCHES:
            raise Failure(f"more than {MAX_MATCHES} matches of the regular expression {pattern.pattern!r}")
        if linear:
            try:
                spans = linear.search(text, at, steps)
            except TooLong:
                raise _too_long(pattern, text) from None
        else:
            found = pattern.search(text, at)
            spans = found.regs if found else None
        if spans is None:
            return
        yield spans
        start, at = spans[0]
        at += start == at


def _too_long(pattern: re.Pattern[str], text: str) -> Failure:
    return Failure(f"the regular expression {pattern.pattern!r} takes too long on a text of {len(text)} characters")
