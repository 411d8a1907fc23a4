"""The methods of Java's List and Map that a template may call, and with those of texts and numbers, all of them.

A function that is given the wrong types raises TypeError or answers None; either prints as nothing, as a method that
does not exist does. What throws in Java is a Failure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gatewaykit.core.vtl.java_numbers import BOOLEAN, DOUBLE, WHOLE, int_value, number_hash
from gatewaykit.core.vtl.java_strings import CHARACTER, MAX_ITEMS, STRING, hash_code, is_int, whole
from gatewaykit.core.vtl.values import (
    MAX_COMPARED,
    ODD_KEYS,
    Char,
    Entry,
    Failure,
    JavaIterator,
    JavaList,
    JavaSet,
    OnceMap,
    SilentMap,
    from_key,
    java_equals,
    key_of,
    put_inside,
    text,
)

__all__ = ["METHODS", "NOT_OFFERED"]

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
        return number_hash(value) if isinstance(value, (int, float)) else None
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
    "keySet": lambda value: JavaSet(map(from_key, value) if ODD_KEYS else value),
    "values": lambda value: JavaSet(value.values()),
    "entrySet": lambda value: JavaSet([Entry(from_key(key), item) for key, item in value.items()]),
    "size": lambda value: len(value),
    "isEmpty": lambda value: not value,
    "hashCode": _hash,
    "equals": lambda value, other: java_equals(value, other),
    "toString": text,
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
    int: WHOLE,
    float: DOUBLE,
    bool: BOOLEAN,
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
_NO_DOUBLE: Final = _OBJECT | {"byteValue", "floatValue", "isFinite", "shortValue"}

NOT_OFFERED: Final[Mapping[type, frozenset[str]]] = {
    str: _NO_STRING, Char: _OBJECT, list: _NO_LIST, JavaList: _NO_LIST, JavaSet: _NO_SET, dict: _OBJECT,
    OnceMap: _OBJECT, SilentMap: _OBJECT, int: _NO_NUMBER, float: _NO_DOUBLE, bool: _OBJECT,
}  # fmt: skip
"""Methods that Java has and templates may not call here: they fail, since printing nothing would be wrong."""
