"""Frozen dataclasses read from plain data, with every problem and where it stands; and the JSON Schema of the same.

A field's type says what it takes: text, numbers, flags, `Literal`, `tuple[T, ...]` for a list, `Mapping[str, T]`,
another dataclass, a union of these, or `Annotated[T, Scalar(...)]` for what people write in a form of its own. The
field's `doc` is its description in the schema.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from gatewaykit.definition.near import near_miss
from gatewaykit.errors import Problem
from gatewaykit.units import parse_duration, parse_rate

__all__ = ["Duration", "Locate", "Raw", "Rate", "Reading", "Scalar", "schema_of", "setting", "spelt"]

Path: TypeAlias = tuple[str | int, ...]
Locate: TypeAlias = Callable[[Path], str]
"""Where the value at a path of keys and indexes stands, as a person should read it."""

T = TypeVar("T")
_MISSING: Any = object()
_NAMES = {str: "text, in quotes", int: "a whole number", float: "a number", bool: "true or false"}
_SCHEMA = {str: "string", int: "integer", float: "number", bool: "boolean"}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A form of its own: `parse` gives the value or raises ValueError, saying what is wrong; `schema` describes it."""

    parse: Callable[[Any], Any]
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Raw:
    """Taken as it stands, for a reader of its own; `schema` names a definition that the caller of `schema_of` adds."""

    schema: str


def _rate(value: Any) -> Any:
    """A rate as it is written: its period may matter."""
    parse_rate(value)
    return value


Rate = Annotated[Any, Scalar(_rate, {"type": ["number", "string"], "examples": ["5/minute", 100]})]
Duration = Annotated[float, Scalar(parse_duration, {"type": ["number", "string"], "examples": ["30s", "250ms", 5]})]


def setting(doc: str, default: Any = MISSING, *, factory: Any = MISSING) -> Any:
    """A field of a settings dataclass."""
    if factory is not MISSING:
        return field(default_factory=factory, metadata={"doc": doc})
    return field(default=default, metadata={"doc": doc})


def spelt(where: str) -> Locate:
    """Places as `where.policies[2].throttle.rate`, for data without lines."""
    return lambda path: where + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


class Reading:
    """One reading: where things stand, and the problems so far."""

    def __init__(self, locate: Locate) -> None:
        self.locate = locate
        self.problems: list[Problem] = []

    def problem(self, path: Path, what: str, *, why: str = "", mend: str = "", near: str = "") -> None:
        self.problems.append(Problem(where=self.locate(path), what=what, why=why, mend=mend, near=near))

    def read(self, cls: type[T], data: object, path: Path = ()) -> T | None:
        """An object of a settings class. None after a problem."""
        if not isinstance(data, Mapping):
            self.problem(path, f"{_named(path)} is {_shape(data)}", mend=f"Write a mapping with {_listing(_keys(cls))}")
            return None
        hints = get_type_hints(cls, include_extras=True)
        known = {each.name: each for each in fields(cls)}  # type: ignore[arg-type]  # a dataclass, by contract
        before, values = len(self.problems), {}
        for key, value in data.items():
            if key not in known:
                near = near_miss(str(key), known)
                mend = "" if near else f"Known are {_listing(known)}"
                self.problem((*path, key), f"{_named(path)} has no setting {key!r}", near=near, mend=mend)
                continue
            read = self.value(hints[key], value, (*path, key))
            if read is not _MISSING:
                values[key] = read
        for name, each in known.items():
            if name not in data and _is_required(each):
                self.problem(path, f"{_named(path)} has no {name!r}", mend=_sentence(each.metadata["doc"]))
        return cls(**values) if len(self.problems) == before else None

    def value(self, hint: Any, value: object, path: Path) -> Any:
        """A value by its type. A marker, which is no value, after a problem."""
        origin = get_origin(hint)
        if origin is Annotated:
            return self._annotated(hint, value, path)
        if origin in (Union, types.UnionType):
            return self._one_of(get_args(hint), value, path)
        if origin is Literal:
            choices = get_args(hint)
            if value in choices:
                return value
            near = near_miss(value, choices) if isinstance(value, str) else ""
            self.problem(path, f"{_named(path)} is {_shape(value)}", mend=f"Write {_listing(choices, 'or')}", near=near)
            return _MISSING
        if origin is tuple:
            return self._list(get_args(hint)[0], value, path)
        if origin is not None:  # Mapping
            return self._mapping(get_args(hint)[1], value, path)
        if is_dataclass(hint):
            read: Any = self.read(cast(type, hint), value, path)
            return _MISSING if read is None else read
        if isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
            return value
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        self.problem(path, f"{_named(path)} is {_shape(value)}", mend=f"Write {_NAMES[hint]}")
        return _MISSING

    def _annotated(self, hint: Any, value: object, path: Path) -> Any:
        form = get_args(hint)[1]
        if isinstance(form, Raw):
            return value
        try:
            return form.parse(value)
        except ValueError as error:
            self.problem(path, f"{_named(path)}: {error}")
            return _MISSING

    def _one_of(self, choices: tuple[Any, ...], value: object, path: Path) -> Any:
        """A union is of None, a plain type and a dataclass at most: the value's own shape tells which is meant."""
        for choice in choices:
            if choice is type(None) and value is None:
                return None
            if is_dataclass(choice) and isinstance(value, Mapping):
                return self.value(choice, value, path)
        plain = [choice for choice in choices if choice is not type(None) and not is_dataclass(choice)]
        return self.value((plain or choices)[0], value, path)

    def _list(self, item: Any, value: object, path: Path) -> Any:
        if not isinstance(value, (list, tuple)):
            self.problem(path, f"{_named(path)} is {_shape(value)}", mend="Write a list")
            return _MISSING
        return tuple(self.value(item, each, (*path, index)) for index, each in enumerate(value))

    def _mapping(self, item: Any, value: object, path: Path) -> Any:
        if not isinstance(value, Mapping):
            self.problem(path, f"{_named(path)} is {_shape(value)}", mend="Write a mapping from names to values")
            return _MISSING
        return {str(key): self.value(item, each, (*path, str(key))) for key, each in value.items()}


# ---------------------------------------------------------------------------------------------------- JSON Schema


def schema_of(hint: Any) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a type."""
    origin = get_origin(hint)
    if origin is Annotated:
        form = get_args(hint)[1]
        return {"$ref": f"#/$defs/{form.schema}"} if isinstance(form, Raw) else dict(form.schema)
    if origin in (Union, types.UnionType):
        choices = [schema_of(choice) for choice in get_args(hint) if choice is not type(None)]
        return choices[0] if len(choices) == 1 else {"anyOf": choices}
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if origin is tuple:
        return {"type": "array", "items": schema_of(get_args(hint)[0])}
    if origin is not None:
        return {"type": "object", "additionalProperties": schema_of(get_args(hint)[1])}
    return _object_schema(hint) if is_dataclass(hint) else {"type": _SCHEMA[hint]}


def _object_schema(cls: Any) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    properties = {}
    for each in fields(cls):
        properties[each.name] = {"description": each.metadata["doc"], **schema_of(hints[each.name])}
        if isinstance(each.default, (str, int, float, bool)) and each.default != "":
            properties[each.name]["default"] = each.default
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required := [each.name for each in fields(cls) if _is_required(each)]:
        schema["required"] = required
    return schema


# ---------------------------------------------------------------------------------------------------- words


def _is_required(each: Field[Any]) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _keys(cls: Any) -> list[str]:
    return [each.name for each in fields(cls)]


def _named(path: Path) -> str:
    """The thing at a path, in a few words: its own key, or the list it stands in."""
    if not path:
        return "the file"
    last = path[-1]
    return f"entry {last + 1} of {_named(path[:-1])}" if isinstance(last, int) else repr(last)


def _listing(names: Any, link: str = "and") -> str:
    words = [str(name) for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {link} {words[-1]}"


def _sentence(doc: str) -> str:
    return f"It is {doc[0].lower()}{doc[1:]}"


def _shape(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return f"the text {value!r:.60}" if isinstance(value, str) else f"the number {value}"
