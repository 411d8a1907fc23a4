"""Regular expressions in time that the text's length bounds: all ways through the pattern at once, as a set of threads.

Python's engine tries one way after the other; `(a+)+$` on thirty letters takes it minutes. Where a pattern may do that
on a text, this engine takes its place: slower by far on what is harmless, with the same matches and groups. It takes
the tree that Python's own parser makes of a pattern, and leaves single characters and anchors to Python's engine.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any, Final

__all__ = ["LinearRegex", "Spans", "TooLong", "degree", "linear_regex"]

MAX_INSTRUCTIONS: Final = 2_000
MAX_CHOICES: Final = 12
"""Each may double what a match costs."""

MAX_STEPS: Final = 1_000_000
"""Of one call over one text: about a second."""

# importable and the same from Python 3.11 on, without being public: the parser's tree has no public form
_PARSER: Final[Any] = importlib.import_module("re._parser")
_COMPILER: Final[Any] = importlib.import_module("re._compiler")
_OP: Final[Any] = importlib.import_module("re._constants")

_CHARACTERS: Final = frozenset((_OP.LITERAL, _OP.NOT_LITERAL, _OP.ANY, _OP.IN))
_ANCHORS: Final = frozenset((_OP.AT, _OP.ASSERT, _OP.ASSERT_NOT))
_REPEATS: Final = frozenset((_OP.MAX_REPEAT, _OP.MIN_REPEAT, _OP.POSSESSIVE_REPEAT))

Test = Callable[[str, int], object]
Spans = tuple[tuple[int, int], ...]
"""Start and end of each group, the whole match first; -1 for a group that took no part."""

Slots = tuple[int, ...]


class TooLong(Exception):
    """A match that takes too many steps."""


def degree(pattern: re.Pattern[str], *, anchored: bool) -> int | None:
    """The power of the text's length that bounds what a match costs Python's engine; None when nothing does."""
    items = [*_PARSER.parse(pattern.pattern, pattern.flags)]
    if not anchored and items and items[-1][0] in _REPEATS and _repeats(items[-1][1][-1]) == 0:
        items.pop()  # nothing comes after it that could fail
    repeats = _repeats(items)
    if repeats is None or _choices(items) > MAX_CHOICES:
        return None
    return max(repeats if anchored or not repeats or _is_steady(items) else repeats + 1, 1)


def _is_steady(items: list[Any]) -> bool:
    """Whether a pattern begins with a character that none of its repeats goes over, nor over what follows the repeat.

    That is `"[^"]*"` and its kin: no two attempts go over the same text.
    """
    if items[0][0] is not _OP.LITERAL:
        return False
    for (op, value), (after, character) in zip(items, [*items[1:], (None, None)]):
        if op in _REPEATS:
            body = value[-1]
            if len(body) != 1 or body[0][0] not in (_OP.LITERAL, _OP.NOT_LITERAL, _OP.IN) or after is not _OP.LITERAL:
                return False
            test = _COMPILER.compile(_PARSER.SubPattern(_PARSER.State(), [*body]), 0)
            if test.match(chr(items[0][1])) or test.match(chr(character)):
                return False
        elif op not in _CHARACTERS:
            return False
    return True


def _repeats(items: Any) -> int | None:
    """Open repeats one after the other; None when one is inside another, or chooses each time round."""
    count = 0
    for op, value in items:
        inner: int | None = 0
        if op in _REPEATS:
            low, high, body = value
            inner = _repeats(body)
            if inner is None or (high - low > 1 and (inner or _has_choice(body))):
                return None
            inner *= max(low, 1)
            count += high - low > 1
        elif op is _OP.BRANCH:
            ways = [_repeats(way) for way in value[1]]
            inner = None if None in ways else max([way or 0 for way in ways])
        elif op is _OP.SUBPATTERN or op in (_OP.ASSERT, _OP.ASSERT_NOT):
            inner = _repeats(value[-1])
        elif op is _OP.ATOMIC_GROUP:
            inner = _repeats(value)
        elif op is _OP.GROUPREF:
            inner = 1
        if inner is None:
            return None
        count += inner
    return count


def _choices(items: Any) -> int:
    """How often a match chooses, at most, without its open repeats."""
    count = 0
    for op, value in items:
        if op in _REPEATS:
            low, high, body = value
            count += (high == low + 1) + _choices(body) * max(low, 1)
        elif op is _OP.BRANCH:
            count += 1 + max(map(_choices, value[1]))
        elif op is _OP.SUBPATTERN or op in (_OP.ASSERT, _OP.ASSERT_NOT):
            count += _choices(value[-1])
        elif op is _OP.ATOMIC_GROUP:
            count += _choices(value)
    return count


def _has_choice(items: Any) -> bool:
    """Whether something may match in more ways than one, or match nothing."""
    return items.getwidth()[0] == 0 or any(
        op is _OP.BRANCH or op in _REPEATS or op is _OP.GROUPREF
        or (op is _OP.SUBPATTERN and _has_choice(value[-1]))
        or (op is _OP.ATOMIC_GROUP and _has_choice(value))
        for op, value in items
    )  # fmt: skip


def linear_regex(pattern: re.Pattern[str]) -> LinearRegex | None:
    """None for what cannot be matched this way: references to groups, possessive repeats, very long patterns."""
    program = _Program(pattern)
    try:
        program.add(program.tree, pattern.flags)
    except _Unsuitable:
        return None
    program.instructions.append(("end",))
    return LinearRegex(program.instructions, pattern.groups)


class _Unsuitable(Exception):
    pass


class _Program:
    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.tree = _PARSER.parse(pattern.pattern, pattern.flags)
        self.instructions: list[tuple[Any, ...]] = []

    def _emit(self, *instruction: Any) -> int:
        if len(self.instructions) >= MAX_INSTRUCTIONS:
            raise _Unsuitable
        self.instructions.append(instruction)
        return len(self.instructions) - 1

    def add(self, items: Any, flags: int) -> None:
        for op, value in items:
            if op in _CHARACTERS:
                self._emit("character", self._test(op, value, flags))
            elif op in _ANCHORS:
                if op is not _OP.AT and _repeats(value[1]) != 0:
                    raise _Unsuitable
                self._emit("anchor", self._test(op, value, flags))
            elif op is _OP.SUBPATTERN:
                group, more, fewer, body = value
                if group is not None:
                    self._emit("save", 2 * group)
                self.add(body, (flags | more) & ~fewer)
                if group is not None:
                    self._emit("save", 2 * group + 1)
            elif op is _OP.BRANCH:
                self._branch(value[1], flags)
            elif op in (_OP.MAX_REPEAT, _OP.MIN_REPEAT):
                low, high, body = value
                self._repeat(low, high, body, flags, greedy=op is _OP.MAX_REPEAT)
            else:
                raise _Unsuitable

    def _test(self, op: Any, value: Any, flags: int) -> Test:
        """One item of the pattern as a pattern of its own."""
        if op is _OP.LITERAL and not flags & re.IGNORECASE:
            character = chr(value)
            return lambda text, at: text[at : at + 1] == character
        state = _PARSER.State()
        state.flags = flags
        if op in (_OP.ASSERT, _OP.ASSERT_NOT) and _has_group(value[1]):
            raise _Unsuitable
        match: Test = _COMPILER.compile(_PARSER.SubPattern(state, [(op, value)]), flags).match
        return match

    def _branch(self, ways: list[Any], flags: int) -> None:
        ends = []
        for way in ways[:-1]:
            split = self._emit("split", 0, 0)
            self.add(way, flags)
            ends.append(self._emit("jump", 0))
            self.instructions[split] = ("split", split + 1, len(self.instructions))
        self.add(ways[-1], flags)
        for end in ends:
            self.instructions[end] = ("jump", len(self.instructions))

    def _repeat(self, low: int, high: int, body: Any, flags: int, *, greedy: bool) -> None:
        if high > 1 and body.getwidth()[0] == 0 and _hesitates(body):
            raise _Unsuitable  # time round with nothing matched ends a repeat, which threads do not see
        for _ in range(low):
            self.add(body, flags)
        if high == _OP.MAXREPEAT:
            split = self._emit("split", 0, 0)
            self.add(body, flags)
            self._emit("jump", split)
            self._choose(split, greedy=greedy)
            if greedy and body.getwidth()[0] == 0:
                self._nothing_more(body)
            return
        splits = []
        for _ in range(high - low):
            splits.append(self._emit("split", 0, 0))
            self.add(body, flags)
        for split in splits:
            self._choose(split, greedy=greedy)

    def _nothing_more(self, body: Any) -> None:
        """The last time round, in which a greedy repeat matches nothing: its groups are empty then, at its end."""
        for op, value in body:
            if op is _OP.SUBPATTERN:
                group, _, _, inner = value
                if group is not None:
                    self._emit("save", 2 * group)
                self._nothing_more(inner)
                if group is not None:
                    self._emit("save", 2 * group + 1)
            elif op is _OP.MAX_REPEAT and value[1] and value[2].getwidth()[0] == 0:
                self._nothing_more(value[2])

    def _choose(self, split: int, *, greedy: bool) -> None:
        into, past = split + 1, len(self.instructions)
        self.instructions[split] = ("split", into, past) if greedy else ("split", past, into)


def _hesitates(items: Any) -> bool:
    """Whether something may match nothing although it could match something."""
    return any(
        op is _OP.BRANCH
        or op is _OP.MIN_REPEAT
        or op in _ANCHORS
        or (op is _OP.MAX_REPEAT and _hesitates(value[-1]))
        or (op is _OP.SUBPATTERN and _hesitates(value[-1]))
        for op, value in items
    )


def _has_group(items: Any) -> bool:
    return any(
        (op is _OP.SUBPATTERN and (value[0] is not None or _has_group(value[-1])))
        or (op is _OP.BRANCH and any(map(_has_group, value[1])))
        or (op in _REPEATS and _has_group(value[-1]))
        for op, value in items
    )


class LinearRegex:
    def __init__(self, instructions: list[tuple[Any, ...]], groups: int) -> None:
        self._instructions = instructions
        self._nothing: Slots = (-1,) * (2 * groups + 2)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        return self.search(text, 0, [MAX_STEPS], whole=True) is not None

    def search(self, text: str, start: int, steps: list[int], *, whole: bool = False) -> Spans | None:
        """The first match from `start` on; `steps` holds how many there may be, and then how many are left."""
        found: Slots | None = None
        threads: list[tuple[int, Slots]] = []
        for at in range(start, len(text) + 1):
            seen: set[int] = set()
            following: list[tuple[int, Slots]] = []
            for thread, slots in threads:
                self._follow(text, at, thread, slots, seen, following, steps)
            if found is None and (at == start or not whole):
                self._follow(text, at, 0, (at, *self._nothing[1:]), seen, following, steps)
            threads = []
            for thread, slots in following:
                instruction = self._instructions[thread]
                if instruction[0] == "end":
                    if whole and at < len(text):
                        continue
                    found = (slots[0], at, *slots[2:])
                    break  # what comes after is of lower priority
                if at < len(text) and instruction[1](text, at):
                    threads.append((thread + 1, slots))
            if not threads and (found is not None or whole):
                break
        return tuple(zip(found[::2], found[1::2])) if found else None

    def _follow(
        self,
        text: str,
        at: int,
        first: int,
        slots: Slots,
        seen: set[int],
        following: list[tuple[int, Slots]],
        steps: list[int],
    ) -> None:
        """From one instruction to all that look at a character, without looking at one, by priority."""
        stack = [(first, slots)]
        while stack:
            thread, slots = stack.pop()
            if thread in seen:
                continue
            seen.add(thread)
            steps[0] -= 1
            if steps[0] < 0:
                raise TooLong
            instruction = self._instructions[thread]
            kind = instruction[0]
            if kind == "jump":
                stack.append((instruction[1], slots))
            elif kind == "split":
                stack += [(instruction[2], slots), (instruction[1], slots)]
            elif kind == "save":
                slot = instruction[1]
                stack.append((thread + 1, (*slots[:slot], at, *slots[slot + 1 :])))
            elif kind == "anchor":
                if instruction[1](text, at):
                    stack.append((thread + 1, slots))
            else:
                following.append((thread, slots))
