"""Schemas that lead to themselves in more than one place.

`oneOf` of two kinds of node, each with a child of any kind, looks at the child twice, at its child four times, and so
on: a small body takes for ever. One reference back (a list, a tree whose nodes are items) looks at every value once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from gatewaykit.core.schema_fast import subschemas

__all__ = ["MAX_CALLS", "Counted", "branching"]

MAX_CALLS: Final = 300_000
"""Of such definitions, for one body: about a second."""


def branching(definitions: Mapping[str, Any]) -> frozenset[str]:
    """The definitions that lead back to themselves by two references or more."""
    named = {name: [*_references(schema)] for name, schema in definitions.items()}
    reached = {name: _reached(name, named) for name in named}
    return frozenset(
        name for name, targets in named.items() if sum(name in reached.get(target, ()) for target in targets) > 1
    )


def _references(schema: Any) -> Iterable[str]:
    for each in subschemas(schema):
        if "$ref" in each:
            yield each["$ref"].rpartition("/")[2]


def _reached(start: str, named: Mapping[str, list[str]]) -> set[str]:
    """What a definition leads to, itself included."""
    seen, waiting = {start}, [start]
    while waiting:
        for target in named.get(waiting.pop(), ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


class Counted:
    """Counts how often some functions are called, until `begin` is called again."""

    def __init__(self) -> None:
        self._left = MAX_CALLS

    def begin(self) -> None:
        self._left = MAX_CALLS

    def counted(self, check: Callable[..., Any]) -> Callable[..., Any]:
        """The same function. Raises RecursionError beyond MAX_CALLS: no `not` or `oneOf` on the way takes that for an
        answer."""

        def checked(*arguments: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise RecursionError("a value takes too many steps")
            return check(*arguments)

        return checked
