"""Paths as text: where each step begins and ends, and which step it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from gatewaykit.core.jsonpath.functions import FUNCTIONS, Function
from gatewaykit.core.jsonpath.path import Path, path_of
from gatewaykit.core.jsonpath.steps import (
    MISSING,
    Missing,
    Search,
    Step,
    deep,
    deep_property,
    filtered,
    items,
    merge,
    properties,
    property_of,
    slice_of,
    wildcard,
)

__all__ = ["Reader", "Unreadable", "read_json", "read_path"]


class Unreadable(Exception):
    """A path that does not parse; becomes a PathProblem."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


class Reader:
    """A cursor over the text of a path."""

    MAX_DEPTH: Final = 20

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def at_end(self) -> bool:
        return self.at >= len(self.text)

    def next(self) -> str:
        """The character at the cursor, or nothing at the end."""
        return self.text[self.at : self.at + 1]

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
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
# what ends a name: at the top nothing but what begins another step, inside of other things also what ends those
_NAMES: Final = {
    "": re.compile(r"[^.\[( *][^.\[( ]*"),
    "filter": re.compile(r"[^.\[( *)<>=~!][^.\[( )<>=~!]*"),
    "argument": re.compile(r"[^.\[( *),][^.\[( ),]*"),
}
_INTEGER: Final = re.compile(r"-?[0-9]{1,10}")
_CALL: Final = re.compile(r"([A-Za-z]+)\(")


def _refuse(name: str) -> float:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)


def _unescaped(found: re.Match[str]) -> str:
    escape = found[1]
    return chr(int(escape[1:], 16)) if len(escape) == 5 else _LETTERS.get(escape, escape)


def read_json(reader: Reader) -> Any:
    """The JSON value at the cursor. Raises Unreadable."""
    try:
        value, end = _DECODER.raw_decode(reader.text, reader.at)
    except (ValueError, RecursionError):
        raise reader.unreadable("malformed JSON") from None
    reader.at = end
    return value


# ------------------------------------------------------------------------------------------------------- paths


class _Place(NamedTuple):
    """Where a step stands: inside of what, after what, and whether it asks if something exists."""

    inside: str
    definite: bool
    strict: bool
    scan: bool


class _Read(NamedTuple):
    """A step, whether it leads to one value only, and the key of a plain one."""

    step: Step
    one: bool
    key: str | int | None = None


def read_path(reader: Reader, inside: str = "", *, strict: bool = False) -> Path:
    """The path at the cursor, which stands on `$` or `@`. `inside` says what it is part of, and so what ends it.

    A `strict` path is one that is asked whether it exists. Raises Unreadable.
    """
    start = reader.at
    reader.at += 1
    steps: list[Step] = []
    keys: list[str | int] = []
    definite, scans = True, False
    while reader.next() in (".", "["):
        scan = reader.text.startswith("..", reader.at)
        if scan or reader.next() == ".":
            reader.at += 1 + scan
        if reader.at_end() or reader.next() == ".":
            raise reader.unreadable("expected a name, '*' or '['" + " after '..'" * scan)
        if (call := reader.match(_CALL)) is not None:
            steps.append(_function(reader, call, after_scan=scans))
            definite = definite or scans
            if reader.next() in (".", "["):
                raise reader.unreadable("a function ends a path")
            break
        read = _step(reader, _Place(inside, definite, strict, scan))
        steps.append(read.step)
        scans = scans or scan
        definite = definite and read.one and not scan
        if definite and read.key is not None:
            keys.append(read.key)
    if not (inside or reader.at_end()):
        raise reader.unreadable("expected '.' or '['")
    return path_of(reader.text[start : reader.at], tuple(steps), definite, tuple(keys))


def _step(reader: Reader, place: _Place) -> _Read:
    """One step after a dot or at a bracket."""
    if reader.next() == "[":
        reader.at += 1
        return _bracket(reader, place)
    if reader.next() == "*":
        reader.at += 1
        return _open(wildcard, place)
    if found := reader.match(_NAMES[place.inside]):
        if place.inside == "filter" and ("&&" in found[0] or "||" in found[0]):
            raise Unreadable(found.start(), "blanks must stand around '&&' and '||'")
        return _name(found[0], place)
    raise reader.unreadable("expected a name, '*' or '['")


def _open(step: Step, place: _Place) -> _Read:
    return _Read(deep(step) if place.scan else step, False)


def _name(name: str, place: _Place) -> _Read:
    if place.scan:
        return _Read(deep_property(name), False)
    return _Read(property_of(name, place.definite, place.strict), True, name)


def _bracket(reader: Reader, place: _Place) -> _Read:
    definite, scan = place.definite and not place.scan, place.scan
    if reader.accept("*"):
        reader.expect("]")
        return _open(wildcard, place)
    if reader.accept("?"):
        from gatewaykit.core.jsonpath.filters import read_filter  # each needs the other

        predicate = read_filter(reader)
        reader.expect("]")
        return _open(filtered(predicate, definite, scan), place)
    reader.blanks()
    quote = reader.next()
    if (name := reader.quoted()) is None:
        return _indexes(reader, place)
    names = [name]
    while reader.accept(","):
        reader.blanks()
        name = reader.quoted() if reader.next() == quote else None
        if name is None:
            raise reader.unreadable(f"expected a name in {quote}")
        names.append(name)
    reader.expect("]")
    if len(names) == 1:
        return _name(names[0], place)
    if reader.next() in (".", "["):
        return _open(properties(names, definite, place.strict and not scan), place)
    # at the end of a path several names make one map of what they find
    step = merge(names, definite, place.strict and not scan, scan)
    return _Read(deep(step) if scan else step, True)


def _indexes(reader: Reader, place: _Place) -> _Read:
    definite = place.definite and not place.scan
    first = _index(reader)
    if reader.accept(":"):
        last = _index(reader)
        if first is None and last is None:
            raise reader.unreadable("a slice needs a beginning or an end")
        if reader.accept(":"):  # Jayway reads a third number and goes by ones all the same
            _index(reader)
        reader.expect("]")
        return _open(slice_of(first, last, definite), place)
    if first is None:
        raise reader.unreadable("expected a name in quotes, an index, '*' or '?'")
    indexes = [first]
    while reader.accept(","):
        if (more := _index(reader)) is None:
            raise reader.unreadable("expected an index")
        indexes.append(more)
    reader.expect("]")
    step, one = items(indexes, definite), len(indexes) == 1
    return _Read(deep(step) if place.scan else step, one, first)


def _index(reader: Reader) -> int | None:
    reader.blanks()
    found = reader.match(_INTEGER)
    return int(found[0]) if found else None


# --------------------------------------------------------------------------------------------------- functions


def _function(reader: Reader, call: re.Match[str], *, after_scan: bool) -> Step:
    """The rest of `name(…)`, of which the parenthesis has been read."""
    function = FUNCTIONS.get(call[1])
    if function is None:
        raise Unreadable(call.start(), f"there is no function {call[1]}()")
    arguments: list[Callable[[Search], Any]] = []
    reader.deeper()
    if not reader.accept(")"):
        arguments.append(_argument(reader))
        while reader.accept(","):
            arguments.append(_argument(reader))
        reader.expect(")")
    reader.depth -= 1
    if not function.least <= len(arguments) <= function.most:
        wanted = {0: "no argument", 1: "one argument"}.get(function.most, f"at most {function.most} arguments")
        raise Unreadable(call.start(), f"{call[1]}() takes {'at least one argument' if not arguments else wanted}")
    return _applied(function, arguments, after_scan=after_scan)


def _argument(reader: Reader) -> Callable[[Search], Any]:
    reader.blanks()
    if reader.next() in ("$", "@"):  # either is the document
        path = read_path(reader, "argument")
        return lambda search: path.within(search.root, search)
    if reader.next() in ("-", '"', "{", *"0123456789"):
        value = read_json(reader)
        return lambda search: value
    raise reader.unreadable("expected a path, a number, a string in double quotes or an object")


def _applied(function: Function, arguments: list[Callable[[Search], Any]], *, after_scan: bool) -> Step:
    call = function.after_scan or function.call if after_scan else function.call

    def step(found: list[Any], search: Search) -> list[Any] | Missing:
        if not (found or after_scan):
            return []
        given = [argument(search) for argument in arguments]
        if any(value is MISSING for value in given):
            return MISSING
        results: list[Any] = []
        for value in [found] if after_scan else found:
            search.spend(sum([len(each) for each in (value, *given) if isinstance(each, list)]))
            result = call(value, given)
            if isinstance(result, Missing):
                return result
            results.append(result)
        return results

    return step
