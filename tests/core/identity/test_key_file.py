"""API Gateway's file format for keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.key_file import KeyRow, read_key_file

KEY, OTHER = "apikey1234abcdefghij0123456789", "other1234abcdefghij01234567890"
ROW = KeyRow(2, "MyFirstApiKey", KEY)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (f"Key,name\n{KEY},MyFirstApiKey\n", [ROW]),
        (
            f"Name,key,description,Enabled,usageplanIds\nMyFirstApiKey,{KEY},An imported key,TRUE,c7y23b",
            [KeyRow(2, "MyFirstApiKey", KEY, "An imported key")],
        ),
        (f'Enabled,Name,key,UsageplanIds\nfalse,a,{KEY},"c7y23b,glvrsr"\n', [KeyRow(2, "a", KEY, "", False)]),
        (f"Enabled,Name,key,UsageplanIds\ntrue,a,{KEY},'c7y23b,glvrsr'\n", [KeyRow(2, "a", KEY)]),
        (f"UsageplanIds,Name,key\n'c7y23b,gl,vrsr',a,{KEY}\n", [KeyRow(2, "a", KEY)]),
        (f"\ufeffname,KEY\r\n\r\n MyFirstApiKey , {KEY} \r\n", [KeyRow(3, "MyFirstApiKey", KEY)]),
        (f"name,key,description\nMyFirstApiKey,{KEY}\n", [ROW]),
        (f'name,key,description\na,{KEY},"two\nlines"\n', [KeyRow(3, "a", KEY, "two\nlines")]),
        (f"name,key\na,{KEY}\nb,{OTHER}\nc,{KEY}\n", [KeyRow(3, "b", OTHER), KeyRow(4, "c", KEY)]),
    ],
    ids=[
        "two columns", "all columns", "plans in double quotes", "plans in single quotes", "plans first",
        "as a spreadsheet writes it", "a short row", "a row of two lines", "the same key twice",
    ],
)  # fmt: skip
def test_a_file_gives_its_keys(text: str, rows: list[KeyRow]) -> None:
    found = read_key_file(text, "f.csv")

    assert (found.rows, found.refused, found.problems) == (rows, [], [])


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["f.csv:1: the first row names no column 'name'", "f.csv:1: the first row names no column 'key'"]),
        ("name,key,Key\n", ["f.csv:1: the first row names more than one column 'key'"]),
        (
            f"{KEY},a\n",
            ["f.csv:1: the first row names no column 'name'", "f.csv:1: the first row names no column 'key'"],
        ),
        ('name,key\n"a', ["f.csv: the file is not CSV"]),
        ("name,key\n" + "a" * 200_000, ["f.csv: the file is not CSV"]),
    ],
    ids=["empty", "a column twice", "no names", "a quote that stays open", "a huge cell"],
)
def test_a_file_that_cannot_be_used_says_why(text: str, problems: list[str]) -> None:
    found = read_key_file(text, "f.csv")

    assert [str(problem).startswith(wanted) for problem, wanted in zip(found.problems, problems, strict=True)]
    assert found.rows == []


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a,short", "API Key value should be at least 20 characters"),
        ("a," + "x" * 129, "API Key value exceeds maximum size of 128 characters"),
        ("n" * 1025 + f",{KEY}", "Invalid API Key name, can be at most 1024 characters."),
        (f"a,{KEY}é", "the value cannot be sent in a header field"),
        ("a", "API Key value should be at least 20 characters"),
        (f"a,{KEY},maybe", "Enabled is 'maybe', neither true nor false"),
        (f"a,{KEY},true,more", "the row has 4 values for 3 columns"),
        (f"a,{KEY},'true,more", "the row has 4 values for 3 columns"),
    ],
    ids=[
        "row 123 short", "row 123 long", "row 123 name", "no header value", "no key", "a flag", "too many",
        "a single quote that stays open",
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_told_with_its_line(row: str, problem: str) -> None:
    found = read_key_file(f"name,key,enabled\nfine,{OTHER},\n{row}\n", "f.csv")

    assert [str(each).split(": ", 1) for each in found.refused] == [["f.csv:3", found.refused[0].what]]
    assert found.refused[0].what.startswith(problem)
    assert [each.name for each in found.rows] == ["fine"]
    assert KEY not in str(found.refused)


def test_what_has_no_effect_is_a_warning() -> None:
    found = read_key_file(f'name,key,colour,usageplanids\na,{KEY},red,"p1,p2"\nb,{KEY},,\n', "f.csv")

    assert [str(each) for each in found.warnings] == [
        "f.csv:1: the column 'colour' is ignored",
        "f.csv:2: the key is not tied to the usage plans 'p1,p2'. List it under keys of its plan in gateway.yaml",
        "f.csv:3: the same key stands in line 2; this row counts",
    ]


@given(st.text() | st.text(alphabet="name,key\n'\"\r\0 ").map(lambda text: "name,key\n" + text))
def test_any_text_gives_keys_or_problems(text: str) -> None:
    found = read_key_file(text, "f.csv")

    assert all(20 <= len(row.value) <= 128 for row in found.rows)
    assert all(problem.what for problem in (*found.problems, *found.refused, *found.warnings))
