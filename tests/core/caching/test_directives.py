"""Cache-Control and CDN-Cache-Control as they are sent, well and badly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.caching.directives import MOST_S, field_names, parse_directives, seconds
from gatewaykit.core.caching.targeted import parse_targeted


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], {}, id="none"),
        pytest.param([b""], {}, id="empty"),
        pytest.param([b"no-store"], {"no-store": None}, id="one"),
        pytest.param([b"No-StoRe"], {"no-store": None}, id="any casing"),
        pytest.param([b"max-age=1, public"], {"max-age": "1", "public": None}, id="two"),
        pytest.param([b"max-age=1", b"public"], {"max-age": "1", "public": None}, id="two lines"),
        pytest.param([b",, max-age=1 ,,"], {"max-age": "1"}, id="empty members"),
        pytest.param([b'max-age="1"'], {"max-age": "1"}, id="quoted"),
        pytest.param([b'x="a\\"b", y'], {"x": 'a"b', "y": None}, id="an escaped quote"),
        pytest.param([b'x="max-age=9", max-age=1'], {"x": "max-age=9", "max-age": "1"}, id="a directive in quotes"),
        pytest.param([b"max-age=1, max-age=2"], {"max-age": "1"}, id="the first of two"),
        pytest.param([b'no-cache="a", no-cache'], {"no-cache": None}, id="the one without an argument"),
        pytest.param([b"max-age = 5"], {"max-age": "5"}, id="space around ="),
        pytest.param([b"a b, max-age=1"], {"max-age": "1"}, id="a member that is no directive"),
        pytest.param([b'x="never closed, max-age=1'], {"max-age": "1"}, id="a quote that is never closed"),
        pytest.param([b'max-age="60, no-store'], {"max-age": "'60", "no-store": None}, id="an argument never closed"),
        pytest.param([b"x="], {"x": ""}, id="no argument behind ="),
    ],
)
def test_directives(lines: list[bytes], expected: dict[str, str | None]) -> None:
    assert parse_directives(lines) == expected


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"a" + b" " * 400_000 + b"x", id="spaces"),
        pytest.param(b"a=" + b" " * 400_000 + b"x y", id="spaces behind ="),
        pytest.param(b'"' + b'\\"' * 400_000, id="escaped quotes"),
        pytest.param(b"a" * 400_000 + b'"', id="a name"),
    ],
)
def test_what_is_long_is_read_once(value: bytes) -> None:  # else it takes longer than a test may
    assert parse_directives([value + b", max-age=1"])["max-age"] == "1"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(b"public", None, id="not there"),
        pytest.param(b"max-age=60", 60, id="a number"),
        pytest.param(b"max-age=0060", 60, id="zeros first"),
        pytest.param(b"max-age=99999999999", MOST_S, id="a large number"),
        pytest.param(b"max-age=" + b"9" * 5000, MOST_S, id="an endless number"),
        pytest.param(b"max-age=-1", 0, id="negative"),
        pytest.param(b"max-age=1.5", 0, id="decimal"),
        pytest.param(b"max-age='60'", 0, id="single quotes"),
        pytest.param(b"max-age=60s", 0, id="with a unit"),
        pytest.param(b"max-age", 0, id="without an argument"),
        pytest.param("max-age=٣".encode(), 0, id="digits of another script"),
    ],
)
def test_seconds(line: bytes, expected: int | None) -> None:
    assert seconds(parse_directives([line]), "max-age") == expected


def test_field_names() -> None:
    assert field_names(parse_directives([b'no-cache="A, b c"']), "no-cache") == {b"a", b"b", b"c"}
    assert field_names(parse_directives([b"no-cache"]), "no-cache") == frozenset()


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_any_bytes_give_directives(lines: list[bytes]) -> None:
    found = parse_directives(lines)

    assert all(seconds(found, name) is not None for name in found)


@given(st.binary(max_size=30).filter(lambda value: b'"' not in value))
def test_no_store_is_found_whatever_stands_before_it(before: bytes) -> None:
    assert "no-store" in parse_directives([before + b", no-store"])


# --------------------------------------------------------------------------------------------------- CDN-Cache-Control


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], None, id="none"),
        pytest.param([b"  "], None, id="empty"),
        pytest.param([b"max-age=60"], {"max-age": "60"}, id="seconds"),
        pytest.param([b"max-age=60", b"no-store"], {"max-age": "60", "no-store": None}, id="two lines"),
        pytest.param([b"no-store=?1"], {"no-store": None}, id="true"),
        pytest.param([b"max-age=1, no-store=?0"], {"max-age": "1"}, id="false"),
        pytest.param([b"max-age=1, max-age=2"], {"max-age": "2"}, id="the last of two"),
        pytest.param([b"no-store, no-store=?0"], None, id="taken back"),
        pytest.param([b"foo;a=1;b, max-age=5;c"], {"foo": None, "max-age": "5"}, id="parameters"),
        pytest.param([b'a=("x" y 1.5);q, max-age=5'], {"a": None, "max-age": "5"}, id="an inner list"),
        pytest.param([b"a=:aGk=:, b=@17, max-age=5"], {"a": ":aGk=:", "b": "@17", "max-age": "5"}, id="bytes, a date"),
        pytest.param([b"max-age=-5"], {"max-age": "-5"}, id="negative"),
        pytest.param([b'max-age="60"'], None, id="a string for seconds"),
        pytest.param([b"max-age=1.5"], None, id="a decimal for seconds"),
        pytest.param([b"max-age"], None, id="nothing for seconds"),
        pytest.param([b"no-store=5"], None, id="a number for a flag"),
        pytest.param([b"no-store=(a)"], None, id="a list for a flag"),
        pytest.param([b"max-age=10, &&&"], None, id="no dictionary"),
        pytest.param([b"max-age=10,"], None, id="a comma last"),
        pytest.param([b"max-age=10 no-store"], None, id="no comma between"),
        pytest.param([b"Max-Age=10"], None, id="capitals"),
        pytest.param([b"max-age= 10"], None, id="space behind ="),
        pytest.param([b"max-age=1234567890123456"], None, id="sixteen digits"),
    ],
)
def test_targeted_directives(lines: list[bytes], expected: dict[str, str | None] | None) -> None:
    assert parse_targeted(lines) == expected


@given(st.binary(max_size=80))
def test_any_bytes_give_targeted_directives_or_none(line: bytes) -> None:
    found = parse_targeted([line])

    assert found is None or all(isinstance(name, str) for name in found)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "line",
    [b'x="' * 20_000, b"a," * 40_000, b"a;" * 40_000, b"(" * 60_000, b"a=(" + b"b " * 30_000, b"a=" * 30_000,
     b" " * 60_000, b"a=b;" + b"a=1;" * 20_000 + b"&"],
    ids=["quotes", "members", "parameters", "brackets", "a list", "equals", "spaces", "bad end"],
)  # fmt: skip
def test_no_long_field_takes_long(line: bytes) -> None:
    parse_directives([line])
    parse_targeted([line])
