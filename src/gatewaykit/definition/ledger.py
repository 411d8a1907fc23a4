"""The ledger: which keys of a document somebody acts on.

A reader writes down every key of the document (`Ledger.key`). A compiler reads the definition only through
`Ledger.view`, and each attribute it reads marks the keys that field came from as enforced. What nobody read stays
ignored, so deleting a consumer shows in the report without anyone having to remember it. Read only what you act on;
where acting on it falls short, say so with `approximate` or `ignore`, which win over a read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from gatewaykit.definition.model import Origin, Place
from gatewaykit.errors import Problem

__all__ = ["APPROXIMATED", "ENFORCED", "Entry", "IGNORED", "Ledger", "Report", "UNKNOWN"]

ENFORCED: Final = "enforced"
APPROXIMATED: Final = "approximated"
IGNORED: Final = "ignored"
UNKNOWN: Final = "unknown"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key of a document. `security` marks keys that protect something; `harmless` ones have nothing to lose."""

    status: str
    key: str
    place: Place
    security: bool = False
    harmless: bool = False
    note: str = ""
    near: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Every key of a document with what became of it, in the order of the document."""

    entries: tuple[Entry, ...]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def unenforced_security(self, accept: Collection[str] = frozenset()) -> list[Problem]:
        """A problem for each security key nobody enforces, unless it is accepted by its name or its JSON pointer.

        Accepting a key accepts what stands inside it.
        """
        security = [entry for entry in self.entries if entry.security]
        accepted = {e.place.pointer for e in security if e.key in accept or e.place.pointer in accept}
        return [
            Problem(
                where=str(entry.place),
                what=f"{entry.key!r} protects the API and is not enforced",
                why=entry.note,
                mend=f"Remove it, or accept it by name: {entry.key}",
                near=entry.near,
            )
            for entry in security
            if entry.status in (IGNORED, UNKNOWN) and accepted.isdisjoint(_enclosing(entry.place.pointer))
        ]


class Ledger:
    """Every key of one document, and what became of each."""

    def __init__(self) -> None:
        self._keys: dict[Place, tuple[str, str, str, bool, bool, str]] = {}
        self._enforced: set[Place] = set()
        self._approximated: dict[Place, str] = {}
        self._ignored: dict[Place, str] = {}
        self._views: dict[int, _View] = {}

    def key(
        self,
        place: Place,
        key: str,
        *,
        status: str = IGNORED,
        note: str = "",
        security: bool = False,
        harmless: bool = False,
        near: str = "",
    ) -> None:
        """Write down a key: its status and note hold as long as nobody reads the field it feeds."""
        self._keys[place] = (key, status, note, security, harmless, near)

    def excuse(self, places: Iterable[Place], note: str) -> None:
        """These keys have nothing to do in this document, on API Gateway neither: harmless as long as nobody acts."""
        for place in places:
            if place in self._keys:
                key, status, _, security, _, near = self._keys[place]
                self._keys[place] = (key, status, note, security, not security, near)

    def view(self, obj: T) -> T:
        """`obj` with every attribute read marked. Objects of the definition inside it come as views too."""
        if isinstance(obj, _View):
            return cast(T, obj)
        view = self._views.get(id(obj))
        if view is None:
            view = self._views[id(obj)] = _View(obj, self)
        return cast(T, view)

    @staticmethod
    def plain(view: T) -> T:
        """The object behind a view, to look at without acting on it: nothing is marked."""
        return cast(T, view._obj) if isinstance(view, _View) else view

    def approximate(self, view: object, field: str, why: str) -> None:
        """The keys of this field are acted on, with a difference that `why` names."""
        self._approximated.update(dict.fromkeys(_places(view, field), why))

    def ignore(self, view: object, field: str, why: str) -> None:
        """The keys of this field are not acted on although the field was read; `why` says the reason."""
        self._ignored.update(dict.fromkeys(_places(view, field), why))

    def report(self) -> Report:
        entries = [self._entry(place) for place in self._keys]
        entries.sort(key=lambda entry: (entry.place.file, entry.place.line, entry.place.column))
        return Report(tuple(entries))

    def mark(self, places: tuple[Place, ...]) -> None:
        """These keys are enforced. For what a reader itself acts on; compilers use `view`."""
        self._enforced.update(places)

    def _entry(self, place: Place) -> Entry:
        key, status, note, security, harmless, near = self._keys[place]
        if place in self._ignored:
            status, note = IGNORED, self._ignored[place]
        elif place in self._approximated:
            status, note = APPROXIMATED, self._approximated[place]
        elif place in self._enforced:
            status, note = ENFORCED, ""
        return Entry(status=status, key=key, place=place, security=security, harmless=harmless, note=note, near=near)


class _View:
    """Stands for one object of a definition. Its class is not the object's: ask for fields, not for types."""

    __slots__ = ("_ledger", "_obj")

    def __init__(self, obj: object, ledger: Ledger) -> None:
        self._obj, self._ledger = obj, ledger

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._obj, name)
        if name == "origin":
            return value
        origin: Origin = self._obj.origin  # type: ignore[attr-defined]  # every class of the definition has one
        if places := origin.fields.get(name):
            self._ledger.mark(places)
        return _wrap(value, self._ledger)

    def __repr__(self) -> str:
        return f"view of {self._obj!r}"


def _wrap(value: Any, ledger: Ledger) -> Any:
    if isinstance(getattr(value, "origin", None), Origin):
        return ledger.view(value)
    if isinstance(value, tuple):
        return tuple(_wrap(item, ledger) for item in value)
    if isinstance(value, Mapping) and any(isinstance(getattr(item, "origin", None), Origin) for item in value.values()):
        return {key: _wrap(item, ledger) for key, item in value.items()}
    return value


def _places(view: object, field: str) -> tuple[Place, ...]:
    origin: Origin = view.origin  # type: ignore[attr-defined]  # views and definition objects both have one
    return origin.fields.get(field, ())


def _enclosing(pointer: str) -> Iterator[str]:
    """A pointer and every pointer above it."""
    while pointer:
        yield pointer
        pointer = pointer.rpartition("/")[0]
