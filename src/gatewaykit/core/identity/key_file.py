"""API Gateway's file format for API keys, as `ImportApiKeys` takes it.

Developer guide, "API Gateway API key file format": comma-separated values; the first row names the columns `Name` and
`Key`, and perhaps `Description`, `Enabled` and `UsagePlanIds`, in any order and casing; other columns are ignored. A
list of plans stands in double or single quotes. The same key twice: the last row counts. Limits: recorded row 123.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

from gatewaykit.core.identity.api_key import aws_key_problems, compile_keys
from gatewaykit.errors import Problem

__all__ = ["KeyFile", "KeyRow", "read_key_file"]

_REQUIRED: Final = ("name", "key")
_COLUMNS: Final = (*_REQUIRED, "description", "enabled", "usageplanids")
_FLAGS: Final = {"": True, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key of a file. `line` is where its row ends."""

    line: int
    name: str
    value: str = field(repr=False)
    description: str = ""
    enabled: bool = True


@dataclass(slots=True)
class KeyFile:
    """What a file holds: usable rows, rows that are not, and what has no effect. `problems` say why there are none."""

    rows: list[KeyRow] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_key_file(text: str, name: str) -> KeyFile:
    """The keys of a file; `name` is how problems call it."""
    found = KeyFile()
    try:
        rows = [(reader_line, row) for reader_line, row in _rows(text) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        found.problems.append(Problem(where=name, what=f"the file is not CSV: {error}"))
        return found
    columns = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    for column in _REQUIRED:
        if columns.count(column) != 1:
            what = f"the first row names {'no' if column not in columns else 'more than one'} column {column!r}"
            mend = "Write 'name,key,description,Enabled,usageplanIds'"
            found.problems.append(Problem(where=f"{name}:1", what=what, mend=mend))
    if found.problems:
        return found
    for column in columns:
        if column not in _COLUMNS:
            found.warnings.append(Problem(where=f"{name}:1", what=f"the column {column!r} is ignored"))
    lines: dict[str, int] = {}
    for line, row in rows[1:]:
        _read_row(found, columns, _rejoined(row, len(columns)), line, name, lines)
    return found


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    for row in reader:
        yield reader.line_num, row


def _read_row(
    found: KeyFile, columns: Sequence[str], row: Sequence[str], line: int, name: str, lines: dict[str, int]
) -> None:
    where = f"{name}:{line}"
    if len(row) > len(columns):
        what = f"the row has {len(row)} values for {len(columns)} columns"
        found.refused.append(Problem(where=where, what=what))
        return
    cells = {column: cell.strip() for column, cell in zip_longest(columns, row, fillvalue="")}
    value, flag = cells["key"], cells.get("enabled", "").lower()
    wrong = [*aws_key_problems(cells["name"], value)]
    if not wrong and isinstance(problems := compile_keys({"key": value}), tuple):
        wrong += [problem.what for problem in problems]
    if flag not in _FLAGS:
        wrong.append(f"Enabled is {flag!r:.20}, neither true nor false")
    if wrong:
        found.refused += [Problem(where=where, what=what) for what in wrong]
        return
    if plans := cells.get("usageplanids", "").strip("'"):
        what = f"the key is not tied to the usage plans {plans!r:.200}"
        found.warnings.append(Problem(where=where, what=what, mend="List it under keys of its plan in gateway.yaml"))
    if value in lines:
        what = f"the same key stands in line {lines[value]}; this row counts"
        found.warnings.append(Problem(where=where, what=what))
        found.rows = [each for each in found.rows if each.value != value]
    lines[value] = line
    found.rows.append(KeyRow(line, cells["name"], value, cells.get("description", ""), _FLAGS[flag]))


def _rejoined(row: Sequence[str], width: int) -> list[str]:
    """A row with its lists in single quotes put together again, where it has too many cells."""
    cells = [*row]
    for start, cell in enumerate(cells):
        ends = [end for end in range(start, len(cells)) if cells[end].rstrip().endswith("'")]
        if len(cells) > width and cell.lstrip().startswith("'") and ends and ends[0] > start:
            cells[start : ends[0] + 1] = [",".join(cells[start : ends[0] + 1])]
    return cells
