"""The functions that may end a path: `$.prices.sum()`, `$.names.concat($.more, "!")`.

Each takes the value before it and its arguments, and gives a value, or MISSING where Jayway fails. What is a function
of many values takes them from a list before it and from its arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gatewaykit.core.jsonpath.steps import MISSING
from gatewaykit.core.vtl.values import MAX_TEXT, Failure, text

__all__ = ["FUNCTIONS", "Function"]

Arguments = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Function:
    """`after_scan` is what it does with all that a deep scan found, where that differs."""

    call: Callable[[Any, Arguments], Any]
    least: int = 0
    most: int = 0
    after_scan: Callable[[Any, Arguments], Any] | None = None


def _length(value: Any, arguments: Arguments) -> Any:
    return len(value) if isinstance(value, (list, dict)) else None


def _length_of_all(found: Any, arguments: Arguments) -> Any:
    """How much is inside what was found: `$..book.length()` is the number of books."""
    return sum(len(value) for value in found if isinstance(value, (list, dict)))


def _keys(value: Any, arguments: Arguments) -> Any:
    return [*value] if isinstance(value, dict) else None


def _flat(value: Any, arguments: Arguments) -> list[Any]:
    """The items of a list, and the arguments, of which lists give their items."""
    found = [*value] if isinstance(value, list) else []
    for argument in arguments:
        found += argument if isinstance(argument, list) else [argument]
    return found


def _aggregate(combine: Callable[[list[float]], float]) -> Callable[[Any, Arguments], Any]:
    """Over numbers, always a double; nothing where there is no number."""

    def function(value: Any, arguments: Arguments) -> Any:
        try:
            numbers = [
                float(item)
                for item in _flat(value, arguments)
                if isinstance(item, (int, float)) and not isinstance(item, bool)
            ]
            return combine(numbers) if numbers else MISSING
        except (OverflowError, ValueError):  # a whole number beyond any double; a deviation beyond doubles
            return MISSING

    return function


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


def _deviation(numbers: list[float]) -> float:
    """Jayway's formula, which in doubles is not quite that of the book."""
    count, total = len(numbers), sum(numbers)
    return math.sqrt(sum([number * number for number in numbers]) / count - total * total / count / count)


def _concat(value: Any, arguments: Arguments) -> Any:
    """The strings of a list, and all arguments as text."""
    own = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    pieces, length = [], 0
    try:
        for item in [*own, *_flat(None, arguments)]:
            pieces.append(text(item))
            length += len(pieces[-1])
            if length > MAX_TEXT:
                return MISSING
    except Failure:  # a list that is too long to be shown, or holds what JSON cannot
        return MISSING
    return "".join(pieces)


def _concat_all(found: Any, arguments: Arguments) -> Any:
    """Whatever was found, as text, and the arguments."""
    return _concat(None, [found, *arguments])


def _append(value: Any, arguments: Arguments) -> Any:
    """A list with the arguments after its items. The document stays as it is."""
    return [*value, *arguments] if isinstance(value, list) else value


def _item(value: Any, at: Any) -> Any:
    if not isinstance(value, list) or not isinstance(at, (int, float)) or isinstance(at, bool):
        return MISSING
    return value[int(at)] if -len(value) <= at < len(value) else MISSING


MANY: Final = 100

FUNCTIONS: Final[dict[str, Function]] = {
    "length": Function(_length, after_scan=_length_of_all),
    "size": Function(_length, after_scan=_length_of_all),
    "keys": Function(_keys),
    "first": Function(lambda value, arguments: _item(value, 0)),
    "last": Function(lambda value, arguments: _item(value, -1)),
    "index": Function(lambda value, arguments: _item(value, arguments[0]), 1, 1),
    "min": Function(_aggregate(min), most=MANY),
    "max": Function(_aggregate(max), most=MANY),
    "sum": Function(_aggregate(sum), most=MANY),
    "avg": Function(_aggregate(_mean), most=MANY),
    "stddev": Function(_aggregate(_deviation), most=MANY),
    "concat": Function(_concat, most=MANY, after_scan=_concat_all),
    "append": Function(_append, 1, MANY),
}
