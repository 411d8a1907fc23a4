"""Schemas that lead back to themselves: which are counted, and that small bodies do not take for ever."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit.core.schema_recursion import branching
from gatewaykit.core.validation import CompiledSchema, compile_schema

SELF = {"$ref": "#"}
TWICE = {"allOf": [{"items": SELF}, {"items": SELF}]}
KINDS = {
    "oneOf": [
        {"properties": {"child": SELF, "kind": {"enum": ["a"]}}, "required": ["kind"]},
        {"properties": {"child": SELF, "kind": {"enum": ["b"]}}, "required": ["kind"]},
    ]
}
PAIR = {"properties": {"left": SELF, "right": SELF, "value": {"type": "integer"}}}


def compiled(schema: Any, fast: bool = False) -> CompiledSchema:
    found = compile_schema(schema, draft=7, fast=fast)
    assert isinstance(found, CompiledSchema), found
    return found


def nested(depth: int, value: Any, wrap: Any) -> Any:
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    ("definitions", "expected"),
    [
        pytest.param({"a": {"items": {"$ref": "#/definitions/a"}}}, set(), id="a list"),
        pytest.param({"a": {"allOf": [{"$ref": "#/definitions/b"}] * 2}, "b": True}, set(), id="twice to another"),
        pytest.param({"a": {"allOf": [{"$ref": "#/definitions/a"}] * 2}}, {"a"}, id="twice to itself"),
        pytest.param(
            {
                "a": {"anyOf": [{"$ref": "#/definitions/b"}, {"$ref": "#/definitions/c"}]},
                "b": {"items": {"$ref": "#/definitions/a"}},
                "c": {"items": {"$ref": "#/definitions/a"}},
            },
            {"a"},
            id="by two others",
        ),
        pytest.param({"a": {"not": {"$ref": "#/definitions/gone"}}}, set(), id="a reference to nothing"),
    ],
)
def test_definitions_that_lead_back_twice_are_found(definitions: dict[str, Any], expected: set[str]) -> None:
    assert branching(definitions) == expected


@pytest.mark.parametrize("fast", [False, True], ids=["exact", "with the extra"])
@pytest.mark.parametrize(
    ("schema", "value", "wrap"),
    [
        pytest.param(TWICE, 0, lambda value: [value], id="all of two"),
        pytest.param(KINDS, {"kind": "a"}, lambda value: {"child": value, "kind": "a"}, id="one of two kinds"),
    ],
)
def test_a_small_body_that_would_take_for_ever_is_refused(schema: Any, value: Any, wrap: Any, fast: bool) -> None:
    check = compiled(schema, fast)

    assert not check.accepts(nested(60, value, wrap))
    assert check.accepts(nested(5, value, wrap))  # each body begins anew


def test_a_tree_with_two_branches_is_looked_at_whole() -> None:
    check = compiled(PAIR)
    tree = nested(12, {"value": 1}, lambda inner: {"left": inner, "right": inner, "value": 2})

    assert check.accepts(tree)
    assert not check.accepts({"left": tree, "right": {"value": "1"}})
