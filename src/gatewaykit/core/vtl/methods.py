"""The methods of Java's List, Map, Number and Boolean that a template may call (String has a file of its own).

A function that is given the wrong types raises TypeError or answers None; either prints as nothing, as a method that
does not exist does. What throws in Java is a Failure.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from gatewaykit.core.vtl.java_strings import CHARACTER, MAX_ITEMS, STRING, checked, hash_code, is_int, whole
from gatewaykit.core.vtl.values import (
    MAX_COMPARED,
    Char,
    Entry,
    Failure,
    JavaIterator,
    JavaList,
    JavaSet,
    MapKey,
    OnceMap,
    SilentMap,
    from_key,
    java_equals,
    key_of,
    put_inside,
    text,
)

__all__ = ["METHODS", "NOT_OFFERED", "int_value"]

Methods = Mapping[str, Callable[..., object]]


# ------------------------------------------------------------------------------------------------------- lists


def _get(value: list[Any], at: int) -> object:
    if not 0 <= whole(at) < len(value):
        raise Failure(f"index {at} of a list of {len(value)}")
    return value[at]


def _set(value: list[Any], at: int, item: object) -> object:
    before = _get(value, at)
    value[at] = put_inside(item)
    return before


def _add(value: list[Any], first: object, *rest: object) -> object:
    """`add(item)` gives true, `add(index, item)` nothing."""
    if len(value) >= MAX_ITEMS:
        raise Failure(f"a list of more than {MAX_ITEMS} items")
    if not rest:
        value.append(put_inside(first))
        return True
    (item,) = rest if len(rest) == 1 else _too_many()
    if not 0 <= whole(first) <= len(value):
        raise Failure(f"index {first} of a list of {len(value)}")
    value.insert(whole(first), put_inside(item))
    return ""


def _too_many() -> tuple[object]:
    raise TypeError


def _add_all(value: list[Any], other: object) -> bool:
    items = other if isinstance(other, list) else None
    if items is None:
        raise TypeError
    if len(value) + len(items) > MAX_ITEMS:
        raise Failure(f"a list of more than {MAX_ITEMS} items")
    added = bool(items)
    value.extend([put_inside(item) for item in items])
    return added


def _remove(value: list[Any], what: object) -> object:
    """By index when given a whole number, else the first equal item."""
    if is_int(what):
        item = _get(value, whole(what))
        del value[whole(what)]
        return item
    at = _position(value, what)
    if at >= 0:
        del value[at]
    return at >= 0


def _position(value: list[Any], what: object) -> int:
    return next((at for at, item in enumerate(value) if java_equals(item, what)), -1)


def _sub_list(value: list[Any], start: int, end: int) -> JavaList:
    if not 0 <= whole(start) <= whole(end) <= len(value):
        raise Failure(f"subList({start}, {end}) of a list of {len(value)}")
    return JavaList(value[start:end])


def _clear(value: list[Any] | dict[Any, Any]) -> str:
    value.clear()
    return ""


def _keep(value: list[Any], other: object, *, kept: bool) -> bool:
    """`retainAll` and `removeAll`."""
    wanted = _list(other)
    before = len(value)
    value[:] = [item for item in value if (_position(wanted, item) >= 0) is kept]
    return len(value) != before


_LIST: Final[Methods] = {
    "size": lambda value: len(value),
    "isEmpty": lambda value: not value,
    "get": _get,
    "set": _set,
    "add": _add,
    "addAll": _add_all,
    "remove": _remove,
    "clear": _clear,
    "contains": lambda value, what: _position(value, what) >= 0,
    "containsAll": lambda value, other: all(_position(value, item) >= 0 for item in _list(other)),
    "indexOf": _position,
    "lastIndexOf": lambda value, what: len(value) - 1 - at if (at := _position(value[::-1], what)) >= 0 else -1,
    "subList": _sub_list,
    "removeAll": lambda value, other: _keep(value, other, kept=False),
    "retainAll": lambda value, other: _keep(value, other, kept=True),
    "iterator": lambda value: JavaIterator([*value]),
    "toArray": lambda value: JavaList(value),
    "hashCode": lambda value: _hash(value),
    "equals": lambda value, other: java_equals(value, other),
    "toString": text,
}


_SET: Final[Methods] = {
    name: _LIST[name]
    for name in ("size", "isEmpty", "contains", "containsAll", "equals", "toString", "iterator", "toArray")
}


def _hash(value: object) -> int | None:
    """`Object.hashCode` of what JSON can hold; None where a part has none here."""
    return _hashed(value, [MAX_COMPARED])


def _hashed(value: object, left_over: list[int]) -> int | None:
    if value is None:
        return 0
    if isinstance(value, (str, bool)):
        return ord(value) if type(value) is Char else hash_code(value) if isinstance(value, str) else 1237 - 6 * value
    if not isinstance(value, (dict, list)):
        return _number_hash(value) if isinstance(value, (int, float)) else None
    left_over[0] -= 1
    if left_over[0] < 0:
        raise Failure("a value is too large to be hashed")
    code = 0
    if isinstance(value, dict):
        for key, item in value.items():
            hashed_key, hashed = _hashed(from_key(key), left_over), _hashed(item, left_over)
            if hashed_key is None or hashed is None:
                return None
            code += hashed_key ^ hashed
        return int_value(code)
    code = 1
    for item in value:
        if (hashed := _hashed(item, left_over)) is None:
            return None
        code = int_value(31 * code + hashed)
    return code


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


# -------------------------------------------------------------------------------------------------------- maps


def _put(value: dict[Any, Any], key: object, item: object) -> object:
    key = key_of(key)
    if type(value) is OnceMap and key in value:
        raise Failure(f"{text(key)} is overridden twice")
    before = value.get(key)
    value[key] = put_inside(item)
    return before


def _put_all(value: dict[Any, Any], other: object) -> str:
    if not isinstance(other, dict):
        raise TypeError
    for key, item in [*other.items()]:
        _put(value, from_key(key), item)
    return ""


def _put_if_absent(value: dict[Any, Any], key: object, item: object) -> object:
    before = value.get(key_of(key))
    return _put(value, key, item) if before is None else before


def _get_or_default(value: dict[Any, Any], key: object, default: object) -> object:
    key = key_of(key)
    return value.get(key, default)


def _replace(value: dict[Any, Any], key: object, item: object) -> object:
    return _put(value, key, item) if key_of(key) in value else None


_MAP: Final[Methods] = {
    "get": lambda value, key: value.get(key_of(key)),
    "getOrDefault": _get_or_default,
    "put": _put,
    "putIfAbsent": _put_if_absent,
    "putAll": _put_all,
    "replace": _replace,
    "remove": lambda value, key: value.pop(key_of(key), None),
    "clear": _clear,
    "containsKey": lambda value, key: key_of(key) in value,
    "containsValue": lambda value, what: _position([*value.values()], what) >= 0,
    "keySet": lambda value: JavaSet(map(from_key, value) if MapKey in map(type, value) else value),
    "values": lambda value: JavaSet(value.values()),
    "entrySet": lambda value: JavaSet([Entry(from_key(key), item) for key, item in value.items()]),
    "size": lambda value: len(value),
    "isEmpty": lambda value: not value,
    "hashCode": _hash,
    "equals": lambda value, other: java_equals(value, other),
    "toString": text,
}


# ----------------------------------------------------------------------------------------- numbers and booleans


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


def _number_hash(value: Any) -> int | None:
    """Of Integer, Long and Double; a BigInteger has none here."""
    bits: int = struct.unpack(">q", struct.pack(">d", value))[0] if type(value) is float else value
    if type(value) is int and -(2**31) <= value < 2**31:
        return value
    return int_value(bits ^ (bits % 2**64 >> 32)) if -(2**63) <= bits < 2**63 else None


_NUMBER: Final[Methods] = {
    "intValue": int_value,
    "longValue": _long_value,
    "doubleValue": _double_value,
    "equals": lambda value, other: java_equals(value, other),
    "compareTo": _compare,
    "toString": _to_string,
    "hashCode": _number_hash,
}
# static methods: the usual way to read a number is `#set($Integer = 0) $Integer.parseInt("12")`
_WHOLE: Final[Methods] = {
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
_DOUBLE: Final[Methods] = {
    **_NUMBER,
    "parseDouble": _parsed_double,
    "valueOf": _double_of,
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


_BOOLEAN: Final[Methods] = {
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

METHODS: Final[dict[type, Methods]] = {
    str: STRING,
    Char: CHARACTER,
    list: _LIST,
    JavaList: _LIST,
    dict: _MAP,
    OnceMap: _MAP,
    SilentMap: _MAP,
    JavaSet: _SET,
    int: _WHOLE,
    float: _DOUBLE,
    bool: _BOOLEAN,
}

_OBJECT: Final = frozenset(("clone", "getClass", "notify", "notifyAll", "wait"))
_NO_STRING: Final = _OBJECT | {
    "chars", "codePointBefore", "codePointCount", "codePoints", "copyValueOf", "describeConstable", "format",
    "formatted", "getBytes", "getChars", "indent", "isBlank", "lines", "offsetByCodePoints", "regionMatches", "repeat",
    "strip", "stripIndent", "stripLeading", "stripTrailing", "translateEscapes",
}  # fmt: skip
_NO_LIST: Final = _OBJECT | {
    "ensureCapacity", "listIterator", "parallelStream", "spliterator", "stream", "trimToSize",
}  # fmt: skip
_NO_SET: Final = _NO_LIST | {"clear", "remove", "removeAll", "retainAll"}
_NO_NUMBER: Final = _OBJECT | {
    "bitCount", "decode", "divideUnsigned", "floatValue", "highestOneBit", "lowestOneBit", "numberOfLeadingZeros",
    "numberOfTrailingZeros", "parseUnsignedInt", "remainderUnsigned", "reverse", "reverseBytes", "rotateLeft",
    "rotateRight", "signum", "toUnsignedString",
}  # fmt: skip
_NO_DOUBLE: Final = _OBJECT | {"byteValue", "floatValue", "isFinite", "shortValue", "toHexString"}

NOT_OFFERED: Final[Mapping[type, frozenset[str]]] = {
    str: _NO_STRING, Char: _OBJECT, list: _NO_LIST, JavaList: _NO_LIST, JavaSet: _NO_SET, dict: _OBJECT,
    OnceMap: _OBJECT, SilentMap: _OBJECT, int: _NO_NUMBER, float: _NO_DOUBLE, bool: _OBJECT,
}  # fmt: skip
"""Methods that Java has and templates may not call here: they fail, since printing nothing would be wrong."""
