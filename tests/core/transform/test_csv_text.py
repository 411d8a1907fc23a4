"""CSV read and written."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewaykit.core.transform.csv_text import CsvForm, CsvLines, CsvRows
from gatewaykit.core.transform.unusable import TooLarge, Unusable
from tests.core.transform.cutting import fed

CUTS = st.lists(st.integers(0, 60), max_size=12)


def rows(text: str, cuts: list[int] | None = None, *, limit: int = 1000, **form: Any) -> Any:
    return fed(CsvRows(CsvForm(**form), limit), text, cuts or [])


def lines(items: list[Any], columns: tuple[str, ...] = (), *, header: bool = True, **form: Any) -> Any:
    return CsvLines(CsvForm(**form), columns, header=header).feed(items, False)


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        pytest.param("a,b\r\n1,2\r\n", {}, [{"a": "1", "b": "2"}], id="CR LF"),
        pytest.param("a,b\n1,2\n3,4", {}, [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}], id="LF, and none at the end"),
        pytest.param("a\r1\r2", {}, [{"a": "1"}, {"a": "2"}], id="CR"),
        pytest.param('"a","b"\n"1,2","say ""x"""\n', {}, [{"a": "1,2", "b": 'say "x"'}], id="quotes"),
        pytest.param('a,b\n"1\r\n2",\n', {}, [{"a": "1\r\n2", "b": ""}], id="a line end in quotes"),
        pytest.param("a\n\n1\r\n\r\n", {}, [{"a": "1"}], id="empty rows"),
        pytest.param('a\n""\n', {}, [{"a": ""}], id="an empty field alone"),
        pytest.param('"a"\n\n1', {}, [{"a": "1"}], id="empty rows beside quotes"),
        pytest.param("a;b\n1,5;2", {"delimiter": ";"}, [{"a": "1,5", "b": "2"}], id="delimiter"),
        pytest.param("a\tb\n'x\ty'\t2", {"delimiter": "\t", "quote": "'"}, [{"a": "x\ty", "b": "2"}], id="quote"),
        pytest.param(
            "a^b\n]^2", {"delimiter": "^"}, [{"a": "]", "b": "2"}], id="a delimiter that means much elsewhere"
        ),
        pytest.param("1,2", {"names": ("x", "y")}, [{"x": "1", "y": "2"}], id="given names"),
        pytest.param("a\u2028b\x0b\x85\n1", {}, [{"a\u2028b\x0b\x85": "1"}], id="other line ends are text"),
        pytest.param("", {}, [], id="nothing"),
        pytest.param("a,b", {}, [], id="names alone"),
        pytest.param(" a , b\n 1, 2 ", {}, [{" a ": " 1", " b": " 2 "}], id="spaces belong to the field"),
    ],
)
def test_rows_are_read(text: str, form: dict[str, Any], expected: list[Any]) -> None:
    assert rows(text, **form) == expected
    assert rows(text, list(range(len(text))), **form) == expected


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "12", 12), ("integer", "-012", -12), ("integer", "+3", 3), ("integer", "", None),
        ("number", "1.50", 1.5), ("number", "7", 7), ("number", ".5e-3", 0.0005), ("number", "", None),
        ("boolean", "TRUE", True), ("boolean", "false", False), ("boolean", "", None), 
        ("text", "", ""), ("text", "x", "x"),
    ],
)  # fmt: skip
def test_a_column_has_a_type(kind: str, text: str, value: Any) -> None:
    read = rows(f"v,w\n{text},1", types={"v": kind})

    assert read == [{"v": value, "w": "1"}]
    assert type(read[0]["v"]) is type(value)


def test_an_empty_text_may_be_null() -> None:
    assert rows('a,b\n"",x', nulls=True) == [{"a": None, "b": "x"}]


@pytest.mark.parametrize(
    ("text", "form", "detail"),
    [
        pytest.param("a,b\n1\n", {}, "row 2 has 1 field, not 2", id="too few"),
        pytest.param('"a"\n1\n\n1,2\n', {}, "row 3 has 2 fields, not 1", id="too many"),
        pytest.param("a,a\n", {}, "row 1, the names of the columns: two columns have the name 'a'", id="twice a name"),
        pytest.param("a,\n", {}, "row 1, the names of the columns: column 2 has no name", id="no name"),
        pytest.param("a" * 257 + "\n", {}, "the name of column 1 has more than 256 characters", id="a long name"),
        pytest.param('a\nx"y\n', {}, "row 2: its quotes are not right", id="a quote in the middle"),
        pytest.param('a\n"x"y\n', {}, "row 2: its quotes are not right", id="more after the quote"),
        pytest.param('a\n"x\n', {}, "row 2: its quotes are not right", id="a quote without an end"),
        pytest.param("v\n1.5", {"types": {"v": "integer"}}, "row 2, column 'v': '1.5' is no integer", id="no integer"),
        pytest.param("v\n1_0", {"types": {"v": "integer"}}, "is no integer", id="Python's own integer"),
        pytest.param("v\n" + "1" * 401, {"types": {"v": "integer"}}, "is no integer", id="a huge integer"),
        pytest.param("v\n\u0661", {"types": {"v": "integer"}}, "is no integer", id="digits of another script"),
        pytest.param("v\nx", {"types": {"v": "number"}}, "row 2, column 'v': 'x' is no number", id="no number"),
        pytest.param("v\n1e999", {"types": {"v": "number"}}, "is no number", id="infinite"),
        pytest.param("v\nnan", {"types": {"v": "number"}}, "is no number", id="not a number"),
        pytest.param(
            "v\n1", {"types": {"v": "boolean"}}, "row 2, column 'v': '1' is neither true nor", id="no boolean"
        ),
    ],
)
def test_what_cannot_be_read_is_told(text: str, form: dict[str, Any], detail: str) -> None:
    whole = rows(text, **form)

    assert isinstance(whole, Unusable)
    assert detail in whole.detail
    assert rows(text, list(range(len(text))), **form) == whole


ALPHABET = 'ab,"\r\n '
TEXTS = st.text(alphabet=ALPHABET, max_size=40)


@given(TEXTS, CUTS)
@example('a\n"\r\n', [1, 2])
@example('a"\n"b\n', [2, 3])
@example("a\r\n\r", [1, 2, 3])
@example('a\n"' + "x" * 12, [])
@example('a\nb"' + "x" * 12 + "\n", [4])
@example("a\n" + "x" * 10 + "\r", [12])
def test_any_text_gives_the_same_rows_or_the_same_problem_however_it_is_cut(text: str, cuts: list[int]) -> None:
    whole = rows(text, limit=10)

    assert rows(text, cuts, limit=10) == whole
    assert rows(text, list(range(len(text))), limit=10) == whole


@given(st.text(max_size=30), st.sampled_from([{}, {"names": ("x", "y")}, {"delimiter": ";", "quote": "'"}]))
def test_any_text_gives_rows_or_a_problem(text: str, form: dict[str, Any]) -> None:
    found = rows(text, **form)

    assert isinstance(found, Unusable | list)


@pytest.mark.parametrize("cuts", [[], [3, 9, 15], list(range(60))], ids=["whole", "cut", "one by one"])
@pytest.mark.parametrize(
    "text", ["a\n" + "x" * 30, 'a\n"' + "x" * 30, 'a\n"' + "\n" * 30 + '"\n', 'a\nb"' + "x" * 30 + "\n",
             'a\n"b"' + "x" * 30 + "\n1\n", "a\n1\r" + "x" * 30],
    ids=["plain", "quoted", "line ends", "broken", "broken, with an end", "a later row"],
)  # fmt: skip
def test_a_row_over_the_bound_is_too_large(text: str, cuts: list[int]) -> None:
    found = rows(text, cuts, limit=20)

    assert isinstance(found, TooLarge)
    assert found.detail == f"row {3 if text[4:] == 'x' * 30 else 2} has more than 20 characters"


def test_a_field_of_a_hundred_megabytes_is_given_up_at_the_bound() -> None:
    reader = CsvRows(CsvForm(), 1_000_000)
    reader.feed('a\n"', True)

    taken = 0
    while not isinstance(reader.feed("x" * 65536, True), Unusable):
        taken += 65536

    assert taken <= 1_000_000


@pytest.mark.parametrize("piece", ["a" * 100, "\n" * 100, '""' * 50], ids=["text", "line ends", "quotes"])
def test_a_row_in_many_pieces_is_looked_at_once(piece: str) -> None:
    reader = CsvRows(CsvForm(names=("a",)), 10_000_000)
    reader.feed('"', True)

    for _ in range(5_000):
        reader.feed(piece, True)

    (row,) = reader.feed('"', False)  # type: ignore[misc]  # rows, not a problem
    assert len(row["a"]) in (250_000, 500_000)


@pytest.mark.parametrize(
    ("form", "problems"),
    [
        pytest.param({"delimiter": ";;"}, ["delimiter: ';;' is not one character"], id="two characters"),
        pytest.param({"quote": "\n"}, ["quote: '\\n' is not one character"], id="a line end"),
        pytest.param({"delimiter": "a"}, ["delimiter: 'a' is not one character"], id="a letter"),
        pytest.param({"delimiter": 3}, ["delimiter: 3 is not one character"], id="no text"),
        pytest.param({"delimiter": '"'}, ["quote: '\"' is the delimiter too"], id="both the same"),
        pytest.param({"names": ("a", "a")}, ["names: two columns have the name 'a'"], id="names"),
    ],
)
def test_what_is_wrong_with_a_form(form: dict[str, Any], problems: list[str]) -> None:
    found = CsvForm(**form).problems()

    assert [one[: len(other)] for one, other in zip(found, problems, strict=True)] == problems


@pytest.mark.parametrize(
    ("items", "columns", "expected"),
    [
        pytest.param([{"a": 1, "b": "x"}], (), "a,b\r\n1,x\r\n", id="of the first"),
        pytest.param([{"a": 1, "b": 2}, {"b": 3}], ("b", "c"), "b,c\r\n2,\r\n3,\r\n", id="of these"),
        pytest.param(
            [{"a": True, "b": None, "c": 1.5, "d": [1, {"x": "ü"}]}],
            (),
            'a,b,c,d\r\ntrue,,1.5,"[1,{""x"":""ü""}]"\r\n',
            id="what is no text",
        ),
        pytest.param([{"a": 'x,"y"\r\nz'}], (), 'a\r\n"x,""y""\r\nz"\r\n', id="quotes"),
        pytest.param([{"a": ""}, {"a": None}], (), 'a\r\n""\r\n""\r\n', id="rows that would be empty"),
        pytest.param([], ("a",), "a\r\n", id="names alone"),
        pytest.param([], (), "", id="nothing"),
    ],
)
def test_objects_are_written(items: list[Any], columns: tuple[str, ...], expected: str) -> None:
    assert lines(items, columns) == expected


def test_names_may_be_left_out_and_characters_chosen() -> None:
    assert lines([{"a": "x;y", "b": "'"}], header=False, delimiter=";", quote="'") == "'x;y';''''\r\n"


@pytest.mark.parametrize(
    ("items", "detail"),
    [
        pytest.param([1], "element 1 is no JSON object", id="no object"),
        pytest.param([{}], "element 1 has no fields to make columns of", id="no fields"),
        pytest.param([{"a": 1}, {"a": 1, "b": 2}], "element 2 has a field 'b' that element 1 has not", id="one more"),
    ],
)
def test_what_cannot_be_written_is_told(items: list[Any], detail: str) -> None:
    found = lines(items)

    assert isinstance(found, Unusable)
    assert detail in found.detail


def test_a_value_too_deep_to_be_written_is_told() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]

    assert lines([{"a": value}]) == Unusable("it is nested too deeply")

    while value:
        value = value[0]


TABLES = st.integers(1, 4).flatmap(
    lambda width: st.tuples(
        st.lists(st.text(min_size=1, max_size=5), min_size=width, max_size=width, unique=True),
        st.lists(st.lists(st.text(max_size=6), min_size=width, max_size=width), max_size=5),
    )
)


@given(TABLES, CUTS)
def test_what_is_written_is_read_again(table: tuple[list[str], list[list[str]]], cuts: list[int]) -> None:
    names, values = table
    items = [dict(zip(names, row, strict=True)) for row in values]

    text = lines(items, tuple(names))

    assert rows(text, cuts, limit=100_000) == items
    assert lines(rows(text, limit=100_000), tuple(names)) == text


@given(TABLES.filter(lambda table: "\0" not in str(table)))
def test_the_standard_librarys_reader_agrees(table: tuple[list[str], list[list[str]]]) -> None:
    names, values = table

    text = lines([dict(zip(names, row, strict=True)) for row in values], tuple(names))

    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [names, *values]
