"""`sqlite:///limits.db?flush=200ms`: limits of one process whose quotas survive it, as people write it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, unquote

from gatewaykit.clock import Clock
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import Problem
from gatewaykit.units import parse_duration

if TYPE_CHECKING:
    from gatewaykit.stores.sqlite_limits import SqliteThrottleStore

__all__ = ["SQLITE", "sqlite_store", "sqlite_store_beside", "sqlite_store_problems"]

SQLITE: Final = "sqlite://"
_FORM: Final = "Write 'sqlite:///limits.db', or 'sqlite:////var/lib/limits.db' for an absolute path"
_OPTIONS: Final = ("flush",)
_FLUSH_S: Final = 0.2


def sqlite_store(spec: str, clock: Clock, *, reads: bool = False) -> SqliteThrottleStore:
    """The store at an address without problems. It is opened by its first quota."""
    from gatewaykit.stores.sqlite_limits import SqliteThrottleStore

    place, _, options = spec.removeprefix(f"{SQLITE}/").partition("?")
    given = dict(parse_qsl(options))
    flush_s = parse_duration(given["flush"]) if "flush" in given else _FLUSH_S
    return SqliteThrottleStore(unquote(place), clock, flush_s=flush_s, reads=reads)


def sqlite_store_beside(spec: str, directory: Path) -> str:
    """The same store where its path is relative to `directory`; any other store as it is."""
    if not spec.startswith(f"{SQLITE}/"):
        return spec
    place, mark, options = spec.removeprefix(f"{SQLITE}/").partition("?")
    return f"{SQLITE}/{quote(str(directory / unquote(place)))}{mark}{options}"


def sqlite_store_problems(spec: str) -> list[Problem]:
    """What is wrong with the way a store is written; whether it is there is not looked at."""
    return [Problem(where="store", what=what, near=near, mend=mend) for what, near, mend in _wrong(spec)]


def _wrong(spec: str) -> Iterator[tuple[str, str, str]]:
    rest = spec.removeprefix(SQLITE)
    place, _, options = rest.removeprefix("/").partition("?")
    if not rest.startswith("/"):
        yield f"{spec!r:.80} names a host, and a file has none", f"{SQLITE}/{rest}" if rest else "", _FORM
    elif not place:
        yield f"{spec!r:.80} names no file", "", _FORM
    if "#" in rest:
        yield "the address has a '#' in it", "", "Write %23 for it in a path"
    for key, value in parse_qsl(options, keep_blank_values=True):
        if key not in _OPTIONS:
            mend = "" if (near := near_miss(key, _OPTIONS) or "") else f"There are {', '.join(_OPTIONS)}"
            yield f"has an option {key!r:.40}", near, mend
            continue
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            yield f"flush: {error}", "", ""
        else:
            if not 0.01 <= seconds <= 60:
                yield f"flush: {value!r:.40} is not between 10ms and 60s", "", ""
