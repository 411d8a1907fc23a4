"""Media types: what a header names, and which of them the API calls binary (reference 01 section 9, row 75)."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["BinaryTypes", "first_media_type"]

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}")


_SHORT = 256  # what is longer is not remembered


def first_media_type(header: str | None) -> str | None:
    """The first media type of `Accept` or `Content-Type`, lower case, without parameters; None when there is none."""
    if not header:
        return None
    return _remembered(header) if len(header) <= _SHORT else _first(header)


def _first(header: str) -> str | None:
    first = header.split(",", 1)[0].split(";", 1)[0].strip().lower()
    return first if _MEDIA_TYPE.fullmatch(first) else None


_remembered = lru_cache(maxsize=256)(_first)


class BinaryTypes:
    """The binary media types of an API: exact entries, `type/*`, and `*/*` for everything."""

    __slots__ = ("_everything", "_exact", "_prefixes")

    def __init__(self, entries: tuple[str, ...] = ()) -> None:
        entries = tuple(entry.strip().lower() for entry in entries)
        self._everything = "*/*" in entries
        # A wildcard on the left of anything else was recorded to match nothing (row 75).
        exact = [entry for entry in entries if not entry.startswith("*")]
        self._exact = frozenset(exact)
        self._prefixes = tuple(entry[:-1] for entry in exact if entry.endswith("/*"))

    @property
    def is_empty(self) -> bool:
        """Is everything text?"""
        return not (self._everything or self._exact)

    def match(self, header: str | None) -> bool:
        """Does the first media type of this header count as binary? A missing or malformed one is text."""
        if self._everything or not self._exact:
            return self._everything
        media_type = first_media_type(header)
        return media_type is not None and (media_type in self._exact or media_type.startswith(self._prefixes))
