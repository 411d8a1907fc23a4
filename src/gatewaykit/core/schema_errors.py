"""Why a value does not match its schema, in the words of the validator behind API Gateway.

Reference 01 section 8 (`$context.error.validationErrorString`). This runs only for values that were refused already, on
a budget of steps: it explains, it does not decide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from gatewaykit.core.formats import formats_of

__all__ = ["explain"]

MAX_STEPS: Final = 5000
MAX_ERRORS: Final = 20
MAX_TEXT: Final = 1000
_MAX_VALUE: Final = 200

_WHAT_FORMATS_ARE: Final = {
    "date-time": "date-time", "email": "email address", "hostname": "hostname", "ipv4": "IPv4 address",
    "ipv6": "IPv6 address", "uri": "URI", "uri-reference": "URI reference", "regex": "ECMA 262 regex",
    "json-pointer": "JSON pointer", "date": "date", "time": "time", "uuid": "UUID",
}  # fmt: skip


def explain(schema: Mapping[str, Any], draft: int, value: Any) -> str:
    """The errors of `value`, comma-joined in brackets. `schema` is a guarded one."""
    errors: list[str] = []
    for error in _Explainer(schema, draft).errors(schema, value):
        errors.append(error)
        if len(errors) == MAX_ERRORS:
            break
    text = ",".join(errors) or "instance does not match its schema"
    return f"[{text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + '…'}]"


class _Explainer:
    def __init__(self, root: Mapping[str, Any], draft: int) -> None:
        self._definitions: Mapping[str, Any] = root["definitions"]
        self._draft, self._steps = draft, 0

    def errors(self, schema: Any, value: Any) -> Iterator[str]:
        """Every error of a value, while the budget lasts."""
        self._steps += 1
        if self._steps > MAX_STEPS or schema is True:
            return
        if schema is False:
            yield "no value is allowed here"
            return
        while "$ref" in schema:
            schema = self._definitions[schema["$ref"].rpartition("/")[2]]
            if isinstance(schema, bool):
                yield from self.errors(schema, value)
                return
        yield from self._general(schema, value)
        if isinstance(value, str):
            yield from self._text(schema, value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield from self._number(schema, value)
        elif isinstance(value, list):
            yield from self._array(schema, value)
        elif isinstance(value, dict):
            yield from self._object(schema, value)
        yield from self._combined(schema, value)

    def matches(self, schema: Any, value: Any) -> bool:
        return next(self.errors(schema, value), None) is None

    def _general(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        if "type" in schema:
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            kind = self._type(value)
            if kind not in types and not (kind == "integer" and "number" in types):
                allowed = _shown(sorted(types))
                yield f"instance type ({kind}) does not match any allowed primitive type (allowed: {allowed})"
        if "enum" in schema and not any(_same(value, item) for item in schema["enum"]):
            yield f"instance value ({_shown(value)}) not found in enum (possible values: {_shown(schema['enum'])})"

    def _type(self, value: Any) -> str:
        if isinstance(value, float) and self._draft > 4 and value.is_integer():
            return "integer"
        return _TYPE_NAMES[type(value)]

    def _text(self, schema: Mapping[str, Any], value: str) -> Iterator[str]:
        if len(value) < schema.get("minLength", 0):
            yield f"string {_shown(value)} is too short (length: {len(value)}, required minimum: {schema['minLength']})"
        if "maxLength" in schema and len(value) > schema["maxLength"]:
            yield f"string {_shown(value)} is too long (length: {len(value)}, maximum allowed: {schema['maxLength']})"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            pattern = _shown(schema["pattern"].written)
            yield f"ECMA 262 regex {pattern} does not match input string {_shown(value)}"
        if "format" in schema and not formats_of(self._draft)[schema["format"]](value):
            yield f"string {_shown(value)} is not a valid {_WHAT_FORMATS_ARE[schema['format']]}"

    def _number(self, schema: Mapping[str, Any], value: float) -> Iterator[str]:
        for keyword, word, over in _LIMITS:
            limit: Any = schema.get(keyword)
            exclusive = schema.get("exclusive" + keyword.capitalize())
            if limit is not None and over(value, limit):
                found = f"({keyword}: {limit}, found: {_shown(value)})"
                yield f"numeric instance is {word} than the required {keyword} {found}"
            elif exclusive is not None and exclusive is not False:
                bound = limit if exclusive is True else exclusive
                if over(value, bound) or value == bound:
                    strictly = "greater" if word == "lower" else "lower"
                    yield f"numeric instance is not strictly {strictly} than the required {keyword} {bound}"
        factor = schema.get("multipleOf")
        if factor is not None and value % factor:
            yield f"remainder of division is not zero ({_shown(value)} / {factor})"

    def _array(self, schema: Mapping[str, Any], value: list[Any]) -> Iterator[str]:
        size = len(value)
        has = f"but instance has {size} elements"
        if size < schema.get("minItems", 0):
            yield f"array is too short: must have at least {schema['minItems']} elements {has}"
        if "maxItems" in schema and size > schema["maxItems"]:
            yield f"array is too long: must have at most {schema['maxItems']} elements {has}"
        if schema.get("uniqueItems") and size <= MAX_STEPS and len({_canonical(item) for item in value}) < size:
            yield "array must not contain duplicate elements"
        items = schema.get("items", True)
        listed: Sequence[Any] = items if isinstance(items, list) else ()
        rest = schema.get("additionalItems", True) if isinstance(items, list) else items
        if rest is False and size > len(listed):
            yield f"array is too long: must have at most {len(listed)} elements {has}"
        for index, item in enumerate(value):
            if self._steps > MAX_STEPS:
                return
            if index < len(listed) or rest is not False:
                yield from self.errors(listed[index] if index < len(listed) else rest, item)
        if "contains" in schema and not any(self.matches(schema["contains"], item) for item in value):
            yield "array has no element that matches the required schema"

    def _object(self, schema: Mapping[str, Any], value: dict[str, Any]) -> Iterator[str]:
        found = f"found {len(value)} but schema requires at"
        if len(value) < schema.get("minProperties", 0):
            yield f"object has too few properties ({found} least {schema['minProperties']})"
        if "maxProperties" in schema and len(value) > schema["maxProperties"]:
            yield f"object has too many properties ({found} most {schema['maxProperties']})"
        if missing := sorted(name for name in schema.get("required", ()) if name not in value):
            yield f"object has missing required properties ({_shown(missing)})"
        for name, wanted in schema.get("dependencies", {}).items():
            if name in value and isinstance(wanted, list):
                if missing := sorted(other for other in wanted if other not in value):
                    yield (
                        f"property {_shown(name)} of object has missing property dependencies "
                        f"(schema requires {_shown(sorted(wanted))}; missing: {_shown(missing)})"
                    )
            elif name in value:
                yield from self.errors(wanted, value)
        if "propertyNames" in schema and not all(self.matches(schema["propertyNames"], name) for name in value):
            yield "object has property names that are not allowed"
        yield from self._properties(schema, value)

    def _properties(self, schema: Mapping[str, Any], value: dict[str, Any]) -> Iterator[str]:
        properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        others = schema.get("additionalProperties", True)
        unwanted = []
        for name, item in value.items():
            if self._steps > MAX_STEPS:
                return
            subs = [properties[name]] if name in properties else []
            subs += [sub for pattern, sub in patterns.items() if re.search(pattern, name)]
            if not subs and others is False:
                unwanted.append(name)
            for sub in subs or ([others] if others is not False else []):
                yield from self.errors(sub, item)
        if unwanted:
            yield f"object instance has properties which are not allowed by the schema: {_shown(sorted(unwanted))}"

    def _combined(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        if "allOf" in schema:
            for sub in schema["allOf"]:
                yield from self.errors(sub, value)
        if "anyOf" in schema and not any(self.matches(sub, value) for sub in schema["anyOf"]):
            yield f"instance failed to match at least one required schema among {len(schema['anyOf'])}"
        if "oneOf" in schema:
            matched = sum(self.matches(sub, value) for sub in schema["oneOf"])
            if matched != 1:
                yield f"instance failed to match exactly one schema (matched {matched} out of {len(schema['oneOf'])})"
        if "not" in schema and self.matches(schema["not"], value):
            yield "instance matched a schema which it should not have"
        if "if" in schema:
            yield from self.errors(schema.get("then" if self.matches(schema["if"], value) else "else", True), value)


_Compare = Callable[[float, float], bool]
_LIMITS: Final[tuple[tuple[str, str, _Compare], ...]] = (
    ("minimum", "lower", lambda value, limit: value < limit),
    ("maximum", "greater", lambda value, limit: value > limit),
)
_TYPE_NAMES: Final = {
    bool: "boolean", dict: "object", float: "number", int: "integer", list: "array", str: "string", type(None): "null",
}  # fmt: skip


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _MAX_VALUE else text[:_MAX_VALUE] + "…"


def _same(value: Any, other: Any) -> bool:
    """Equality of JSON: numbers by value, but true is not 1."""
    return value == other and _canonical(value) == _canonical(other)


def _canonical(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, list):
        return f"[{','.join(map(_canonical, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(name)}:{_canonical(value[name])}' for name in sorted(value))}}}"
    return json.dumps(value)
