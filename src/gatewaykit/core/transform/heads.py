"""Steps on header fields and query parameters: rename, remove, set.

A field that describes the bytes or the connection is nobody's to set (RFC 9110 sections 6.6.1, 7.6.1 and 8.4): the
gateway and the server write it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import quote_plus, unquote_plus

from gatewaykit.core.http import HeaderList

__all__ = ["HeadStep", "RemoveNames", "RenameNames", "SetValues", "editing_headers", "editing_query", "name_problem",
           "never_dropped", "value_problem"]  # fmt: skip

_OWNED: Final = frozenset((
    "connection", "content-encoding", "content-length", "content-range", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade",
))  # fmt: skip
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
_NOT_IN_VALUE: Final = re.compile(rb"[\r\n\0]")
_SEPARATORS: Final = re.compile(rb"([&;])")


@dataclass(frozen=True, slots=True)
class RenameNames:
    """Old names to new ones, in place. What has the new name already is replaced."""

    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RemoveNames:
    """Names that go."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetValues:
    """One value for each name, in place of all that were there."""

    values: Mapping[str, str]


HeadStep: TypeAlias = RenameNames | RemoveNames | SetValues
Headers: TypeAlias = "Callable[[HeaderList], HeaderList]"


def name_problem(name: object) -> str:
    """What is wrong with the name of a field; "" where nothing is."""
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        return f"{name!r} is no name of a header"
    if name.lower() in _OWNED:
        return f"{name!r} belongs to the gateway and the server, which know the body and the connection"
    return ""


def value_problem(value: object) -> str:
    """What is wrong with the value of a field; "" where nothing is."""
    if not isinstance(value, str) or _VALUE.fullmatch(value) is None:
        return f"{value!r} is no value of a header: it has to be one line of text in Latin-1"
    return ""


def editing_headers(steps: Sequence[HeadStep]) -> Headers:
    """A function that makes all steps, in their order, and gives a new list. New names are in lower case, as ASGI has
    them. A value that would end its line is not written under a new name."""
    edits = tuple(_header_edit(step) for step in steps)

    def edited(headers: HeaderList) -> HeaderList:
        for edit in edits:
            headers = edit(headers)
        return headers

    return edited


def never_dropped(steps: Sequence[HeadStep]) -> Headers:
    """A function that takes the names that steps write out of Connection: the next hop drops what that lists, and a
    client would decide that the gateway's own fields do not arrive."""
    written = frozenset(
        name.lower().encode()
        for step in steps
        if not isinstance(step, RemoveNames)
        for name in (step.names.values() if isinstance(step, RenameNames) else step.values)
    )

    def unlisted(headers: HeaderList) -> HeaderList:
        return [
            (name, b", ".join(each for each in map(bytes.strip, value.split(b",")) if each.lower() not in written))
            if name.lower() == b"connection"
            else (name, value)
            for name, value in headers
        ]

    return unlisted


def _header_edit(step: HeadStep) -> Headers:
    if isinstance(step, RemoveNames):
        gone = frozenset(name.lower().encode() for name in step.names)
        return lambda headers: [field for field in headers if field[0].lower() not in gone]
    if isinstance(step, SetValues):
        return _setting([(name.lower().encode(), value.encode("latin-1")) for name, value in step.values.items()])
    return _renaming([(old.lower().encode(), new.lower().encode()) for old, new in step.names.items()])


def _setting(values: Sequence[tuple[bytes, bytes]]) -> Headers:
    names = frozenset(name for name, _ in values)
    return lambda headers: [*(field for field in headers if field[0].lower() not in names), *values]


def _renaming(names: Sequence[tuple[bytes, bytes]]) -> Headers:
    def rename(headers: HeaderList) -> HeaderList:
        for old, new in names:
            if old == new or not any(name.lower() == old for name, _ in headers):
                continue
            kept = []
            for name, value in headers:
                if name.lower() == old:
                    if _NOT_IN_VALUE.search(value) is None:
                        kept.append((new, value))
                elif name.lower() != new:
                    kept.append((name, value))
            headers = kept
        return headers

    return rename


def editing_query(steps: Sequence[HeadStep]) -> Callable[[bytes], bytes]:
    """A function that makes all steps on a query string, in their order. What no step names stays as it was sent."""

    def edited(query: bytes) -> bytes:
        for step in steps:
            query = _edited_query(query, step)
        return query

    return edited


def _edited_query(query: bytes, step: HeadStep) -> bytes:
    renamed: Mapping[str, str] = step.names if isinstance(step, RenameNames) else {}
    names = [_query_name(pair) for pair in _SEPARATORS.split(query)[::2]] if query else []
    if isinstance(step, RenameNames):
        gone = {new for old, new in renamed.items() if old in names and new != old}
    else:
        gone = set(step.names if isinstance(step, RemoveNames) else step.values)
    pieces: list[bytes] = []
    for position, piece in enumerate(_SEPARATORS.split(query) if query else ()):
        if position % 2:
            separator = piece
            continue
        name = names[position // 2]
        if name in gone and name not in renamed:
            continue
        if name in renamed:
            _, equals, value = piece.partition(b"=")
            piece = quote_plus(renamed[name]).encode() + equals + value
        pieces += (separator, piece) if pieces else (piece,)
    if isinstance(step, SetValues):
        for name, new in step.values.items():
            pieces += (b"&",) if pieces else ()
            pieces.append(f"{quote_plus(name)}={quote_plus(new)}".encode())
    return b"".join(pieces)


def _query_name(pair: bytes) -> str:
    return unquote_plus(pair.partition(b"=")[0].decode("latin-1"), encoding="utf-8", errors="replace")
