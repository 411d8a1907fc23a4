"""Compiled paths, and what they find.

A path is definite when it can lead to one value only (names, single indexes, names that are merged into one map, and a
function after such); then `find` gives that value, or MISSING. Any other path gives the list of what it finds; where a
name before the first open step is not there, or a step does not fit the one value before it, the whole path is MISSING,
as Jayway's PathNotFoundException is. A JSON null is a value.

Jayway's versions differ, and have faults: since 2.7 deep scans lose what is behind `[*]` and `[0,1]`, `last()` fails on
lists of one item, `max()` knows no negative numbers, some operators fail on maps. There the documented meaning holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from gatewaykit.core.jsonpath.steps import MISSING, Missing, Search, Step, TooMuch

__all__ = ["MAX_PATH", "Path", "PathProblem", "compile_path", "path_of"]

MAX_PATH: Final = 2000


@dataclass(frozen=True, slots=True)
class PathProblem:
    """Why a path cannot be used, and where in it (0-based)."""

    position: int
    message: str


class Path:
    """A compiled path."""

    __slots__ = ("_steps", "is_definite", "text")

    def __init__(self, text: str, steps: tuple[Step, ...], is_definite: bool) -> None:
        self.text = text
        self.is_definite = is_definite
        self._steps = steps

    def find(self, value: Any) -> Any:
        """One value or MISSING when definite, else a list (or MISSING, see above; or where it is too much work)."""
        try:
            return self.search(value)
        except TooMuch:
            return MISSING

    def search(self, value: Any) -> Any:
        """As `find`, but raises TooMuch."""
        try:
            return self.within(value, Search(value))
        except RecursionError:  # values nested too deeply to be compared
            raise TooMuch from None

    def within(self, value: Any, search: Search) -> Any:
        """From a value inside a document, as filters do."""
        found = [value]
        for step in self._steps:
            taken = step(found, search)
            if isinstance(taken, Missing):
                return MISSING
            found = taken
        if self.is_definite:
            return found[0] if found else MISSING
        return found


class _PlainPath(Path):
    """A path of names and single indexes."""

    __slots__ = ("_keys",)

    def __init__(self, text: str, steps: tuple[Step, ...], keys: tuple[str | int, ...]) -> None:
        super().__init__(text, steps, True)
        self._keys = keys

    def search(self, value: Any) -> Any:
        for key in self._keys:
            if type(key) is str:
                if not isinstance(value, dict) or key not in value:
                    return MISSING
            elif not isinstance(value, list) or not -len(value) <= key < len(value):  # type: ignore[operator]  # an int
                return MISSING
            value = value[key]
        return value


class _NamesPath(_PlainPath):
    """A path of names: most paths are. Of what JSON has, only maps can be asked for a name."""

    def search(self, value: Any) -> Any:
        try:
            for name in self._keys:
                value = value[name]
        except (KeyError, TypeError):
            return MISSING
        return value


def path_of(text: str, steps: tuple[Step, ...], is_definite: bool, keys: tuple[str | int, ...]) -> Path:
    """The quickest path there is for the steps. `keys` are those of as many steps as are plain names and indexes."""
    if len(keys) < len(steps):
        return Path(text, steps, is_definite)
    return (_NamesPath if all(isinstance(key, str) for key in keys) else _PlainPath)(text, steps, keys)


@lru_cache(maxsize=2048)
def compile_path(text: str) -> Path | PathProblem:
    """The path, or why there is none. A path without `$` begins at the root all the same."""
    from gatewaykit.core.jsonpath.reader import Reader, Unreadable, read_path  # it makes paths, so it imports this file

    stripped = text.strip()
    if len(stripped) > MAX_PATH:
        return PathProblem(MAX_PATH, f"a path of more than {MAX_PATH} characters")
    if not stripped:
        return PathProblem(0, "an empty path")
    if stripped[0] not in "$@":
        stripped = "$." + stripped
    try:
        return read_path(Reader(stripped))
    except Unreadable as error:
        return PathProblem(error.position, str(error))
