"""Wildcards of policies: `*` stands for any run of characters, `?` for one.

IAM user guide, "JSON policy elements: Resource". A pattern is a tuple of atoms. No pattern makes matching explode: the
pieces between the `*` are found one after the other, each at its leftmost place, so nothing is ever tried again. A
piece without `?` is found by `str.find`, one with `?` by shifting one big number along the text (Baeza-Yates and
Gonnet, "A new approach to text searching", 1992).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Final, TypeAlias

__all__ = ["ANY_RUN", "Atom", "Test", "Wild", "any_text", "compile_pattern", "compile_patterns", "read_pattern"]


class Wild(Enum):
    """What is not literal in a pattern."""

    RUN = "*"
    ONE = "?"


ANY_RUN: Final = Wild.RUN
Atom: TypeAlias = "str | Wild"
Test: TypeAlias = Callable[[str], bool]


def read_pattern(text: str) -> tuple[Atom, ...]:
    """The atoms of a pattern as it is written."""
    return tuple(_WILD.get(atom, atom) for atom in _ATOM.findall(text))


_ATOM: Final = re.compile(r"[^*?]+|[*?]")
_WILD: Final[dict[str, Atom]] = {wild.value: wild for wild in Wild}


def any_text(text: str) -> bool:
    """The test of the pattern `*`."""
    return True


def compile_patterns(patterns: Iterable[Sequence[Atom]]) -> Test:
    """A test that is true for texts that one of the patterns matches whole."""
    exact: set[str] = set()
    prefixes: list[str] = []
    inners: list[str] = []
    spans: list[tuple[str, str, int]] = []
    others: list[Test] = []
    for atoms in patterns:
        pieces = _pieces(atoms)
        match [piece.literal for piece in pieces]:
            case [str(whole)]:
                exact.add(whole)
            case [str(begin), ""]:
                prefixes.append(begin)
            case ["", str(inner), ""]:
                inners.append(inner)
            case [str(begin), str(inner), ""]:  # arn:…:api/stage/*/orders/*
                spans.append((begin, inner, len(begin)))
            case _:
                others.append(_test_of(pieces))
    if "" in prefixes:
        return any_text
    tests: list[Test] = [frozenset(exact).__contains__] if exact or not (prefixes or inners or spans or others) else []
    if prefixes:
        begins = prefixes[0] if len(prefixes) == 1 else tuple(prefixes)
        tests.append(lambda text: text.startswith(begins))
    tests += map(_containing, inners)
    tests += others
    if len(tests) == 1 and not spans:
        return tests[0]
    if len(spans) == 1 and not tests:
        ((start, within, skipped),) = spans
        return lambda text: text.startswith(start) and text.find(within, skipped) >= 0

    def test(text: str) -> bool:  # loops, because any() costs more than what it asks
        for begin, inner, at in spans:
            if text.startswith(begin) and text.find(inner, at) >= 0:
                return True
        for one in tests:  # noqa: SIM110 - as above
            if one(text):
                return True
        return False

    return test


def _containing(inner: str) -> Test:
    return lambda text: inner in text


def compile_pattern(atoms: Sequence[Atom]) -> Test:
    """A test that is true for texts that the pattern matches whole."""
    return compile_patterns((atoms,))


def _pieces(atoms: Sequence[Atom]) -> list[_Piece]:
    """What stands before, between and behind the `*`."""
    pieces: list[list[Atom]] = [[]]
    for atom in atoms:
        if atom is ANY_RUN:
            pieces.append([])
        else:
            pieces[-1].append(atom)
    return [_Piece(piece) for index, piece in enumerate(pieces) if piece or index in (0, len(pieces) - 1)]


def _test_of(pieces: Sequence[_Piece]) -> Test:
    first, middle, last = pieces[0], pieces[1:-1], pieces[-1]
    least = sum(piece.length for piece in pieces)
    if len(pieces) == 1:
        return lambda text: len(text) == least and first.stands_at(text, 0)

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
        return True

    return test


class _Piece:
    """Literals, and `?` for any one character. `literal` is the whole of it; None where there are `?`."""

    __slots__ = ("_fits", "_last", "_ones", "_runs", "length", "literal")

    def __init__(self, atoms: Sequence[Atom]) -> None:
        literals = [atom for atom in atoms if isinstance(atom, str)]
        if len(literals) == len(atoms):
            self.literal: str | None = "".join(literals)
            self.length = len(self.literal)
            self._runs: list[tuple[int, str]] = [(0, self.literal)]
        else:
            self.literal = None
            self._read(atoms)

    def _read(self, atoms: Sequence[Atom]) -> None:
        self.length = sum(len(atom) if isinstance(atom, str) else 1 for atom in atoms)
        self._runs = []
        places: dict[str, bytearray] = {}  # a bit for each place where this character may stand
        size = (self.length + 7) // 8
        ones = bytearray(size)  # and for each where any may
        at = 0
        for atom in atoms:
            if isinstance(atom, str):
                self._runs.append((at, atom))
            for character in atom if isinstance(atom, str) else "?":
                row = places.setdefault(character, bytearray(size)) if isinstance(atom, str) else ones
                row[at >> 3] |= 1 << (at & 7)
                at += 1
        self._ones = int.from_bytes(ones, "little")
        self._fits = {character: int.from_bytes(row, "little") | self._ones for character, row in places.items()}
        self._last = 1 << (at - 1)

    def stands_at(self, text: str, at: int) -> bool:
        return all(text.startswith(run, at + offset) for offset, run in self._runs)

    def find(self, text: str, begin: int, end: int) -> int:
        """The leftmost place in `text[begin:end]`, or -1."""
        if self.literal is not None:
            return text.find(self.literal, begin, end)
        if not self._runs:
            return begin if begin + self.length <= end else -1
        state, fits, ones, last = 0, self._fits, self._ones, self._last
        for at in range(begin, end):
            state = (state << 1 | 1) & fits.get(text[at], ones)
            if state & last:
                return at - self.length + 1
        return -1
