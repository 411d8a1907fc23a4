"""The words for what does not match."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.schema_errors import _RULES, explain
from gatewaykit.core.schema_guard import GuardedSchema, guard
from gatewaykit.core.validation import compile_schema

TYPE = "instance type ({}) does not match any allowed primitive type"
LONG = "array is too long: must have at most"
DATES = "is invalid against requested date format(s)"


def explained(schema: object, value: object, draft: int = 7) -> str:
    guarded = guard(schema, draft=draft)
    assert isinstance(guarded, GuardedSchema), guarded
    return explain(guarded.schema, guarded.draft, value)


@pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        ({"required": ["b", "a"]}, {}, 'object has missing required properties (["a","b"])'),
        ({"type": ["number", "integer"]}, "", f'{TYPE.format("string")} (allowed: ["integer","number"])'),
        ({"type": "number"}, "", f'{TYPE.format("string")} (allowed: ["integer","number"])'),
        ({"const": [1]}, "a", 'instance value ("a") not found in enum (possible values: [[1]])'),
        ({"type": "object"}, True, f'{TYPE.format("boolean")} (allowed: ["object"])'),
        ({"enum": ["cat", 1]}, "bird", 'instance value ("bird") not found in enum (possible values: ["cat",1])'),
        ({"maximum": 500}, 501, "numeric instance is greater than the required maximum (maximum: 500, found: 501)"),
        ({"minimum": 1}, 0, "numeric instance is lower than the required minimum (minimum: 1, found: 0)"),
        ({"exclusiveMinimum": 1}, 1, "numeric instance is not strictly greater than the required minimum 1"),
        ({"exclusiveMaximum": 1}, 2, "numeric instance is not strictly lower than the required maximum 1"),
        ({"multipleOf": 2}, 3, "remainder of division is not zero (3 / 2)"),
        ({"minLength": 2}, "a", 'string "a" is too short (length: 1, required minimum: 2)'),
        ({"maxLength": 1}, "ab", 'string "ab" is too long (length: 2, maximum allowed: 1)'),
        ({"pattern": "^a.$"}, "b", 'ECMA 262 regex "^a.$" does not match input string "b"'),
        ({"pattern": r"^\d\"$"}, 'a\\"\n', r'ECMA 262 regex "^\d\"$" does not match input string "a\"\n"'),
        ({"format": "email", "maxLength": 1}, "a@b.c", 'string "a@b.c" is too long (length: 5, maximum allowed: 1)'),
        ({"format": "email"}, "b", 'string "b" is not a valid email address'),
        ({"format": "hostname"}, "-", 'string "-" is not a valid hostname'),
        ({"format": "ipv4"}, "b", 'string "b" is not a valid IPv4 address'),
        ({"format": "ipv6"}, "b", 'string "b" is not a valid IPv6 address'),
        ({"format": "uri"}, "b", 'string "b" is not a valid URI'),
        ({"format": "uri-reference"}, "<", 'string "<" is not a valid URI reference'),
        ({"format": "regex"}, "(", 'string "(" is not a valid ECMA 262 regular expression'),
        ({"format": "json-pointer"}, "b", 'input string "b" is not a valid JSON Pointer'),
        ({"format": "uuid"}, "b", 'input string "b" is not a valid UUID'),
        ({"format": "date"}, "b", f'string "b" {DATES} yyyy-MM-dd'),
        ({"format": "time"}, "b", f'string "b" {DATES} HH:mm:ss'),
        (
            {"format": "date-time"}, "b",
            f"string \"b\" {DATES} [yyyy-MM-dd'T'HH:mm:ssZ, yyyy-MM-dd'T'HH:mm:ss.[0-9]{{1,12}}Z]",
        ),
        ({"minItems": 1}, [], "array is too short: must have at least 1 elements but instance has 0 elements"),
        ({"maxItems": 1}, [1, 2], f"{LONG} 1 elements but instance has 2 elements"),
        ({"uniqueItems": True}, [{"a": [1]}, {"a": [1.0]}], "array must not contain duplicate elements"),
        (
            {"items": [{}], "additionalItems": False}, [1, 2],
            "schema only allows 1 elements in array but instance has 2 elements",
        ),
        ({"items": [{}], "additionalItems": {"type": "null"}}, [1, 2], f'{TYPE.format("integer")} (allowed: ["null"])'),
        ({"items": False}, [1], "no value is allowed here"),
        ({"contains": {"type": "null"}}, [1], "array has no element that matches the required schema"),
        ({"minProperties": 1}, {}, "object has too few properties (found 0 but schema requires at least 1)"),
        ({"maxProperties": 0}, {"a": 1}, "object has too many properties (found 1 but schema requires at most 0)"),
        (
            {"dependencies": {"a": ["c", "b"]}}, {"a": 1, "c": 1},
            'property "a" of object has missing property dependencies (schema requires ["b","c"]; missing: ["b"])',
        ),
        ({"dependencies": {"a": {"required": ["b"]}}}, {"a": 1}, 'object has missing required properties (["b"])'),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "object has property names that are not allowed"),
        (
            {"additionalProperties": False, "properties": {"a": {}}, "patternProperties": {"^p": {}}},
            {"z": 1, "a": 1, "p": 1, "y": 1},
            'object instance has properties which are not allowed by the schema: ["y","z"]',
        ),
        ({"additionalProperties": {"type": "null"}}, {"a": "x"}, f'{TYPE.format("string")} (allowed: ["null"])'),
        ({"anyOf": [{"type": "null"}, False]}, 1, "instance failed to match at least one required schema among 2"),
        ({"oneOf": [{}, {}]}, 1, "instance failed to match exactly one schema (matched 2 out of 2)"),
        ({"not": {}}, 1, "instance matched a schema which it should not have"),
        (
            {"allOf": [{"minimum": 5}, {}, {"maximum": 0}]}, 1,
            "instance failed to match all required schemas (matched only 1 out of 3)",
        ),
        ({"if": True, "then": {"minLength": 2}}, "a", 'string "a" is too short (length: 1, required minimum: 2)'),
        ({"$ref": "#/definitions/no", "definitions": {"no": False}}, 1, "no value is allowed here"),
        ({}, 1, "instance does not match its schema"),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_the_words_of_an_error(schema: object, value: object, text: str) -> None:
    assert explained(schema, value) == f"[{text}]"


def test_every_keyword_has_its_words() -> None:
    rows: Any = next(mark.args[1] for mark in test_the_words_of_an_error.pytestmark)  # type: ignore[attr-defined]  # pytest's
    keywords = {keyword for schema, _, _ in rows for keyword in schema}

    assert set(_RULES) <= keywords


@pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        (
            {"properties": {"top_k": {"maximum": 10}, "question": {"minLength": 3}}}, {"top_k": 99, "question": "hi"},
            'string "hi" is too short (length: 2, required minimum: 3), '
            "numeric instance is greater than the required maximum (maximum: 10, found: 99)",
        ),
        (
            {"type": "integer", "format": "email", "pattern": "x", "minLength": 2, "enum": [1]}, "b",
            'instance value ("b") not found in enum (possible values: [1]), '
            'string "b" is too short (length: 1, required minimum: 2), '
            'ECMA 262 regex "x" does not match input string "b", '
            'instance type (string) does not match any allowed primitive type (allowed: ["integer"]), '
            'string "b" is not a valid email address',
        ),
        (
            {"required": ["z"], "properties": {"a": {"type": "null"}}, "additionalProperties": False}, {"a": 1, "b": 1},
            'object instance has properties which are not allowed by the schema: ["b"], '
            'object has missing required properties (["z"])',
        ),
        (
            {"items": {"required": ["a"], "properties": {"b": {"type": "null"}}}}, [{"b": 1, "a": 1}, {"b": 1}],
            'instance type (integer) does not match any allowed primitive type (allowed: ["null"]), '
            'object has missing required properties (["a"])',
        ),
        (
            {"properties": {"a": {"type": "null"}}, "patternProperties": {"^a": {"maximum": 1}}}, {"a": 2},
            'instance type (integer) does not match any allowed primitive type (allowed: ["null"]), '
            "numeric instance is greater than the required maximum (maximum: 1, found: 2)",
        ),
    ],
    ids=[
        "seen on AWS: properties in the order of their names", "keywords in their order, format last",
        "nothing inside a wrong value", "nothing deeper once something is wrong", "every schema of a property",
    ],
)  # fmt: skip
def test_the_order_of_errors(schema: object, value: object, text: str) -> None:
    assert explained(schema, value, draft=4) == f"[{text}]"


def test_draft_4_has_its_own_bounds_and_integers() -> None:
    assert explained({"minimum": 1, "exclusiveMinimum": True}, 1, draft=4) == (
        "[numeric instance is not strictly greater than the required minimum 1]"
    )
    assert "instance type (number)" in explained({"type": "integer"}, 5.0, draft=4)
    assert "does not match its schema" in explained(
        {"type": "integer", "exclusiveMaximum": False, "maximum": 9}, 5, draft=4
    )


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"exclusiveMinimum": 1, "exclusiveMaximum": 3, "multipleOf": 2, "type": "integer"}, 2.0),
        ({"dependencies": {"a": ["b"], "c": ["d"]}, "maxProperties": 2, "minProperties": 1}, {"a": 1, "b": 1}),
        ({"oneOf": [{"type": "null"}, {"type": "integer"}], "anyOf": [True], "not": False, "enum": [1]}, 1),
        ({"items": [True], "additionalItems": True, "uniqueItems": True, "contains": True}, [1, 2]),
    ],
    ids=["number", "object", "combined", "array"],
)
def test_what_matches_has_no_error(schema: object, value: object) -> None:
    assert explained(schema, value) == "[instance does not match its schema]"


def test_long_values_and_many_errors_are_cut() -> None:
    assert len(explained({"maxLength": 1}, "x" * 10_000)) < 400
    assert len(explained({"items": {"type": "null"}}, ["x" * 100] * 100)) < 1100


def test_explaining_has_a_budget() -> None:
    huge: Any = [[1] * 1000] * 1000
    schema = {"items": {"items": {"anyOf": [{"type": "null"}, {"type": "integer"}]}}, "maxItems": 1}

    assert explained(schema, huge) == "[array is too long: must have at most 1 elements but instance has 1000 elements]"
    assert "not match" in explained({"properties": {"a": {}}}, dict.fromkeys(map(str, range(100_000)), 1))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 2.0, "a", "ab", "abc", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
SIMPLE = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["object", "array", "string", "integer", "number", "null", ["null", "integer"]]),
        "minimum": st.integers(-3, 3), "exclusiveMaximum": st.integers(-3, 3),
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "minLength": st.integers(0, 3), "maxLength": st.integers(0, 3), "pattern": st.sampled_from(["^a", "b$", "."]),
        "minItems": st.integers(0, 2), "maxItems": st.integers(0, 2), "uniqueItems": st.booleans(),
        "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True), "maxProperties": st.integers(0, 2),
        "enum": st.lists(VALUES, min_size=1, max_size=3), "const": VALUES,
    },
)  # fmt: skip
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    SIMPLE | st.booleans(),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "items": inner | st.lists(inner, min_size=1, max_size=2), "additionalItems": inner, "contains": inner,
            "not": inner,
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2), "additionalProperties": inner,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=1),
            "propertyNames": SIMPLE, "dependencies": st.dictionaries(st.sampled_from("abc"), inner, max_size=1),
            "anyOf": st.lists(inner, min_size=1, max_size=2), "oneOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2), "if": inner, "then": inner, "else": inner,
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
        },
    ),
    max_leaves=5,
)  # fmt: skip


@given(SCHEMAS, VALUES)
def test_verdict_and_explanation_agree_with_another_implementation(schema: Any, value: Any) -> None:
    compiled = compile_schema(schema, draft=7)
    assert not isinstance(compiled, tuple), compiled
    expected = jsonschema_rs.Draft7Validator(schema).is_valid(value)

    assert compiled.accepts(value) == expected
    assert (compiled.explain(value) == "[instance does not match its schema]") == expected
