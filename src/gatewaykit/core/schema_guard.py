"""JSON schemas (drafts 4, 6 and 7) made safe to compile.

The compiler that turns a schema into Python code trusts it: it fetches references by URL, keeps two definitions apart
only by their letters and digits, fails on deep nesting, and passes over keywords that it does not know. So a schema is
read here first, keyword by keyword, and written anew:

* every problem is found, with the JSON pointer of its place; keywords of later drafts are problems;
* references stay within the document (ids in it included), and each target becomes a definition with a name of ours;
* deep nesting becomes definitions; a reference that leads to itself without entering the value is a problem;
* patterns take a time that grows with the text, or are problems;
* only keywords that are enforced are left. The others are listed: nothing is ignored silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from gatewaykit.core.ecma_regex import python_pattern
from gatewaykit.core.formats import formats_of
from gatewaykit.core.regex_automaton import bounded_search
from gatewaykit.core.schema_ids import MAX_DEPTH, MAX_SUBSCHEMAS, Ids
from gatewaykit.core.schema_ids import escape_step as _escape
from gatewaykit.errors import Problem

__all__ = ["Apart", "GuardedSchema", "guard"]

MAX_VALUE_DEPTH: Final = 50
INLINE_DEPTH: Final = 6
"""Nesting that stays where it is. The compiler's own limit is 20 loops inside each other."""

_DRAFTS: Final = {f"http://json-schema.org/draft-0{draft}/schema": draft for draft in (4, 6, 7)}
_LATER: Final = frozenset((
    "$dynamicRef", "$recursiveRef", "dependentRequired", "dependentSchemas", "maxContains", "minContains",
    "prefixItems", "unevaluatedItems", "unevaluatedProperties",
))  # fmt: skip
_ANNOTATIONS: Final = frozenset((
    "$comment", "$defs", "$id", "$schema", "default", "definitions", "deprecated", "description", "example",
    "examples", "externalDocs", "id", "readOnly", "title", "writeOnly", "xml",
))  # fmt: skip
_TYPES: Final = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))

_HERE = True  # a keyword that applies its subschema to the same value
_INSIDE = False  # one that applies it to a part of the value


class Apart(dict[str, Any]):
    """A keyword that only the compiler has to see apart from its schema, under `allOf`. `const` is there as `enum`."""


@dataclass(frozen=True, slots=True)
class GuardedSchema:
    """A schema that is safe to compile, and what of the original means nothing."""

    schema: dict[str, Any]
    draft: int
    ignored: tuple[str, ...]


def guard(schema: object, *, draft: int = 4, where: str = "schema") -> GuardedSchema | tuple[Problem, ...]:
    """Read a schema; `draft` is what it is written in unless its `$schema` says otherwise."""
    reader = _Reader(schema, draft, where)
    reader.run()
    if not reader.problems:
        reader.find_loops()
    if reader.problems:
        return tuple(reader.problems)
    written = {
        "$schema": f"http://json-schema.org/draft-0{reader.draft}/schema#",
        "$ref": "#/definitions/d0",
        "definitions": reader.definitions,
    }
    return GuardedSchema(written, reader.draft, tuple(reader.ignored))


class _Reader:
    def __init__(self, root: object, draft: int, where: str) -> None:
        self.root, self.draft, self.where = root, draft, where
        self.problems: list[Problem] = []
        self.ignored: list[str] = []
        self.definitions: dict[str, Any] = {}
        self._names: dict[str, str] = {}  # pointer of a target -> the name of its definition
        self._waiting: list[tuple[str, str, Any, int]] = []  # name, pointer, subschema, depth in the document
        self._edges: dict[str, set[str]] = {}  # definition -> the definitions it applies to the same value
        self._count = 0
        self._ids = Ids(None, draft)

    def run(self) -> None:
        if isinstance(self.root, Mapping):
            self._read_dialect(self.root)
        self._ids = Ids(self.root, self.draft)
        self._define("", self.root, 0)
        while self._waiting and len(self.problems) < 100:
            name, pointer, schema, depth = self._waiting.pop()
            self.definitions[name] = self._schema(schema, pointer, name, _HERE, 0, depth)

    def _read_dialect(self, root: Mapping[str, Any]) -> None:
        dialect = root.get("$schema")
        if dialect is not None:
            known = _DRAFTS.get(dialect.removesuffix("#")) if isinstance(dialect, str) else None
            if known is None:
                self._problem("/$schema", f"{dialect!r} is not supported", mend="Use draft 4, 6 or 7")
            else:
                self.draft = known

    def find_loops(self) -> None:
        """References that come back to where they started without entering the value never end."""
        done: set[str] = set()
        for start in self._edges:
            path: dict[str, Iterator[str]] = {start: iter(self._edges[start])}
            while path and start not in done:
                name, targets = next(reversed(path.items()))
                target = next(targets, None)
                if target is None:
                    done.add(name)
                    del path[name]
                elif target in path:
                    pointer = next(pointer for pointer, known in self._names.items() if known == target)
                    self._problem(pointer, "a reference leads back to itself", why="checking a value would never end")
                    return
                elif target not in done:
                    path[target] = iter(self._edges.get(target, ()))

    def _define(self, pointer: str, schema: Any, depth: int) -> str:
        name = self._names.get(pointer)
        if name is None:
            name = self._names[pointer] = f"d{len(self._names)}"
            self._waiting.append((name, pointer, schema, depth))
        return name

    def _problem(self, pointer: str, what: str, why: str = "", mend: str = "") -> Any:
        self.problems.append(Problem(where=f"{self.where}#{pointer}", what=what, why=why, mend=mend))

    def _ignore(self, pointer: str) -> Any:
        self.ignored.append(pointer)

    # ------------------------------------------------------------------------------------------------ schemas

    def _schema(self, schema: Any, pointer: str, owner: str, same_value: bool, inline: int, depth: int) -> Any:
        """`schema` written anew. `owner` is the definition it stands in, `inline` how deep."""
        self._count += 1
        if self._count == MAX_SUBSCHEMAS or depth == MAX_DEPTH:
            self._problem(pointer, f"more than {MAX_SUBSCHEMAS} subschemas, or nested more than {MAX_DEPTH} deep")
        if self._count >= MAX_SUBSCHEMAS or depth >= MAX_DEPTH:
            return {}
        if isinstance(schema, bool) and self.draft > 4:
            return schema
        if not isinstance(schema, Mapping):
            self._problem(pointer, f"a schema is an object, not {_kind(schema)}")
            return {}
        if "$ref" in schema:
            return self._reference(schema, pointer, owner, same_value)
        if inline == INLINE_DEPTH:
            return self._refer(self._define(pointer, schema, depth), owner, same_value)
        written: dict[str, Any] = {}
        for keyword, value in schema.items():
            if not isinstance(keyword, str):
                self._problem(pointer, f"{keyword!r} is no keyword")
                continue
            place = f"{pointer}/{_escape(keyword)}"
            rule = _RULES.get(keyword)
            if rule is not None and rule[0] <= self.draft:
                kept = rule[1](self, value, place, (owner, same_value, inline + 1, depth + 1))
                if kept is not None:
                    written[keyword] = kept
            elif keyword in _LATER:
                self._problem(place, f"{keyword} belongs to a later draft", why="it would not be enforced")
            elif keyword not in _ANNOTATIONS and not keyword.startswith("x-"):
                self._ignore(place)
        return self._settle(written, pointer)

    def _settle(self, written: dict[str, Any], pointer: str) -> dict[str, Any]:
        if self.draft == 4:
            for keyword, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
                if keyword in written and limit not in written:
                    self._problem(f"{pointer}/{keyword}", f"in draft 4, {keyword} is true or false beside {limit}")
        apart = []
        if "const" in written:  # an enumeration of one
            apart.append(Apart(enum=written.pop("const")))
        if written.get("additionalProperties") is False and "required" in written:
            # The compiler takes a name that is required and not listed for a mistake; it is a legal schema.
            apart.append(Apart(required=written.pop("required")))
        if apart:
            written["allOf"] = [*written.get("allOf", ()), *apart]
        return written

    def _reference(self, schema: Mapping[str, Any], pointer: str, owner: str, same_value: bool) -> dict[str, Any]:
        place, reference = f"{pointer}/$ref", schema["$ref"]
        for keyword in schema:
            if keyword != "$ref" and keyword not in _ANNOTATIONS and not str(keyword).startswith("x-"):
                self._ignore(f"{pointer}/{_escape(str(keyword))}")  # drafts 4 to 7: what stands beside $ref is nothing
        if not isinstance(reference, str):
            self._problem(place, f"a reference is a text, not {_kind(reference)}")
            return {}
        target = self._ids.target(reference, pointer)
        if target is None:
            self._problem(
                place,
                f"{reference!r} leaves the document",
                why="nothing is fetched",
                mend="Use references like #/definitions/Pet",
            )
            return {}
        found = self._resolve(target)
        if found is None:
            self._problem(place, f"{reference!r} points to nothing")
            return {}
        return self._refer(self._define(target, found[0], 0), owner, same_value)

    def _refer(self, name: str, owner: str, same_value: bool) -> dict[str, Any]:
        if same_value:
            self._edges.setdefault(owner, set()).add(name)
        return {"$ref": f"#/definitions/{name}"}

    def _resolve(self, pointer: str) -> tuple[Any] | None:
        node: Any = self.root
        for step in pointer.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node, Mapping) and step in node:
                node = node[step]
            elif isinstance(node, list) and step.isascii() and step.isdecimal() and int(step) < len(node):
                node = node[int(step)]
            else:
                return None
        return (node,)

    # ------------------------------------------------------------------------------------------------ keywords

    def sub(self, value: Any, place: str, at: _At, same_value: bool = _INSIDE) -> Any:
        owner, here, inline, depth = at
        return self._schema(value, place, owner, here and same_value, inline, depth)

    def sub_here(self, value: Any, place: str, at: _At) -> Any:
        return self.sub(value, place, at, _HERE)

    def sub_or_bool(self, value: Any, place: str, at: _At) -> Any:
        if isinstance(value, bool):
            return None if value else False  # true says nothing, and neither does a schema without keywords
        return self.sub(value, place, at) or None

    def subs_here(self, value: Any, place: str, at: _At) -> Any:
        if not isinstance(value, list) or not value:
            return self._problem(place, "a list of schemas is wanted, with one at least")
        return [self.sub(item, f"{place}/{index}", at, _HERE) for index, item in enumerate(value)]

    def sub_map(self, value: Any, place: str, at: _At) -> Any:
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            return self._problem(place, "an object of schemas is wanted")
        return {name: self.sub(item, f"{place}/{_escape(name)}", at) for name, item in value.items()}

    def pattern_map(self, value: Any, place: str, at: _At) -> Any:
        schemas = self.sub_map(value, place, at) or {}
        patterns = {self.pattern(name, f"{place}/{_escape(name)}", at): item for name, item in schemas.items()}
        return {pattern: item for pattern, item in patterns.items() if pattern is not None}

    def items(self, value: Any, place: str, at: _At) -> Any:
        if isinstance(value, list):
            return [self.sub(item, f"{place}/{index}", at) for index, item in enumerate(value)]
        return self.sub(value, place, at)

    def dependencies(self, value: Any, place: str, at: _At) -> Any:
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            return self._problem(place, "an object of schemas or lists of names is wanted")
        written = {}
        for name, item in value.items():
            inside = f"{place}/{_escape(name)}"
            written[name] = (
                self.names(item, inside, at) if isinstance(item, list) else self.sub(item, inside, at, _HERE)
            )
        return written

    def names(self, value: Any, place: str, at: _At) -> Any:
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            mend = "In drafts 4 to 7 the object lists its required properties" if isinstance(value, bool) else ""
            return self._problem(place, "a list of names is wanted", mend=mend)
        return list(dict.fromkeys(value))

    def types(self, value: Any, place: str, at: _At) -> Any:
        names = value if isinstance(value, list) else [value]
        if not names or not all(isinstance(name, str) and name in _TYPES for name in names):
            return self._problem(place, f"{value!r} is no type; the types are {', '.join(sorted(_TYPES))}")
        return value

    def count(self, value: Any, place: str, at: _At) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0 or value != value // 1:
            return self._problem(place, f"{value!r} is not a whole number, 0 or more")
        return int(value)

    def number(self, value: Any, place: str, at: _At) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
            return self._problem(place, f"{value!r} is not a number")
        return value

    def positive(self, value: Any, place: str, at: _At) -> Any:
        number = self.number(value, place, at)
        return number if number is None or number > 0 else self._problem(place, f"{value!r} is not above 0")

    def exclusive(self, value: Any, place: str, at: _At) -> Any:
        return self.flag(value, place, at) if self.draft == 4 else self.number(value, place, at)

    def flag(self, value: Any, place: str, at: _At) -> Any:
        return value if isinstance(value, bool) else self._problem(place, f"{value!r} is neither true nor false")

    def enum(self, value: Any, place: str, at: _At) -> Any:
        if not isinstance(value, list) or not value:
            return self._problem(place, "a list of values is wanted, with one at least")
        return value if self._is_json(value, place, 0) else None

    def const(self, value: Any, place: str, at: _At) -> Any:
        return [value] if self._is_json(value, place, 0) else None

    def pattern(self, value: Any, place: str, at: _At) -> Any:
        if not isinstance(value, str):
            return self._problem(place, f"a pattern is a text, not {_kind(value)}")
        translated = python_pattern(value)
        search = translated if isinstance(translated, ValueError) else bounded_search(translated)
        if isinstance(translated, ValueError) or isinstance(search, ValueError):
            return self._problem(place, f"{value[:100]!r} cannot be used as a regular expression", why=str(search))
        translated.search = search
        return translated

    def format(self, value: Any, place: str, at: _At) -> Any:
        if isinstance(value, str) and value in formats_of(self.draft):
            return value
        return self._ignore(place)

    def _is_json(self, value: Any, place: str, depth: int) -> bool:
        if depth > MAX_VALUE_DEPTH:
            self._problem(place, f"a value nested more than {MAX_VALUE_DEPTH} deep")
        elif isinstance(value, list):
            return all(self._is_json(item, place, depth + 1) for item in value)
        elif isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
            return all(self._is_json(item, place, depth + 1) for item in value.values())
        elif value is None or isinstance(value, (str, int)) or (isinstance(value, float) and isfinite(value)):
            return True
        else:
            self._problem(place, f"{value!r} is no JSON value")
        return False


_At = tuple[str, bool, int, int]
_Rule = tuple[int, Callable[[_Reader, Any, str, _At], Any]]

_RULES: Final[dict[str, _Rule]] = {
    "type": (4, _Reader.types), "enum": (4, _Reader.enum), "const": (6, _Reader.const),
    "allOf": (4, _Reader.subs_here), "anyOf": (4, _Reader.subs_here), "oneOf": (4, _Reader.subs_here),
    "not": (4, _Reader.sub_here), "if": (7, _Reader.sub_here), "then": (7, _Reader.sub_here),
    "else": (7, _Reader.sub_here),
    "minLength": (4, _Reader.count), "maxLength": (4, _Reader.count), "pattern": (4, _Reader.pattern),
    "format": (4, _Reader.format),
    "minimum": (4, _Reader.number), "maximum": (4, _Reader.number), "multipleOf": (4, _Reader.positive),
    "exclusiveMinimum": (4, _Reader.exclusive), "exclusiveMaximum": (4, _Reader.exclusive),
    "minItems": (4, _Reader.count), "maxItems": (4, _Reader.count), "uniqueItems": (4, _Reader.flag),
    "items": (4, _Reader.items), "additionalItems": (4, _Reader.sub_or_bool), "contains": (6, _Reader.sub),
    "minProperties": (4, _Reader.count), "maxProperties": (4, _Reader.count), "required": (4, _Reader.names),
    "properties": (4, _Reader.sub_map), "patternProperties": (4, _Reader.pattern_map),
    "additionalProperties": (4, _Reader.sub_or_bool), "propertyNames": (6, _Reader.sub),
    "dependencies": (4, _Reader.dependencies),
}  # fmt: skip


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
