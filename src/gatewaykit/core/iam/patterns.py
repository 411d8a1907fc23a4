"""Wildcards of policies: `*` stands for any run of characters, `?` for one.

IAM user guide, "JSON policy elements: Resource". A pattern is a tuple of atoms. No pattern makes matching explode: the
pieces between the `*` are found one after the other, each at its leftmost place, so nothing is ever tried again. A piece
without `?` is found by `str.find`, one with `?` by shifting one big number along the text (Baeza-Yates and Gonnet,
"A new approach to text searching", 1992).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Final, TypeAlias

__all__ = ["ANY_ONE", "ANY_RUN", "Atom", "Wild", "any_text", "compile_pattern", "compile_patterns", "read_pattern"]


class Wild(Enum):
    """What is not literal in a pattern."""

    RUN = "*"
    ONE = "?"


ANY_RUN: Final = Wild.RUN
ANY_ONE: Final = Wild.ONE
Atom: TypeAlias = "str | Wild"
Test: TypeAlias = Callable[[str], bool]


def read_pattern(text: str) -> tuple[Atom, ...]:
    """The atoms of a pattern as it is written."""
    atoms: list[Atom] = []
    begin = 0
    for index, character in enumerate(text):
        if character in "*?":
            if begin < index:
                atoms.append(text[begin:index])
            atoms.append(Wild(character))
            begin = index + 1
    if begin < len(text):
        atoms.append(text[begin:])
    return tuple(atoms)


def any_text(text: str) -> bool:
    """The test of the pattern `*`."""
    return True


def compile_patterns(patterns: Iterable[Sequence[Atom]]) -> Test:
    """A test that is true for texts that one of the patterns matches whole."""
    exact, prefixes, others = set(), [], []
    for atoms in patterns:
        if all(isinstance(atom, str) for atom in atoms):
            exact.add("".join(map(str, atoms)))
        elif atoms[-1] is ANY_RUN and all(isinstance(atom, str) for atom in atoms[:-1]):
            prefixes.append("".join(map(str, atoms[:-1])))
        else:
            others.append(compile_pattern(atoms))
    begins, equal = tuple(prefixes), frozenset(exact)
    if "" in begins:
        return any_text
    if not others:
        if not begins:
            return equal.__contains__
        if not equal:
            return lambda text: text.startswith(begins)
    return lambda text: text in equal or text.startswith(begins) or any(test(text) for test in others)


def compile_pattern(atoms: Sequence[Atom]) -> Test:
    """A test that is true for texts that the pattern matches whole."""
    pieces: list[list[Atom]] = [[]]
    for atom in atoms:
        if atom is ANY_RUN:
            pieces.append([])
        else:
            pieces[-1].append(atom)
    least = sum(map(_length, pieces))
    if len(pieces) == 1:
        whole = _Piece(pieces[0])
        return lambda text: len(text) == least and whole.stands_at(text, 0)
    first, last = _Piece(pieces[0]), _Piece(pieces[-1])
    middle = [_Piece(piece) for piece in pieces[1:-1] if piece]

    def test(text: str) -> bool:
        if len(text) < least or not first.stands_at(text, 0):
            return False
        end = len(text) - last.length
        if not last.stands_at(text, end):
            return False
        at = first.length
        for piece in middle:
            at = piece.find(text, at, end)
            if at < 0:
                return False
            at += piece.length
        return at <= end

    return test


class _Piece:
    """What stands between two `*`: literals, and `?` for any one character."""

    __slots__ = ("_fits", "_last", "_literal", "_ones", "_runs", "length")

    def __init__(self, atoms: Sequence[Atom]) -> None:
        self.length = _length(atoms)
        self._literal = "".join(atom for atom in atoms if isinstance(atom, str))
        self._runs: list[tuple[int, str]] = []
        at = 0
        for atom in atoms:
            if isinstance(atom, str):
                self._runs.append((at, atom))
            at += len(atom) if isinstance(atom, str) else 1
        self._ones = 0  # a bit for each place where any character stands
        self._fits: dict[str, int] = {}
        self._last = 1 << max(self.length - 1, 0)
        if len(self._literal) != self.length and self._literal:
            self._read(atoms)

    def _read(self, atoms: Sequence[Atom]) -> None:
        places: dict[str, bytearray] = {}
        size = (self.length + 7) // 8
        ones = bytearray(size)
        at = 0
        for atom in atoms:
            for character in atom if isinstance(atom, str) else " ":
                row = places.setdefault(character, bytearray(size)) if isinstance(atom, str) else ones
                row[at >> 3] |= 1 << (at & 7)
                at += 1
        self._ones = int.from_bytes(ones, "little")
        self._fits = {character: int.from_bytes(row, "little") | self._ones for character, row in places.items()}

    def stands_at(self, text: str, at: int) -> bool:
        return all(text.startswith(run, at + offset) for offset, run in self._runs)

    def find(self, text: str, begin: int, end: int) -> int:
        """The leftmost place in `text[begin:end]`, or -1."""
        if len(self._literal) == self.length:
            return text.find(self._literal, begin, end)
        if not self._literal:
            return begin if begin + self.length <= end else -1
        state, fits, ones, last = 0, self._fits, self._ones, self._last
        for at in range(begin, end):
            state = (state << 1 | 1) & fits.get(text[at], ones)
            if state & last:
                return at - self.length + 1
        return -1


def _length(atoms: Sequence[Atom]) -> int:
    return sum(len(atom) if isinstance(atom, str) else 1 for atom in atoms)
