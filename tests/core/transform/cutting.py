"""Text and bytes in pieces, and what a reader makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from gatewaykit.core.transform.unusable import Unusable

T = TypeVar("T", str, bytes)


def pieces(whole: T, cuts: Sequence[int]) -> list[T]:
    """`whole`, cut at some places; the last piece may be empty."""
    marks = sorted({min(cut, len(whole)) for cut in cuts})
    return [whole[begin:end] for begin, end in zip([0, *marks], [*marks, len(whole)], strict=True)]


def fed(reader: Any, whole: T, cuts: Sequence[int]) -> Any:
    """All that a reader or transformer gives for the pieces; an Unusable as soon as it gives one."""
    given: Any = None
    every = pieces(whole, cuts)
    for position, piece in enumerate(every):
        made = reader.feed(piece, position + 1 < len(every))
        if isinstance(made, Unusable):
            return made
        given = made if given is None else given + made
    return given
