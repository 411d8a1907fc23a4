"""Patterns of schemas in time that grows with the text, whatever pattern and text.

Python's engine backtracks: `(a+)+$` takes twice as long for each `a` more, and even `\\s+$` looks at a text of spaces
once for each of them. So a pattern is read as what it is, a regular expression, and becomes the automaton of its
positions (Glushkov's). Where that shows that backtracking never has two ways to go on, Python's engine is used.
Otherwise the automaton itself is run over the text.

Patterns that are more than regular (look-around, references, anchors inside), or that count far, stay with Python's
engine. They are refused where a repetition has two ways through the same text, which is what takes for ever.

The patterns here are Python's, as `ecma_regex` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

__all__ = ["MAX_POSITIONS", "bounded_search"]

MAX_POSITIONS: Final = 1000
MAX_COMPARED: Final = 100_000
MAX_COPIES: Final = 100
MAX_REMEMBERED: Final = 10_000

Search = Callable[[str], bool]

_TOKEN: Final = re.compile(
    r"""(?sx)
      (?P<set> \[ \^? (?: \\. | [^\]\\] )* \] | \\u[0-9A-Fa-f]{4} | \\x[0-9A-Fa-f]{2} )
    | (?P<edge> \\[bBZ] | \^ )
    | (?P<back> \\\d+ )
    | (?P<around> \(\?<?[=!] )
    | (?P<open> \( (?: \?: | \?P<[^>]*> )? )
    | (?P<close> \) )
    | (?P<or> \| )
    | (?P<times> (?: [*+?] | \{ \d+ (?: ,\d* )? \} ) [?+]? )
    | (?P<one> \\. | . )"""
)
_EDGES_OF_CLASSES: Final = "\t\n\r\x1c /09:@AZ[_`az{\x7f\x85\xa0\xe9\u2028\u2029\U0001f600"
_FOR_EVER: Final = "a repetition has two ways through the same text, which may take for ever to try"


def bounded_search(pattern: str) -> Search | ValueError | None:
    """How to search for a pattern: with what is given; with Python's engine (None); or not at all."""
    tokens = [(str(match.lastgroup), match[0]) for match in _TOKEN.finditer(pattern.removeprefix("(?a)"))]
    starts, ends = tokens[:1] == [("edge", "^")], tokens[-1:] == [("edge", r"\Z")]
    tree = _Tree(tokens[starts : len(tokens) - ends])
    node = tree.alternatives()
    try:
        automaton = _Automaton(node, tokens)
    except _TooLarge:
        return ValueError(f"a pattern stands for {MAX_POSITIONS} characters at most, repetitions counted")
    if automaton.is_deterministic and (starts or not tree.is_endless):
        return None
    if (
        tree.is_regular and automaton.is_exact and not (tree.is_split and (starts or ends))
    ):  # ^a|b$: each anchor belongs to one side
        return automaton.search(starts, ends)
    return ValueError(_FOR_EVER) if automaton.is_exponential() else None


class _TooLarge(Exception):
    pass


_Node = tuple[str, Any]
"""("set", pattern of a character), ("all", nodes), ("any", nodes) or ("times", (node, least, most or None))."""


class _Tree:
    """The tokens as a tree. An edge counts as nothing, a look-around as something that may be left out."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._at, self._depth = tokens, 0, 0
        self.is_regular = True
        self.is_split = self.is_endless = False

    def alternatives(self) -> _Node:
        branches: list[list[_Node]] = [[]]
        while self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            self._at += 1
            branch = branches[-1]
            if kind == "close":
                break
            if kind == "or":
                self.is_split |= self._depth == 0
                branches.append([])
            elif kind in ("open", "around"):
                self._depth += 1
                inner = self.alternatives()
                self._depth -= 1
                branch.append(inner if kind == "open" else ("any", [inner, ("all", [])]))
            elif kind == "times":
                branch.append(("times", (branch.pop(), *self._bounds(text))))
            else:
                branch.append(("all", []) if kind == "edge" else ("set", "[^\\n]" if kind == "back" else text))
            self.is_regular &= kind not in ("edge", "back", "around")
        return ("any", [("all", branch) for branch in branches])

    def _bounds(self, text: str) -> tuple[int, int | None]:
        if text[0] in "*+?":
            least, most = int(text[0] == "+"), 1 if text[0] == "?" else None
        else:
            low, comma, high = text[1 : text.index("}")].partition(",")
            least, most = int(low), int(high) if high else None if comma else int(low)
        self.is_endless |= most is None
        return least, most


_Part = tuple[bool, int, int]
"""Whether it may be nothing at all, the positions it may begin with, and those it may end with."""

_NOTHING: Final[_Part] = (True, 0, 0)


class _Automaton:
    """The positions of a pattern, and which may follow which. Sets of positions are the bits of a number."""

    def __init__(self, node: _Node, tokens: Iterable[tuple[str, str]]) -> None:
        self.is_exact = True
        self._is_ambiguous = False
        self._follow: list[int] = []
        self._kinds: list[int] = []  # of each position, the number of its set of characters
        self._sets: list[re.Pattern[str]] = []
        self._masks: list[int] = []  # of each set, which of the alphabet are in it
        self._known: dict[str, int] = {}
        self._alphabet = _alphabet("".join(text for _, text in tokens))
        self._nullable, self._first, self._last = self._build(node)

    # ------------------------------------------------------------------------------------------------ building

    def _build(self, node: _Node) -> _Part:
        kind, inside = node
        if kind == "set":
            return self._position(inside)
        whole = _NOTHING
        if kind == "all":
            for part in inside:
                whole = self._then(whole, self._build(part))
        elif kind == "any":
            parts = [self._build(part) for part in inside]
            self._is_ambiguous |= sum(nullable for nullable, _, _ in parts) > 1
            whole = parts[0]
            for nullable, first, last in parts[1:]:
                whole = whole[0] or nullable, whole[1] | first, whole[2] | last
        else:
            inner, least, most = inside
            if max(least, most or 0) > MAX_COPIES and inner[0] == "set":
                least, most, self.is_exact = min(least, 1), None, False
            copies = [self._build(inner) for _ in range(max(least, 1) if most is None else most)]
            if most is None:
                self._link(copies[-1][2], copies[-1][1])
            elif most > 1:
                self._is_ambiguous |= copies[0][0]
            for number in reversed(range(len(copies))):  # x{0,2} is (x(x)?)?
                nullable, first, last = self._then(copies[number], whole)
                whole = nullable or number >= least, first, last
        return whole

    def _position(self, text: str) -> _Part:
        number = len(self._follow)
        if number == MAX_POSITIONS:
            raise _TooLarge
        if text not in self._known:
            self._known[text] = len(self._sets)
            characters = re.compile(f"(?a){text}")
            self._sets.append(characters)
            found = (1 << bit for bit, character in enumerate(self._alphabet) if characters.fullmatch(character))
            self._masks.append(sum(found))
        self._kinds.append(self._known[text])
        self._follow.append(0)
        return False, 1 << number, 1 << number

    def _then(self, part: _Part, other: _Part) -> _Part:
        self._link(part[2], other[1])
        first = part[1] | other[1] if part[0] else part[1]
        last = part[2] | other[2] if other[0] else other[2]
        return part[0] and other[0], first, last

    def _link(self, last: int, first: int) -> None:
        for position in _bits(last):
            self._is_ambiguous |= self._follow[position] & first != 0
            self._follow[position] |= first

    # ------------------------------------------------------------------------------------------------ judging

    @property
    def is_deterministic(self) -> bool:
        """Whether a character never leaves two ways to go on."""
        return not self._is_ambiguous and all(map(self._are_apart, {self._first, *self._follow}))

    def _are_apart(self, positions: int) -> bool:
        seen = 0
        for position in _bits(positions):
            mask = self._masks[self._kinds[position]]
            if seen & mask:
                return False
            seen |= mask
        return True

    def is_exponential(self) -> bool:
        """Whether some loop can be gone in two ways with the same text; or whether it is too much to find out."""
        reached = [self._reached(position) for position in range(len(self._follow))]
        known = 0
        for start, positions in enumerate(reached):
            loop = sum(1 << position for position in _bits(positions) if reached[position] >> start & 1)
            if loop & ~known and (self._is_ambiguous or self._has_two_ways(start, loop)):
                return True
            known |= loop
        return False

    def _reached(self, start: int) -> int:
        seen, waiting = 0, self._follow[start]
        while waiting:
            seen |= waiting
            after = 0
            for position in _bits(waiting):
                after |= self._follow[position]
            waiting = after & ~seen
        return seen

    def _has_two_ways(self, start: int, loop: int) -> bool:
        """Whether two different ways with the same text lead from a position within its loop to it again."""
        seen: set[tuple[int, int]] = set()  # pairs that two ways are at after the same text, and have been apart
        waiting = [(start, start, False)]
        together = {start}
        while waiting and len(seen) <= MAX_COMPARED:
            one, other, were_apart = waiting.pop()
            for a, b in self._pairs(self._follow[one] & loop, self._follow[other] & loop):
                if were_apart or a != b:
                    if a == b == start:
                        return True
                    if (a, b) not in seen:
                        seen.add((a, b))
                        waiting.append((a, b, True))
                elif a not in together:
                    together.add(a)
                    waiting.append((a, a, False))
        return bool(waiting)

    def _pairs(self, some: int, others: int) -> Iterator[tuple[int, int]]:
        """Pairs of positions that may stand for the same character."""
        for a in _bits(some):
            mask = self._masks[self._kinds[a]]
            for b in _bits(others):
                if mask & self._masks[self._kinds[b]]:
                    yield a, b

    # ------------------------------------------------------------------------------------------------ running

    def search(self, starts: bool, ends: bool) -> Search:
        """The automaton, run over a text; what it learns on the way is remembered. `starts`, `ends`: ^ and $."""
        if self._nullable and not (starts and ends):
            return lambda text: True
        end, empty_matches = self._last, self._nullable
        beginning = 1 << len(self._follow)  # a position of its own, before the first
        follow = [*self._follow, self._first]
        always = 0 if starts else beginning
        of_kind = [sum(1 << p for p, kind in enumerate(self._kinds) if kind == k) for k in range(len(self._sets))]
        characters: dict[str, int] = {}  # -> the positions that may stand for it
        steps: dict[tuple[int, int], int] = {}

        def look_up(character: str) -> int:
            if len(characters) >= MAX_REMEMBERED:
                characters.clear()
            found = (mask for mask, kind in zip(of_kind, self._sets, strict=True) if kind.fullmatch(character))
            characters[character] = positions = sum(found)
            return positions

        def step(state: int, positions: int) -> int:
            if len(steps) >= MAX_REMEMBERED:
                steps.clear()
            possible = 0
            for position in _bits(state):
                possible |= follow[position]
            steps[state, positions] = after = (possible & positions) | always
            return after

        def search(text: str) -> bool:
            state = beginning
            for character in text:
                positions = characters.get(character)
                if positions is None:
                    positions = look_up(character)
                after = steps.get((state, positions))
                state = step(state, positions) if after is None else after
                if state & end and not ends:
                    return True
                if not state:
                    return False
            return state & end != 0 or (empty_matches and not text)

        return search


def _bits(positions: int) -> Iterator[int]:
    while positions:
        lowest = positions & -positions
        yield lowest.bit_length() - 1
        positions ^= lowest


def _alphabet(pattern: str) -> list[str]:
    """A character of every kind that the sets of a pattern can tell apart: their edges, and what is next to those."""
    numbers = re.findall(r"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})", pattern)
    edges = {*pattern, *_EDGES_OF_CLASSES, *(chr(int(long or short, 16)) for long, short in numbers)}
    near = {code for edge in edges for code in (ord(edge) - 1, ord(edge), ord(edge) + 1)}
    return [chr(code) for code in sorted(near) if 0 <= code <= 0x10FFFF]
