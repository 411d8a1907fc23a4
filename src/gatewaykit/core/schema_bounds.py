"""What the compiled code of a schema is given so that no body makes it take long.

The compiler's code searches with Python's regular expressions, and finds duplicates with Python's sets. A backtracking
search may take for ever; and Python's hash of an integer is the same for every multiple of 2**61 - 1, so that a set of
such numbers takes time with the square of their count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import GeneratorType
from typing import Any, Final

from gatewaykit.core.ecma_regex import Pattern
from gatewaykit.core.schema_fast import subschemas
from gatewaykit.core.schema_guard import GuardedSchema
from gatewaykit.core.schema_recursion import Counted, branching

__all__ = ["bound"]

_MODULUS: Final = 2**61 - 1
_LARGE: Final = object()


_DEFINITION: Final = "validate___definitions_"
"""How the compiler's code names the function of a definition."""


def bound(generated: dict[str, Any], guarded: GuardedSchema) -> Callable[[], None] | None:
    """Replace what the compiler's code looks up by name; `generated` are its globals.

    Gives what has to be called before a value is looked at, where something is counted.
    """
    patterns = generated.get("REGEX_PATTERNS", {})
    for pattern in patterns:
        if isinstance(pattern, Pattern) and pattern.search is not None:
            patterns[pattern] = _Search(pattern.search)
    definitions = guarded.schema["definitions"].values()
    if any(schema.get("uniqueItems") for definition in definitions for schema in subschemas(definition)):
        generated["set"] = _set
    names = branching(guarded.schema["definitions"])
    if not names:
        return None
    calls = Counted()
    for name in names:
        generated[_DEFINITION + name] = calls.counted(generated[_DEFINITION + name])
    return calls.begin


@dataclass(frozen=True, slots=True)
class _Search:
    """What the compiler's code calls of a regular expression."""

    search: Callable[[str], bool]


def _set(values: Iterable[Any]) -> set[Any]:
    """The set of some names; or of a generator's values, with their objects and arrays as frozensets and tuples."""
    return set(map(_spread, values) if type(values) is GeneratorType else values)


def _spread(value: Any) -> Any:
    """A value that is equal to others where `value` is, with a hash that nobody can choose."""
    kind = type(value)
    if kind is str:
        return value
    if kind is tuple:
        return tuple(map(_spread, value))
    if kind is frozenset:
        return frozenset((name, _spread(item)) for name, item in value)
    if (kind is int or kind is float) and not -_MODULUS < value < _MODULUS:
        return _LARGE, str(int(value))  # a float of this size is a whole number
    return value
