"""How values print, compare and become JSON, and what their methods give."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.vtl.methods import METHODS
from gatewaykit.core.vtl.runtime import Loop, call
from gatewaykit.core.vtl.values import (
    MAX_TEXT,
    Entry,
    Failure,
    JavaList,
    JavaSet,
    MapKey,
    SilentMap,
    java_double,
    java_equals,
    list_to_json,
    text,
    to_json,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.001, "0.001"),
        (0.00095, "9.5E-4"),
        (9999999.5, "9999999.5"),
        (1e7, "1.0E7"),
        (-12345678.5, "-1.23456785E7"),
        (1e16, "1.0E16"),
        (1.5e300, "1.5E300"),
        (5e-324, "5.0E-324"),
        (1e-5, "1.0E-5"),
        (0.00012, "1.2E-4"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (float("nan"), "NaN"),
    ],
)
def test_a_double_prints_as_in_java(value: float, shown: str) -> None:
    assert java_double(value) == shown


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_printed_double_reads_back(value: float) -> None:
    assert float(java_double(value)) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "true"),
        (5, "5"),
        ([1, "a", None], '[1,"a",null]'),
        (JavaList([1, "a", None]), "[1, a, null]"),
        ({"a": None, "b": [1]}, "{a=, b=[1]}"),
        (SilentMap(a=1), ""),
        (Entry("a", None), "a="),
        (JavaSet("ab"), "[a, b]"),
        (object(), ""),
        (Loop(None, 1), "{}"),
        (JavaList([Entry("a", 1)]), "[a=1]"),
    ],
)
def test_a_value_prints_as_in_java(value: object, shown: str) -> None:
    assert text(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([1.5, True, None, "a/é\\"], '[1.5,true,null,"a/é\\\\"]'),
        ({MapKey(True): 1e7, 5: [Entry("a", 1)]}, '{"true":1.0E7,"5":["a=1"]}'),
        ({"a": "0.0001", "b": 0.0001}, '{"a":"0.0001","b":1.0E-4}'),
    ],
)
def test_a_value_becomes_json(value: Any, shown: str) -> None:
    assert to_json(value) == shown


@pytest.mark.parametrize("value", [float("inf"), [float("nan")], {MapKey(1.5): float("inf")}])
def test_what_json_cannot_hold_fails(value: Any) -> None:
    with pytest.raises(Failure, match="cannot be written as JSON"):
        to_json(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_json_reads_back(value: Any) -> None:
    assert json.loads(to_json(value)) == value


def test_a_list_that_holds_one_thing_many_times_is_cut_off_at_the_limit() -> None:
    large = "a" * (MAX_TEXT // 4)

    assert list_to_json([{"a": 1}, [2.5, None], "b"]) == '[{"a":1},[2.5,null],"b"]'
    assert list_to_json([]) == "[]"
    with pytest.raises(Failure, match="a text of more than"):
        list_to_json([large] * 1_000_000)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, 1, True),
        (1, 1.0, False),
        (1, True, False),
        ("a", "a", True),
        ([1, {"a": None}], [1, {"a": None}], True),
        ([1], JavaList([1]), True),
        ([1], [1.0], False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, [1], False),
        (JavaSet("ab"), JavaSet("ba"), True),
        (JavaSet("a"), ["a"], False),
        ([1], JavaSet([1]), False),
        (Entry("a", 1), Entry("a", 1), False),
        (MapKey(1.0), 1.0, False),
    ],
)
def test_equality_is_javas(left: object, right: object, equal: bool) -> None:
    assert java_equals(left, right) is equal


def test_keys_that_python_confuses_are_kept_apart() -> None:
    assert len({1: "a", MapKey(True): "b", MapKey(1.0): "c", MapKey(True): "d"}) == 3
    assert MapKey(1.0) != 1.0


@pytest.mark.parametrize(
    ("value", "name", "arguments", "expected"),
    [
        (10**400, "doubleValue", (), float("inf")),
        (-(10**400), "doubleValue", (), float("-inf")),
        (float("nan"), "longValue", (), 0),
        (float("nan"), "intValue", (), 0),
        (1e300, "longValue", (), 2**63 - 1),
        (2**70, "longValue", (), 0),
        (2**70, "hashCode", (), 61504),
        ([[2**70]], "hashCode", (), 61566),
        ({"a": 2**70}, "hashCode", (), 97 ^ 61504),
        (["x", {"y": None}], "hashCode", (), 4802),
        (b"x", "hex", (), None),
    ],
)
def test_a_method_gives(value: object, name: str, arguments: tuple[object, ...], expected: object) -> None:
    assert call(value, name, *arguments) == expected


_values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.lists(st.integers(0, 3), max_size=3)
)


@given(st.data())
def test_no_method_raises_anything_but_a_failure(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([str, list, dict, int, float, bool, JavaList, JavaSet]))
    strategies: dict[type, st.SearchStrategy[Any]] = {
        str: st.text(max_size=4), list: st.lists(_values, max_size=3),
        dict: st.dictionaries(st.text(max_size=2), _values),
        int: st.integers(), float: st.floats(), bool: st.booleans(),
        JavaList: st.lists(_values, max_size=3).map(JavaList), JavaSet: st.lists(_values, max_size=3).map(JavaSet),
    }  # fmt: skip
    owner = data.draw(strategies[kind])
    name = data.draw(st.sampled_from(sorted(METHODS[kind])))
    arguments = data.draw(st.lists(_values, max_size=3))

    with contextlib.suppress(Failure):
        text(call(owner, name, *arguments))


@pytest.mark.parametrize("value", [1, 1.5])
def test_a_number_as_text_with_too_many_arguments_is_null_as_of_any_method_that_there_is_not(value: float) -> None:
    assert call(value, "toString", None, None, None) is None
