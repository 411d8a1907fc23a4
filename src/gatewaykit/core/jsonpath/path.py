"""Paths: parsing, and the steps they are compiled to.

A path is definite when it can lead to one value only (names, single indexes, names that are merged into one map, and
functions); then `find` gives that value, or MISSING. Any other path gives the list of what it finds; where a name or
index before the first open step is not there, or an array step meets no array, the whole path is MISSING, as Jayway's
PathNotFoundException is. A JSON null is a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

__all__ = ["MAX_PATH", "MISSING", "Path", "PathProblem", "Reader", "Step", "Unreadable", "compile_path", "read_path"]

MAX_PATH: Final = 2000


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""What a path finds where there is nothing."""

Step: TypeAlias = "Callable[[list[Any], Any], list[Any] | _Missing]"
"""From the values found so far, and the whole document, to the next ones."""


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
        """One value or MISSING when definite, else a list (or MISSING, see above). `root` is what `$` means in filters."""
        found: list[Any] | _Missing = [value]
        root = value if root is MISSING else root
        for step in self._steps:
            found = step(found, root)
            if found is MISSING:
                return MISSING
        if self.is_definite:
            return found[0] if found else MISSING  # type: ignore[index]  # a list: MISSING has returned above
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
        path = read_path(reader, until="")
        if not reader.at_end():
            raise reader.unreadable(f"unexpected {reader.rest()[0]!r}")
    except Unreadable as error:
        return error.problem
    return path


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
            steps.append(_deep(step))
            definite = False
        elif reader.text[reader.at] in ".[":
            if reader.text[reader.at] == ".":
                reader.at += 1
                function = _function(reader)
                if function:
                    # after a deep scan a function is given everything that was found
                    steps.append(_on_all(function) if _scans(reader.text[start : reader.at]) else _on_each(function))
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
        return _wildcard, False
    if reader.text.startswith("[", reader.at):
        reader.at += 1
        return _bracket(reader, definite=definite)
    if found := reader.match(name):
        return _property(found[0], definite), True
    raise reader.unreadable("expected a name, '*' or '['")


def _bracket(reader: Reader, *, definite: bool) -> tuple[Step, bool]:
    if reader.accept("*"):
        reader.expect("]")
        return _wildcard, False
    if reader.accept("?"):
        from gatewaykit.core.jsonpath.filters import read_filter  # each needs the other

        predicate = read_filter(reader)
        reader.expect("]")
        return _filter(predicate, definite), False
    if (name := reader.quoted()) is not None:
        names = [name]
        while reader.accept(","):
            if (name := reader.quoted()) is None:
                raise reader.unreadable("expected a name in quotes")
            names.append(name)
        reader.expect("]")
        if len(names) == 1:
            return _property(names[0], definite), True
        # at the end of a path several names make one map of what they find
        last = reader.at_end() or reader.text[reader.at] not in ".["
        return (_merge(names, definite), True) if last else (_properties(names), False)
    return _indexes(reader, definite)


def _indexes(reader: Reader, definite: bool) -> tuple[Step, bool]:
    first = _index(reader)
    if reader.accept(":"):
        last = _index(reader)
        reader.expect("]")
        return _slice(first, last, definite), False
    if first is None:
        raise reader.unreadable("expected a name in quotes, an index, '*' or '?'")
    indexes = [first]
    while reader.accept(","):
        if (more := _index(reader)) is None:
            raise reader.unreadable("expected an index")
        indexes.append(more)
    reader.expect("]")
    return _items(indexes, definite), len(indexes) == 1


def _index(reader: Reader) -> int | None:
    reader.blanks()
    found = reader.match(_INTEGER)
    return int(found[0]) if found else None


# ------------------------------------------------------------------------------------------------------ steps
# `definite`: everything before this step led to one value, so that finding nothing makes the whole path MISSING.


def _property(name: str, definite: bool) -> Step:
    def step(found: list[Any], root: Any) -> list[Any] | _Missing:
        values = [value[name] for value in found if isinstance(value, dict) and name in value]
        return MISSING if definite and not values else values

    return step


def _properties(names: list[str]) -> Step:
    def step(found: list[Any], root: Any) -> list[Any]:
        return [value[name] for value in found if isinstance(value, dict) for name in names if name in value]

    return step


def _merge(names: list[str], definite: bool) -> Step:
    def step(found: list[Any], root: Any) -> list[Any] | _Missing:
        merged = [
            {name: value[name] for name in names if name in value} for value in found if isinstance(value, dict)
        ]
        return MISSING if definite and not merged else merged

    return step


def _items(indexes: list[int], definite: bool) -> Step:
    def step(found: list[Any], root: Any) -> list[Any] | _Missing:
        if definite and not isinstance(found[0], list):
            return MISSING
        values = [
            value[index]
            for value in found
            if isinstance(value, list)
            for index in indexes
            if -len(value) <= index < len(value)
        ]
        return MISSING if definite and len(indexes) == 1 and not values else values

    return step


def _slice(first: int | None, last: int | None, definite: bool) -> Step:
    """Of `first:last`, negative numbers count from the end; with both ends given, Jayway counts from the start only."""

    def step(found: list[Any], root: Any) -> list[Any] | _Missing:
        if definite and not isinstance(found[0], list):
            return MISSING
        values: list[Any] = []
        for value in found:
            if isinstance(value, list):
                if first is not None and last is not None:
                    values += value[max(first, 0) : max(last, 0)]
                else:
                    values += value[first:last]
        return values

    return step


def _wildcard(found: list[Any], root: Any) -> list[Any]:
    return [item for value in found for item in _children(value)]


def _filter(predicate: Callable[[Any, Any], bool], definite: bool) -> Step:
    """The items of a list that hold; a map itself when it holds."""

    def step(found: list[Any], root: Any) -> list[Any] | _Missing:
        if definite and not isinstance(found[0], (list, dict)):
            return MISSING
        values: list[Any] = []
        for value in found:
            if isinstance(value, list):
                values += [item for item in value if predicate(item, root)]
            elif isinstance(value, dict) and predicate(value, root):
                values.append(value)
        return values

    return step


def _deep(inner: Step) -> Step:
    """A step taken at every map and list below, each before what is inside it."""

    def step(found: list[Any], root: Any) -> list[Any] | _Missing:
        values: list[Any] = []
        for value in found:
            for node in _nodes(value):
                values += inner([node], root) or ()
        return values

    return step


def _nodes(value: Any) -> Iterator[Any]:
    """Maps and lists, outermost first. Not recursive: a document may be deeper than Python's stack."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (dict, list)):
            yield node
            waiting += reversed(_children(node))


def _children(value: Any) -> list[Any]:
    return [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []


# -------------------------------------------------------------------------------------------------- functions


def _function(reader: Reader) -> Callable[[Any], Any] | None:
    """`name()` at the cursor, if that is what stands there."""
    found = reader.match(_CALL)
    if not found:
        return None
    function = _FUNCTIONS.get(found[1])
    if not function:
        raise Unreadable(found.start(), f"there is no function {found[1]}() without arguments")
    return function


_CALL: Final = re.compile(r"([A-Za-z]+)\(\s*\)")


def _on_each(function: Callable[[Any], Any]) -> Step:
    def step(found: list[Any], root: Any) -> list[Any] | _Missing:
        return [result for value in found if (result := function(value)) is not MISSING]

    return step


def _on_all(function: Callable[[Any], Any]) -> Step:
    if function is _length:
        function = _length_of_all

    def step(found: list[Any], root: Any) -> list[Any] | _Missing:
        result = function(found)
        return MISSING if result is MISSING else [result]

    return step


def _length(value: Any) -> Any:
    return len(value) if isinstance(value, (list, dict)) else None


def _length_of_all(found: Any) -> Any:
    """After a deep scan: how much is inside what was found (`$..book.length()` is the number of books)."""
    return sum(len(_children(value)) for value in found)


def _aggregate(combine: Callable[[list[float]], float]) -> Callable[[Any], Any]:
    """Over the numbers of a list, always a double; nothing where there is no number."""

    def function(value: Any) -> Any:
        items = value if isinstance(value, list) else []
        try:
            numbers = [float(item) for item in items if isinstance(item, (int, float)) and not isinstance(item, bool)]
            return combine(numbers) if numbers else MISSING
        except OverflowError:  # a whole number beyond any double
            return MISSING

    return function


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


def _deviation(numbers: list[float]) -> float:
    mean = _mean(numbers)
    return float((sum((number - mean) ** 2 for number in numbers) / len(numbers)) ** 0.5)


_FUNCTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "length": _length,
    "size": _length,
    "min": _aggregate(min),
    "max": _aggregate(max),
    "sum": _aggregate(sum),
    "avg": _aggregate(_mean),
    "stddev": _aggregate(_deviation),
    "keys": lambda value: [*value] if isinstance(value, dict) else MISSING,
    "first": lambda value: value[0] if isinstance(value, list) and value else MISSING,
    "last": lambda value: value[-1] if isinstance(value, list) and value else MISSING,
}
