"""base64url without padding (RFC 7515 section 2) and JSON objects, both in their one canonical reading."""

from __future__ import annotations

import json
from binascii import a2b_base64
from typing import Any, Final

__all__ = ["decode", "read_object"]

_MOST_DEPTH: Final = 32
_ALPHABET: Final = bytes.maketrans(b"-_+/=", b"+/!!!")  # what is no base64url becomes what is no base64
_PADDING: Final = (b"", b"", b"==", b"=")
_LAST: Final = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")  # last characters whose spare bits are zero


def decode(text: bytes) -> bytes:
    """The bytes behind base64url. Raises ValueError for other characters, padding, and spare bits that are set."""
    over = len(text) & 3
    if over and text[-1] not in _LAST[over]:
        raise ValueError("base64url that ends in the wrong place or with bits that mean nothing")
    return a2b_base64(text.translate(_ALPHABET) + _PADDING[over], strict_mode=True)


def read_object(raw: bytes) -> dict[str, Any]:
    """A JSON object. Raises ValueError for anything else: also for members given twice, numbers that are none or
    infinite, lone surrogates, and nesting without end."""
    text = raw.decode("utf-8")
    value: dict[str, Any]
    try:
        value, end = _scan(text, 0)
        if end != len(text) or type(value) is not dict or not _is_flat(text, value):
            value = _read_carefully(text)
    except StopIteration:
        value = _read_carefully(text)
    except RecursionError:
        raise ValueError("JSON nested too deep") from None
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()  # UnicodeEncodeError, a ValueError, for a lone surrogate
    return value


def _is_flat(text: str, value: dict[str, Any]) -> bool:
    """Without objects inside and without a member given twice, for certain: the usual case, told by counting.

    Where no white space stands behind a quote, each member has a `":` of its own. So there are no more members than
    those, and if the object has as many, none was lost and none is elsewhere.
    """
    return (
        text.count('":') == len(value)
        and '" ' not in text
        and "\n" not in text
        and "\t" not in text
        and "\r" not in text
        and text.count("[") <= _MOST_DEPTH
    )


def _read_carefully(text: str) -> dict[str, Any]:
    text = text.strip(" \t\r\n")
    try:
        value, end = _careful_scan(text, 0)
    except StopIteration:
        raise ValueError("no JSON") from None
    if end != len(text) or type(value) is not dict:
        raise ValueError("not one JSON object")
    if _is_deep(value):
        raise ValueError("JSON nested too deep")
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError("a number without end")
    return number


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_plain: Any = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse)
_careful: Any = json.JSONDecoder(object_pairs_hook=_members, parse_float=_finite, parse_constant=_refuse)
_scan, _careful_scan = _plain.scan_once, _careful.scan_once  # `decode` without its searches for white space


def _is_deep(value: Any) -> bool:
    """Level by level, so that no depth is too much for the walk itself."""
    level = [value]
    for _ in range(_MOST_DEPTH):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True
