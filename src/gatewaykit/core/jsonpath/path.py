"""Paths: parsing, and the steps they are compiled to.

A path is definite when it can lead to one value only (names, single indexes, names that are merged into one map, and
functions); then `find` gives that value, or MISSING. Any other path gives the list of what it finds; where a name or
index before the first open step is not there, or an array step meets no array, the whole path is MISSING, as Jayway's
PathNotFoundException is. A JSON null is a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from gatewaykit.core.jsonpath.steps import (
    FUNCTIONS,
    MISSING,
    Missing,
    Step,
    deep,
    filtered,
    items,
    merge,
    on_all,
    on_each,
    properties,
    property_of,
    slice_of,
    wildcard,
)

__all__ = ["MAX_PATH", "MISSING", "Path", "PathProblem", "Reader", "Unreadable", "compile_path", "read_path"]

MAX_PATH: Final = 2000


@dataclass(frozen=True, slots=True)
class PathProblem:
    """Why a path cannot be used, and where in it (0-based)."""

    position: int
    message: str


class Path:
    """A compiled path."""

    __slots__ = ("_steps", "is_definite", "text")

    def __init__(self, text: str, steps: tuple[Step, ...], is_definite: bool) -> None:
        self.text = text
        self.is_definite = is_definite
        self._steps = steps

    def find(self, value: object, root: object = MISSING) -> Any:
        """One value or MISSING when definite, else a list (or MISSING, see above). Filters find `root` as `$`."""
        found = [value]
        root = value if root is MISSING else root
        for step in self._steps:
            taken = step(found, root)
            if isinstance(taken, Missing):
                return MISSING
            found = taken
        if self.is_definite:
            return found[0] if found else MISSING
        return found


class _NamesPath(Path):
    """A path of names only: most paths are."""

    __slots__ = ("_names",)

    def __init__(self, text: str, names: tuple[str, ...]) -> None:
        super().__init__(text, (), True)
        self._names = names

    def find(self, value: Any, root: object = MISSING) -> Any:
        for name in self._names:
            if not isinstance(value, dict) or name not in value:
                return MISSING
            value = value[name]
        return value


class Unreadable(Exception):
    """A path that does not parse; becomes a PathProblem."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.problem = PathProblem(position, message)


@lru_cache(maxsize=2048)
def compile_path(text: str) -> Path | PathProblem:
    """The path, or why there is none. A path without `$` begins at the root all the same."""
    stripped = text.strip()
    if len(stripped) > MAX_PATH:
        return PathProblem(MAX_PATH, f"a path of more than {MAX_PATH} characters")
    if not stripped:
        return PathProblem(0, "an empty path")
    if stripped[0] not in "$@":
        stripped = "$." + stripped
    reader = Reader(stripped)
    try:
        return read_path(reader, until="")
    except Unreadable as error:
        return error.problem


class Reader:
    """A cursor over the text of a path."""

    MAX_DEPTH: Final = 20

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def at_end(self) -> bool:
        return self.at >= len(self.text)

    def rest(self) -> str:
        return self.text[self.at :]

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1

    def accept(self, wanted: str) -> bool:
        """Move over `wanted` if it is next, blanks aside."""
        self.blanks()
        if self.text.startswith(wanted, self.at):
            self.at += len(wanted)
            return True
        return False

    def expect(self, wanted: str) -> None:
        if not self.accept(wanted):
            raise self.unreadable(f"expected {wanted!r}")

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def quoted(self) -> str | None:
        """A string in single or double quotes, backslash escapes resolved."""
        self.blanks()
        if not (found := self.match(_QUOTED)):
            return None
        return _ESCAPE.sub(_unescaped, found[0][1:-1])

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > self.MAX_DEPTH:
            raise self.unreadable(f"nested deeper than {self.MAX_DEPTH} levels")

    def unreadable(self, message: str) -> Unreadable:
        return Unreadable(self.at, message)


_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_NAME: Final = re.compile(r"[^.\[\]() \t\r\n*]+")
_NAME_IN_FILTER: Final = re.compile(r"[^.\[\]() \t\r\n*<>=!~&|,]+")
_INTEGER: Final = re.compile(r"-?[0-9]{1,10}")
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def _unescaped(found: re.Match[str]) -> str:
    escape = found[1]
    return chr(int(escape[1:], 16)) if len(escape) == 5 else _LETTERS.get(escape, escape)


# ---------------------------------------------------------------------------------------------------- reading


def read_path(reader: Reader, until: str) -> Path:
    """The path at the cursor, which stands on `$` or `@`. In a filter (`until` not empty) operators end it."""
    start = reader.at
    reader.at += 1
    steps: list[Step] = []
    names: list[str] = []
    definite = True
    name_of_step = _NAME_IN_FILTER if until else _NAME
    while not reader.at_end():
        if reader.text.startswith("..", reader.at):
            reader.at += 2
            if reader.at_end() or reader.text[reader.at] == ".":
                raise reader.unreadable("expected a name, '*' or '[' after '..'")
            step, _ = _step(reader, name_of_step, definite=False)
            steps.append(deep(step))
            definite = False
        elif reader.text[reader.at] in ".[":
            if reader.text[reader.at] == ".":
                reader.at += 1
                function = _function(reader)
                if function:
                    # after a deep scan a function is given everything that was found
                    steps.append(on_all(function) if _scans(reader.text[start : reader.at]) else on_each(function))
                    definite = definite or _scans(reader.text[start : reader.at])
                    continue
            before = reader.at
            step, one = _step(reader, name_of_step, definite=definite)
            steps.append(step)
            definite = definite and one
            if definite and reader.text[before] != "[":
                names.append(reader.text[before : reader.at])
        elif until:
            break
        else:
            raise reader.unreadable("expected '.' or '['")
    text = reader.text[start : reader.at]
    if len(names) == len(steps) and names:
        return _NamesPath(text, tuple(names))
    return Path(text, tuple(steps), definite)


def _scans(text: str) -> bool:
    return ".." in text


def _step(reader: Reader, name: re.Pattern[str], *, definite: bool) -> tuple[Step, bool]:
    """One step after a dot or at a bracket, and whether it leads to one value only."""
    if reader.text.startswith("*", reader.at):
        reader.at += 1
        return wildcard, False
    if reader.text.startswith("[", reader.at):
        reader.at += 1
        return _bracket(reader, definite=definite)
    if found := reader.match(name):
        return property_of(found[0], definite), True
    raise reader.unreadable("expected a name, '*' or '['")


def _bracket(reader: Reader, *, definite: bool) -> tuple[Step, bool]:
    if reader.accept("*"):
        reader.expect("]")
        return wildcard, False
    if reader.accept("?"):
        from gatewaykit.core.jsonpath.filters import read_filter  # each needs the other

        predicate = read_filter(reader)
        reader.expect("]")
        return filtered(predicate, definite), False
    if (name := reader.quoted()) is not None:
        names = [name]
        while reader.accept(","):
            if (name := reader.quoted()) is None:
                raise reader.unreadable("expected a name in quotes")
            names.append(name)
        reader.expect("]")
        if len(names) == 1:
            return property_of(names[0], definite), True
        # at the end of a path several names make one map of what they find
        last = reader.at_end() or reader.text[reader.at] not in ".["
        return (merge(names, definite), True) if last else (properties(names), False)
    return _indexes(reader, definite)


def _indexes(reader: Reader, definite: bool) -> tuple[Step, bool]:
    first = _index(reader)
    if reader.accept(":"):
        last = _index(reader)
        reader.expect("]")
        return slice_of(first, last, definite), False
    if first is None:
        raise reader.unreadable("expected a name in quotes, an index, '*' or '?'")
    indexes = [first]
    while reader.accept(","):
        if (more := _index(reader)) is None:
            raise reader.unreadable("expected an index")
        indexes.append(more)
    reader.expect("]")
    return items(indexes, definite), len(indexes) == 1


def _index(reader: Reader) -> int | None:
    reader.blanks()
    found = reader.match(_INTEGER)
    return int(found[0]) if found else None


def _function(reader: Reader) -> Callable[[Any], Any] | None:
    """`name()` at the cursor, if that is what stands there."""
    found = reader.match(_CALL)
    if not found:
        return None
    function = FUNCTIONS.get(found[1])
    if not function:
        raise Unreadable(found.start(), f"there is no function {found[1]}() without arguments")
    return function


_CALL: Final = re.compile(r"([A-Za-z]+)\(\s*\)")
