"""Near misses: the name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["near_miss"]

_MAX_WORD = 100  # longer words are no typing mistakes, and comparing them is quadratic in their length


def near_miss(word: str, choices: Iterable[str]) -> str:
    """The choice nearest to `word`, in any casing; "" when none is near."""
    if len(word) > _MAX_WORD:
        return ""
    by_lower = {choice.lower(): choice for choice in choices if len(choice) <= _MAX_WORD}
    found = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""
