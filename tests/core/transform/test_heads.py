"""Steps on header fields and query parameters."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import HeaderList, parse_query
from gatewaykit.core.transform.heads import (
    HeadStep,
    RemoveNames,
    RenameNames,
    SetValues,
    editing_headers,
    editing_query,
    name_problem,
    never_dropped,
    value_problem,
)

SENT: HeaderList = [(b"X-Old", b"1"), (b"a", b"2"), (b"x-old", b"3"), (b"x-new", b"4")]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param(RemoveNames(("X-OLD", "no")), [(b"a", b"2"), (b"x-new", b"4")], id="remove"),
        pytest.param(
            RenameNames({"x-old": "X-New"}),
            [(b"x-new", b"1"), (b"a", b"2"), (b"x-new", b"3")],
            id="rename, and replace",
        ),
        pytest.param(RenameNames({"no": "a"}), SENT, id="rename what is not there"),
        pytest.param(RenameNames({"X-Old": "x-old"}), SENT, id="rename to itself"),
        pytest.param(
            SetValues({"X-Old": "9", "b": "\u00fc"}),
            [(b"a", b"2"), (b"x-new", b"4"), (b"x-old", b"9"), (b"b", b"\xfc")],
            id="set",
        ),
    ],
)
def test_fields_are_changed(step: HeadStep, expected: HeaderList) -> None:
    before = [*SENT]

    assert editing_headers([step])(SENT) == expected
    assert before == SENT


def test_steps_are_made_in_their_order() -> None:
    steps = [RenameNames({"a": "b"}), SetValues({"a": "new"}), RemoveNames(("x-old", "x-new"))]

    assert editing_headers(steps)(SENT) == [(b"b", b"2"), (b"a", b"new")]


@pytest.mark.parametrize("value", [b"x\r\nset-cookie: a=b", b"x\ny", b"x\0"])
def test_a_value_that_would_end_its_line_gets_no_new_name(value: bytes) -> None:
    assert editing_headers([RenameNames({"a": "b"})])([(b"a", value), (b"a", b"good")]) == [(b"b", b"good")]


@pytest.mark.parametrize(
    ("name", "good"),
    [("x-ok", True), ("X_!#$%&'*+-.^`|~9", True), ("", False), ("a b", False), ("a\r\nb", False), ("a:", False),
     ("\u00fc", False), ("content-length", False), ("Transfer-Encoding", False), ("content-encoding", False),
     ("a" * 257, False), (3, False), ("a\n", False)],
)  # fmt: skip
def test_a_name_is_a_token_and_not_the_servers(name: object, good: bool) -> None:
    assert (name_problem(name) == "") is good


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("", True),
        ("a b\t\u00fc", True),
        ("a\r\nb: c", False),
        ("a\n", False),
        ("a\0", False),
        ("\u20ac", False),
        (1, False),
    ],
)
def test_a_value_is_one_line(value: object, good: bool) -> None:
    assert (value_problem(value) == "") is good


@pytest.mark.parametrize(
    ("query", "step", "expected"),
    [
        pytest.param(b"a=1&b=2&a=3", RemoveNames(("a",)), b"b=2", id="remove"),
        pytest.param(b"b=2&%61=1&c", RemoveNames(("a",)), b"b=2&c", id="remove what is written in another way"),
        pytest.param(b"a=1;b=2&c=%zz", RemoveNames(("b",)), b"a=1&c=%zz", id="remove after a semicolon"),
        pytest.param(b"a=%20+&b", RenameNames({"a": "x y", "b": "c"}), b"x+y=%20+&c", id="rename, values as they were"),
        pytest.param(b"old=1&new=2", RenameNames({"old": "new"}), b"new=1", id="rename, and replace"),
        pytest.param(b"new=2", RenameNames({"old": "new"}), b"new=2", id="rename what is not there"),
        pytest.param(b"a=1&b=2", RenameNames({"a": "b", "b": "a"}), b"b=1&a=2", id="exchange two"),
        pytest.param(b"a=1", RenameNames({"a": "a"}), b"a=1", id="rename to itself"),
        pytest.param(b"a=1&b=2", SetValues({"a": "x&y=z", "c": "\u00fc"}), b"b=2&a=x%26y%3Dz&c=%C3%BC", id="set"),
        pytest.param(b"", SetValues({"a": ""}), b"a=", id="set the first"),
        pytest.param(b"", RemoveNames(("a",)), b"", id="remove from nothing"),
        pytest.param(b"&&a&", RemoveNames(("a",)), b"&&", id="what is empty stays"),
    ],
)
def test_a_query_is_changed(query: bytes, step: HeadStep, expected: bytes) -> None:
    assert editing_query([step])(query) == expected


def test_steps_on_a_query_are_made_in_their_order() -> None:
    assert editing_query([SetValues({"a": "1"}), RenameNames({"a": "b"}), RemoveNames(("c",))])(b"c=2") == b"b=1"


@given(st.text(), st.text(min_size=1), st.binary(max_size=30))
def test_a_value_that_is_set_is_read_as_it_was_given(value: str, name: str, query: bytes) -> None:
    value, name = (text.encode("utf-8", "replace").decode() for text in (value, name))

    changed = editing_query([SetValues({name: value})])(query)

    assert parse_query(changed)[name] == [value]
    assert (name, value) in parse_qsl(changed.decode("latin-1"), keep_blank_values=True, max_num_fields=None)


@given(st.binary(max_size=30), st.text(min_size=1, max_size=3))
def test_a_name_that_is_removed_is_gone_and_no_other(query: bytes, name: str) -> None:
    before, after = parse_query(query), parse_query(editing_query([RemoveNames((name,))])(query))

    assert after == {key: values for key, values in before.items() if key != name}


def test_names_that_steps_write_leave_connection() -> None:
    unlisted = never_dropped([SetValues({"X-A": "1"}), RenameNames({"x-b": "X-C"}), RemoveNames(("x-d",))])

    headers = unlisted([(b"Connection", b"close, X-A,x-c, x-d"), (b"x-a", b"x-a")])

    assert headers == [(b"Connection", b"close, x-d"), (b"x-a", b"x-a")]
