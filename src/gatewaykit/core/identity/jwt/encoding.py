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
    text = raw.decode("utf-8").strip(" \t\r\n")
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("no JSON") from None
    except RecursionError:
        raise ValueError("JSON nested too deep") from None
    if end != len(text) or type(value) is not dict:
        raise ValueError("not one JSON object")
    if text.count("{") + text.count("[") > _MOST_DEPTH and _is_deep(value):
        raise ValueError("JSON nested too deep")
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()  # UnicodeEncodeError, a ValueError, for a lone surrogate
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


_decoder: Any = json.JSONDecoder(object_pairs_hook=_members, parse_float=_finite, parse_constant=_refuse)
_scan: Final = _decoder.scan_once  # `decode` without its searches for white space


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
