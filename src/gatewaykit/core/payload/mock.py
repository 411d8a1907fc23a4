"""The status that the rendered request template of a MOCK integration names.

Strict JSON first; what is no JSON is read as loosely as API Gateway does: outer braces, members between commas, a name
before the first colon. Reference 04 section 7; row 38.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final

__all__ = ["mock_status"]

_SHORT: Final = 256
"""Characters of a text whose status is remembered: most templates of mocks render to one of a few."""


def mock_status(text: str) -> int | None:
    """The integer `statusCode` of a rendered template, or None when it has none."""
    return _remembered(text) if len(text) <= _SHORT else _status(text)


def _status(text: str) -> int | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return _lenient_status(text)
    status = document.get("statusCode") if isinstance(document, dict) else None
    return status if isinstance(status, int) and not isinstance(status, bool) else None


_remembered: Final = lru_cache(maxsize=256)(_status)


def _lenient_status(text: str) -> int | None:
    text = text.strip()
    if len(text) < 2 or text[0] != "{" or text[-1] != "}":
        return None
    status = None
    for member in text[1:-1].split(","):
        name, colon, value = member.partition(":")
        name = name.strip()
        if name[:1] in ("{", "["):
            return None
        if colon and _unquoted(name) == "statusCode":
            status = _integer(value.strip())
    return status


def _unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'":
        return name[1:-1]
    return name


def _integer(text: str) -> int | None:
    digits = text[1:] if text[:1] in ("-", "+") else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None
