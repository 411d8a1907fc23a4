"""JSON bodies: whole, and an array read element by element.

JSON is RFC 8259's: UTF-8 (a byte order mark is passed over), no NaN or infinity; of a name that stands twice the last
value counts. Numbers are read and written as Python does.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from math import inf
from typing import Any, Final, NoReturn

from gatewaykit.core.transform.unusable import TooLarge, Unusable

__all__ = ["JsonItems", "parse_json", "write_json"]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if -inf < number < inf:
        return number
    raise ValueError("a number is too large")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_OUTSIDE: Final = re.compile(r'["\[\]{},]')
_INSIDE: Final = re.compile(r'["\\]')


def parse_json(body: bytes) -> Any:
    """The value of a body, or an Unusable."""
    try:
        return _DECODER.decode((body[3:] if body.startswith(BOM_UTF8) else body).decode())
    except (ValueError, RecursionError) as error:
        return Unusable(f"it is not valid JSON: {_words(error)}")


def write_json(value: Any) -> str | Unusable:
    """A value as JSON text that UTF-8 can hold: a lone surrogate stays the escape it was."""
    try:
        text = _ENCODER.encode(value)
    except RecursionError:
        return Unusable("it is nested too deeply")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text


_ESCAPED: Final = re.compile("[\ud800-\udfff]")


class JsonItems:
    """Reads the elements of an array from text that comes in pieces. Where the pieces are cut makes no difference."""

    def __init__(self, max_item_chars: int) -> None:
        self._max = max_item_chars
        self._expected = "array"  # then "first", "item", "delimiter", "nothing"
        self._parts: list[str] = []  # of an element whose end has not come
        self._size = 0
        self._extent = _Extent()

    def feed(self, text: str, more: bool) -> list[Any] | Unusable:
        """The elements that are whole now."""
        items: list[Any] = []
        at = 0
        if self._parts:
            at = self._extent.end(text)
            if at < 0:
                return self._wait(text, more) or items
            found = self._item("".join((*self._parts, text[:at])), items)
            if found is not None:
                return found
            self._parts = []
        while (at := _end_of_space(text, at)) < len(text):
            first, expected = text[at], self._expected
            if expected == "array":
                if first != "[":
                    return Unusable("it is no JSON array")
                self._expected = "first"
                at += 1
            elif expected == "nothing":
                return Unusable("something follows the JSON array")
            elif expected == "delimiter" or (expected == "first" and first == "]"):
                self._expected = "item" if first == "," else "nothing"
                at += 1
            else:
                after = self._whole_item(text, at, items)
                if isinstance(after, Unusable):
                    return after
                if after < 0:
                    return self._wait(text[at:], more) or items
                at = after
        if not more and self._expected != "nothing":
            return Unusable("it is not valid JSON: the array has no end")
        return items

    def _whole_item(self, text: str, at: int, items: list[Any]) -> int | Unusable:
        """Read an element that begins at `at`. Gives where its delimiter is; -1 where it goes on in the next piece."""
        try:
            value, after = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):  # broken, or not all of it here: its extent will tell
            pass
        else:
            after = _end_of_space(text, after)
            if text[after : after + 1] in (",", "]"):
                if after - at > self._max:
                    return self._too_long()
                items.append(value)
                self._expected = "delimiter"
                return after
        self._extent = _Extent()
        end = self._extent.end(text, at)
        if end < 0:
            return end
        return self._item(text[at:end], items) or end

    def _item(self, text: str, items: list[Any]) -> Unusable | None:
        if len(text) > self._max:
            return self._too_long()
        try:
            items.append(_DECODER.decode(text))
        except (ValueError, RecursionError) as error:
            return Unusable(f"an element of the array is not valid JSON: {_words(error)}")
        self._size, self._expected = 0, "delimiter"
        return None

    def _wait(self, text: str, more: bool) -> Unusable | None:
        if text:
            self._parts.append(text)
            self._size += len(text)
        if self._size > self._max:
            return self._too_long()
        return None if more else Unusable("it is not valid JSON: the array has no end")

    def _too_long(self) -> TooLarge:
        return TooLarge(f"an element of the array has more than {self._max} characters", self._max)


class _Extent:
    """Finds the end of an array's element, broken or not: the first comma or bracket that is not inside it."""

    __slots__ = ("_depth", "_escaped", "_in_text")

    def __init__(self) -> None:
        self._depth = 0
        self._in_text = self._escaped = False

    def end(self, text: str, at: int = 0) -> int:
        """Where the end is in this piece; -1 where it is not here."""
        if self._escaped and text:
            self._escaped = False
            at += 1
        while (found := (_INSIDE if self._in_text else _OUTSIDE).search(text, at)) is not None:
            mark, at = found[0], found.end()
            if mark == '"':
                self._in_text = not self._in_text
            elif mark == "\\":
                self._escaped = at == len(text)
                at += 1
            elif mark in "[{":
                self._depth += 1
            elif self._depth:
                self._depth -= mark != ","
            elif mark != "}":
                return found.start()
        return -1


def _end_of_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _words(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)
