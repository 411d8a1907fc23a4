"""Places in a JSON document: `name`, `items[0].id`, `items[*].secret`, `["a name with dots.and spaces"]`."""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeAlias

__all__ = ["EACH", "Part", "Path", "parse_path", "reached"]

EACH: Final = None
"""The part `[*]`: every element of a list."""

Part: TypeAlias = "str | int | None"
Path: TypeAlias = "tuple[Part, ...]"

_MAX_PARTS: Final = 32
_MAX_DIGITS: Final = 9
_PART: Final = re.compile(r'\[(?:(?P<each>\*)|(?P<index>[0-9]+)|(?P<quoted>"(?:[^"\\]|\\.)*"))\]|(?P<name>[^.\[\]"*]+)')


def parse_path(text: object) -> Path | str:
    """The parts of a path, or what is wrong with it."""
    if not isinstance(text, str) or not text:
        return f"{text!r} is no path of a field"
    parts: list[Part] = []
    at = 0
    while at < len(text):
        if parts and text[at] == ".":
            at += 1
            if text[at : at + 1] == "[":
                return f"{text!r}: a dot stands before a bracket"
        elif parts and text[at] != "[":
            return f"{text!r} cannot be read from {text[at:]!r} on"
        found = _PART.match(text, at)
        if found is None:
            return f"{text!r} cannot be read from {text[at:]!r} on"
        part = _part(found)
        if part is False:
            return f"{text!r} cannot be read from {text[at:]!r} on"
        parts.append(part)
        at = found.end()
    if len(parts) > _MAX_PARTS:
        return f"a path of {len(parts)} parts is too deep; {_MAX_PARTS} are the most"
    return tuple(parts)


def reached(value: Any, path: Path) -> list[Any]:
    """Every value that a path leads to."""
    found = [value]
    for part in path:
        behind: list[Any] = []
        for each in found:
            if part is EACH:
                if type(each) is list:
                    behind.extend(each)
            elif type(part) is int:
                if type(each) is list and part < len(each):
                    behind.append(each[part])
            elif type(each) is dict and part in each:
                behind.append(each[part])
        found = behind
    return found


def _part(found: re.Match[str]) -> Part | bool:
    """The part; False where its text is none. (An index is never False: it is an int.)"""
    if found["each"]:
        return EACH
    if found["index"]:
        return int(found["index"]) if len(found["index"]) <= _MAX_DIGITS else False
    if found["quoted"]:
        try:
            return str(json.loads(found["quoted"]))
        except ValueError:
            return False
    return found["name"]
