"""The methods of Java's Integer, Long, Double and Boolean that a template may call."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from gatewaykit.core.vtl.java_strings import checked, is_int, whole
from gatewaykit.core.vtl.values import Failure, java_equals, text

__all__ = ["BOOLEAN", "DOUBLE", "WHOLE", "int_value", "number_hash"]

Methods = Mapping[str, Callable[..., object]]


def int_value(value: Any) -> int:
    """`Number.intValue`: whole numbers lose their high bits, doubles stop at the ends."""
    if value != value:
        return 0
    if type(value) is int:
        return int((value + 2**31) % 2**32 - 2**31)
    return int(max(-(2**31), min(2**31 - 1, value)))


def _long_value(value: Any) -> int:
    if value != value:
        return 0
    if type(value) is int:
        return int((value + 2**63) % 2**64 - 2**63)
    return int(max(-(2**63), min(2**63 - 1, value)))


def _double_value(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _compare(value: Any, other: Any) -> int:
    """Java compares an Integer with an Integer, a Long with a Long, and so on."""
    if type(value) is not type(other) or is_int(value) != is_int(other):
        raise Failure("compareTo() of different kinds")
    return int(value > other) - int(value < other)


_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def _parsed(bits: int) -> Callable[..., int]:
    def parse(value: object, digits: str, radix: int = 10) -> int:
        if not 2 <= whole(radix) <= 36:
            raise Failure(f"there are no digits to the base of {radix}")
        allowed = _DIGITS[:radix]
        number = checked(digits).lower()
        unsigned = number[1:] if number[:1] in ("+", "-") else number
        if not 0 < len(unsigned) <= 80 or any(digit not in allowed for digit in unsigned):
            raise Failure(f"{digits!r} is no number")
        if not -(2**bits) <= int(number, radix) < 2**bits:
            raise Failure(f"{digits!r} is no number")
        return int(number, radix)

    return parse


def _to_string(value: object, *others: Any) -> str:
    """The number itself, or the static `toString(number)` and `toString(number, base)`."""
    if len(others) < 2:
        if others and not (is_int(others[0]) if type(value) is int else type(others[0]) in (int, float)):
            raise Failure("toString() takes no arguments")
        return text(float(others[0]) if others and type(value) is float else others[0] if others else value)
    if len(others) > 2:
        raise TypeError  # there is no such method, as with any wrong number of arguments
    number, radix = others
    if not 2 <= whole(radix) <= 36:
        radix = 10
    shown = ""
    rest = abs(whole(number))
    while rest or not shown:
        rest, digit = divmod(rest, radix)
        shown = _DIGITS[digit] + shown
    return f"-{shown}" if number < 0 else shown


def _value_of(value: Any, other: object, *radix: object) -> int:
    if type(other) is not str:
        return whole(other)
    return (_INTEGER_DIGITS if is_int(value) else _LONG_DIGITS)(value, other, *radix)


def _double(value: object) -> float:
    """A parameter of the type `double`, for which any number may stand."""
    if type(value) is int:
        return _double_value(value)
    if type(value) is not float:
        raise TypeError
    return value


def _double_of(value: object, other: object) -> float:
    return _parsed_double(value, other) if type(other) is str else _double(other)


def _parsed_double(value: object, digits: str) -> float:
    shown = checked(digits).strip(_BLANKS)
    if shown.lstrip("+-") in ("NaN", "Infinity") and len(shown) - len(shown.lstrip("+-")) < 2:
        return float(shown)
    if not (found := _DOUBLE_DIGITS.fullmatch(shown)):
        raise Failure(f"{digits!r} is no number")
    return float(found[1])


_BLANKS: Final = "".join(map(chr, range(0x21)))
_DOUBLE_DIGITS: Final = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[dDfF]?")
_INTEGER_DIGITS: Final = _parsed(31)
_LONG_DIGITS: Final = _parsed(63)


def _double_hex(value: float) -> str:
    """`Double.toHexString`: as Python writes it, without zeros at the end and without a plus."""
    if not math.isfinite(value):
        return text(value)
    digits, _, exponent = value.hex().partition("p")
    whole_part, _, fraction = digits.partition(".")
    return f"{whole_part}.{fraction.rstrip('0') or '0'}p{int(exponent)}"


def number_hash(value: Any) -> int:
    """`hashCode()` of Integer, Long, BigInteger and Double."""
    bits: int = struct.unpack(">q", struct.pack(">d", value))[0] if type(value) is float else value
    if type(value) is int and -(2**31) <= value < 2**31:
        return value
    if -(2**63) <= bits < 2**63:
        return int_value(bits ^ (bits % 2**64 >> 32))
    code, size = 0, (bits.bit_length() + 31) // 32
    for word in struct.unpack(f">{size}I", abs(bits).to_bytes(4 * size, "big")):
        code = (31 * code + word) % 2**32
    return int_value(code if bits > 0 else -code)


_NUMBER: Final[Methods] = {
    "intValue": int_value,
    "longValue": _long_value,
    "doubleValue": _double_value,
    "equals": lambda value, other: java_equals(value, other),
    "compareTo": _compare,
    "toString": _to_string,
    "hashCode": number_hash,
}
# static methods: the usual way to read a number is `#set($Integer = 0) $Integer.parseInt("12")`
WHOLE: Final[Methods] = {
    **_NUMBER,
    "parseInt": _INTEGER_DIGITS,
    "parseLong": _LONG_DIGITS,
    "valueOf": _value_of,
    "toHexString": lambda value, other: f"{whole(other) % 2**32:x}",
    "toOctalString": lambda value, other: f"{whole(other) % 2**32:o}",
    "toBinaryString": lambda value, other: f"{whole(other) % 2**32:b}",
    "byteValue": lambda value: (int_value(value) + 2**7) % 2**8 - 2**7,
    "shortValue": lambda value: (int_value(value) + 2**15) % 2**16 - 2**15,
    "compare": lambda value, one, other: _compare(whole(one), whole(other)),
    "sum": lambda value, one, other: whole(one) + whole(other),
    "max": lambda value, one, other: max(whole(one), whole(other)),
    "min": lambda value, one, other: min(whole(one), whole(other)),
}
DOUBLE: Final[Methods] = {
    **_NUMBER,
    "parseDouble": _parsed_double,
    "valueOf": _double_of,
    "toHexString": lambda value, other: _double_hex(_double(other)),
    "isNaN": lambda value, *other: math.isnan(_double(*other) if other else value),
    "isInfinite": lambda value, *other: math.isinf(_double(*other) if other else value),
    "compare": lambda value, one, other: _compare(_double(one), _double(other)),
    "sum": lambda value, one, other: _double(one) + _double(other),
    "max": lambda value, one, other: max(_double(one), _double(other)),
    "min": lambda value, one, other: min(_double(one), _double(other)),
}


def _boolean(value: object) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value


BOOLEAN: Final[Methods] = {
    "booleanValue": lambda value: value,
    "parseBoolean": lambda value, other: checked(other).lower() == "true",
    "valueOf": lambda value, other: other if type(other) is bool else checked(other).lower() == "true",
    "equals": lambda value, other: java_equals(value, other),
    "compareTo": _compare,
    "compare": lambda value, one, other: _compare(_boolean(one), _boolean(other)),
    "logicalAnd": lambda value, one, other: _boolean(one) and _boolean(other),
    "logicalOr": lambda value, one, other: _boolean(one) or _boolean(other),
    "logicalXor": lambda value, one, other: _boolean(one) is not _boolean(other),
    "toString": lambda value, *other: text(_boolean(*other) if other else value),
    "hashCode": lambda value: 1231 if value else 1237,
}
