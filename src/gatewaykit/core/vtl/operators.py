"""Arithmetic and comparison, as Velocity does them. None is null."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import add as _plus
from operator import mul as _times
from operator import sub as _minus
from typing import Any, Final

from gatewaykit.core.vtl.values import MAX_TEXT, Failure, JavaSet, java_equals, text

__all__ = [
    "add", "divide", "equal", "greater", "greater_or_equal", "is_number", "less", "less_or_equal", "modulo", "multiply",
    "subtract",
]  # fmt: skip

MAX_INTEGER_BITS: Final = 4096


def is_number(value: object) -> bool:
    kind = type(value)
    return kind is int or kind is float


def add(left: Any, right: Any, left_literal: str, right_literal: str) -> object:
    """Numbers are added, anything else is put together when one side is a string; otherwise null."""
    if type(left) is str or type(right) is str:
        left = left_literal if left is None else text(left)
        right = right_literal if right is None else text(right)
        if len(left) + len(right) > MAX_TEXT:
            raise Failure(f"a text of more than {MAX_TEXT} characters")
        return left + right
    return _computed(_plus, left, right)


def subtract(left: Any, right: Any) -> object:
    return _computed(_minus, left, right)


def multiply(left: Any, right: Any) -> object:
    return _computed(_times, left, right)


def divide(left: Any, right: Any) -> object:
    """Whole numbers are divided towards zero; by zero gives null."""
    return None if right == 0 else _computed(_quotient, left, right)


def modulo(left: Any, right: Any) -> object:
    """The remainder has the sign of the left side; by zero gives null."""
    return None if right == 0 else _computed(_remainder, left, right)


def _computed(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> object:
    """Null unless both sides are numbers."""
    if not (is_number(left) and is_number(right)):
        return None
    try:
        result = operation(left, right)
    except OverflowError:  # a double and a whole number beyond any double
        raise Failure("a number is too large") from None
    if type(result) is int and result.bit_length() > MAX_INTEGER_BITS:
        raise Failure("a number is too large")
    return result


def _quotient(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    return left / right


def _remainder(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    return math.nan if math.isinf(left) else math.fmod(left, right)


def equal(left: object, right: object) -> bool:
    """`==`: numbers by value, the same kind by content, anything else by how it prints."""
    if type(left) is str and type(right) is str:
        return left == right
    if is_number(left) and is_number(right):
        return left == right
    if left is None or right is None:
        return left is right
    if type(left) is type(right) or _same_kind(left, right):
        return java_equals(left, right)
    return text(left) == text(right)


def _same_kind(left: object, right: object) -> bool:
    if isinstance(left, list):
        return isinstance(right, list) and not isinstance(left, JavaSet) and not isinstance(right, JavaSet)
    return isinstance(left, dict) and isinstance(right, dict)


def less(left: Any, right: Any) -> bool:
    return is_number(left) and is_number(right) and bool(left < right)


def less_or_equal(left: Any, right: Any) -> bool:
    return is_number(left) and is_number(right) and bool(left <= right)


def greater(left: Any, right: Any) -> bool:
    return is_number(left) and is_number(right) and bool(left > right)


def greater_or_equal(left: Any, right: Any) -> bool:
    return is_number(left) and is_number(right) and bool(left >= right)
