"""The canonical form of a request; against botocore in `tests/oracle/test_sigv4.py`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import parse_query
from gatewaykit.core.iam.canonical import canonical_headers, canonical_path, canonical_queries, plain_query


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        (b"", b"/"), (b"/", b"/"), (b"//", b"/"), (b"/a/b", b"/a/b"), (b"/a/b/", b"/a/b/"), (b"/a//b", b"/a/b"),
        (b"/a/./b", b"/a/b"), (b"/a/../b", b"/b"), (b"/../a", b"/a"), (b"/a/..", b"/"), (b"/a%20b", b"/a%2520b"),
        (b"/a%2Fb", b"/a%252Fb"), (b"/%2e%2e/a", b"/%252e%252e/a"), (b"/a:b", b"/a%3Ab"), (b"/~a", b"/~a"),
        (b"/.well-known", b"/.well-known"), (b"/\xc3\xbc", b"/%C3%BC"), (b"*", b"/%2A"), (b"/a\n", b"/a%0A"),
        (b"/prod/%40connections/abc=", b"/prod/%2540connections/abc%3D"),
    ],
)  # fmt: skip
def test_a_path_is_encoded_once_more(path: bytes, canonical: bytes) -> None:
    assert canonical_path(path) == canonical


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        (b"", (b"",)), (b"a=1", (b"a=1",)), (b"b=1&a=2", (b"a=2&b=1",)), (b"a=2&a=1", (b"a=1&a=2",)),
        (b"a1=x&a=y", (b"a=y&a1=x",)), (b"a-b=x&a=y", (b"a=y&a-b=x",)), (b"a", (b"a=",)), (b"=1", (b"=1",)),
        (b"a=%2F", (b"a=%2F",)), (b"a=%2f", (b"a=%2F", b"a=%2f")), (b"a=b+c", (b"a=b%20c", b"a=b+c")),
        (b"a=b:c", (b"a=b%3Ac", b"a=b:c")), (b"a=1;b=2", (b"a=1&b=2", b"a=1;b=2")), 
        (b"a=1&&b=2", (b"a=1&b=2", b"=&a=1&b=2")),
        (b"a==", (b"a=%3D", b"a==")), (b"a=\xc3\xbc", (b"a=%C3%BC", b"a=\xc3\xbc")),
    ],
)  # fmt: skip
def test_a_query_is_sorted_as_it_is_meant_and_as_it_was_sent(query: bytes, canonical: tuple[bytes, ...]) -> None:
    assert canonical_queries(query) == canonical


def test_a_parameter_is_left_out_however_it_is_spelt() -> None:
    assert canonical_queries(b"a=1&X%2DY=2&X-Y=3", without=b"X-Y") == (b"a=1",)


@given(st.text("ab=&;+%2Fé .", max_size=12).map(str.encode), st.text("ab=&;+%2Fé .", max_size=12).map(str.encode))
def test_one_meaning_has_one_form_and_one_form_has_one_meaning(one: bytes, other: bytes) -> None:
    meanings = [sorted((n, v) for n, values in parse_query(each).items() for v in values) for each in (one, other)]

    assert (canonical_queries(one)[0] == canonical_queries(other)[0]) <= (meanings[0] == meanings[1])


@given(st.text("ab1-=&", min_size=1, max_size=12).map(str.encode))
def test_a_plain_query_is_what_everybody_makes_of_it(query: bytes) -> None:
    plain = plain_query(query)

    assert plain is None or canonical_queries(query, without=b"none") == (plain,)


def test_runs_of_blanks_are_one_blank() -> None:
    values = {b"a": [b"  x \t y  "], b"b": [b"1 ", b" 2"]}

    assert canonical_headers([b"a", b"b"], values) == b"a:x y\nb:1,2\n"


def test_a_field_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        canonical_headers([b"a"], {})
