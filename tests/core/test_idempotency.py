"""Idempotency keys: the steps, the header, and answers as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import Response
from gatewaykit.core.idempotency import NEW, Begun, Record, Verdict, begin, digest, finish, pack, parse_key, unpack

ORDER, OTHER, ME, YOU = b"order", b"other", b"me", b"you"
HELD = Record(ORDER, 60.0, ME)
ANSWERED = Record(ORDER, 60.0, b"", b"answer")


@pytest.mark.parametrize(
    ("record", "request_digest", "now_s", "expected"),
    [
        (None, ORDER, 0.0, NEW),
        (HELD, ORDER, 59.0, Begun(Verdict.BUSY, retry_after_s=1.0)),
        (HELD, OTHER, 59.0, Begun(Verdict.MISMATCH)),
        (HELD, OTHER, 60.0, NEW),
        (ANSWERED, ORDER, 59.0, Begun(Verdict.REPLAY, b"answer")),
        (ANSWERED._replace(answer=b""), ORDER, 59.0, Begun(Verdict.REPLAY, b"")),
        (ANSWERED, OTHER, 59.0, Begun(Verdict.MISMATCH)),
        (ANSWERED, ORDER, 60.0, NEW),
    ],
    ids=["new", "busy", "busy-mismatch", "hold-over", "answered", "not-kept", "answered-mismatch", "answer-over"],
)
def test_what_becomes_of_a_request(record: Record | None, request_digest: bytes, now_s: float, expected: Begun) -> None:
    after, begun = begin(record, request_digest, YOU, now_s, 10.0)

    assert begun == expected
    assert after == (Record(request_digest, now_s + 10.0, YOU) if expected is NEW else record)


@pytest.mark.parametrize(
    ("record", "expected"),
    [(None, None), (ANSWERED, None), (HELD._replace(holder=YOU), None), (HELD, Record(ORDER, 15.0, b"", b"done"))],
    ids=["unknown", "answered", "another's", "held"],
)
def test_only_the_holder_finishes(record: Record | None, expected: Record | None) -> None:
    assert finish(record, ME, b"done", 5.0, 10.0) == expected


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ([b'"8e03978e-40d5-43dd-bc93-6894a57f9324"'], "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ([b"8e03978e-40d5-43dd-bc93-6894a57f9324"], "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ([b' "a b" '], "a b"),
        ([b'"a\\"b\\\\c"'], 'a"b\\c'),
        ([b"a" * 255], "a" * 255),
        ([b"a" * 256], None),
        ([], None),
        ([b""], None),
        ([b'""'], None),
        ([b"a", b"a"], None),
        ([b"a, b"], None),
        ([b"a;b"], None),
        ([b'"a'], None),
        ([b'"a\\b"'], None),
        ([b"caf\xe9"], None),
        ([b'"a\x7f"'], None),
        ([b"a\x00b"], None),
    ],
)
def test_a_key_is_a_quoted_or_a_bare_text(values: list[bytes], key: str | None) -> None:
    assert parse_key(values) == key


@given(st.lists(st.binary(max_size=300), max_size=2))
def test_any_bytes_give_a_key_or_none(values: list[bytes]) -> None:
    key = parse_key(values)

    assert key is None or 0 < len(key) <= 255


@given(st.lists(st.binary(max_size=5), max_size=4), st.lists(st.binary(max_size=5), max_size=4))
def test_parts_never_run_into_each_other(some: list[bytes], others: list[bytes]) -> None:
    assert (digest(*some) == digest(*others)) == (some == others)


def test_an_answer_is_kept_without_what_belongs_to_its_connection_and_moment() -> None:
    headers = [(b"Location", b"/orders/1"), (b"Set-Cookie", b"a=\xe9"), (b"set-cookie", b"b"), (b"Date", b"today"),
               (b"Content-Length", b"2"), (b"Transfer-Encoding", b"chunked"), (b"connection", b"close")]  # fmt: skip

    response = unpack(pack(Response(201, headers), b"\n\x00"))

    assert response is not None
    assert (response.status, response.headers, response.body) == (201, headers[:3], b"\n\x00")


@given(st.integers(100, 599), st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9))), st.binary())
def test_every_answer_comes_back(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [(b"x" + name, value) for name, value in headers]

    response = unpack(pack(Response(status, headers), body))

    assert response is not None
    assert (response.status, response.headers, response.body) == (status, headers, body)


@given(
    st.binary()
    | st.sampled_from(
        [b"[200]", b"[99,[]]", b"[1000,[]]", b'["200",[]]', b"[true,[]]", b'[200,[["a",1]]]', b"[" * 9999]
    )
    | st.builds("[200,[[{!r}]]]".format, st.text()).map(str.encode)
)
def test_any_bytes_give_an_answer_or_none(packed: bytes) -> None:
    response = unpack(packed)

    assert response is None or 100 <= response.status <= 999
