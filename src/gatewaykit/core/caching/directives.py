"""Cache-Control: which directives there are, and the seconds that some name (RFC 9111 sections 1.2.2 and 5.2).

Rules
* Names in any casing; an argument may be a token or a quoted string. What is no directive is skipped.
* Of a directive that stands there twice the first counts, but one without an argument wins over one with.
* Seconds that are no number are 0: what cannot be understood is taken as stale (section 4.2.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

__all__ = ["MOST_S", "NONE", "Directives", "field_names", "parse_directives", "seconds"]

Directives: TypeAlias = Mapping[str, str | None]
"""Name in lower case -> its argument; None where it has none."""

NONE: Final[Directives] = {}
MOST_S: Final = 2**31

_PART: Final = re.compile(
    rb"""[ \t,]*+
    (?: ([!#$%&'*+.^_`|~0-9A-Za-z-]++) [ \t]*+
        (?: = [ \t]*+ (?: "((?:[^"\\]|\\.)*+)" | ([^,"\s]*+) ) [ \t]*+ )? (?=,|\Z)
      | (?: "(?:[^"\\]|\\.)*+" | [^,"] )++
    )""",
    re.VERBOSE | re.DOTALL,
)
_CLOSED: Final = re.compile(rb'(?:[^"]++|"(?:[^"\\]|\\.)*+")*+', re.DOTALL)


def parse_directives(values: Iterable[bytes]) -> Directives:
    """The directives of all lines of the field."""
    found: dict[str, str | None] = {}
    for value in values:
        if b'"' in value:
            value = _without_open_quotes(value)
        for match in _PART.finditer(value):
            name, quoted, token = match.groups()
            if name is None:
                continue
            argument = token if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted)
            key = name.decode().lower()
            if key not in found or argument is None:
                found[key] = None if argument is None else argument.decode("latin-1")
    return found


def _without_open_quotes(value: bytes) -> bytes:
    """A quote that is never closed is a character like others, and so are all behind it."""
    end = _CLOSED.match(value).end()  # type: ignore[union-attr] # it matches nothing, too
    return value[:end] + value[end:].replace(b'"', b"'")


def seconds(directives: Directives, name: str) -> int | None:
    """The seconds of a directive, at most 2^31; None where it is not there."""
    if name not in directives:
        return None
    text = directives[name] or ""
    if not text.isascii() or not text.isdigit():
        return 0
    return MOST_S if len(text) > 18 else min(int(text), MOST_S)


def field_names(directives: Directives, name: str) -> frozenset[bytes]:
    """The fields that `no-cache="…"` or `private="…"` is about; empty where it is about the whole response."""
    listed = (directives.get(name) or "").replace(",", " ").split()
    return frozenset(each.lower().encode("latin-1") for each in listed)
