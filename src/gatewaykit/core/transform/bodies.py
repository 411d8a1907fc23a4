"""From steps to what happens to a body: which kinds of body are changed, into what, and whether it streams.

Steps on a body stand in one order: into JSON (from CSV, from XML), edits of the value, out of JSON (to CSV). For each
kind of body that comes in, what applies to it is a plan. Rows of CSV and elements of an array pass one by one where
nothing needs the whole: then only one of them is in memory, and `max_item_chars` bounds it.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias

from gatewaykit.core.transform.csv_text import CsvForm, CsvLines, CsvRows
from gatewaykit.core.transform.edits import Edit, Wrap, edit_each, editing
from gatewaykit.core.transform.json_text import JsonItems, parse_json, write_json
from gatewaykit.core.transform.unusable import TooLarge, Unusable
from gatewaykit.core.transform.xml_text import parse_xml

__all__ = [
    "MAX_ITEM_CHARS", "BodySteps", "FromCsv", "FromXml", "JsonArray", "Kind", "Plan", "ToCsv", "Transformer",
    "compile_plans", "kind_of",
]  # fmt: skip

Kind: TypeAlias = Literal["json", "csv", "xml"]

MAX_ITEM_CHARS: Final = 1024 * 1024
"""Of a row, or an element of an array, that passes alone."""

_SLICE_BYTES: Final = 64 * 1024
_JSON: Final = b"application/json"
_CSV: Final = b"text/csv; charset=utf-8"
_CHARSETS: Final[Mapping[str, str]] = {
    "": "utf-8", "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "iso-8859-1": "latin-1",
    "windows-1252": "cp1252",
}  # fmt: skip
"""Of CSV. JSON is UTF-8, XML says itself what it is."""


@dataclass(frozen=True, slots=True)
class FromCsv:
    form: CsvForm


@dataclass(frozen=True, slots=True)
class FromXml:
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToCsv:
    form: CsvForm
    columns: tuple[str, ...] = ()
    header: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySteps:
    """The steps of one side, in the order they are made."""

    from_csv: FromCsv | None = None
    from_xml: FromXml | None = None
    edits: tuple[Edit, ...] = ()
    to_csv: ToCsv | None = None
    content_types: Mapping[str, Kind] = field(default_factory=dict)  # besides those that say it themselves


class Transformer(Protocol):
    """Changes one body, piece by piece. The last piece comes with `more` False, and may be empty."""

    def feed(self, chunk: bytes, more: bool) -> bytes | Unusable: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to one kind of body. `content_type` is what it becomes; None where it stays what it is."""

    content_type: bytes | None
    start: Callable[[str, int], Transformer]
    """Begin with a body: of this charset, with at most so many bytes in memory."""

    streams: bool


def compile_plans(steps: BodySteps) -> dict[Kind, Plan]:
    """A plan for each kind of body that the steps change."""
    plans: dict[Kind, Plan] = {}
    to_csv, edits = steps.to_csv, steps.edits
    out = _CSV if to_csv is not None else _JSON
    if edits or to_csv is not None:
        plans["json"] = _json_plan(edits, to_csv)
    if (from_csv := steps.from_csv) is not None:
        plans["csv"] = _csv_plan(from_csv.form, edits, to_csv)
    if (from_xml := steps.from_xml) is not None:
        convert = _converting(lambda body: parse_xml(body, from_xml.lists), edits, to_csv)
        plans["xml"] = Plan(out, lambda charset, limit: _Whole(convert, limit), streams=False)
    return plans


def kind_of(content_type: bytes, more: Mapping[str, Kind]) -> tuple[Kind | None, str]:
    """What a content type says that a body is, and its charset as Python spells it; "" for one that is not read."""
    media_type, _, parameters = content_type.decode("latin-1").lower().partition(";")
    media_type = media_type.strip()
    kind = more.get(media_type)
    if kind is None:
        if media_type == "application/json" or media_type.endswith("+json"):
            kind = "json"
        elif media_type == "text/csv":
            kind = "csv"
        elif media_type in ("application/xml", "text/xml") or media_type.endswith("+xml"):
            kind = "xml"
    if kind != "csv":
        return kind, "utf-8"
    charset = ""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            charset = value.strip().strip('"')
    return kind, _CHARSETS.get(charset, "")


# ---------------------------------------------------------------------------------------------------- plans


def _json_plan(edits: Sequence[Edit], to_csv: ToCsv | None) -> Plan:
    own = edit_each(edits) if to_csv is not None else None
    if to_csv is None or own is None:
        convert = _converting(parse_json, edits, to_csv)
        return Plan(None if to_csv is None else _CSV, lambda charset, limit: _Whole(convert, limit), streams=False)
    edit = editing(own)
    return Plan(
        _CSV,
        lambda charset, limit: _Records(
            charset, limit, JsonItems(MAX_ITEM_CHARS), edit, CsvLines(to_csv.form, to_csv.columns, header=to_csv.header)
        ),
        streams=True,
    )


def _csv_plan(form: CsvForm, edits: Sequence[Edit], to_csv: ToCsv | None) -> Plan:
    wraps: list[Wrap] = []
    own: list[Edit] | None = list(edits)
    while own and to_csv is None and isinstance(last := own[-1], Wrap):
        wraps.append(last)
        own.pop()
    own = edit_each(own or ())
    content_type = _JSON if to_csv is None else _CSV
    if own is None:
        change = editing(edits)
        return Plan(content_type, lambda charset, limit: _CsvWhole(charset, limit, form, change, to_csv), streams=False)
    edit = editing(own)
    names = [wrap.name for wrap in wraps]

    def start(charset: str, limit: int) -> Transformer:
        lines = JsonArray(names) if to_csv is None else CsvLines(to_csv.form, to_csv.columns, header=to_csv.header)
        return _Records(charset, limit, CsvRows(form, MAX_ITEM_CHARS), edit, lines)

    return Plan(content_type, start, streams=True)


def _converting(
    parse: Callable[[bytes], Any], edits: Sequence[Edit], to_csv: ToCsv | None
) -> Callable[[bytes], str | Unusable]:
    edit = editing(edits)

    def convert(body: bytes) -> str | Unusable:
        value = parse(body)
        return value if isinstance(value, Unusable) else _written(edit(value), to_csv)

    return convert


def _written(value: Any, to_csv: ToCsv | None) -> str | Unusable:
    if isinstance(value, Unusable):
        return value
    if to_csv is None:
        return write_json(value)
    if type(value) is not list:
        return Unusable("it is no JSON array, whose elements could be rows")
    return CsvLines(to_csv.form, to_csv.columns, header=to_csv.header).feed(value, False)


# ---------------------------------------------------------------------------------------------------- transformers


class _Whole:
    """Collects the body, then changes it. A body without a byte stays one."""

    def __init__(self, convert: Callable[[bytes], str | Unusable], limit: int) -> None:
        self._convert, self._limit = convert, limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes, more: bool) -> bytes | Unusable:
        self._size += len(chunk)
        if self._size > self._limit:
            self._parts = []
            return TooLarge(f"it has more than {self._limit} bytes", self._limit)
        self._parts.append(chunk)
        if more or not self._size:
            return b""
        body = b"".join(self._parts)
        self._parts = []
        return _bounded(self._convert(body), self._limit)


class _CsvWhole:
    """Collects the rows, then changes them together."""

    def __init__(
        self, charset: str, limit: int, form: CsvForm, edit: Callable[[Any], Any], to_csv: ToCsv | None
    ) -> None:
        self._text, self._rows = _Text(charset), CsvRows(form, MAX_ITEM_CHARS)
        self._edit, self._to_csv, self._limit = edit, to_csv, limit
        self._items: list[Any] = []

    def feed(self, chunk: bytes, more: bool) -> bytes | Unusable:
        for text, rest in self._text.pieces(chunk, more):
            if isinstance(text, Unusable):
                return text
            rows = self._rows.feed(text, rest)
            if isinstance(rows, Unusable):
                return rows
            self._items += rows
            if self._rows.written_chars > self._limit:
                return TooLarge(f"its rows make more than {self._limit} bytes of JSON", self._limit)
        if more:
            return b""
        return _bounded(_written(self._edit(self._items), self._to_csv), self._limit)


class _Reader(Protocol):
    def feed(self, text: str, more: bool) -> list[Any] | Unusable: ...


class _Writer(Protocol):
    def feed(self, items: Sequence[Any], more: bool) -> str | Unusable: ...


class _Records:
    """Passes records one by one: read, edited, written."""

    def __init__(self, charset: str, limit: int, reader: _Reader, edit: Callable[[Any], Any], writer: _Writer) -> None:
        self._text, self._reader, self._edit, self._writer, self._limit = _Text(charset), reader, edit, writer, limit
        self._empty = isinstance(reader, JsonItems)  # no JSON at all stays that; CSV without a byte has no rows

    def feed(self, chunk: bytes, more: bool) -> bytes | Unusable:
        self._empty = self._empty and not chunk
        if self._empty:
            return b""
        written: list[bytes] = []
        size = 0
        for text, rest in self._text.pieces(chunk, more):
            if isinstance(text, Unusable):
                return text
            items = self._reader.feed(text, rest)
            if isinstance(items, Unusable):
                return items
            for position, item in enumerate(items):
                items[position] = self._edit(item)
            out = _bounded(self._writer.feed(items, rest), self._limit)
            if isinstance(out, Unusable):
                return out
            size += len(out)
            if size > self._limit:
                return TooLarge(f"one piece of it makes more than {self._limit} bytes", self._limit)
            written.append(out)
        return b"".join(written)


class JsonArray:
    """Writes values as the elements of an array, inside objects of one field each (the last name is the innermost)."""

    def __init__(self, names: Sequence[str]) -> None:
        keys = [json.dumps(name, ensure_ascii=True) for name in names]
        self._before = "".join(f"{{{key}:" for key in keys) + "["
        self._after = "]" + "}" * len(keys)

    def feed(self, items: Sequence[Any], more: bool) -> str | Unusable:
        text = write_json(items)
        if isinstance(text, Unusable):
            return text
        before = ""
        if items:
            before, self._before = self._before, ","
        if more:
            return before + text[1:-1]
        if not items and self._before != ",":
            before = self._before
        return before + text[1:-1] + self._after


class _Text:
    """Bytes as text, in pieces that are not too large, with a byte order mark passed over."""

    def __init__(self, charset: str) -> None:
        self._charset = charset
        self._decode = codecs.getincrementaldecoder(charset)().decode
        self._begun = False

    def pieces(self, chunk: bytes, more: bool) -> Iterator[tuple[str | Unusable, bool]]:
        """Each piece and whether more follows it; an Unusable in its place where the bytes are no text."""
        for at in range(0, len(chunk) or 1, _SLICE_BYTES):
            rest = more or at + _SLICE_BYTES < len(chunk)
            piece = chunk[at : at + _SLICE_BYTES]
            try:
                text = self._decode(piece, not rest)
            except UnicodeDecodeError as error:
                good = error.object[: error.start].decode(self._charset)
                yield self._unmarked(good), True  # what is wrong before that is told first
                yield Unusable(f"it is no text in {self._charset}"), True  # which nobody reads on from
            else:
                yield self._unmarked(text), rest

    def _unmarked(self, text: str) -> str:
        if self._begun or not text:
            return text
        self._begun = True
        return text.removeprefix("\ufeff")


def _bounded(text: str | Unusable, limit: int) -> bytes | Unusable:
    if isinstance(text, Unusable):
        return text
    if len(text) <= limit:
        body = text.encode("utf-8", "replace")
        if len(body) <= limit:
            return body
    return TooLarge(f"it becomes more than {limit} bytes", limit)
