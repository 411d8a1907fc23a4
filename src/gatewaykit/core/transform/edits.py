"""Edits of a JSON value: pick, drop, rename and set fields, wrap and unwrap.

A value is changed in place: it was parsed for this. A field that is not there is no mistake, except for `unwrap`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from gatewaykit.core.transform.paths import EACH, Part, Path, reached
from gatewaykit.core.transform.unusable import Unusable

__all__ = ["Drop", "Edit", "Pick", "Put", "Rename", "Unwrap", "Wrap", "edit_each", "editing"]

_MISSING: Final[Any] = object()


@dataclass(frozen=True, slots=True)
class Drop:
    """Take fields away."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Pick:
    """Keep these fields and nothing else."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Rename:
    """Give fields another name, in their place; one that has that name already is replaced."""

    names: tuple[tuple[Path, str], ...]


@dataclass(frozen=True, slots=True)
class Put:
    """Set fields. Objects on the way are made; lists are not, and what is neither is left alone."""

    values: tuple[tuple[Path, Any], ...]


@dataclass(frozen=True, slots=True)
class Wrap:
    """Put the value into an object, under one name."""

    name: str


@dataclass(frozen=True, slots=True)
class Unwrap:
    """Give the value at one place, and drop what is around it."""

    path: Path


Edit: TypeAlias = Drop | Pick | Rename | Put | Wrap | Unwrap
Edited: TypeAlias = Callable[[Any], Any]


def editing(edits: Sequence[Edit]) -> Edited:
    """A function that makes all edits of a value, in their order. It gives an Unusable where one cannot be made."""
    steps = tuple(_step(edit) for edit in edits)

    def edited(value: Any) -> Any:
        for step in steps:
            value = step(value)
            if type(value) is Unusable:
                return value
        return value

    return edited


def edit_each(edits: Iterable[Edit]) -> list[Edit] | None:
    """The same edits for each element of a list; None where one of them is about more than single elements."""
    own: list[Edit] = []
    for edit in edits:
        inner = _of_an_element(edit)
        if inner is None:
            return None
        own.append(inner)
    return own


def _of_an_element(edit: Edit) -> Edit | None:
    if isinstance(edit, Drop | Pick):
        paths = [_inside(path) for path in edit.paths]
        return None if None in paths else type(edit)(tuple(path for path in paths if path is not None))
    if isinstance(edit, Rename | Put):
        pairs: Any = edit.names if isinstance(edit, Rename) else edit.values
        inner = [(_inside(path), value) for path, value in pairs]
        return None if any(path is None for path, _ in inner) else type(edit)(tuple(inner))  # type: ignore[arg-type]  # none is None
    return None


def _inside(path: Path) -> Path | None:
    return path[1:] if path[0] is EACH and len(path) > 1 and isinstance(path[1], str) else None


def _step(edit: Edit) -> Edited:
    if isinstance(edit, Drop):
        return _dropping(edit.paths)
    if isinstance(edit, Pick):
        return _picking(edit.paths)
    if isinstance(edit, Rename):
        return _renaming(edit.names)
    if isinstance(edit, Put):
        return _putting(edit.values)
    if isinstance(edit, Wrap):
        name = edit.name
        return lambda value: {name: value}
    return _unwrapping(edit.path)


def _dropping(paths: Sequence[Path]) -> Edited:
    def drop(value: Any) -> Any:
        for path in paths:
            last = path[-1]
            for parent in reached(value, path[:-1]):
                if last is EACH:
                    if type(parent) is list:
                        parent.clear()
                elif type(last) is int:
                    if type(parent) is list and last < len(parent):
                        del parent[last]
                elif type(parent) is dict:
                    parent.pop(last, None)
        return value

    return drop


def _picking(paths: Sequence[Path]) -> Edited:
    """The paths as a tree; what it leads to is copied, what it does not is gone. A scalar where it goes on is gone."""
    tree: dict[Part, Any] = {}
    for path in paths:
        at = tree
        for part in path[:-1]:
            at = at.setdefault(part, {})
            if at is _WHOLE:
                break  # a shorter path keeps all of it
        else:
            at[path[-1]] = _WHOLE
    tree = _shared(tree)
    return lambda value: None if (kept := _kept(tree, value)) is _MISSING else kept


_WHOLE: Final[dict[Part, Any]] = {}
"""The leaf of a tree of paths: all that is there is kept."""


def _shared(tree: dict[Part, Any]) -> dict[Part, Any]:
    """What holds for each element holds for the one at an index too."""
    if tree is _WHOLE:
        return tree
    each = tree.get(EACH, {})
    return {part: _shared(_both(below, each) if type(part) is int else below) for part, below in tree.items()}


def _both(one: dict[Part, Any], other: dict[Part, Any]) -> dict[Part, Any]:
    if one is _WHOLE or other is _WHOLE:
        return _WHOLE
    shared = {part: _both(below, other[part]) if part in other else below for part, below in one.items()}
    return {**other, **shared}


def _kept(tree: Mapping[Part, Any], value: Any) -> Any:
    if tree is _WHOLE:
        return value
    if type(value) is dict and any(isinstance(part, str) for part in tree):
        kept = ((name, _kept(below, value[name])) for name, below in tree.items() if name in value)
        wanted = {name: below for name, below in kept if below is not _MISSING}
        return {name: wanted[name] for name in value if name in wanted}  # in the order of the document
    if type(value) is list and any(not isinstance(part, str) for part in tree):
        each = tree.get(EACH)
        chosen = ((tree.get(index, each), element) for index, element in enumerate(value))
        below = (_kept(paths, element) for paths, element in chosen if paths is not None)
        return [element for element in below if element is not _MISSING]
    return _MISSING


def _renaming(names: Sequence[tuple[Path, str]]) -> Edited:
    def rename(value: Any) -> Any:
        for path, new in names:
            old = path[-1]
            for parent in reached(value, path[:-1]):
                if type(parent) is dict and old in parent and old != new:
                    fields = [(new if name == old else name, each) for name, each in parent.items() if name != new]
                    parent.clear()
                    parent.update(fields)
        return value

    return rename


def _putting(values: Sequence[tuple[Path, Any]]) -> Edited:
    def put(value: Any) -> Any:
        for path, constant in values:
            for parent in _made(value, path[:-1]):
                _put(parent, path[-1], constant)
        return value

    return put


def _made(value: Any, path: Path) -> list[Any]:
    """As `reached`, with objects made where a name leads to nothing."""
    found = [value]
    for part in path:
        if isinstance(part, str):
            for each in found:
                if type(each) is dict:
                    each.setdefault(part, {})
        found = [below for each in found for below in reached(each, (part,))]
    return found


def _put(parent: Any, last: Part, constant: Any) -> None:
    if isinstance(last, str):
        if type(parent) is dict:
            parent[last] = deepcopy(constant)
    elif type(parent) is list:
        for index in range(len(parent)) if last is EACH else range(last, min(last + 1, len(parent))):
            parent[index] = deepcopy(constant)


def _unwrapping(path: Path) -> Edited:
    def unwrap(value: Any) -> Any:
        found = reached(value, path)
        if not found:
            return Unusable("there is nothing at the place that is to be unwrapped")
        return found[0]

    return unwrap
