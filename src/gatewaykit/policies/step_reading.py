"""The steps of one side of a `transform`, read: what is asked of headers, query and body, or everything wrong with it.

A step is a `Step`, or what stands for one in a file: `name: value`, or the bare name where it has only options.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from gatewaykit.core.transform.bodies import BodySteps, FromCsv, FromXml, Kind, ToCsv
from gatewaykit.core.transform.csv_text import COLUMN_TYPES, CsvForm
from gatewaykit.core.transform.edits import Drop, Edit, Pick, Put, Rename, Unwrap, Wrap
from gatewaykit.core.transform.heads import (
    HeadStep,
    RemoveNames,
    RenameNames,
    SetValues,
    name_problem,
    value_problem,
)
from gatewaykit.core.transform.paths import EACH, Path, parse_path
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import Problem
from gatewaykit.policies.steps import Step

__all__ = ["OPTIONS", "Side", "read_side", "steps_schema"]

OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "csv_to_json": {
        "names": "texts", "types": "types", "delimiter": "text", "quote": "text", "nulls": "flag",
        "content_types": "media types",
    },
    "json_to_csv": {"columns": "texts", "header": "flag", "delimiter": "text", "quote": "text"},
    "xml_to_json": {"lists": "texts", "content_types": "media types"},
}  # fmt: skip
"""The options of the steps that have any, and what they take."""

_PLACE: Final = {"csv_to_json": 0, "xml_to_json": 0, "json_to_csv": 2}  # of a step on the body; edits are 1
_MAX_DEPTH: Final = 32
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}")


@dataclass(slots=True)
class Side:
    """What one side asks for; `problems` holds everything wrong with it."""

    problems: list[Problem] = field(default_factory=list)
    headers: list[HeadStep] = field(default_factory=list)
    query: list[HeadStep] = field(default_factory=list)
    body: BodySteps | None = None


def read_side(steps: object, side: str) -> Side:
    """Read the steps of `request` or `response`."""
    return _Reader(side).read(steps)


def steps_schema(side: str) -> dict[str, Any]:
    """The JSON Schema of one step of a side, as a file has it."""
    texts = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    values = {"type": "object", "additionalProperties": {"type": "string"}}
    forms: dict[str, Any] = {
        "rename_headers": values, "remove_headers": texts, "set_headers": values, "rename_query": values,
        "remove_query": texts, "set_query": values, "pick_fields": texts, "drop_fields": texts, "rename_fields": values,
        "set_fields": {"type": "object"}, "wrap": {"type": "string"}, "unwrap": {"type": "string"},
    }  # fmt: skip
    kinds = {
        "text": {"type": "string"}, "flag": {"type": "boolean"}, "texts": texts, "media types": texts,
        "types": {"type": "object", "additionalProperties": {"enum": list(COLUMN_TYPES)}},
    }  # fmt: skip
    for name, options in OPTIONS.items():
        properties = {option: kinds[kind] for option, kind in options.items()}
        forms[name] = {"type": ["object", "null"], "properties": properties, "additionalProperties": False}
    if side == "response":
        forms = {name: form for name, form in forms.items() if not name.endswith("_query")}
    steps = [
        {"type": "object", "properties": {name: form}, "required": [name], "additionalProperties": False}
        for name, form in forms.items()
    ]
    return {"anyOf": [*steps, {"enum": list(OPTIONS)}]}


class _Reader:
    def __init__(self, side: str) -> None:
        self._side, self._out = side, Side()
        self._edits: list[Edit] = []
        self._conversions: dict[str, Any] = {}
        self._content_types: dict[str, Kind] = {}
        self._place = 0
        self._last = ""
        self._readers: Mapping[str, Callable[[str, str, Any], None]] = {
            "rename_headers": self._rename_names, "remove_headers": self._remove_names, "set_headers": self._set_values,
            "rename_query": self._rename_names, "remove_query": self._remove_names, "set_query": self._set_values,
            "pick_fields": self._paths, "drop_fields": self._paths, "rename_fields": self._rename_fields,
            "set_fields": self._set_fields, "wrap": self._wrap, "unwrap": self._unwrap,
            "csv_to_json": self._csv_to_json, "json_to_csv": self._json_to_csv, "xml_to_json": self._xml_to_json,
        }  # fmt: skip

    def read(self, steps: object) -> Side:
        where = f"transform.{self._side}"
        if not isinstance(steps, list | tuple):
            self._problem(where, f"{steps!r:.60} is no list of steps", mend="Write a list of them")
            return self._out
        for index, given in enumerate(steps):
            name, value = _named(given)
            at = f"{where}[{index}]"
            if not name:
                self._problem(at, f"{given!r:.60} is no step", mend=f"Write one of {', '.join(self._readers)}")
            elif name not in self._readers:
                near = near_miss(name, self._readers)
                mend = "" if near else f"Known are {', '.join(self._readers)}"
                self._problem(f"{at}.{name}", f"there is no step {name!r}", near=near, mend=mend)
            else:
                self._readers[name](f"{at}.{name}", name, value)
        if self._edits or self._conversions:
            self._out.body = BodySteps(
                edits=tuple(self._edits), content_types=self._content_types,
                from_csv=self._conversions.get("csv_to_json"), from_xml=self._conversions.get("xml_to_json"),
                to_csv=self._conversions.get("json_to_csv"),
            )  # fmt: skip
        return self._out

    def _problem(self, where: str, what: str, *, why: str = "", mend: str = "", near: str = "") -> None:
        self._out.problems.append(Problem(where=where, what=what, why=why, mend=mend, near=near))

    # ------------------------------------------------------------------------------------------------ heads

    def _rename_names(self, where: str, name: str, value: Any) -> None:
        if not self._has_query(where, name) or not self._is_mapping(where, value, "from old names to new ones"):
            return
        for old, new in value.items():
            self._check_name(where, name, old)
            self._check_name(where, name, new)
        self._head(name, RenameNames(dict(value)))

    def _remove_names(self, where: str, name: str, value: Any) -> None:
        names = self._texts(where, value)
        if not self._has_query(where, name) or names is None:
            return
        for each in names:
            self._check_name(where, name, each)
        self._head(name, RemoveNames(names))

    def _set_values(self, where: str, name: str, value: Any) -> None:
        if not self._has_query(where, name) or not self._is_mapping(where, value, "from names to values"):
            return
        for each, text in value.items():
            self._check_name(where, name, each)
            if name == "set_headers" and (what := value_problem(text)):
                self._problem(where, what)
            elif not isinstance(text, str):
                self._problem(where, f"the value of {each!r} is {text!r:.60}", mend="Write a text, in quotes")
        self._head(name, SetValues(dict(value)))

    def _head(self, name: str, step: HeadStep) -> None:
        (self._out.query if name.endswith("_query") else self._out.headers).append(step)

    def _has_query(self, where: str, name: str) -> bool:
        if name.endswith("_query") and self._side == "response":
            self._problem(where, "a response has no query", mend="Write the step under request")
            return False
        return True

    def _check_name(self, where: str, name: str, each: object) -> None:
        if name.endswith("_headers"):
            if what := name_problem(each):
                self._problem(where, what)
        elif not isinstance(each, str) or not each:
            self._problem(where, f"{each!r} is no name of a query parameter")

    # ------------------------------------------------------------------------------------------------ fields

    def _paths(self, where: str, name: str, value: Any) -> None:
        texts = self._texts(where, value)
        paths = [self._path(where, text) for text in texts or ()]
        found = tuple(path for path in paths if path is not None)
        self._edit(where, name, Pick(found) if name == "pick_fields" else Drop(found))

    def _rename_fields(self, where: str, name: str, value: Any) -> None:
        pairs: list[tuple[Path, str]] = []
        for text, new in value.items() if self._is_mapping(where, value, "from paths to new names") else ():
            path = self._path(where, text)
            if path is not None and not isinstance(path[-1], str):
                self._problem(where, f"{text!r} leads to an element of a list, which has no name")
            elif not isinstance(new, str):
                self._problem(where, f"{new!r:.60} is no name of a field")
            elif path is not None:
                pairs.append((path, new))
        self._edit(where, name, Rename(tuple(pairs)))

    def _set_fields(self, where: str, name: str, value: Any) -> None:
        pairs: list[tuple[Path, Any]] = []
        for text, constant in value.items() if self._is_mapping(where, value, "from paths to values") else ():
            path = self._path(where, text)
            if not _is_json(constant):
                what = f"the value of {text!r} cannot be written as JSON, or nests more than {_MAX_DEPTH} deep"
                self._problem(where, what)
            elif path is not None:
                pairs.append((path, constant))
        self._edit(where, name, Put(tuple(pairs)))

    def _wrap(self, where: str, name: str, value: Any) -> None:
        if not isinstance(value, str):
            self._problem(where, f"{value!r:.60} is no name of a field")
            value = ""
        self._edit(where, name, Wrap(value))

    def _unwrap(self, where: str, name: str, value: Any) -> None:
        path = self._path(where, value)
        if path is not None and EACH in path:
            self._problem(where, f"{value!r} leads to more than one place", mend="Write an index in place of *")
        self._edit(where, name, Unwrap(path or ()))

    def _edit(self, where: str, name: str, edit: Edit) -> None:
        self._in_order(where, name)
        self._edits.append(edit)

    def _path(self, where: str, text: object) -> Path | None:
        path = parse_path(text)
        if isinstance(path, str):
            self._problem(where, path, mend="Write one such as items[*].name")
            return None
        return path

    def _in_order(self, where: str, name: str) -> None:
        place = _PLACE.get(name, 1)
        if place < self._place:
            why = "a body is made JSON first, then its fields are changed, then it is made CSV"
            self._problem(where, f"{name} stands after {self._last}", why=why, mend=f"Put it before {self._last}")
        elif name in self._conversions:
            self._problem(where, f"{name} stands here twice")
        if place >= self._place:
            self._place, self._last = place, name

    # ------------------------------------------------------------------------------------------------ conversions

    def _csv_to_json(self, where: str, name: str, value: Any) -> None:
        given = self._options(where, name, value)
        form = CsvForm(
            delimiter=given.get("delimiter", ","), quote=given.get("quote", '"'), names=given.get("names", ()),
            types=given.get("types", {}), nulls=given.get("nulls", False),
        )  # fmt: skip
        self._form_problems(where, form)
        for column in form.types if form.names else ():
            if column not in form.names:
                near = near_miss(column, form.names)
                self._problem(f"{where}.types", f"there is no column {column!r}", near=near)
        self._convert(where, name, FromCsv(form), "csv", given)

    def _json_to_csv(self, where: str, name: str, value: Any) -> None:
        given = self._options(where, name, value)
        columns = given.get("columns", ())
        form = CsvForm(delimiter=given.get("delimiter", ","), quote=given.get("quote", '"'), names=columns)
        self._form_problems(where, form, names="columns")
        self._convert(where, name, ToCsv(form, columns, given.get("header", True)), "json", given)

    def _xml_to_json(self, where: str, name: str, value: Any) -> None:
        given = self._options(where, name, value)
        self._convert(where, name, FromXml(given.get("lists", ())), "xml", given)

    def _convert(self, where: str, name: str, step: Any, kind: Kind, given: Mapping[str, Any]) -> None:
        self._in_order(where, name)
        self._conversions[name] = step
        self._content_types.update(dict.fromkeys(given.get("content_types", ()), kind))

    def _form_problems(self, where: str, form: CsvForm, names: str = "names") -> None:
        for found in form.problems():
            option, _, what = found.partition(": ")
            self._problem(f"{where}.{names if option == 'names' else option}", what)

    def _options(self, where: str, name: str, value: Any) -> dict[str, Any]:
        """The options that are right; the others are problems."""
        kinds, right = OPTIONS[name], {}
        if not isinstance(value, Mapping):
            self._problem(where, f"{value!r:.60} is no mapping", mend=f"Known options are {', '.join(kinds)}")
            return {}
        for option, given in value.items():
            at = f"{where}.{option}"
            if option not in kinds:
                near = near_miss(str(option), kinds)
                mend = "" if near else f"Known are {', '.join(kinds)}"
                self._problem(at, f"{name} has no option {option!r}", near=near, mend=mend)
            elif (read := self._option(at, kinds[option], given)) is not None:
                right[option] = read
        return right

    def _option(self, where: str, kind: str, given: Any) -> Any:
        if kind == "flag":
            return given if isinstance(given, bool) else self._problem(where, f"{given!r:.60} is not true or false")
        if kind == "text":
            return given if isinstance(given, str) else self._problem(where, f"{given!r:.60} is no text")
        if kind == "types":
            if not self._is_mapping(where, given, "from columns to types"):
                return None
            for column, each in given.items():
                if each not in COLUMN_TYPES:
                    near = near_miss(str(each), COLUMN_TYPES)
                    mend = f"Write {', '.join(COLUMN_TYPES)}"
                    self._problem(where, f"{each!r:.60} of {column!r} is no type", near=near, mend=mend)
            return dict(given)
        texts = self._texts(where, given, may_be_empty=True)
        if kind == "media types" and texts is not None:
            texts = tuple(text.lower() for text in texts)
            for text in texts:
                if _MEDIA_TYPE.fullmatch(text) is None:
                    self._problem(where, f"{text!r} is no content type", mend="Write one such as text/csv")
        return texts

    # ------------------------------------------------------------------------------------------------ shapes

    def _is_mapping(self, where: str, value: Any, what: str) -> bool:
        if isinstance(value, Mapping):
            return True
        self._problem(where, f"{value!r:.60} is no mapping {what}")
        return False

    def _texts(self, where: str, value: Any, *, may_be_empty: bool = False) -> tuple[str, ...] | None:
        if isinstance(value, str):
            value = (value,)
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            self._problem(where, f"{value!r:.60} is no list of texts")
            return None
        if not value and not may_be_empty:
            self._problem(where, "nothing is named")
        return tuple(value)


def _is_json(value: Any, depth: int = 0) -> bool:
    if depth > _MAX_DEPTH:
        return False
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(each, depth + 1) for key, each in value.items())
    if isinstance(value, list):
        return all(_is_json(each, depth + 1) for each in value)
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and isfinite(value))


def _named(given: object) -> tuple[str, Any]:
    """The name and the value of a step; no name where it is none."""
    if isinstance(given, Step):
        return given.name, given.value
    if isinstance(given, str):
        return given, {}
    if isinstance(given, Mapping) and len(given) == 1:
        ((name, value),) = given.items()
        return str(name), {} if value is None else value
    return "", None
