"""CDN-Cache-Control (RFC 9213): a dictionary of structured fields (RFC 9651). A field that is none does not count."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from gatewaykit.core.caching.directives import Directives

__all__ = ["parse_targeted"]

_KEY: Final = r"[a-z*][a-z0-9_\-.*]*"
_ITEM: Final = (
    r"(?:-?\d{1,15}(?![.\d])|-?\d{1,12}\.\d{1,3}"  # integers and decimals
    r'|"(?:[ !#-\[\]-~]|\\["\\])*"'  # strings
    r"|[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*"  # tokens
    r"|:[A-Za-z0-9+/=]*:|\?[01]|@-?\d{1,15})"  # bytes, booleans, dates
)
_PARAMETERS: Final = rf"(?:; *{_KEY}(?:={_ITEM})?)*"
_INNER: Final = rf"\( *(?:{_ITEM}{_PARAMETERS}(?: +|(?=\))))*\){_PARAMETERS}"
_MEMBER: Final = re.compile(rf"({_KEY})(?:=(?:({_ITEM}){_PARAMETERS}|({_INNER}))|({_PARAMETERS}))")
_COMMA: Final = re.compile(r"[ \t]*,[ \t]*")
_SECONDS: Final = frozenset(("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"))
_FLAGS: Final = frozenset(
    ("no-store", "no-cache", "private", "public", "must-revalidate", "proxy-revalidate", "must-understand")
)


def parse_targeted(values: Iterable[bytes]) -> Directives | None:
    """The directives; None where there are none, or the field is no dictionary, or one has a value of a wrong type."""
    text = ", ".join(value.decode("latin-1").strip(" ") for value in values if value.strip(b" "))
    found: dict[str, str | None] = {}
    at = 0
    while at < len(text):
        match = _MEMBER.match(text, at)
        if match is None:
            return None
        key, item, inner, _ = match.groups()
        if key in _SECONDS and not (item is not None and re.fullmatch(r"-?\d+", item)):
            return None
        if key in _FLAGS and not (item in (None, "?0", "?1") and inner is None):
            return None
        found.pop(key, None)  # the last one counts
        if not (key in _FLAGS and item == "?0"):
            found[key] = None if key in _FLAGS else item
        at = match.end()
        if at == len(text):
            break
        comma = _COMMA.match(text, at)
        if comma is None or comma.end() == len(text):
            return None
        at = comma.end()
    return found or None
