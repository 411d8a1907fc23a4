"""A fast yes: orjson and jsonschema-rs, where they say yes to nothing that the exact way refuses.

The extra `fast` must never change a verdict, so only an acceptance is taken from it: what it refuses, or cannot read,
goes the exact way. An acceptance is sound because whatever the two take differently is taken out:

* bodies: what is JSON for orjson is JSON for Python, with equal values but for integers beyond 64 bits, which become
  floats. No keyword accepts such a float and refuses the integer, so this matters only to a schema that turns a
  refusal into an acceptance (`not`, `oneOf`, `if`): there, long numbers go the exact way.
* nesting: the exact way gives up where Python's stack ends, so only nesting far from that is accepted;
* numbers of a schema: only those that a float holds exactly enough to compare; `multipleOf` not at all;
* formats are our own functions, and so is a pattern in which the engines might differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from gatewaykit.core.ecma_regex import Pattern
from gatewaykit.core.formats import formats_of
from gatewaykit.core.schema_guard import GuardedSchema

__all__ = ["FastYes", "compile_fast_yes", "is_installed", "is_shallow", "retrieve_nothing", "subschemas"]

MAX_DEPTH: Final = 500
"""Half of the frames that Python's stack has by default; a level of nesting takes one of the scanner's, at least."""

MAX_FRAMES: Final = 400
"""Frames that checking a value may take in the exact way, in a schema that goes as deep as the value does."""

MIN_DEPTH: Final = 8
LONG_NUMBER: Final = 16
_EXACT: Final = 2**53

_COMMON_PATTERN: Final = re.compile(
    r"""(?ax) \^? (?:
        (?: [-\w #/:,;=!~%&@'"<>`.]                                            # characters that stand for themselves
          | \\ [dw.\-/\\^$*+?()\[\]{}|]
          | \[ \^? -? (?: [0-9A-Za-z] - [0-9A-Za-z] | [\w #/:,;=!%@'"<>.*+?()$] | \\ [dw.\-/\\^\[\]] )+ -? \]
          | \)
        )
        (?: [*+?] \?? | \{ \d{1,3} (?: , (?: \d{1,3} )? )? \} \?? )?
        | \( (?: \?: )?
        | \|
    )* \$?"""
)
"""Patterns of which every engine makes the same: no look-around, references, `\\s`, `\\b`, `\\p`, or sets of sets."""

_DIGITS: Final = bytes(0x30 if chr(byte).isdecimal() else 0x20 for byte in range(256))
_RUN_OF_DIGITS: Final = b"0" * LONG_NUMBER
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS_OR_QUOTES: Final = bytes(byte for byte in range(256) if byte not in b'[]{}"')


@lru_cache(maxsize=4)
def is_installed(needed: tuple[tuple[str, int, int], ...] = (("orjson", 3, 10), ("jsonschema-rs", 0, 60))) -> bool:
    """Whether the libraries of the extra `fast` are there, in versions that are known to decide alike."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        return all(_numbers(version(name)) >= numbers for name, *numbers in needed)
    except PackageNotFoundError:
        return False


def _numbers(version: str) -> list[int]:
    return [int(part) if part.isdecimal() else 0 for part in version.split(".")[:2]]


@dataclass(frozen=True, slots=True)
class FastYes:
    """`says(body)` is true only for bodies that the exact way accepts.

    For a body of up to `harmless` bytes, `is_valid(loads(body))` says the same, where that raises no ValueError.
    """

    says: Callable[[bytes], bool]
    harmless: int
    loads: Callable[[bytes], Any]
    is_valid: Callable[[Any], bool]


def compile_fast_yes(guarded: GuardedSchema) -> FastYes | None:
    """None for a schema that is not fit for it."""
    survey = _Survey(guarded)
    max_depth = survey.max_depth()
    if not survey.is_fit or max_depth < MIN_DEPTH:
        return None
    import jsonschema_rs
    from orjson import loads

    rewritten, formats = _Rewriting(guarded.draft).run(guarded.schema)
    make: Any = getattr(jsonschema_rs, f"Draft{guarded.draft}Validator")
    try:
        validator = make(
            rewritten, formats=formats or None, validate_formats=bool(formats), retriever=retrieve_nothing,
            pattern_options=jsonschema_rs.RegexOptions(),
        )  # fmt: skip  # having formats at all costs a fifth of a check
    except (ValueError, jsonschema_rs.ReferencingError):  # names that are no UTF-8, a pattern too large for its engine
        return None
    is_valid: Callable[[Any], bool] = validator.is_valid
    needs_plain_numbers = survey.needs_plain_numbers
    harmless = 2 * max_depth  # bytes: each level of nesting has a bracket that opens it, and one that closes it

    def says(body: bytes) -> bool:
        if len(body) > harmless and not is_shallow(body, max_depth):
            return False
        if needs_plain_numbers and _RUN_OF_DIGITS in body.translate(_DIGITS):
            return False
        try:
            return is_valid(loads(body))
        except ValueError:
            return False

    return FastYes(says, 0 if needs_plain_numbers else harmless, loads, is_valid)


def is_shallow(body: bytes, max_depth: int) -> bool:
    """Whether JSON is nested less than `max_depth`. With brackets in texts it may count as deep, never as shallow."""
    if body.count(b"{") + body.count(b"[") < max_depth:
        return True
    if b"\\" in body:  # no escape may hide where a text ends
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = body.translate(_ONE_KIND, _NO_BRACKETS_OR_QUOTES).replace(b'""', b"")
    for _ in range(max_depth):
        if not brackets:
            return True
        size = len(brackets)
        brackets = brackets.replace(b"[]", b"")  # one level
        if len(brackets) == size:  # a quote is left, or what is no JSON
            return False
    return False


def retrieve_nothing(uri: str) -> Any:
    """Stands for the network: nothing is ever fetched, even if a reference got past the guard."""
    raise ValueError(f"{uri} leaves the document")


class _Survey:
    """What of a guarded schema decides whether a fast yes is sound."""

    def __init__(self, guarded: GuardedSchema) -> None:
        self.is_fit = True
        turns_refusals = inexact = False
        self._definitions: Mapping[str, Any] = guarded.schema["definitions"]
        self._graph: dict[str, set[str]] = {}
        self._goes_into_any_value = False
        for name, definition in self._definitions.items():
            targets = self._graph[name] = set()
            for schema in subschemas(definition):
                if "$ref" in schema:
                    targets.add(schema["$ref"].rpartition("/")[2])
                    continue
                turns_refusals |= not schema.keys().isdisjoint(("not", "oneOf", "if"))
                unique = schema.get("uniqueItems") is True
                integer = guarded.draft == 4 and "integer" in _listed(schema.get("type"))
                inexact |= unique or integer
                self._goes_into_any_value |= unique
                self.is_fit &= _is_fit(schema)
        self.needs_plain_numbers = turns_refusals and inexact

    def max_depth(self) -> int:
        """How deep a body may be nested. Checking takes a frame for each reference that is followed, in each level."""
        try:
            order = list(TopologicalSorter(self._graph).static_order())
        except CycleError:
            return MAX_FRAMES // (len(self._graph) + 2)
        steps: dict[str, int] = {}
        for name in order:
            steps[name] = 1 + max((steps[target] for target in self._graph[name]), default=0)
        if max(steps.values()) > MAX_FRAMES:
            return 0
        return MAX_FRAMES // 4 if self._goes_into_any_value else MAX_DEPTH


def _is_fit(schema: Mapping[str, Any]) -> bool:
    limits = (schema.get(f"{prefix}{name}") for prefix in ("", "exclusive") for name in _LIMITS)
    numbers_are_exact = all(limit is None or _is_exact(limit) for limit in limits)
    patterns_are_common = all(_is_common(pattern) for pattern in schema.get("patternProperties", ()))
    counts = (schema.get(keyword, 0) for keyword in _COUNTS)
    return (
        "multipleOf" not in schema
        and numbers_are_exact
        and patterns_are_common
        and max(counts) < _EXACT
        and all(_is_exact(value) for value in schema.get("enum", ()))
    )


_LIMITS: Final = ("minimum", "maximum", "Minimum", "Maximum")
_COUNTS: Final = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")


def _is_exact(value: Any) -> bool:
    """Whether all numbers in a value are compared alike, whether as integers, floats or decimals."""
    if isinstance(value, Mapping):
        return all(_is_exact(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_exact(item) for item in value)
    return not isinstance(value, (int, float)) or -_EXACT <= value <= _EXACT


def _is_common(pattern: str) -> bool:
    return isinstance(pattern, Pattern) and _COMMON_PATTERN.fullmatch(pattern.written) is not None


def subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    """A guarded schema and every one in it; boolean ones say nothing here. Its nesting is bounded by the guard."""
    if isinstance(schema, dict):
        yield schema
        for keyword, value in schema.items():
            for inner in _inner(keyword, value):
                yield from subschemas(inner)


def _inner(keyword: str, value: Any) -> tuple[Any, ...]:
    if keyword in _MAPS:
        return tuple(value.values())
    if keyword in _LISTS_OR_ONE:
        return tuple(value) if isinstance(value, list) else (value,)
    return ()


_MAPS: Final = frozenset(("properties", "patternProperties", "dependencies"))
_LISTS_OR_ONE: Final = frozenset((
    "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "items", "additionalItems", "contains",
    "additionalProperties", "propertyNames",
))  # fmt: skip


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else (value,)


class _Rewriting:
    """A guarded schema for jsonschema-rs: common patterns as they were written, the others as formats of our own."""

    def __init__(self, draft: int) -> None:
        self._own = formats_of(draft)
        self._formats: dict[str, Callable[[str], bool]] = {}
        self._names: dict[str, str] = {}

    def run(self, root: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Callable[[str], bool]]]:
        definitions = {name: self._schema(schema) for name, schema in root["definitions"].items()}
        return {**root, "definitions": definitions}, self._formats

    def _schema(self, schema: Any) -> Any:
        if not isinstance(schema, dict) or "$ref" in schema:
            return schema
        written = {keyword: self._keyword(keyword, value) for keyword, value in schema.items()}
        if (name := schema.get("format")) is not None:
            self._formats[name] = self._own[name]
        pattern = schema.get("pattern")
        if pattern is not None and not _is_common(pattern):
            del written["pattern"]
            written["allOf"] = [*written.get("allOf", ()), {"format": self._format(pattern)}]
        return written

    def _keyword(self, keyword: str, value: Any) -> Any:
        if keyword == "pattern":
            return _as_written(value)
        if keyword in _MAPS:
            return {_as_written(name): self._schema(item) for name, item in value.items()}
        if keyword in _LISTS_OR_ONE:
            return [self._schema(item) for item in value] if isinstance(value, list) else self._schema(value)
        return value

    def _format(self, pattern: Pattern) -> str:
        name = self._names.setdefault(pattern, f"pattern {len(self._names)}")
        self._formats[name] = pattern.is_in
        return name


def _as_written(name: str) -> str:
    return name.written if isinstance(name, Pattern) else name
