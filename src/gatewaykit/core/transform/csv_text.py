"""CSV (RFC 4180): rows read from text that comes in pieces, and lines written.

A row ends with CR LF, LF or CR outside quotes; a quote inside quotes is doubled; rows without a character are passed
over. Whatever RFC 4180 leaves open is refused: a quote in a field that is not quoted, rows of different lengths, a
column without a name or with that of another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, Literal, TypeAlias

from gatewaykit.core.transform.json_text import write_json
from gatewaykit.core.transform.unusable import TooLarge, Unusable

__all__ = ["COLUMN_TYPES", "MAX_NAME_CHARS", "CsvForm", "CsvLines", "CsvRows"]

COLUMN_TYPES: Final = ("text", "integer", "number", "boolean")
MAX_NAME_CHARS: Final = 256
"""Of a column's name: it is written again for every row, so a long one would make a small body a huge one."""

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,400}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")
_FIELD_OVERHEAD: Final = len('"":"",')

ColumnType: TypeAlias = Literal["text", "integer", "number", "boolean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvForm:
    """How the text is written, and what its columns hold."""

    delimiter: str = ","
    quote: str = '"'
    names: tuple[str, ...] = ()  # none: the first row has them
    types: Mapping[str, ColumnType] = field(default_factory=dict)
    nulls: bool = False  # an empty text is null too, as an empty number is

    def problems(self) -> list[str]:
        """What is wrong with it."""
        found = [
            f"{what}: {value!r} is not one character that can stand there"
            for what, value in (("delimiter", self.delimiter), ("quote", self.quote))
            if not isinstance(value, str) or len(value) != 1 or value in "\r\n\ufeff" or value.isalnum()
        ]
        if self.delimiter == self.quote:
            found.append(f"quote: {self.quote!r} is the delimiter too")
        if problem := _names_problem(self.names):
            found.append(f"names: {problem}")
        return found


class CsvRows:
    """Reads rows as objects from text that comes in pieces. Where the pieces are cut makes no difference."""

    def __init__(self, form: CsvForm, max_row_chars: int) -> None:
        self._form, self._max = form, max_row_chars
        self._quote, self._delimiter = form.quote, form.delimiter
        self._field = _field_pattern(form.delimiter, form.quote)
        self._parts: list[str] = []  # of a row whose end has not come
        self._size = 0
        self._in_quotes = False
        self._held = ""  # a carriage return whose line feed may still come
        self._row = 0
        self._names: tuple[str, ...] = ()
        self._readers: list[tuple[str, Callable[[str], Any]]] = []
        self._names_chars = 0
        self.written_chars = 0
        """About the length of the JSON text that the rows so far make."""
        if form.names:
            self._take_names(form.names)

    def feed(self, text: str, more: bool) -> list[dict[str, Any]] | Unusable:
        """The rows that are whole now."""
        text = self._held + text
        self._held = ""
        if more and text.endswith("\r"):
            self._held, text = "\r", text[:-1]
        cut = self._end_of_rows(text) if more else len(text)
        rows: list[dict[str, Any]] = []
        if cut:
            block = "".join((*self._parts, text[:cut]))
            self._parts, self._size = [], 0
            if (problem := self._read(block, rows)) is not None:
                return problem
        if cut < len(text):
            self._parts.append(text[cut:])
            self._size += len(text) - cut
        elif not more and self._parts:
            block = "".join(self._parts)
            self._parts = []
            if (problem := self._read(block, rows)) is not None:
                return problem
        if self._size > self._max:
            return self._too_long(self._row + 1)
        return rows

    def _end_of_rows(self, text: str) -> int:
        """Where the last row that ends in this piece has its end; 0 where none does. Minds the quotes so far."""
        in_quotes, at, end = self._in_quotes, 0, 0
        for part in text.split(self._quote):
            if not in_quotes and (last := max(part.rfind("\n"), part.rfind("\r"))) >= 0:
                end = at + last + 1
            at += len(part) + 1
            in_quotes = not in_quotes
        self._in_quotes = not in_quotes  # a quote was counted for the end of the text
        return end

    def _read(self, block: str, rows: list[dict[str, Any]]) -> Unusable | None:
        if self._quote not in block:
            for line in block.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
                if line and (problem := self._take(line.split(self._delimiter), len(line), rows)) is not None:
                    return problem
            return None
        at, quote, doubled, match = 0, self._quote, self._quote * 2, self._field.match
        while at < len(block):
            begin, fields = at, []
            while True:
                found = match(block, at)
                if found is None:
                    return self._malformed(block, begin)
                quoted, plain, end = found.groups()
                fields.append(plain if quoted is None else quoted.replace(doubled, quote))
                at = found.end()
                if end != self._delimiter:
                    break
            size = at - len(end) - begin
            if size and (problem := self._take(fields, size, rows)) is not None:
                return problem
        return None

    def _malformed(self, block: str, begin: int) -> Unusable:
        """What to say of a row that is none: it may be too long as well, which a smaller piece would have shown."""
        in_quotes, size = False, 0
        for part in re.split(r"(\r\n|\r|\n)", block[begin:]):
            if part[:1] in ("\r", "\n") and part and not in_quotes:
                break
            size += len(part)
            in_quotes ^= part.count(self._quote) % 2 == 1
        if size > self._max:
            return self._too_long(self._row + 1)
        return Unusable(f"row {self._row + 1}: its quotes are not right")

    def _take(self, fields: list[str], size: int, rows: list[dict[str, Any]]) -> Unusable | None:
        self._row += 1
        if size > self._max:
            return self._too_long(self._row)
        if not self._names:
            if problem := _names_problem(fields):
                return Unusable(f"row {self._row}, the names of the columns: {problem}")
            self._take_names(fields)
            return None
        if len(fields) != len(self._names):
            return Unusable(f"row {self._row} has {_count(len(fields))}, not {len(self._names)}")
        row: dict[str, Any] = dict(zip(self._names, fields))
        for name, read in self._readers:
            try:
                row[name] = read(row[name])
            except ValueError as error:
                return Unusable(f"row {self._row}, column {name!r}: {error}")
        self.written_chars += size + self._names_chars
        rows.append(row)
        return None

    def _take_names(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._names_chars = sum(map(len, names)) + _FIELD_OVERHEAD * len(names)
        for name in names:
            kind = self._form.types.get(name, "text")
            if kind != "text" or self._form.nulls:
                self._readers.append((name, _READERS[kind]))

    def _too_long(self, row: int) -> TooLarge:
        return TooLarge(f"row {row} has more than {self._max} characters", self._max)


class CsvLines:
    """Writes objects as lines. Without `columns`, the fields of the first object are the columns."""

    def __init__(self, form: CsvForm, columns: Sequence[str] = (), *, header: bool = True) -> None:
        self._form, self._columns, self._header = form, tuple(columns), header
        self._only: frozenset[str] | None = None  # the fields an object may have, where the first one said so
        self._begun = False
        self._item = 0
        self._special = re.compile(f"[{re.escape(form.delimiter + form.quote)}\r\n]")

    def feed(self, items: Sequence[Any], more: bool) -> str | Unusable:
        """The lines of some more objects."""
        lines: list[str] = []
        if not self._begun and self._columns:
            self._begin(lines)
        for item in items:
            self._item += 1
            if type(item) is not dict:
                return Unusable(f"element {self._item} is no JSON object")
            if not self._begun:
                self._columns, self._only = tuple(item), frozenset(item)
                if not item:
                    return Unusable("element 1 has no fields to make columns of")
                self._begin(lines)
            if self._only is not None and not item.keys() <= self._only:
                extra = next(name for name in item if name not in self._only)
                return Unusable(f"element {self._item} has a field {extra!r} that element 1 has not: name the columns")
            line = self._line([item.get(name) for name in self._columns])
            if isinstance(line, Unusable):
                return line
            lines.append(line)
        return "".join(lines)

    def _begin(self, lines: list[str]) -> None:
        self._begun = True
        if self._header:
            lines.append(self._joined(self._columns))

    def _line(self, values: Sequence[Any]) -> str | Unusable:
        fields = []
        for value in values:
            kind = type(value)
            if kind is str:
                fields.append(value)
            elif value is None:
                fields.append("")
            elif kind is int:
                fields.append(str(value))
            else:
                text = write_json(value)
                if isinstance(text, Unusable):
                    return text
                fields.append(text)
        return self._joined(fields)

    def _joined(self, fields: Sequence[str]) -> str:
        delimiter, quote = self._form.delimiter, self._form.quote
        line = delimiter.join(fields)
        if not line:  # a row without a character would be none
            return quote * 2 + "\r\n"
        if line.count(delimiter) >= len(fields) or quote in line or "\n" in line or "\r" in line:
            line = delimiter.join(map(self._quoted, fields))
        return line + "\r\n"

    def _quoted(self, text: str) -> str:
        if self._special.search(text) is None:
            return text
        quote = self._form.quote
        return f"{quote}{text.replace(quote, quote * 2)}{quote}"


def _field_pattern(delimiter: str, quote: str) -> re.Pattern[str]:
    d, q = re.escape(delimiter), re.escape(quote)
    return re.compile(rf"(?:{q}([^{q}]*+(?:{q}{q}[^{q}]*+)*+){q}|([^{q}{d}\r\n]*+))({d}|\r\n|\n|\r|\Z)")


def _names_problem(names: Sequence[str]) -> str:
    for position, name in enumerate(names):
        if not isinstance(name, str) or not name:
            return f"column {position + 1} has no name"
        if len(name) > MAX_NAME_CHARS:
            return f"the name of column {position + 1} has more than {MAX_NAME_CHARS} characters"
    if len(set(names)) < len(names):
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        return f"two columns have the name {twice!r}"
    return ""


def _count(fields: int) -> str:
    return f"{fields} field{'s' if fields != 1 else ''}"


def _read_text(text: str) -> str | None:
    return text or None


def _read_integer(text: str) -> int | None:
    if not text:
        return None
    if _INTEGER.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is no integer")
    return int(text)


def _read_number(text: str) -> int | float | None:
    if not text:
        return None
    if _INTEGER.fullmatch(text) is not None:
        return int(text)
    if _NUMBER.fullmatch(text) is None or not -inf < (number := float(text)) < inf:
        raise ValueError(f"{text[:40]!r} is no number")
    return number


def _read_boolean(text: str) -> bool | None:
    if not text:
        return None
    if (small := text.lower()) not in ("true", "false"):
        raise ValueError(f"{text[:40]!r} is neither true nor false")
    return small == "true"


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "text": _read_text, "integer": _read_integer, "number": _read_number, "boolean": _read_boolean,
}  # fmt: skip
