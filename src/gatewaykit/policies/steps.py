"""What `transform` can do to a request or a response, step by step.

>>> from gatewaykit import steps, transform
>>> shop = transform(
...     request=[steps.csv_to_json(types={"count": "integer"}), steps.wrap("orders")],
...     response=[steps.drop_fields("items[*].secret"), steps.remove_headers("server")],
... )

A path leads to fields: `name`, `items[0].id`, `items[*].secret`, `["a name with dots.and spaces"]`. Nothing is checked
here: `transform` reports everything that is wrong with its steps together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = [
    "Step", "csv_to_json", "drop_fields", "json_to_csv", "pick_fields", "remove_headers", "remove_query",
    "rename_fields", "rename_headers", "rename_query", "set_fields", "set_headers", "set_query", "unwrap", "wrap",
    "xml_to_json",
]  # fmt: skip

ColumnType: TypeAlias = Literal["text", "integer", "number", "boolean"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its name, and what was given to it. In a file it is `name: value`."""

    name: str
    value: Any


def rename_headers(names: Mapping[str, str]) -> Step:
    """Give header fields other names. What has the new name already is replaced."""
    return Step("rename_headers", names)


def remove_headers(*names: str) -> Step:
    """Take header fields away."""
    return Step("remove_headers", names)


def set_headers(values: Mapping[str, str]) -> Step:
    """Set header fields, in place of all that have these names."""
    return Step("set_headers", values)


def rename_query(names: Mapping[str, str]) -> Step:
    """Give query parameters other names. Requests only, as are the next two."""
    return Step("rename_query", names)


def remove_query(*names: str) -> Step:
    """Take query parameters away."""
    return Step("remove_query", names)


def set_query(values: Mapping[str, str]) -> Step:
    """Set query parameters, in place of all that have these names."""
    return Step("set_query", values)


def pick_fields(*paths: str) -> Step:
    """Keep these fields of a JSON body and drop every other."""
    return Step("pick_fields", paths)


def drop_fields(*paths: str) -> Step:
    """Drop these fields of a JSON body."""
    return Step("drop_fields", paths)


def rename_fields(names: Mapping[str, str]) -> Step:
    """Give fields of a JSON body other names: `{"items[*].n": "count"}`."""
    return Step("rename_fields", names)


def set_fields(values: Mapping[str, Any]) -> Step:
    """Set fields of a JSON body. Objects on the way are made; lists are not."""
    return Step("set_fields", values)


def wrap(name: str) -> Step:
    """Put the JSON body into an object: `wrap("data")` gives `{"data": …}`."""
    return Step("wrap", name)


def unwrap(path: str) -> Step:
    """Give what stands at one place of the JSON body, and drop what is around it."""
    return Step("unwrap", path)


def csv_to_json(
    *,
    names: Sequence[str] = (),
    types: Mapping[str, ColumnType] | None = None,
    delimiter: str = ",",
    quote: str = '"',
    nulls: bool = False,
    content_types: Sequence[str] = (),
) -> Step:
    """A CSV body as an array of objects, row by row as it comes.

    The first row has the names of the columns, unless `names` gives them. `types` says which columns are `integer`,
    `number` or `boolean`; the others are text. An empty value of such a type is null; with `nulls=True` so is an empty
    text. `content_types` are taken for CSV besides `text/csv`.
    """
    options = {"names": names, "types": types or {}, "delimiter": delimiter, "quote": quote, "nulls": nulls}
    return Step("csv_to_json", {**options, "content_types": content_types})


def json_to_csv(*, columns: Sequence[str] = (), header: bool = True, delimiter: str = ",", quote: str = '"') -> Step:
    """An array of JSON objects as CSV, one row for each, as they come.

    `columns` are the fields that become columns; without them they are those of the first object, and an object with
    another one is refused. What is neither text nor null is written as JSON. `header=False` leaves the names out.
    """
    return Step("json_to_csv", {"columns": columns, "header": header, "delimiter": delimiter, "quote": quote})


def xml_to_json(*, lists: Sequence[str] = (), content_types: Sequence[str] = ()) -> Step:
    """An XML body as JSON: elements are fields, attributes `@name`, text beside other things `#text`.

    Elements of one name under one parent are a list; `lists` names those that are lists also when they are alone. A
    document type declaration is refused. `content_types` are taken for XML besides those that say so.
    """
    return Step("xml_to_json", {"lists": lists, "content_types": content_types})
