"""The steps that paths are compiled to: each takes the values found so far and gives the next ones.

A step that is `definite` has one value before it (or none, after an index beyond the end): only such a step may find
that the whole path leads nowhere, and says so with MISSING. Everything else just finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

__all__ = [
    "MAX_LOOKS", "MISSING", "Missing", "Predicate", "Search", "Step", "TooMuch", "deep", "deep_property", "filtered",
    "items", "merge", "properties", "property_of", "slice_of", "wildcard",
]  # fmt: skip

MAX_LOOKS: Final = 1_000_000
"""How many values one search may look at. One scan looks at every map and list; several in one path multiply."""


class Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing()
"""What a path finds where there is nothing."""


class TooMuch(Exception):
    """A search that would look at more than MAX_LOOKS values."""


class Search:
    """One evaluation of a path: the document that `$` is in filters, what is known of it, and what may yet be done."""

    __slots__ = ("_known", "_looks", "root")

    def __init__(self, root: object) -> None:
        self.root = root
        self._looks = MAX_LOOKS
        self._known: dict[object, Any] = {}

    def spend(self, looks: int) -> None:
        self._looks -= looks
        if self._looks < 0:
            raise TooMuch

    def once(self, compute: Callable[[Search], Any]) -> Any:
        """The same for every item of a filter, so computed once."""
        if compute not in self._known:
            self._known[compute] = compute(self)
        return self._known[compute]


Step: TypeAlias = "Callable[[list[Any], Search], list[Any] | Missing]"
Predicate: TypeAlias = "Callable[[Any, Search], bool]"


def property_of(name: str, definite: bool, strict: bool) -> Step:
    """`strict`: a map without the name makes the path MISSING, as it does where a filter asks whether a path exists."""

    def step(found: list[Any], search: Search) -> list[Any] | Missing:
        search.spend(len(found))
        values = []
        for value in found:
            if not isinstance(value, dict):
                if definite:
                    return MISSING
            elif name in value:
                values.append(value[name])
            elif definite or strict:
                return MISSING
        return values

    return step


def properties(names: Sequence[str], definite: bool, strict: bool) -> Step:
    """Several names with more steps after them: each leads on by itself."""

    def step(found: list[Any], search: Search) -> list[Any] | Missing:
        search.spend(len(found) * len(names))
        values = []
        for value in found:
            if isinstance(value, dict):
                present = [value[name] for name in names if name in value]
                if strict and len(present) < len(names):
                    return MISSING
                values += present
            elif definite:
                return MISSING
        return values

    return step


def merge(names: Sequence[str], definite: bool, strict: bool, scan: bool) -> Step:
    """Several names at the end of a path: one map of what they find. A scan stops only where it finds them all."""

    def step(found: list[Any], search: Search) -> list[Any] | Missing:
        search.spend(len(found) * len(names))
        maps = []
        for value in found:
            if isinstance(value, dict):
                merged = {name: value[name] for name in names if name in value}
                if len(merged) == len(set(names)) or not (strict or scan):
                    maps.append(merged)
                elif strict:
                    return MISSING
            elif definite:
                return MISSING
        return maps

    return step


def items(indexes: Sequence[int], definite: bool) -> Step:
    def step(found: list[Any], search: Search) -> list[Any] | Missing:
        search.spend(len(found) * len(indexes))
        values = []
        for value in found:
            if isinstance(value, list):
                values += [value[index] for index in indexes if -len(value) <= index < len(value)]
            elif definite:
                return MISSING
        return values

    return step


def slice_of(first: int | None, last: int | None, definite: bool) -> Step:
    """`first:last`. Where both are given Jayway counts up from `first`, and a negative index is one from the end."""

    def step(found: list[Any], search: Search) -> list[Any] | Missing:
        values: list[Any] = []
        for value in found:
            if isinstance(value, list):
                search.spend(4 + len(value))
                if first is None or last is None:
                    values += value[first:last]
                else:
                    values += [value[index] for index in range(max(first, -len(value)), min(last, len(value)))]
            elif definite:
                return MISSING
        return values

    return step


def wildcard(found: list[Any], search: Search) -> list[Any]:
    values: list[Any] = []
    for value in found:
        children = _children(value)
        search.spend(len(children))
        values += children
    return values


def filtered(predicate: Predicate, definite: bool, scan: bool) -> Step:
    """The items of a list that hold; a map itself when it holds. A scan looks into a list only if that holds too."""

    def step(found: list[Any], search: Search) -> list[Any] | Missing:
        values: list[Any] = []
        for value in found:
            if isinstance(value, list):
                search.spend(len(value))
                if not scan or predicate(value, search):
                    values += [item for item in value if predicate(item, search)]
            elif isinstance(value, dict):
                search.spend(1)
                if predicate(value, search):
                    values.append(value)
            elif definite:
                return MISSING
        return values

    return step


def deep(inner: Step) -> Step:
    """A step taken at every map and list below, each before what is inside it."""

    def step(found: list[Any], search: Search) -> list[Any]:
        values: list[Any] = []
        for value in found:
            for node in _nodes(value, search):
                taken = inner([node], search)
                values += taken if isinstance(taken, list) else []
        return values

    return step


def deep_property(name: str) -> Step:
    """`deep` of one name, which most scans are."""

    def step(found: list[Any], search: Search) -> list[Any]:
        return [
            node[name]
            for value in found
            for node in _nodes(value, search)
            if isinstance(node, dict) and name in node
        ]  # fmt: skip

    return step


def _nodes(value: Any, search: Search) -> Iterator[Any]:
    """Maps and lists, outermost first. Not recursive: a document may be deeper than Python's stack."""
    search.spend(1)
    waiting = [value] if isinstance(value, (dict, list)) else []
    while waiting:
        node = waiting.pop()
        yield node
        children = _children(node)
        inner = [child for child in children if isinstance(child, (dict, list))]
        search.spend(len(inner) + len(children) // 16)  # what is no map or list is passed over quickly
        waiting += reversed(inner)


def _children(value: Any) -> list[Any]:
    return [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
