"""The operators of filters, as Jayway compares: MISSING is what a path did not find, and equals nothing.

A number equals a string that shows it. `size`, `empty` and the operators on lists are of Jayway's own making; where one
is given what it cannot use, the item is not kept, whatever else its filter says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeAlias

from gatewaykit.core.jsonpath.steps import MISSING, Search, TooMuch
from gatewaykit.core.vtl.safe_regex import matches
from gatewaykit.core.vtl.values import Failure, java_double, java_equals

__all__ = ["OPERATORS", "Abandoned", "Compare", "Pattern"]

Compare: TypeAlias = "Callable[[Any, Any, Search], bool]"


_CHARACTERS_A_LOOK: Final = 16


class Pattern:
    """A regular expression as an operand."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern

    def matches(self, text: str, search: Search) -> bool:
        """Whether it matches the whole text. Raises TooMuch where that, with what was before, takes too long."""
        search.spend(len(text) // _CHARACTERS_A_LOOK)
        try:
            return matches(self._pattern, text)
        except Failure:
            raise TooMuch from None


class Abandoned(Exception):
    """An operator was given what it cannot use."""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    if _is_number(left):
        if isinstance(right, str):
            return _DECIMAL.fullmatch(right) is not None and Decimal(right) == Decimal(_shown(left))
        return _is_number(right) and bool(left == right)
    if isinstance(left, str):
        return left == (_shown(right) if _is_number(right) else right)
    return left is not MISSING and not isinstance(left, Pattern) and java_equals(left, right)


_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]{1,300}(?:\.[0-9]{0,300})?|\.[0-9]{1,300})(?:[eE][+-]?[0-9]{1,3})?")


def _shown(value: Any) -> str:
    """A string, number or boolean as text; anything else is empty."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        shown = java_double(value)
        return str(Decimal(shown)) if "E" in shown else shown
    return str(value) if isinstance(value, int) else ""


def _of_one_type(left: Any, right: Any) -> bool:
    return (_is_number(left) and _is_number(right)) or type(left) is type(right)


def _ordered(holds: Callable[[Any, Any], bool]) -> Compare:
    """An order among numbers and among strings (by UTF-16 units), and nothing else."""

    def compare(left: Any, right: Any, search: Search) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            if left.isascii() and right.isascii():
                return holds(left, right)
            return holds(left.encode("utf-16-be", "surrogatepass"), right.encode("utf-16-be", "surrogatepass"))
        return _is_number(left) and _is_number(right) and holds(left, right)

    return compare


def _matches(left: Any, right: Any, search: Search) -> bool:
    """A pattern on either side must match a whole string, number or boolean, or one item of a list."""
    pattern, value = (right, left) if isinstance(right, Pattern) else (left, right)
    if not isinstance(pattern, Pattern) or isinstance(value, Pattern):
        return False
    return any(pattern.matches(_shown(item), search) for item in (value if isinstance(value, list) else [value]))


def _list(value: Any) -> list[Any] | None:
    """A list; None for a map, for which the operators on lists do not hold."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return None
    raise Abandoned


def _holds(items: list[Any], wanted: Any, search: Search) -> bool:
    search.spend(len(items))
    return any(_equal(wanted, item) for item in items)


def _in(value: Any, holder: Any, search: Search) -> bool:
    items = _list(holder)
    return items is not None and _holds(items, value, search)


def _contains(holder: Any, value: Any, search: Search) -> bool:
    if isinstance(holder, str):
        return isinstance(value, str) and value in holder
    return isinstance(holder, list) and _holds(holder, value, search)


def _lists(decide: Callable[[list[Any], list[Any], Search], bool]) -> Compare:
    def compare(left: Any, right: Any, search: Search) -> bool:
        others = _list(right)
        if others is None:
            return False
        items = _list(left)
        return items is not None and decide(items, others, search)

    return compare


def _has_size(value: Any, size: Any, search: Search) -> bool:
    if not _is_number(size):
        return False
    if isinstance(value, str):
        return len(value.encode("utf-16-be", "surrogatepass")) // 2 == int(size)
    return isinstance(value, list) and len(value) == int(size)


def _is_empty(value: Any, empty: Any, search: Search) -> bool:
    if not isinstance(value, (str, list, dict)):
        return False
    if not isinstance(empty, bool):
        raise Abandoned
    return (not value) is empty


OPERATORS: Final[dict[str, Compare]] = {
    "==": lambda left, right, search: _equal(left, right),
    "!=": lambda left, right, search: not _equal(left, right),
    "===": lambda left, right, search: _of_one_type(left, right) and _equal(left, right),
    "!==": lambda left, right, search: not (_of_one_type(left, right) and _equal(left, right)),
    "<": _ordered(lambda left, right: bool(left < right)),
    "<=": _ordered(lambda left, right: bool(left <= right)),
    ">": _ordered(lambda left, right: bool(left > right)),
    ">=": _ordered(lambda left, right: bool(left >= right)),
    "=~": _matches,
    "in": _in,
    "nin": lambda value, holder, search: not _in(value, holder, search),
    "contains": _contains,
    "subsetof": _lists(lambda left, right, search: all(_holds(right, item, search) for item in left)),
    "anyof": _lists(lambda left, right, search: any(_holds(right, item, search) for item in left)),
    "noneof": _lists(lambda left, right, search: not any(_holds(right, item, search) for item in left)),
    "size": _has_size,
    "empty": _is_empty,
}
