"""The guard in front of the schema compiler."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.schema_guard import GuardedSchema, guard
from gatewaykit.core.validation import compile_schema
from gatewaykit.errors import Problem


def nested(depth: int, wrap: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(depth):
        schema = {wrap: [schema]} if wrap in ("anyOf", "oneOf", "allOf") else {wrap: schema}
    return schema


def accepts(schema: object, value: object, draft: int = 7) -> bool:
    compiled = compile_schema(schema, draft=draft)
    assert not isinstance(compiled, tuple), compiled
    return compiled.accepts(value)


def problems(schema: object, draft: int = 7) -> list[str]:
    compiled = compile_schema(schema, draft=draft)
    return [str(problem) for problem in compiled] if isinstance(compiled, tuple) else []


LOOP = "a reference leads back to itself"


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"$ref": "http://example.com/pet.json"}, "#/$ref: 'http://example.com/pet.json' leaves the document"),
        ({"$ref": "file:///etc/passwd"}, "leaves the document"),
        ({"$ref": "pet.json#/a"}, "leaves the document"),
        ({"$ref": "#pet"}, "leaves the document"),
        (
            {"properties": {"a": {"$ref": "#/definitions/none"}}},
            "#/properties/a/$ref: '#/definitions/none' points to nothing",
        ),
        ({"$ref": "#/items/5", "items": [{}]}, "points to nothing"),
        ({"$ref": 5}, "a reference is a text, not int"),
        ({"$ref": "#"}, LOOP),
        ({"allOf": [{"$ref": "#/definitions/a"}], "definitions": {"a": {"anyOf": [{"$ref": "#"}]}}}, LOOP),
        ({"not": {"$ref": "#"}}, LOOP),
        ({"dependencies": {"a": {"$ref": "#"}}}, LOOP),
        (
            {"$schema": "https://json-schema.org/draft/2020-12/schema"},
            "#/$schema: 'https://json-schema.org/draft/2020-12/schema'",
        ),
        ({"$schema": 7}, "#/$schema: 7 is not supported"),
        ({"items": {"$id": "http://a.co/x", "items": {"$ref": "y"}}}, "#/items/items/$ref: 'y' leaves the document"),
        ({"$id": "http://a.co/", "items": {"$ref": "http://["}}, "leaves the document"),
        ({"prefixItems": [{}]}, "#/prefixItems: prefixItems belongs to a later draft"),
        ({"unevaluatedProperties": False}, "belongs to a later draft"),
        ({"type": "text"}, "#/type: 'text' is no type"),
        ({"type": []}, "[] is no type"),
        ({"required": True}, "In drafts 4 to 7 the object lists its required properties"),
        ({"required": [1]}, "a list of names is wanted"),
        ({"properties": []}, "an object of schemas is wanted"),
        ({"properties": {1: {}}}, "an object of schemas is wanted"),
        ({"dependencies": []}, "an object of schemas or lists of names is wanted"),
        ({"properties": {"a/b": 5}}, "#/properties/a~1b: a schema is an object, not int"),
        ({"items": None}, "a schema is an object, not null"),
        ({"anyOf": []}, "a list of schemas is wanted, with one at least"),
        ({"anyOf": {}}, "a list of schemas is wanted, with one at least"),
        ({"minLength": -1}, "-1 is not a whole number, 0 or more"),
        ({"maxItems": 1.5}, "1.5 is not a whole number"),
        ({"maxItems": True}, "True is not a whole number"),
        ({"minimum": "1"}, "'1' is not a number"),
        ({"maximum": float("inf")}, "inf is not a number"),
        ({"multipleOf": 0}, "0 is not above 0"),
        ({"multipleOf": "x"}, "'x' is not a number"),
        ({"exclusiveMinimum": True}, "True is not a number"),
        ({"uniqueItems": "yes"}, "'yes' is neither true nor false"),
        ({"enum": []}, "a list of values is wanted, with one at least"),
        ({"enum": [float("nan")]}, "nan is no JSON value"),
        ({"const": {1: 2}}, "is no JSON value"),
        ({"const": nested(60, "items")}, "a value nested more than 50 deep"),
        ({"pattern": r"\p{L}"}, r"'\\p{L}' cannot be used as a regular expression: \p is not supported"),
        ({"pattern": 5}, "a pattern is a text, not int"),
        ({"patternProperties": {"(": {}}}, "#/patternProperties/(: '(' cannot be used"),
        ({5: 6}, "5 is no keyword"),
        (5, "a schema is an object, not int"),
        (nested(250, "items"), "nested more than 200 deep"),
    ],
    ids=lambda value: "" if isinstance(value, str) else json.dumps(value, default=str, skipkeys=True)[:50],
)
def test_what_cannot_be_enforced_is_a_problem_with_its_place(schema: object, problem: str) -> None:
    assert any(problem in found for found in problems(schema)), problems(schema)


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (True, "a schema is an object, not bool"),
        ({"items": True}, "#/items: a schema is an object, not bool"),
        ({"exclusiveMaximum": 5}, "5 is neither true nor false"),
        ({"exclusiveMaximum": True}, "in draft 4, exclusiveMaximum is true or false beside maximum"),
    ],
    ids=["boolean schema", "boolean items", "number", "alone"],
)
def test_draft_4_is_stricter(schema: object, problem: str) -> None:
    assert any(problem in found for found in problems(schema, draft=4)), problems(schema, draft=4)


def test_all_problems_are_found_at_once() -> None:
    assert len(problems({"type": "x", "minLength": -1, "properties": {"a": {"pattern": "("}}})) == 3


def test_thousands_of_problems_stop_being_counted() -> None:
    found = guard(
        {
            "allOf": [{"$ref": f"#/definitions/d{n}"} for n in range(500)],
            "definitions": {f"d{n}": 5 for n in range(500)},
        }
    )

    assert isinstance(found, tuple)
    assert 100 <= len(found) < 500


def test_a_schema_of_absurd_size_is_refused() -> None:
    assert any(
        "more than 20000 subschemas" in found for found in problems({"properties": {str(n): {} for n in range(20_001)}})
    )


@pytest.mark.parametrize(
    ("schema", "draft", "ignored"),
    [
        ({"nullable": True, "type": "string"}, 4, ("/nullable",)),
        ({"properties": {"n": {"format": "int32"}}}, 4, ("/properties/n/format",)),
        ({"const": 1}, 4, ("/const",)),
        (
            {"$ref": "#/definitions/a", "minLength": 3, "description": "x", "x-own": 1, "definitions": {"a": {}}},
            7,
            ("/minLength",),
        ),
        ({"x-own": 1, "title": "t", "default": 5, "$comment": "c", "readOnly": True}, 7, ()),
        ({"format": 5}, 7, ("/format",)),
        ({"contentEncoding": "base64"}, 7, ("/contentEncoding",)),
    ],
    ids=["nullable", "number format", "later keyword", "beside $ref", "annotations", "format", "content"],
)
def test_what_means_nothing_is_listed(schema: object, draft: int, ignored: tuple[str, ...]) -> None:
    found = guard(schema, draft=draft)

    assert isinstance(found, GuardedSchema)
    assert found.ignored == ignored


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"properties": {"next": {"$ref": "#"}}, "required": ["v"]}, {"v": 1, "next": {"v": 2}}, {"v": 1, "next": {}}),
        (
            {"properties": {"a": {"$ref": "#/definitions/Pet"}, "b": {"$ref": "#/definitions/pet"}},
             "definitions": {"Pet": {"type": "string"}, "pet": {"type": "integer"}}},
            {"a": "x", "b": 1}, {"a": "x", "b": "x"},
        ),
        (
            {"properties": {"a": {"$ref": "#/definitions/a-b"}, "b": {"$ref": "#/definitions/a_b"}},
             "definitions": {"a-b": {"type": "string"}, "a_b": {"type": "integer"}}},
            {"a": "x", "b": 1}, {"a": 1, "b": 1},
        ),
        ({"$ref": "#/definitions/a~1b%20c", "definitions": {"a/b c": {"type": "null"}}}, None, 0),
        (
            {"$id": "http://a.co/s", "$ref": "http://a.co/s#/definitions/a", "definitions": {"a": {"type": "null"}}},
            None, 0,
        ),
        (
            {"$id": "http://a.co/s/t", "items": {"$ref": "b"}, "definitions": {"x": {"$id": "/s/b#", "type": "null"}}},
            [None], [1],
        ),
        (
            {"$id": "http://a.co/", "items": {"$ref": "#n"}, "not": {"allOf": [{"$id": "#n", "type": "null"}]}},
            [None], [1],
        ),
        (
            {"items": {"$id": "b", "type": "array", "items": {"$ref": "#/definitions/c"},
                       "definitions": {"c": {"type": "null"}}}, "definitions": {"c": {"type": "integer"}}},
            [[None]], [[1]],
        ),
        ({"$id": "urn:a", "items": {"$ref": "#/definitions/c"}, "definitions": {"c": {"type": "null"}}}, [None], [1]),
        ({"items": {"$ref": "#/not", "$id": "b"}, "not": {"type": "array", "items": {"$ref": "#"}}}, "x", [1]),
        ({"enum": [1], "definitions": {"e": {"enum": [{"$id": "#e"}]}}, "$id": "x#"}, 1, 2),
        ({"items": [{"type": "null"}, {"$ref": "#/items/0"}]}, [None, None], [None, 1]),
        ({"required": ["x"], "additionalProperties": False, "patternProperties": {"^x": {}}}, {"x": 1}, {}),
        ({"required": ["x"], "additionalProperties": {}, "properties": {}}, {"x": 1}, {}),
        ({"const": None}, None, 0),
        ({"const": 1, "enum": [1, 2]}, 1, 2),
        ({"enum": [1]}, 1.0, True),
        ({"enum": [[True], {"id": "http://x", "$ref": "http://y"}]}, {"id": "http://x", "$ref": "http://y"}, [1]),
        ({"pattern": "^a$", "patternProperties": {"^a$": {}}}, "a", "a\n"),
        ({"patternProperties": {"^a$": {"type": "null"}}}, {"a\n": 1}, {"a": 1}),
        ({"additionalProperties": True, "type": "object"}, {"a": 1}, []),
        ({"required": ["a", "a"]}, {"a": 1}, {}),
        ({"minLength": 2.0}, "ab", "a"),
        ({"properties": {"$ref": {"type": "integer"}, "id": {"type": "integer"}}}, {"$ref": 1, "id": 1}, {"id": "x"}),
        ({"properties": {"a{0}'\"\\": {"type": "integer"}}}, {"a{0}'\"\\": 1}, {"a{0}'\"\\": "x"}),
        ({"items": False}, [], [1]),
        ({"dependencies": {"a": ["b"], "c": {"required": ["d"]}}}, {"a": 1, "b": 1}, {"c": 1}),
        ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"type": "null"}}, "ab", "a"),
        ({"contains": {"type": "null"}, "propertyNames": {"maxLength": 1}}, [1, None], [1]),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5, "exclusiveMaximum": True}, 4, 5),
    ],
    ids=[
        "recursion", "names that differ by case", "names that differ by a sign", "an escaped pointer",
        "the document's own id",
        "a schema's address", "a schema's name", "a base of its own", "an address that is no path", "an id beside $ref",
        "an id that is a value", "a pointer into a list", "required but not listed", "required and any others",
        "const null", "const and enum",
        "true is not 1", "values that look like references", "$ is the very end", "$ in a property pattern",
        "additionalProperties true", "a name twice", "a whole float", "properties named as keywords",
        "a hostile property name", "items false", "dependencies", "if then else", "contains", "draft by $schema",
    ],
)  # fmt: skip
def test_traps_of_the_compiler_do_not_change_a_verdict(schema: object, good: object, bad: object) -> None:
    assert accepts(schema, good)
    assert not accepts(schema, bad)


@pytest.mark.parametrize("wrap", ["items", "anyOf", "oneOf", "not", "additionalProperties"])
def test_deep_nesting_compiles(wrap: str) -> None:
    assert problems(nested(150, wrap)) == []


def test_a_definition_that_two_schemas_refer_to_is_no_loop() -> None:
    shared = {"allOf": [{"$ref": "#/definitions/a"}, {"$ref": "#/definitions/b"}], "definitions": {
        "a": {"$ref": "#/definitions/c"}, "b": {"$ref": "#/definitions/c"}, "c": {"type": "null"},
    }}  # fmt: skip

    assert accepts(shared, None)
    assert not accepts(shared, 1)


def test_depth_changes_no_verdict() -> None:
    deep_value, schema = [[[[[[[[[[5]]]]]]]]]], nested(10, "items")

    assert accepts(schema, deep_value)
    assert not accepts(schema, [[[[[[[[[["x"]]]]]]]]]])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
KEYWORDS = st.sampled_from((
    "type", "enum", "const", "allOf", "anyOf", "not", "if", "then", "minLength", "pattern", "format", "minimum",
    "items", "additionalItems", "contains", "required", "properties", "patternProperties", "additionalProperties",
    "dependencies", "$ref", "definitions", "propertyNames", "uniqueItems",
))  # fmt: skip


@given(
    st.recursive(
        JSON, lambda inner: st.dictionaries(KEYWORDS, inner | st.lists(inner, max_size=2), max_size=4), max_leaves=12
    )
)
def test_any_value_is_a_schema_or_has_problems(schema: object) -> None:
    compiled = compile_schema(schema, draft=7)

    if isinstance(compiled, tuple):
        assert compiled
        assert all(isinstance(problem, Problem) for problem in compiled)
    else:
        assert compiled.accepts({"a": [1, "x", None]}) in (True, False)
