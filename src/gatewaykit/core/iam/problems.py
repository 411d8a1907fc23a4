"""What is wrong with a policy document, collected while it is read."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from gatewaykit.errors import Problem

__all__ = ["Problems", "shown"]

_MOST = 100  # of the problems of one document that are told; a document may have ten thousand


class Problems:
    """The problems of one document, each with its path."""

    __slots__ = ("_found", "_more")

    def __init__(self) -> None:
        self._found: list[Problem] = []
        self._more = 0

    def add(self, where: str, what: str, *, mend: str = "", word: object = None, known: Iterable[str] = ()) -> None:
        """Add one. `word` is what stands there in place of one of `known`: the nearest of them is told, or all."""
        if len(self._found) == _MOST:
            self._more += 1
            return
        near = ""
        if word is not None:
            by_lower = {each.lower(): each for each in known}
            close = get_close_matches(str(word)[:100].lower(), by_lower, n=1, cutoff=0.6)
            near = by_lower[close[0]] if close else ""
            mend = "" if near else mend or f"Known are {', '.join(known)}"
        self._found.append(Problem(where=where, what=what, mend=mend, near=near))

    @staticmethod
    def path(where: str, name: object) -> str:
        """The path of a member of what stands at `where`."""
        text = str(name)
        text = text if text.isprintable() and len(text) <= 100 else shown(text)
        return f"{where}.{text}" if where else text

    def all(self) -> tuple[Problem, ...]:
        more = (Problem(where="", what=f"and {self._more} more problems"),) if self._more else ()
        return (*self._found, *more)


def shown(value: object) -> str:
    """A value of a document in a message, cut short."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"
