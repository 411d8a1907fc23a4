"""base64url and JSON objects: one reading, or none."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.jwt.encoding import decode, read_object


@given(st.binary(max_size=100))
def test_any_bytes_come_back_from_unpadded_base64url(raw: bytes) -> None:
    assert decode(base64.urlsafe_b64encode(raw).rstrip(b"=")) == raw


@given(st.binary(max_size=20) | st.text("AQgw-_+/=.\n ", max_size=9).map(str.encode))
def test_what_is_decoded_has_one_spelling(text: bytes) -> None:
    try:
        raw = decode(text)
    except ValueError:
        return

    assert base64.urlsafe_b64encode(raw).rstrip(b"=") == text


@pytest.mark.parametrize(
    "text",
    [
        b"Zg==",
        b"Zm8=",
        b"Zm9v\n",
        b" Zm9v",
        b"Zm+v",
        b"Zm/v",
        b"A",
        b"Zm9vA",
        b"Zh",
        b"Zm9",
        b"Zm\xc3\xa9",
        b"Zm9v.",
        b"====",
    ],
    ids=repr,
)
def test_other_spellings_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"{}", {}),
        (b' \r\n\t{"a": 1} ', {"a": 1}),
        (b'{"a":"\\ud83d\\ude00","b":[{"c":null}]}', {"a": "\U0001f600", "b": [{"c": None}]}),
        (b'{"a":' + b"[" * 31 + b"]" * 31 + b"}", {"a": json.loads("[" * 31 + "]" * 31)}),
        (b'{"a":[' + b"{}," * 99 + b"[]]}", {"a": [{}] * 99 + [[]]}),
    ],
    ids=["empty", "white space", "escapes", "31 deep", "a hundred wide"],
)
def test_objects_are_read(text: bytes, value: object) -> None:
    assert read_object(text) == value


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"a"', id="a text"),
        pytest.param(b"{} {}", id="two"),
        pytest.param(b"{", id="half"),
        pytest.param(b'{"a":1,"a":1}', id="a member twice"),
        pytest.param(b'{"a" :1,"a":1}', id="a member twice, with a space"),
        pytest.param(b'{"a":1,"a"\n:1}', id="a member twice, with a line end"),
        pytest.param(b'{"a"\t:1,"a"\r:1}', id="a member twice, with white space at both"),
        pytest.param(b'{"a":1,"a" :{"b":1}}', id="a member twice, and an object to make up the count"),
        pytest.param(b'{"a":"\\":","a" :1}', id="a member twice, and a text to make up the count"),
        pytest.param(b'{"a":{"b":1,"b":1}}', id="a member twice, inside"),
        pytest.param(b'{"a":[{"b":1,"\\u0062":1}]}', id="a member twice, inside, in disguise"),
        pytest.param(b'{"a":NaN}', id="NaN"),
        pytest.param(b'{"a":-Infinity}', id="infinity by name"),
        pytest.param(b'{"a":1e999}', id="infinity by size"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", id="5000 digits"),
        pytest.param(b'{"a":"\\ud800"}', id="a lone surrogate"),
        pytest.param(b'{"\\udfff":1}', id="a lone surrogate as a name"),
        pytest.param(b'{"a":"\xff"}', id="no UTF-8"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
        pytest.param(b'{"a":' + b"[" * 45000 + b"]" * 45000 + b"}", id="45000 deep"),
        pytest.param(b'{"a":' * 40 + b"1" + b"}" * 40, id="40 deep"),
    ],
)
def test_everything_else_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_object(text)


@given(st.text('ab":{}[], \n1', min_size=1, max_size=24))
def test_a_member_given_twice_is_never_overlooked(inside: str) -> None:
    raw = f'{{"a":1,{inside}}}'.encode()
    twice = []

    def notice(pairs: list[tuple[str, object]]) -> dict[str, object]:
        twice.extend(pairs if len(dict(pairs)) < len(pairs) else [])
        return dict(pairs)

    try:
        read_object(raw)
    except ValueError:
        return

    json.loads(raw, object_pairs_hook=notice)
    assert twice == []


@given(st.binary(max_size=60) | st.text('{}[]":,.019-aeEn\\u \n', max_size=40).map(str.encode))
def test_any_bytes_give_an_object_or_a_value_error(raw: bytes) -> None:
    try:
        value = read_object(raw)
    except ValueError:
        return

    assert value == json.loads(raw)
