"""ECMA 262 regular expressions as Python's, as far as schemas use them.

`$` is the very end of the text (Python's also matches before a last line feed), `.` is any character but a line end,
`\\d`, `\\w`, `\\s` and `\\b` are ASCII, `(?<name>…)` is a named group. What Python does not have or takes for something
else (`\\p{…}`, `\\A`, `[^]`, `{,3}`) is an error, never a different meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

__all__ = ["MAX_PATTERN", "Pattern", "python_pattern"]

MAX_PATTERN: Final = 1000

_LETTER_ESCAPES: Final = frozenset("dDwWsSbBfnrtvxu")
_ANY_BUT_LINE_END: Final = r"[^\n\r\u2028\u2029]"


class Pattern(str):
    """A pattern in Python's words, without any unescaped `$`; `written` is how the schema has it.

    Its `search` takes the place of Python's, where that might take too long.
    """

    __slots__ = ("search", "written")

    search: Callable[[str], bool] | None
    written: str

    def is_in(self, text: str) -> bool:
        return re.search(self, text) is not None if self.search is None else self.search(text)


def python_pattern(pattern: str) -> Pattern | ValueError:
    """The Python pattern with the same meaning; or what is wrong."""
    if len(pattern) > MAX_PATTERN:
        return ValueError(f"a pattern has {MAX_PATTERN} characters at most, this one {len(pattern)}")
    parts = _translated(pattern)
    if isinstance(parts, ValueError):
        return parts
    translated = Pattern("(?a)" + "".join(parts))
    translated.written, translated.search = pattern, None
    try:
        re.compile(translated)
    except (re.error, OverflowError, RecursionError) as error:
        return ValueError(str(error))
    return translated


def _translated(pattern: str) -> list[str] | ValueError:
    parts: list[str] = []
    in_class = False
    position = 0
    while position < len(pattern):
        character, pair = pattern[position], pattern[position : position + 2]
        position += 1
        if character == "\\":
            if pair[1:].isalpha() and pair[1:] not in _LETTER_ESCAPES:
                return ValueError(f"{pair} is not supported")
            parts.append(pair)
            position += 1
        elif in_class:
            if pair == "--":
                return ValueError("'--' in a character class is not supported")
            in_class = character != "]"
            parts.append("\\" + character if character in "[$&|~" else character)
        elif character == "[":
            negation = "^" if pair == "[^" else ""
            position += len(negation)
            if pattern[position : position + 1] == "]":
                return ValueError("an empty character class is not supported")
            parts.append("[" + negation)
            in_class = True
        elif pair == "{,":
            return ValueError("'{,' is not supported")
        elif pair == "(?" and pattern[position + 1 : position + 2] not in (":", "=", "!", "<"):
            return ValueError("only (?:, (?=, (?!, (?<=, (?<! and (?<name> are supported")
        elif pattern.startswith("(?<", position - 1) and pattern[position + 2 : position + 3] not in ("=", "!"):
            parts.append("(?P<")
            position += 2
        else:
            parts.append({"$": "\\Z", ".": _ANY_BUT_LINE_END}.get(character, character))
    return parts
