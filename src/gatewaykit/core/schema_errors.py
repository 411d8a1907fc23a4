"""Why a value does not match its schema, in the words of the validator behind API Gateway.

Reference 01 section 8 (`$context.error.validationErrorString`), and what the messages and the order of that validator
(com.github.fge's json-schema-validator 2.2, which knows draft 4) are known to be: the errors of a value stand in the
order of their keywords, `format` last; what is inside a value is looked at only as long as nothing is wrong, names in
their order; `allOf`, `anyOf`, `oneOf` and `not` are one error each. What draft 4 does not have is worded likewise.

This runs only for values that were refused already, on a budget of steps: it explains, it does not decide.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from gatewaykit.core.formats import formats_of
from gatewaykit.core.schema_guard import Apart

__all__ = ["explain"]

MAX_STEPS: Final = 5000
MAX_ERRORS: Final = 20
MAX_TEXT: Final = 1000
_MAX_VALUE: Final = 200

_NOT_VALID: Final = {
    "email": 'string "{}" is not a valid email address',
    "hostname": 'string "{}" is not a valid hostname',
    "ipv4": 'string "{}" is not a valid IPv4 address',
    "ipv6": 'string "{}" is not a valid IPv6 address',
    "uri": 'string "{}" is not a valid URI',
    "uri-reference": 'string "{}" is not a valid URI reference',
    "regex": 'string "{}" is not a valid ECMA 262 regular expression',
    "json-pointer": 'input string "{}" is not a valid JSON Pointer',
    "uuid": 'input string "{}" is not a valid UUID',
    "date": 'string "{}" is invalid against requested date format(s) yyyy-MM-dd',
    "time": 'string "{}" is invalid against requested date format(s) HH:mm:ss',
    "date-time": 'string "{}" is invalid against requested date format(s) '
    "[yyyy-MM-dd'T'HH:mm:ssZ, yyyy-MM-dd'T'HH:mm:ss.[0-9]{{1,12}}Z]",
}


def explain(schema: Mapping[str, Any], draft: int, value: Any) -> str:
    """The errors of `value`, comma-joined in brackets. `schema` is a guarded one."""
    report: list[str] = []
    _Explainer(schema, draft).check(schema, value, report, MAX_ERRORS)
    text = ", ".join(report) or "instance does not match its schema"
    return f"[{text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + '…'}]"


class _Explainer:
    def __init__(self, root: Mapping[str, Any], draft: int) -> None:
        self._definitions: Mapping[str, Any] = root["definitions"]
        self._draft, self._steps = draft, 0

    def check(self, schema: Any, value: Any, report: list[str], most: int) -> None:
        """Add the errors of a value to a report of `most` errors, while the budget lasts."""
        self._steps += 1
        while isinstance(schema, Mapping) and "$ref" in schema:
            schema = self._definitions[schema["$ref"].rpartition("/")[2]]
        if schema is False:
            report.append("no value is allowed here")
        if self._steps > MAX_STEPS or isinstance(schema, bool):
            return
        keywords = _whole(schema)
        for keyword in sorted(keywords, key=_order):
            rule = _RULES.get(keyword)
            if rule is not None:
                for error in rule(self, keywords, value):
                    report.append(error)
                    if len(report) >= most:
                        return
        if not report:
            for inner, item in self._inside(keywords, value):
                self.check(inner, item, report, most)
                if len(report) >= most or self._steps > MAX_STEPS:
                    return

    def matches(self, schema: Any, value: Any) -> bool:
        return not self._errors(schema, value, 1)

    def _errors(self, schema: Any, value: Any, most: int = MAX_ERRORS) -> list[str]:
        report: list[str] = []
        self.check(schema, value, report, most)
        return report

    def _inside(self, schema: Mapping[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
        """The parts of a value, each with the schemas it has to match."""
        if isinstance(value, list):
            items = schema.get("items", True)
            listed = items if isinstance(items, list) else ()
            others = schema.get("additionalItems", True) if isinstance(items, list) else items
            for index, item in enumerate(value):
                yield listed[index] if index < len(listed) else others, item
        elif isinstance(value, dict):
            for name in sorted(value):
                for inner in _of_property(schema, name):
                    yield inner, value[name]

    def type(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        types = {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])
        if "number" in types:
            types.add("integer")
        kind = _TYPE_NAMES[type(value)]
        if kind == "number" and self._draft > 4 and value.is_integer():
            kind = "integer"
        if kind not in types:
            allowed = _shown(sorted(types))
            yield f"instance type ({kind}) does not match any allowed primitive type (allowed: {allowed})"

    def enum(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        return _not_found(schema["enum"], value)

    def const(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        return _not_found(schema["const"], value)

    def min_length(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        least = schema["minLength"]
        if isinstance(value, str) and len(value) < least:
            yield f'string "{_text(value)}" is too short (length: {len(value)}, required minimum: {least})'

    def max_length(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        most = schema["maxLength"]
        if isinstance(value, str) and len(value) > most:
            yield f'string "{_text(value)}" is too long (length: {len(value)}, maximum allowed: {most})'

    def pattern(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        pattern = schema["pattern"]
        if isinstance(value, str) and not pattern.is_in(value):
            yield f'ECMA 262 regex "{_text(pattern.written)}" does not match input string "{_text(value)}"'

    def format(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        name = schema["format"]
        if isinstance(value, str) and not formats_of(self._draft)[name](value):
            yield _NOT_VALID[name].format(_text(value))

    def minimum(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        limit = schema["minimum"]
        if _is_number(value) and value < limit:
            yield f"numeric instance is lower than the required minimum (minimum: {limit}, found: {_shown(value)})"
        elif _is_number(value) and value == limit and schema.get("exclusiveMinimum") is True:
            yield f"numeric instance is not strictly greater than the required minimum {limit}"

    def exclusive_minimum(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        limit = schema["exclusiveMinimum"]
        if limit is not True and limit is not False and _is_number(value) and value <= limit:
            yield f"numeric instance is not strictly greater than the required minimum {limit}"

    def maximum(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        limit = schema["maximum"]
        if _is_number(value) and value > limit:
            yield f"numeric instance is greater than the required maximum (maximum: {limit}, found: {_shown(value)})"
        elif _is_number(value) and value == limit and schema.get("exclusiveMaximum") is True:
            yield f"numeric instance is not strictly lower than the required maximum {limit}"

    def exclusive_maximum(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        limit = schema["exclusiveMaximum"]
        if limit is not True and limit is not False and _is_number(value) and value >= limit:
            yield f"numeric instance is not strictly lower than the required maximum {limit}"

    def multiple_of(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        factor = schema["multipleOf"]
        if _is_number(value) and value % factor:
            yield f"remainder of division is not zero ({_shown(value)} / {factor})"

    def min_items(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        least = schema["minItems"]
        if isinstance(value, list) and len(value) < least:
            yield f"array is too short: must have at least {least} elements but instance has {len(value)} elements"

    def max_items(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        most = schema["maxItems"]
        if isinstance(value, list) and len(value) > most:
            yield f"array is too long: must have at most {most} elements but instance has {len(value)} elements"

    def unique_items(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        wanted = schema["uniqueItems"] and isinstance(value, list) and len(value) <= MAX_STEPS
        if wanted and len({_canonical(item) for item in value}) < len(value):
            yield "array must not contain duplicate elements"

    def additional_items(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        items, limited = schema.get("items"), schema["additionalItems"] is False
        if limited and isinstance(value, list) and isinstance(items, list) and len(value) > len(items):
            yield f"schema only allows {len(items)} elements in array but instance has {len(value)} elements"

    def contains(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        if isinstance(value, list) and not any(self.matches(schema["contains"], item) for item in value):
            yield "array has no element that matches the required schema"

    def min_properties(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        least = schema["minProperties"]
        if isinstance(value, dict) and len(value) < least:
            yield f"object has too few properties (found {len(value)} but schema requires at least {least})"

    def max_properties(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        most = schema["maxProperties"]
        if isinstance(value, dict) and len(value) > most:
            yield f"object has too many properties (found {len(value)} but schema requires at most {most})"

    def required(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        if isinstance(value, dict) and (missing := sorted(set(schema["required"]) - value.keys())):
            yield f"object has missing required properties ({_shown(missing)})"

    def dependencies(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        for name, wanted in schema["dependencies"].items() if isinstance(value, dict) else ():
            if name in value and isinstance(wanted, list):
                if missing := sorted(set(wanted) - value.keys()):
                    yield (
                        f'property "{_text(name)}" of object has missing property dependencies '
                        f"(schema requires {_shown(sorted(wanted))}; missing: {_shown(missing)})"
                    )
            elif name in value:
                yield from self._errors(wanted, value)

    def property_names(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        if isinstance(value, dict) and not all(self.matches(schema["propertyNames"], name) for name in value):
            yield "object has property names that are not allowed"

    def additional_properties(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        only_listed = isinstance(value, dict) and schema["additionalProperties"] is False
        unwanted = sorted(name for name in value if _of_property(schema, name) == [False]) if only_listed else ()
        if unwanted:
            yield f"object instance has properties which are not allowed by the schema: {_shown(unwanted)}"

    def all_of(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        subs = schema["allOf"]
        matched = sum(self.matches(sub, value) for sub in subs)
        if matched < len(subs):
            yield f"instance failed to match all required schemas (matched only {matched} out of {len(subs)})"

    def any_of(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        if not any(self.matches(sub, value) for sub in schema["anyOf"]):
            yield f"instance failed to match at least one required schema among {len(schema['anyOf'])}"

    def one_of(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        matched = sum(self.matches(sub, value) for sub in schema["oneOf"])
        if matched != 1:
            yield f"instance failed to match exactly one schema (matched {matched} out of {len(schema['oneOf'])})"

    def no(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        if self.matches(schema["not"], value):
            yield "instance matched a schema which it should not have"

    def condition(self, schema: Mapping[str, Any], value: Any) -> Iterator[str]:
        branch = "then" if self.matches(schema["if"], value) else "else"
        return iter(self._errors(schema.get(branch, True), value))


_Rule = Callable[[_Explainer, Mapping[str, Any], Any], Iterator[str]]
_RULES: Final[dict[str, _Rule]] = {
    "type": _Explainer.type, "enum": _Explainer.enum, "const": _Explainer.const,
    "minLength": _Explainer.min_length, "maxLength": _Explainer.max_length, "pattern": _Explainer.pattern,
    "format": _Explainer.format, "minimum": _Explainer.minimum, "maximum": _Explainer.maximum,
    "exclusiveMinimum": _Explainer.exclusive_minimum, "exclusiveMaximum": _Explainer.exclusive_maximum,
    "multipleOf": _Explainer.multiple_of, "minItems": _Explainer.min_items, "maxItems": _Explainer.max_items,
    "uniqueItems": _Explainer.unique_items, "additionalItems": _Explainer.additional_items,
    "contains": _Explainer.contains, "minProperties": _Explainer.min_properties,
    "maxProperties": _Explainer.max_properties, "required": _Explainer.required,
    "dependencies": _Explainer.dependencies, "propertyNames": _Explainer.property_names,
    "additionalProperties": _Explainer.additional_properties, "allOf": _Explainer.all_of,
    "anyOf": _Explainer.any_of, "oneOf": _Explainer.one_of, "not": _Explainer.no, "if": _Explainer.condition,
}  # fmt: skip
_TYPE_NAMES: Final = {
    bool: "boolean", dict: "object", float: "number", int: "integer", list: "array", str: "string", type(None): "null",
}  # fmt: skip


def _order(keyword: str) -> tuple[bool, str]:
    return keyword == "format", keyword


def _whole(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema with what the guard has put apart, as it was written."""
    apart = [sub for sub in schema.get("allOf", ()) if isinstance(sub, Apart)]
    if not apart:
        return schema
    whole = {**schema, "allOf": [sub for sub in schema["allOf"] if not isinstance(sub, Apart)]}
    for sub in apart:
        whole |= {"const": sub["enum"]} if "enum" in sub else sub
    return whole


def _of_property(schema: Mapping[str, Any], name: str) -> list[Any]:
    """The schemas that the value of a property has to match."""
    found = [schema["properties"][name]] if name in schema.get("properties", ()) else []
    found += [sub for pattern, sub in schema.get("patternProperties", {}).items() if pattern.is_in(name)]
    return found or [schema.get("additionalProperties", True)]


def _not_found(values: Sequence[Any], value: Any) -> Iterator[str]:
    if not any(_same(value, item) for item in values):
        yield f"instance value ({_shown(value)}) not found in enum (possible values: {_shown(values)})"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _text(value: str) -> str:
    """A text as it is, but for control characters: a line end would end the line of a log."""
    return _cut(json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("\\\\", "\\"))


def _cut(text: str) -> str:
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
