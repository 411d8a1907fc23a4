"""Java regular expressions on Python's engine, for template methods and integration response selection.

Both engines backtrack and share most of their syntax. What differs is translated; what has no equal (Unicode blocks,
character class operations, `\\G`, `\\X`) is a problem, never a pattern that means something else.
`java.util.regex.Pattern` is the reference.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Final
from unicodedata import category

from gatewaykit.core.vtl.linear_regex import Spans

__all__ = ["compile_java_regex", "java_replacement"]

MAX_PATTERN: Final = 10_000
MAX_TRANSLATED: Final = 200_000


class _Untranslatable(Exception):
    pass


@lru_cache(maxsize=1024)
def compile_java_regex(pattern: str) -> re.Pattern[str] | str:
    """The compiled pattern, or why it cannot be used."""
    if len(pattern) > MAX_PATTERN:
        return f"a pattern of more than {MAX_PATTERN} characters"
    try:
        # ASCII: Java's \d, \w, \s and \b are ASCII unless told otherwise
        translated = _translate(pattern)
        if len(translated) > MAX_TRANSLATED:
            return "a pattern of too many categories of characters"
        return re.compile(translated, re.ASCII)
    except _Untranslatable as problem:
        return str(problem)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        return str(error)


def java_replacement(replacement: str, pattern: re.Pattern[str]) -> Callable[[str, Spans], str] | None:
    """What puts in `$1`, `${name}` and backslash escapes as `Matcher.appendReplacement` does; None when malformed."""
    if "$" not in replacement and "\\" not in replacement:
        return lambda text, spans: replacement
    pieces: list[str | int] = []  # texts and numbers of groups
    at = 0
    while at < len(replacement):
        character = replacement[at]
        at += 1
        if character == "\\":
            if at == len(replacement):
                return None
            pieces.append(replacement[at])
            at += 1
        elif character == "$":
            found = _GROUP.match(replacement, at)
            group, length = _group(found, pattern) if found else (None, 0)
            if group is None:
                return None
            pieces.append(group)
            at += length
        else:
            pieces.append(character)
    return lambda text, spans: "".join(
        [
            piece if isinstance(piece, str) else text[max(spans[piece][0], 0) : max(spans[piece][1], 0)]
            for piece in pieces
        ]
    )


def _group(found: re.Match[str], pattern: re.Pattern[str]) -> tuple[int | None, int]:
    """The number of a referenced group and the length of the reference; None for a group there is not."""
    if name := found["name"]:
        return pattern.groupindex.get(name), len(found[0])
    digits = found["number"]
    used = 1  # further digits belong to the number only as long as there is such a group
    while used < len(digits) and int(digits[: used + 1]) <= pattern.groups:
        used += 1
    number = int(digits[:used])
    return number if number <= pattern.groups else None, used


_GROUP: Final = re.compile(r"\{(?P<name>[A-Za-z][A-Za-z0-9]*)\}|(?P<number>[0-9]{1,4})")

_ESCAPES: Final = {
    "e": r"\x1b",
    "h": r"[ \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000]",
    "H": r"[^ \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000]",
    "v": r"[\n\x0b\f\r\x85\u2028\u2029]",
    "V": r"[^\n\x0b\f\r\x85\u2028\u2029]",
    "R": r"(?:\r\n|[\n\x0b\f\r\x85\u2028\u2029])",
    "z": r"\Z",
    "Z": r"(?=\n?\Z)",
}
_IN_CLASS: Final = {
    "e": r"\x1b",
    "h": r" \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000",
    "v": r"\n\x0b\f\r\x85\u2028\u2029",
}
_PROPERTIES: Final = {
    "Lower": "a-z", "Upper": "A-Z", "ASCII": r"\x00-\x7f", "Alpha": "a-zA-Z", "Digit": "0-9", "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~", "Graph": "!-~", "Print": " -~", "Blank": r" \t", "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F", "Space": r" \t\n\x0b\f\r",
}  # fmt: skip
_OCTAL: Final = re.compile(r"[0-3][0-7]{1,2}|[0-7]{1,2}")
_HEX: Final = re.compile(r"x(?P<two>[0-9a-fA-F]{2})|x\{(?P<any>[0-9a-fA-F]{1,6})\}|u(?P<four>[0-9a-fA-F]{4})")
_PROPERTY: Final = re.compile(r"\{(\w+)\}|([A-Z])")
_CATEGORY: Final = re.compile(r"(?:Is)?([CLMNPSZ][a-z]?)")
_SAME: Final = frozenset("tnrfadDwWsSbBA0123456789")
_LINE_START: Final = r"(?!\Z)(?<![^\n\r\x85\u2028\u2029])(?!(?<=\r)\n)"
_LINE_END: Final = r"(?=[\n\r\x85\u2028\u2029]|\Z)(?!(?<=\r)\n)"


def _translate(pattern: str) -> str:
    pieces: list[str] = []
    flags: frozenset[str] = frozenset()
    openers: list[str] = []  # of inline flags: Java's hold to the end of the group around them, Python's have their own
    groups: list[tuple[frozenset[str], list[str]]] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            piece, at = _escape(pattern, at + 1, inside=False)
        elif character == "[":
            piece, at = _class(pattern, at)
        elif character == "(":
            opened = _OPEN.match(pattern, at)
            if opened is None:
                raise _Untranslatable(f"a group that begins with {pattern[at : at + 3]!r} is not supported")
            piece, at = opened[0], opened.end()
            changed = _changed(flags, opened)
            if piece.endswith(")"):
                flags = changed
                piece = piece if pieces == [] and not opened["off"] else piece.replace(")", ":")
                openers += [piece] if piece.endswith(":") else []
            else:
                groups.append((flags, openers))
                flags, openers = changed, []
                piece = "(?P<" if piece == "(?<" else piece
        elif character == ")":
            piece, at = ")" * (len(openers) + 1), at + 1
            flags, openers = groups.pop() if groups else (flags, [])
        elif character == "|":
            piece, at = ")" * len(openers) + "|" + "".join(openers), at + 1
        elif character == "{":
            if not (repeat := _REPEAT.match(pattern, at)):
                raise _Untranslatable("a { that is no repetition; write \\{")  # Java: "Illegal repetition"
            piece, at = repeat[0], repeat.end()
        else:
            piece, at = _IN_LINES.get(character, character) if "m" in flags else character, at + 1
            if character == ".":
                piece = "." if "s" in flags else r"[^\n\r\x85\u2028\u2029]"
            elif piece == "$":
                piece = r"(?=\n?\Z)"  # Python's $ would do, but not inside a look-behind's neighbour
        pieces.append(piece)
    return "".join(pieces) + ")" * len(openers)


_OPEN: Final = re.compile(r"\((?!\?)|\(\?(?:[:=!>]|<[=!]|<(?=[a-zA-Z])|(?P<on>[a-zA-Z]*)(?:-(?P<off>[a-zA-Z]+))?[:)])")
_REPEAT: Final = re.compile(r"\{[0-9]+(?:,[0-9]*)?\}")
_IN_LINES: Final = {"^": _LINE_START, "$": _LINE_END}


def _changed(flags: frozenset[str], opened: re.Match[str]) -> frozenset[str]:
    """The flags behind what opens a group: Python knows i, m, s and x, and x is not the same."""
    on, off = opened["on"] or "", opened["off"] or ""
    if not set(on + off) <= set("ims"):
        raise _Untranslatable(f"inline flags {opened[0]!r} are not supported")
    return (flags | set(on)) - set(off)


def _escape(pattern: str, at: int, *, inside: bool) -> tuple[str, int]:
    """What stands for the escape whose letter is at `at`, and where the pattern goes on."""
    letter = pattern[at : at + 1]
    if not letter:
        raise _Untranslatable("a backslash at the end")
    if letter == "Q":
        end = pattern.find("\\E", at)
        quoted = pattern[at + 1 : end if end >= 0 else len(pattern)]
        return re.escape(quoted), end + 2 if end >= 0 else len(pattern)
    if letter == "0":
        if not (octal := _OCTAL.match(pattern, at + 1)):
            raise _Untranslatable("\\0 without octal digits")
        return re.escape(chr(int(octal[0], 8))), octal.end()
    if found := _HEX.match(pattern, at):
        code = int(found["two"] or found["any"] or found["four"], 16)
        if code > 0x10FFFF:
            raise _Untranslatable("a character beyond Unicode")
        return re.escape(chr(code)), found.end()
    if letter in "pP":
        return _property(pattern, at, inside=inside)
    if letter == "k" and (name := re.compile(r"<(\w+)>").match(pattern, at + 1)) and not inside:
        return f"(?P={name[1]})", name.end()
    table = _IN_CLASS if inside else _ESCAPES
    if letter in table:
        return table[letter], at + 1
    if letter in _SAME and not (inside and letter in "bBA"):
        return "\\" + letter, at + 1
    if letter.isascii() and letter.isalnum():
        raise _Untranslatable(f"\\{letter} is not supported")
    return re.escape(letter), at + 1


def _property(pattern: str, at: int, *, inside: bool) -> tuple[str, int]:
    named = _PROPERTY.match(pattern, at + 1)
    name = (named[1] or named[2]) if named else ""
    members = _PROPERTIES.get(name)
    if not members and (short := _CATEGORY.fullmatch(name)):
        members = "".join(members for each, members in _categories().items() if each.startswith(short[1]))
    if not named or not members or (inside and pattern[at] == "P"):
        raise _Untranslatable(f"\\{pattern[at : at + 12]} is not supported")
    if inside:
        return members, named.end()
    return f"[{'^' if pattern[at] == 'P' else ''}{members}]", named.end()


@lru_cache(maxsize=1)
def _categories() -> Mapping[str, str]:
    """The characters of each general category of Unicode."""
    found: dict[str, list[str]] = {}
    for name, codes in groupby(range(sys.maxunicode + 1), lambda code: category(chr(code))):
        members = [*codes]
        found.setdefault(name, []).append(f"{re.escape(chr(members[0]))}-{re.escape(chr(members[-1]))}")
    return {name: "".join(ranges) for name, ranges in found.items()}


def _class(pattern: str, at: int) -> tuple[str, int]:
    """A character class; Java's unions and intersections inside one have no equal."""
    pieces = ["["]
    at += 1
    if pattern.startswith("^", at):
        pieces.append("^")
        at += 1
    first = at
    while at < len(pattern):
        character = pattern[at]
        if character == "]" and at > first:
            return "".join([*pieces, "]"]), at + 1
        if character == "[" or pattern.startswith("&&", at):
            raise _Untranslatable("unions and intersections of character classes are not supported")
        if character == "\\":
            piece, at = _escape(pattern, at + 1, inside=True)
        else:
            # Python warns of what may become a set operation one day
            piece, at = ("\\" + character if character in "~|&" else character), at + 1
        pieces.append(piece)
    raise _Untranslatable("an unclosed character class")
