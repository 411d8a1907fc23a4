"""The methods of Java's String that a template may call. Positions count UTF-16 code units, as Java's do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from gatewaykit.core.vtl.java_regex import compile_java_regex, java_replacement
from gatewaykit.core.vtl.safe_regex import find_all, matches
from gatewaykit.core.vtl.values import MAX_TEXT, Char, Failure, JavaList, java_equals, text

__all__ = ["CHARACTER", "MAX_ITEMS", "STRING", "checked", "hash_code", "is_int", "whole"]


MAX_ITEMS: Final = 1_000_000
"""The longest list a template may make."""


def _units(value: str) -> str:
    """The string as UTF-16 code units, one character each: what Java counts in."""
    if value.isascii() or max(value) <= "\uffff":
        return value
    raw = value.encode("utf-16-le", "surrogatepass")
    return "".join([chr(raw[at] | raw[at + 1] << 8) for at in range(0, len(raw), 2)])


def _joined(units: str) -> str:
    """Code units back to a string; a surrogate without its other half stays one."""
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass") if units else units


def checked(value: object) -> str:
    """A string argument. Null passes for one in Java, until it is used."""
    if value is None:
        raise Failure("a null argument")
    if type(value) is not str:
        raise TypeError
    return value


def is_int(value: object) -> bool:
    """Whether a value is what Java calls an Integer: no Long may stand where a method wants an int."""
    return type(value) is int and -(2**31) <= value < 2**31


def whole(value: Any) -> int:
    if not is_int(value):
        raise TypeError
    return int(value)


def _char_at(value: str, at: int) -> str:
    units = _units(value)
    if not 0 <= whole(at) < len(units):
        raise Failure(f"charAt({at}) of a string of {len(units)}")
    return Char(units[at])


def _code_point_at(value: str, at: int) -> int:
    units = _units(value)
    if not 0 <= whole(at) < len(units):
        raise Failure(f"codePointAt({at}) of a string of {len(units)}")
    whole_character = _joined(units[at : at + 2])
    return ord(whole_character if len(whole_character) == 1 else units[at])


def _to_char_array(value: str) -> JavaList:
    units = _units(value)
    if len(units) > MAX_ITEMS:
        raise Failure(f"a list of more than {MAX_ITEMS} items")
    return JavaList(map(Char, units))


def _substring(value: str, start: int, end: int | None = None) -> str:
    units = _units(value)
    end = len(units) if end is None else whole(end)
    if not 0 <= whole(start) <= end <= len(units):
        raise Failure(f"substring({start}, {end}) of a string of {len(units)}")
    return _joined(units[start:end])


def _needle(value: object) -> str:
    """What indexOf looks for: a string or the code of a character."""
    if type(value) is int:
        return _units(chr(value)) if 0 <= value <= 0x10FFFF else "\0\0"
    return _units(checked(value))


def _index_of(value: str, wanted: object, start: int = 0) -> int:
    units, needle = _units(value), _needle(wanted)
    return units.find(needle, min(max(whole(start), 0), len(units)))


def _last_index_of(value: str, wanted: object, start: int | None = None) -> int:
    units, needle = _units(value), _needle(wanted)
    if start is None:
        return units.rfind(needle)
    return units.rfind(needle, 0, whole(start) + len(needle)) if start >= 0 else -1


def _starts_with(value: str, prefix: str, offset: int = 0) -> bool:
    return whole(offset) >= 0 and _units(value).startswith(_units(checked(prefix)), offset)


def _replace(value: str, old: str, new: str) -> str:
    if type(old) is Char and type(new) is Char:
        return _joined(_units(value).replace(old, new))
    count = value.count(checked(old))
    if len(value) + count * len(checked(new)) > MAX_TEXT:
        raise Failure(f"a text of more than {MAX_TEXT} characters")
    return value.replace(old, new)


def _pattern(pattern: object) -> re.Pattern[str]:
    compiled = compile_java_regex(checked(pattern))
    if isinstance(compiled, str):
        raise Failure(f"the regular expression {pattern!r}: {compiled}")
    return compiled


def _replace_all(value: str, pattern: str, replacement: str, *, once: bool = False) -> str:
    compiled = _pattern(pattern)
    expand = java_replacement(checked(replacement), compiled)
    pieces: list[str] = []
    at = made = 0
    for spans in find_all(compiled, value):
        if expand is None:  # Java does not look at the replacement before there is something to replace
            raise Failure(f"the replacement {replacement!r} names a group that there is not")
        start, end = spans[0]
        pieces += [value[at:start], expand(value, spans)]
        at = end
        made += len(pieces[-2]) + len(pieces[-1])
        if made > MAX_TEXT:
            raise Failure(f"a text of more than {MAX_TEXT} characters")
        if once:
            break
    pieces.append(value[at:])
    return "".join(pieces)


def _split(value: str, pattern: str, limit: int = 0) -> JavaList:
    """Java's split: no empty piece before the first character, none at the end unless a negative limit keeps them."""
    pieces: list[str] = []
    at = 0
    for spans in find_all(_pattern(pattern), value):
        if whole(limit) > 0 and len(pieces) == limit - 1:
            break
        start, end = spans[0]
        if end == 0:
            continue
        pieces.append(value[at:start])
        at = end
    if at == 0 and not pieces:
        return JavaList([value])
    pieces.append(value[at:])
    if limit == 0:
        while pieces and not pieces[-1]:
            pieces.pop()
    return JavaList(pieces)


def hash_code(value: str) -> int:
    code = 0
    for unit in _units(value):
        code = (code * 31 + ord(unit)) & 0xFFFFFFFF
    return code - 2**32 if code >= 2**31 else code


def _compare_to(value: str, other: str) -> int:
    if type(other) is not str:
        raise Failure("compareTo() of a string and what is none")
    left, right = _units(value), _units(other)
    for one, another in zip(left, right):
        if one != another:
            return ord(one) - ord(another)
    return len(left) - len(right)


def _concat(value: str, other: str) -> str:
    if len(value) + len(checked(other)) > MAX_TEXT:
        raise Failure(f"a text of more than {MAX_TEXT} characters")
    return value + other


def _join(value: str, separator: str, *items: object) -> str:
    """The static `String.join`: items one by one, or one list of them."""
    pieces: Any = items[0] if len(items) == 1 and isinstance(items[0], list) else items
    if not all(type(piece) is str for piece in pieces):
        raise Failure("join() of what is no string")
    if sum(map(len, pieces)) + len(pieces) * len(checked(separator)) > MAX_TEXT:
        raise Failure(f"a text of more than {MAX_TEXT} characters")
    return separator.join(pieces)


_BLANKS: Final = "".join(map(chr, range(0x21)))

STRING: Final[Mapping[str, Callable[..., object]]] = {
    "length": lambda value: len(_units(value)),
    "isEmpty": lambda value: not value,
    "equals": lambda value, other: java_equals(value, other),
    "equalsIgnoreCase": lambda value, other: other is not None and value.lower() == checked(other).lower(),
    "contains": lambda value, other: checked(other) in value,
    "startsWith": _starts_with,
    "endsWith": lambda value, other: value.endswith(checked(other)),
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "substring": _substring,
    "replace": _replace,
    "replaceAll": lambda value, pattern, replacement: _replace_all(value, pattern, replacement),
    "replaceFirst": lambda value, pattern, replacement: _replace_all(value, pattern, replacement, once=True),
    "split": _split,
    "trim": lambda value: value.strip(_BLANKS),
    "toLowerCase": lambda value: value.lower(),
    "toUpperCase": lambda value: value.upper(),
    "matches": lambda value, pattern: matches(_pattern(pattern), value),
    "charAt": _char_at,
    "codePointAt": _code_point_at,
    "toCharArray": _to_char_array,
    "contentEquals": lambda value, other: value == checked(other),
    "intern": lambda value: value,
    "subSequence": lambda value, start, end: _substring(value, start, whole(end)),
    "concat": _concat,
    "toString": lambda value: value,
    "hashCode": hash_code,
    "compareTo": _compare_to,
    "compareToIgnoreCase": lambda value, other: _compare_to(value.lower(), checked(other).lower()),
    "join": _join,
    "valueOf": lambda value, other: text(other),
}

CHARACTER: Final[Mapping[str, Callable[..., object]]] = {
    "charValue": lambda value: value,
    "compareTo": lambda value, other: ord(value) - ord(_character(other)),
    "equals": lambda value, other: java_equals(value, other),
    "hashCode": lambda value: ord(value),
    "toString": str,
}


def _character(value: object) -> Char:
    if type(value) is not Char:
        raise Failure("compareTo() of a character and what is none")
    return value
