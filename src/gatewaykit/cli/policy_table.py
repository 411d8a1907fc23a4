"""Tables of requests with the outcome that each should have: YAML, JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.cli.usage_error import UsageError
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from gatewaykit.core.iam.access import Access
    from gatewaykit.core.iam.verdict import Verdict

__all__ = ["Case", "read_table"]

_OUTCOMES: Final = {
    "": ("allow", "deny", "silent"),
    "allow": ("allow",),
    "deny": ("deny", "silent"),
    "explicit deny": ("deny",),
    "implicit deny": ("silent",),
}
_FIELDS: Final = ("request", "action", "resource", "principal", "keys", "expect")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question. `where` is its place in a table, `expect` the outcome it should have ("" on the command line)."""

    where: str
    method: str = ""
    path: str = ""
    resource: str = ""
    action: str = "execute-api:Invoke"
    principal: str = ""
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    expect: str = ""

    def expects(self, verdict: Verdict) -> bool:
        return verdict.effect.value in _OUTCOMES[self.expect]

    def text(self, access: Access) -> str:
        asked = f"{self.method} {self.path}" if self.path else access.resource
        return asked if self.action == "execute-api:Invoke" else f"{self.action} {asked}"


def read_table(name: str) -> list[Case]:
    """The cases of a table. Raises ConfigError with everything wrong in it, UsageError where it cannot be read."""
    problems: list[Problem] = []
    rows = list(_csv_rows(name) if name.lower().endswith(".csv") else _listed_rows(name, problems))
    cases = [case for where, row in rows if (case := _case(where, row, problems)) is not None]
    if not rows and not problems:
        problems.append(Problem(where=name, what="the table has no rows"))
    if problems:
        raise ConfigError(problems)
    return cases


def _csv_rows(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows under a heading; a column whose name has a colon in it is a condition key, its values parted by `|`."""
    try:
        text = Path(name).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"--table {name} is not UTF-8 text") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"--table {name}: {getattr(error, 'strerror', None) or error}") from None
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            where = f"{name}:{reader.line_num}"
            if None in cells:
                raise ConfigError(Problem(where=where, what="the row has more cells than the heading"))
            given = {column.strip(): cell.strip() for column, cell in cells.items() if cell and cell.strip()}
            row: dict[str, Any] = {column: cell for column, cell in given.items() if ":" not in column}
            row["keys"] = {column: cell.split("|") for column, cell in given.items() if ":" in column}
            yield where, row
    except csv.Error as error:
        raise ConfigError(Problem(where=f"{name}:{reader.line_num}", what=f"no CSV: {error}")) from None


def _listed_rows(name: str, problems: list[Problem]) -> Iterator[tuple[str, dict[str, Any]]]:
    from gatewaykit.openapi.document import load

    node, found = load(Path(name))
    problems += found
    if not isinstance(node.value, list):
        problems.append(Problem(where=name, what="the table is no list", mend='Write "- request: GET /pets" and so on'))
        return
    for each in node.value:
        row = each.plain()
        if isinstance(row, dict):
            yield str(each.place), row
        else:
            problems.append(Problem(where=str(each.place), what="the row is no mapping"))


def _case(where: str, row: Mapping[str, Any], problems: list[Problem]) -> Case | None:
    before = len(problems)

    def problem(what: str, mend: str = "", near: str = "") -> None:
        problems.append(Problem(where=where, what=what, mend=mend, near=near))

    for name in row:
        if name not in _FIELDS:
            near = near_miss(str(name), _FIELDS)
            problem(f"a row has no {name!r}", "" if near else f"Known are {', '.join(_FIELDS)}", near)
    texts = {name: row.get(name, "") for name in _FIELDS if name != "keys"}
    for name, value in texts.items():
        if not isinstance(value, str):
            problem(f"{name} is no text")
    expect = str(texts["expect"])
    if not expect or expect not in _OUTCOMES:
        near = near_miss(expect, filter(None, _OUTCOMES))
        what = f"{expect!r} is no outcome" if expect else "the row says not what to expect"
        problem(what, "" if near else f"Write {', '.join(filter(None, _OUTCOMES))}", near)
    method, _, path = str(texts["request"]).partition(" ")
    if bool(texts["request"]) == bool(texts["resource"]):
        problem("the row needs a request or a resource, one of them")
    elif texts["request"] and not path.strip().startswith("/"):
        problem(f"the request {texts['request']!r} is no METHOD and path", 'Write "GET /pets"')
    keys = _keys(row.get("keys") or {}, problem)
    if len(problems) > before:
        return None
    return Case(
        where=where, method=method, path=path.strip(), resource=texts["resource"], principal=texts["principal"],
        action=texts["action"] or "execute-api:Invoke", keys=keys, expect=expect,
    )  # fmt: skip


def _keys(given: object, problem: Any) -> dict[str, list[str]]:
    if not isinstance(given, Mapping):
        problem("keys is no mapping", "Write {aws:SourceIp: 192.0.2.1}")
        return {}
    keys = {}
    for name, values in given.items():
        listed = values if isinstance(values, list) else [values]
        if any(isinstance(value, (dict, list)) or value is None for value in listed):
            problem(f"the key {name!r} is neither a text nor a list of texts")
        keys[name] = [str(value).lower() if isinstance(value, bool) else str(value) for value in listed]
    return keys
