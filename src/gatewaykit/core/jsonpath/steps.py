"""The steps that paths are compiled to, and the functions a path may end in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

__all__ = [
    "FUNCTIONS", "MISSING", "Missing", "Step", "deep", "filtered", "items", "merge", "on_all", "on_each", "properties",
    "property_of", "slice_of", "wildcard",
]  # fmt: skip


class Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing()
"""What a path finds where there is nothing."""

Step: TypeAlias = "Callable[[list[Any], Any], list[Any] | Missing]"
"""From the values found so far, and the whole document, to the next ones."""


# `definite`: everything before this step led to one value, so that finding nothing makes the whole path MISSING.


def property_of(name: str, definite: bool) -> Step:
    def step(found: list[Any], root: Any) -> list[Any] | Missing:
        values = [value[name] for value in found if isinstance(value, dict) and name in value]
        return MISSING if definite and not values else values

    return step


def properties(names: list[str]) -> Step:
    def step(found: list[Any], root: Any) -> list[Any]:
        return [value[name] for value in found if isinstance(value, dict) for name in names if name in value]

    return step


def merge(names: list[str], definite: bool) -> Step:
    def step(found: list[Any], root: Any) -> list[Any] | Missing:
        merged = [{name: value[name] for name in names if name in value} for value in found if isinstance(value, dict)]
        return MISSING if definite and not merged else merged

    return step


def items(indexes: list[int], definite: bool) -> Step:
    def step(found: list[Any], root: Any) -> list[Any] | Missing:
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


def slice_of(first: int | None, last: int | None, definite: bool) -> Step:
    """Of `first:last`, negative numbers count from the end; with both ends given, Jayway counts from the start only."""

    def step(found: list[Any], root: Any) -> list[Any] | Missing:
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


def wildcard(found: list[Any], root: Any) -> list[Any]:
    return [item for value in found for item in _children(value)]


def filtered(predicate: Callable[[Any, Any], bool], definite: bool) -> Step:
    """The items of a list that hold; a map itself when it holds."""

    def step(found: list[Any], root: Any) -> list[Any] | Missing:
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


def deep(inner: Step) -> Step:
    """A step taken at every map and list below, each before what is inside it."""

    def step(found: list[Any], root: Any) -> list[Any] | Missing:
        values: list[Any] = []
        for value in found:
            for node in _nodes(value):
                taken = inner([node], root)
                values += taken if isinstance(taken, list) else []
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


def on_each(function: Callable[[Any], Any]) -> Step:
    def step(found: list[Any], root: Any) -> list[Any] | Missing:
        return [result for value in found if (result := function(value)) is not MISSING]

    return step


def on_all(function: Callable[[Any], Any]) -> Step:
    if function is _length:
        function = _length_of_all

    def step(found: list[Any], root: Any) -> list[Any] | Missing:
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


FUNCTIONS: Final[dict[str, Callable[[Any], Any]]] = {
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
