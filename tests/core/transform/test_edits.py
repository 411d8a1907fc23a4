"""Edits of JSON values."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.transform.edits import Drop, Edit, Pick, Put, Rename, Unwrap, Wrap, edit_each, editing
from gatewaykit.core.transform.paths import Path, parse_path
from gatewaykit.core.transform.unusable import Unusable


def path(text: str) -> Path:
    parsed = parse_path(text)
    assert isinstance(parsed, tuple)
    return parsed


def drop(*texts: str) -> Drop:
    return Drop(tuple(map(path, texts)))


def pick(*texts: str) -> Pick:
    return Pick(tuple(map(path, texts)))


def rename(**names: str) -> Rename:
    return Rename(tuple((path(old), new) for old, new in names.items()))


def put(values: dict[str, Any]) -> Put:
    return Put(tuple((path(text), value) for text, value in values.items()))


ORDER = {"id": 1, "by": {"name": "Ann", "secret": "s"}, "items": [{"sku": "a", "n": 1}, {"sku": "b"}, 3]}


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(drop("id", "by.secret"), {"by": {"name": "Ann"}, "items": ORDER["items"]}, id="drop fields"),
        pytest.param(drop("items[*].sku"), {**ORDER, "items": [{"n": 1}, {}, 3]}, id="drop a field of each element"),
        pytest.param(drop("items[0]"), {**ORDER, "items": [{"sku": "b"}, 3]}, id="drop an element"),
        pytest.param(drop("items[*]"), {**ORDER, "items": []}, id="drop all elements"),
        pytest.param(drop("no", "id.x", "items[7]", "by[0]", "by[*]", "items.x"), ORDER, id="drop what is not there"),
        pytest.param(pick("by.name", "id"), {"id": 1, "by": {"name": "Ann"}}, id="pick in the order of the document"),
        pytest.param(pick("items[*].sku"), {"items": [{"sku": "a"}, {"sku": "b"}]}, id="pick of each element"),
        pytest.param(pick("items[0].n"), {"items": [{"n": 1}]}, id="pick of one element"),
        pytest.param(
            pick("items[*].sku", "items[0].n"),
            {"items": [{"sku": "a", "n": 1}, {"sku": "b"}]},
            id="pick of each and one",
        ),
        pytest.param(pick("items[0].n", "items[*]"), {"items": ORDER["items"]}, id="pick of one, and all of each"),
        pytest.param(pick("items[0]", "items[*].n"), {"items": [ORDER["items"][0], {}]}, id="pick one, and of each"),  # type: ignore[index]
        pytest.param(pick("by", "by.name"), {"by": ORDER["by"]}, id="pick all, and a part of it"),
        pytest.param(pick("by.name", "by"), {"by": ORDER["by"]}, id="pick a part, and all of it"),
        pytest.param(pick("no", "id.x", "by[*]", "items.x"), {}, id="pick what is not there"),
        pytest.param(pick("[*].id"), None, id="pick from a list, of an object"),
        pytest.param(
            rename(id="number", **{"items[*].sku": "n"}),
            {"number": 1, "by": ORDER["by"], "items": [{"n": "a"}, {"n": "b"}, 3]},
            id="rename in place, over what has the name",
        ),
        pytest.param(rename(id="id", no="x", **{"items.x": "y"}), ORDER, id="rename nothing"),
        pytest.param(
            put({"by.name": None, "new.deep": [1], "items[*].n": 0}),
            {
                "id": 1,
                "by": {"name": None, "secret": "s"},
                "items": [{"sku": "a", "n": 0}, {"sku": "b", "n": 0}, 3],
                "new": {"deep": [1]},
            },
            id="set fields",
        ),
        pytest.param(put({"items[1]": "x"}), {**ORDER, "items": [{"sku": "a", "n": 1}, "x", 3]}, id="set an element"),
        pytest.param(put({"items[*]": 0}), {**ORDER, "items": [0, 0, 0]}, id="set every element"),
        pytest.param(put({"items[9]": 1, "id.x": 1, "items.x": 1, "by[0]": 1, "id.x.y": 1}), ORDER, id="set nowhere"),
        pytest.param(Wrap("data"), {"data": ORDER}, id="wrap"),
        pytest.param(Unwrap(path("items[0].sku")), "a", id="unwrap"),
        pytest.param(
            Unwrap(path("items.sku")),
            Unusable("there is nothing at the place that is to be unwrapped"),
            id="unwrap nothing",
        ),
    ],
)
def test_an_edit(edit: Edit, expected: Any) -> None:
    edited = editing([edit])(copy.deepcopy(ORDER))

    assert edited == expected
    assert isinstance(expected, Unusable) or repr(edited) == repr(expected)


def test_edits_are_made_in_their_order() -> None:
    edits = [Unwrap(path("by")), rename(name="n"), drop("secret"), Wrap("who")]

    assert editing(edits)(copy.deepcopy(ORDER)) == {"who": {"n": "Ann"}}


def test_an_edit_that_cannot_be_made_is_the_last() -> None:
    assert isinstance(editing([Unwrap(path("no")), Wrap("x")])({}), Unusable)


def test_a_constant_is_never_changed() -> None:
    constant: dict[str, Any] = {"a": []}
    edit = editing([put({"x": constant, "y": constant}), put({"x.a": [1]})])

    assert [edit({}), edit({})] == [{"x": {"a": [1]}, "y": {"a": []}}] * 2
    assert constant == {"a": []}


NAMES = st.sampled_from("abc")
PARTS = st.one_of(NAMES, st.integers(0, 2), st.none())
PATHS = st.lists(PARTS, min_size=1, max_size=4).map(tuple)
NAMED = st.builds(lambda start, name: (*start, name), st.lists(PARTS, max_size=3).map(tuple), NAMES)
EDITS = st.one_of(
    st.builds(Drop, st.lists(PATHS, max_size=3).map(tuple)),
    st.builds(Pick, st.lists(PATHS, min_size=1, max_size=3).map(tuple)),
    st.builds(Rename, st.lists(st.tuples(NAMED, NAMES), max_size=3).map(tuple)),
    st.builds(Put, st.lists(st.tuples(PATHS, st.just([0])), max_size=3).map(tuple)),
    st.builds(Wrap, NAMES),
    st.builds(Unwrap, PATHS.filter(lambda path: None not in path)),
)
VALUES = st.recursive(
    st.integers(0, 3) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner),
    max_leaves=9,
)


@given(st.lists(EDITS, max_size=4), VALUES)
def test_any_edits_of_any_value_give_a_value_or_say_why_not(edits: list[Edit], value: Any) -> None:
    editing(edits)(value)


@given(st.lists(EDITS, max_size=3), st.lists(VALUES, max_size=4))
def test_edits_of_single_elements_give_what_those_of_the_whole_give(edits: list[Edit], value: list[Any]) -> None:
    own = edit_each(edits)
    if own is None or not edits:
        return
    one = editing(own)

    apart = [one(copy.deepcopy(element)) for element in value if isinstance(element, dict)]

    assert editing(edits)([element for element in copy.deepcopy(value) if isinstance(element, dict)]) == apart


@pytest.mark.parametrize(
    "edit", [drop("a"), drop("[0].a"), drop("[*]"), drop("[*].a", "b"), pick("[*][0]"), put({"a": 1}), Wrap("a"),
             Unwrap(path("a"))],
    ids=range(8),
)  # fmt: skip
def test_what_is_about_more_than_single_elements_is_told_apart(edit: Edit) -> None:
    assert edit_each([edit]) is None


def test_picking_twice_gives_what_picking_once_gives() -> None:
    chosen = editing([pick("items[*].sku", "by.name")])

    once = chosen(copy.deepcopy(ORDER))

    assert chosen(copy.deepcopy(once)) == once
