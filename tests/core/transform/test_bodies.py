"""From steps to plans, and bodies through them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewaykit.core.transform.bodies import (
    MAX_ITEM_CHARS,
    BodySteps,
    FromCsv,
    FromXml,
    JsonArray,
    Kind,
    ToCsv,
    compile_plans,
    kind_of,
)
from gatewaykit.core.transform.csv_text import CsvForm
from gatewaykit.core.transform.edits import Drop, Edit, Pick, Put, Rename, Unwrap, Wrap
from gatewaykit.core.transform.unusable import TooLarge, Unusable
from tests.core.transform.cutting import fed

CUTS = st.lists(st.integers(0, 60), max_size=12)
EACH_SECRET = Drop(((None, "secret"),))
FROM_CSV, TO_CSV = FromCsv(CsvForm()), ToCsv(CsvForm())
MIB = 1024 * 1024


def made(
    steps: BodySteps, kind: Kind, body: bytes, cuts: Sequence[int] = (), *, charset: str = "utf-8", limit: int = MIB
) -> Any:
    return fed(compile_plans(steps)[kind].start(charset, limit), body, cuts)


@pytest.mark.parametrize(
    ("steps", "kind", "body", "expected"),
    [
        pytest.param(
            BodySteps(edits=(EACH_SECRET, Wrap("d"))), "json", b' [{"a": 1, "secret": 2}]', b'{"d":[{"a":1}]}',
            id="JSON",
        ),
        pytest.param(BodySteps(edits=(Wrap("a"),)), "json", b"", b"", id="JSON, empty"),
        pytest.param(BodySteps(from_csv=FROM_CSV), "csv", b"a\n1\n2", b'[{"a":"1"},{"a":"2"}]', id="CSV"),
        pytest.param(BodySteps(from_csv=FROM_CSV), "csv", b"", b"[]", id="CSV, empty"),
        pytest.param(BodySteps(from_csv=FROM_CSV), "csv", b"\xef\xbb\xbfa\n1", b'[{"a":"1"}]', id="CSV, marked"),
        pytest.param(
            BodySteps(from_csv=FROM_CSV, edits=(EACH_SECRET, Wrap("rows"), Wrap('d"'))), "csv", b"a,secret\n1,2\n3,4",
            b'{"d\\"":{"rows":[{"a":"1"},{"a":"3"}]}}', id="CSV, edited row by row and wrapped",
        ),
        pytest.param(BodySteps(from_csv=FROM_CSV, edits=(Wrap("r"),)), "csv", b"a\n", b'{"r":[]}', id="CSV, no rows"),
        pytest.param(
            BodySteps(from_csv=FROM_CSV, edits=(Wrap("r"), Put(((("r", 0, "n"), 1),)))), "csv", b"a\nx\ny",
            b'{"r":[{"a":"x","n":1},{"a":"y"}]}', id="CSV, edited as a whole",
        ),
        pytest.param(
            BodySteps(from_csv=FROM_CSV, edits=(EACH_SECRET,), to_csv=ToCsv(CsvForm(delimiter=";"))), "csv",
            b"a,secret,b\n1,2,3", b"a;b\r\n1;3\r\n", id="CSV to CSV",
        ),
        pytest.param(
            BodySteps(from_csv=FROM_CSV, edits=(Wrap("a"), Unwrap(("a",))), to_csv=TO_CSV), "csv", b"a\n1",
            b"a\r\n1\r\n", id="CSV to CSV as a whole",
        ),
        pytest.param(
            BodySteps(edits=(Rename((((None, "a"), "b"),)),), to_csv=TO_CSV), "json", b'[{"a": 1}, {"a": null}]',
            b'b\r\n1\r\n""\r\n', id="JSON to CSV",
        ),
        pytest.param(BodySteps(to_csv=TO_CSV), "json", b"", b"", id="JSON to CSV, empty"),
        pytest.param(BodySteps(to_csv=ToCsv(CsvForm(), ("a",))), "json", b"[]", b"a\r\n", id="JSON to CSV, of none"),
        pytest.param(
            BodySteps(edits=(Unwrap(("items",)), Pick(((None, "a"),))), to_csv=TO_CSV), "json",
            b'{"items": [{"b": 1, "a": 2}]}', b"a\r\n2\r\n", id="JSON to CSV as a whole",
        ),
        pytest.param(BodySteps(to_csv=TO_CSV), "json", b'[{"a": "\\ud800"}]', b"a\r\n?\r\n", id="a surrogate in CSV"),
        pytest.param(
            BodySteps(from_xml=FromXml(("i",)), edits=(Unwrap(("l", "i")),)), "xml", b"<l><i>1</i></l>", b'["1"]',
            id="XML",
        ),
        pytest.param(
            BodySteps(from_xml=FromXml(("i",)), edits=(Unwrap(("l", "i")),), to_csv=TO_CSV), "xml",
            b"<l><i><n>1</n></i></l>", b"n\r\n1\r\n", id="XML to CSV",
        ),
    ],
)  # fmt: skip
def test_a_body_is_changed_however_it_comes(steps: BodySteps, kind: Kind, body: bytes, expected: bytes) -> None:
    assert made(steps, kind, body) == expected
    assert made(steps, kind, body, range(len(body))) == expected


@pytest.mark.parametrize(
    ("steps", "kind", "body", "detail"),
    [
        pytest.param(BodySteps(edits=(Wrap("a"),)), "json", b"{", "it is not valid JSON", id="no JSON"),
        pytest.param(BodySteps(edits=(Unwrap(("a",)),)), "json", b"{}", "there is nothing at the place", id="no place"),
        pytest.param(BodySteps(to_csv=TO_CSV), "json", b"{}", "it is no JSON array", id="no array"),
        pytest.param(BodySteps(to_csv=TO_CSV), "json", b" ", "the array has no end", id="no array at all"),
        pytest.param(BodySteps(to_csv=TO_CSV), "json", b"[1]", "element 1 is no JSON object", id="no object"),
        pytest.param(
            BodySteps(edits=(Unwrap(("a",)),), to_csv=TO_CSV),
            "json",
            b'{"a": {}}',
            "it is no JSON array",
            id="no array inside",
        ),
        pytest.param(BodySteps(from_csv=FROM_CSV), "csv", b'a\n"', "row 2: its quotes are not right", id="no CSV"),
        pytest.param(BodySteps(from_csv=FROM_CSV), "csv", b"a\n\xff\n", "it is no text in utf-8", id="no UTF-8"),
        pytest.param(
            BodySteps(from_csv=FROM_CSV), "csv", b"a\n1,2\n\xff", "row 2 has 2 fields", id="what is wrong first"
        ),
        pytest.param(BodySteps(from_csv=FROM_CSV), "csv", b"a\n\xc3", "it is no text in utf-8", id="half a character"),
        pytest.param(
            BodySteps(from_csv=FROM_CSV, edits=(Unwrap((0,)),)),
            "csv",
            b"a\n",
            "there is nothing at the place",
            id="no row",
        ),
        pytest.param(
            BodySteps(from_csv=FROM_CSV, edits=(Unwrap((0,)),)),
            "csv",
            b"a\n1,2",
            "row 2 has 2 fields",
            id="no CSV as a whole",
        ),
        pytest.param(
            BodySteps(from_csv=FROM_CSV, edits=(Unwrap((0,)),)),
            "csv",
            b"\xff",
            "it is no text",
            id="no UTF-8 as a whole",
        ),
        pytest.param(
            BodySteps(from_xml=FromXml()), "xml", b"<!DOCTYPE a><a/>", "it is not valid XML", id="no XML we read"
        ),
    ],
)
def test_a_body_that_cannot_be_changed_is_told(steps: BodySteps, kind: Kind, body: bytes, detail: str) -> None:
    whole = made(steps, kind, body)

    assert isinstance(whole, Unusable)
    assert detail in whole.detail
    assert made(steps, kind, body, range(len(body))) == whole


STEPS = {
    "CSV": BodySteps(from_csv=FROM_CSV),
    "CSV, edited": BodySteps(from_csv=FROM_CSV, edits=(EACH_SECRET, Wrap("r"))),
    "CSV as a whole": BodySteps(from_csv=FROM_CSV, edits=(Wrap("r"), Put(((("n",), 1),)))),
    "JSON": BodySteps(edits=(Wrap("r"), EACH_SECRET)),
    "JSON to CSV": BodySteps(to_csv=ToCsv(CsvForm(), ("a", "secret"))),
    "CSV to CSV": BodySteps(from_csv=FROM_CSV, to_csv=TO_CSV),
    "XML": BodySteps(from_xml=FromXml()),
}  # fmt: skip
BYTES = st.binary(max_size=40) | st.text(alphabet='a,"\r\n[]{}:1ü\ufeff', max_size=40).map(lambda text: text.encode())


@given(st.sampled_from(sorted(STEPS)), BYTES, CUTS)
@example("CSV", b'a\r\n"\r\n"\r\n', [2, 5, 6])
@example("CSV", b"\xef\xbb\xbfa", [1, 2])
@example("CSV", b"a\n\xc3\xbc", [3])
@example("JSON to CSV", b'[{"a":1}\xff', [3])
def test_any_bytes_in_any_pieces_give_what_they_give_whole(name: str, body: bytes, cuts: list[int]) -> None:
    steps = STEPS[name]
    for kind in compile_plans(steps):
        whole = made(steps, kind, body)

        assert isinstance(whole, bytes | Unusable)
        assert made(steps, kind, body, cuts) == whole
        assert made(steps, kind, body, range(len(body))) == whole


NAMES = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=3, unique=True)


@given(
    NAMES.flatmap(
        lambda names: st.lists(st.fixed_dictionaries({name: st.text(max_size=4) for name in names}), min_size=1)
    ),
    CUTS,
)
def test_csv_made_json_and_csv_again_is_the_same(items: list[dict[str, str]], cuts: list[int]) -> None:
    csv = made(BodySteps(to_csv=TO_CSV), "json", json.dumps(items).encode(), cuts)

    back = made(BodySteps(from_csv=FROM_CSV), "csv", csv, cuts)

    assert json.loads(back) == items
    assert made(BodySteps(to_csv=TO_CSV), "json", back, cuts) == csv


def test_a_row_too_deep_to_be_written_is_told() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]

    assert JsonArray(()).feed([deep], False) == Unusable("it is nested too deeply")

    while deep:
        deep = deep[0]


@pytest.mark.parametrize(
    ("steps", "streams"),
    [
        pytest.param(BodySteps(edits=(EACH_SECRET,)), {"json": False}, id="JSON"),
        pytest.param(BodySteps(from_csv=FROM_CSV), {"csv": True}, id="CSV"),
        pytest.param(
            BodySteps(from_csv=FROM_CSV, edits=(EACH_SECRET, Wrap("a"))), {"csv": True, "json": False}, id="by rows"
        ),
        pytest.param(
            BodySteps(from_csv=FROM_CSV, edits=(Wrap("a"), EACH_SECRET)),
            {"csv": False, "json": False},
            id="not by rows",
        ),
        pytest.param(BodySteps(edits=(EACH_SECRET,), to_csv=TO_CSV), {"json": True}, id="to CSV"),
        pytest.param(BodySteps(edits=(Unwrap(("a",)),), to_csv=TO_CSV), {"json": False}, id="to CSV from inside"),
        pytest.param(BodySteps(from_csv=FROM_CSV, to_csv=TO_CSV), {"csv": True, "json": True}, id="CSV to CSV"),
        pytest.param(
            BodySteps(from_csv=FROM_CSV, edits=(Wrap("a"),), to_csv=TO_CSV),
            {"csv": False, "json": False},
            id="wrapped rows",
        ),
        pytest.param(BodySteps(from_xml=FromXml()), {"xml": False}, id="XML"),
    ],
)
def test_what_needs_no_whole_body_streams(steps: BodySteps, streams: dict[str, bool]) -> None:
    assert {kind: plan.streams for kind, plan in compile_plans(steps).items()} == streams


def test_a_row_is_out_before_the_next_has_come() -> None:
    body = compile_plans(BodySteps(from_csv=FROM_CSV, edits=(Wrap("r"),)))["csv"].start("utf-8", MIB)

    out = [body.feed(piece, True) for piece in (b"a\n", b"1\n2", b"\n")]

    assert out == [b"", b'{"r":[{"a":"1"}', b',{"a":"2"}']
    assert body.feed(b"", False) == b"]}"


@pytest.mark.parametrize(
    ("steps", "kind", "body"),
    [
        pytest.param(BodySteps(edits=(Wrap("a"),)), "json", b'"' + b"x" * 200 + b'"', id="JSON that is too long"),
        pytest.param(BodySteps(edits=(Wrap("a" * 200),)), "json", b"1", id="JSON that gets too long"),
        pytest.param(BodySteps(edits=(Put(((("a",), "ü" * 60),)),)), "json", b"{}", id="JSON of many bytes"),
        pytest.param(BodySteps(from_csv=FROM_CSV), "csv", b"a" * 50 + b"\n1\n2\n3", id="names written again and again"),
        pytest.param(
            BodySteps(from_csv=FROM_CSV, edits=(Wrap("r"), Drop((("r", 0),)))), "csv", b"a" * 50 + b"\n1\n2\n3",
            id="the same, as a whole",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "one by one"])
def test_what_is_held_in_memory_is_bounded(steps: BodySteps, kind: Kind, body: bytes, cut: bool) -> None:
    found = made(steps, kind, body, range(len(body)) if cut else (), limit=100)

    if cut and kind == "csv" and compile_plans(steps)["csv"].streams:
        assert isinstance(found, bytes)  # it is not held: each row goes out
    else:
        assert isinstance(found, TooLarge)


def test_many_slices_of_one_piece_are_bounded_together() -> None:
    body = b"a" * 200 + b"\n" + b"1\n" * 100_000

    assert made(BodySteps(from_csv=FROM_CSV), "csv", body, limit=10 * MIB) == TooLarge(
        f"one piece of it makes more than {10 * MIB} bytes", 10 * MIB
    )


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_record_over_the_bound_is_too_large(kind: Kind) -> None:
    body = {"csv": b'a\n"', "json": b'["'}[kind] + b"x" * (MAX_ITEM_CHARS + 1)

    found = made(BodySteps(from_csv=FROM_CSV, to_csv=TO_CSV), kind, body, range(0, len(body), 65536), limit=10 * MIB)

    assert isinstance(found, TooLarge)


@pytest.mark.parametrize(
    ("charset", "text"), [("utf-8", "ü€"), ("latin-1", "ü"), ("cp1252", "ü€")], ids=["UTF-8", "Latin-1", "Windows"]
)
def test_csv_has_a_charset(charset: str, text: str) -> None:
    body = f"a\n{text}".encode(charset)

    assert made(BodySteps(from_csv=FROM_CSV), "csv", body, range(9), charset=charset) == f'[{{"a":"{text}"}}]'.encode()


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (b"application/json", ("json", "utf-8")), (b"Application/Problem+JSON ; charset=x", ("json", "utf-8")),
        (b"text/csv", ("csv", "utf-8")), (b'text/csv; header=present; charset="Windows-1252"', ("csv", "cp1252")),
        (b"text/csv;charset=ISO-8859-1", ("csv", "latin-1")), (b"text/csv; charset=utf-16", ("csv", "")),
        (b"text/csv; charset=rot13", ("csv", "")), (b"application/xml", ("xml", "utf-8")), 
        (b"text/xml", ("xml", "utf-8")), (b"image/svg+xml", ("xml", "utf-8")),
        (b"application/vnd.ms-excel", ("csv", "utf-8")),
        (b"text/plain", (None, "utf-8")),
        (b"", (None, "utf-8")), (b"\xff/\x00", (None, "utf-8")), (b"application/jsonx", (None, "utf-8")),
    ],
    ids=str,
)  # fmt: skip
def test_a_content_type_says_what_a_body_is(content_type: bytes, expected: tuple[Any, str]) -> None:
    assert kind_of(content_type, {"application/vnd.ms-excel": "csv"}) == expected


@given(st.binary())
def test_any_content_type_is_of_some_kind_or_none(content_type: bytes) -> None:
    kind, _ = kind_of(content_type, {})

    assert kind in ("json", "csv", "xml", None)


def test_edits_alone_are_for_json_only() -> None:
    edits: tuple[Edit, ...] = (Wrap("a"),)

    assert set(compile_plans(BodySteps(edits=edits))) == {"json"}
    assert set(compile_plans(BodySteps(from_csv=FROM_CSV, from_xml=FromXml()))) == {"csv", "xml"}
