"""Reading what a request has cost from its response."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.jsonpath import Path, compile_path
from gatewaykit.core.metering import LONGEST_BODY, LONGEST_LINE, amount_of, reader_of
from gatewaykit.core.outcome import may_have_run
from gatewaykit.core.reasons import Reason, Refusal


def path(text: str = "$.usage.total_tokens") -> Path:
    compiled = compile_path(text)
    assert isinstance(compiled, Path)
    return compiled


def said(body: bytes, content_type: str, text: str = "$.usage.total_tokens", size: int = 0) -> Any:
    reader = reader_of(path(text), content_type)
    assert reader is not None
    for at in range(0, len(body), size or len(body) or 1):
        reader.feed(body[at : at + (size or len(body))])
    return reader.value()


STREAM = (
    b'event: message\r\ndata: {"delta":"usage"}\r\n\r\ndata:{"usage":{"total_tokens":3}}\n\n'
    b': comment with "total_tokens"\ndata: {"usage": null, "total_tokens": 9}\ndata: {"usage":{"total_tokens":42}}\n\n'
    b'data: {"usage":{"total_tokens":"many"}}\ndata: {"total_tokens": broken\n\ndata: [DONE]\n\n'
)
LINES = b'{"a":1}\n{"usage":{"total_tokens":1}}\n{"usage":{"total_tokens":7.5}}'


@pytest.mark.parametrize("size", [0, 1, 7])
@pytest.mark.parametrize(
    ("body", "content_type", "text", "expected"),
    [
        (b'{"usage": {"total_tokens": 12}}', "application/json", "$.usage.total_tokens", 12),
        (b'{"usage": {"total_tokens": 12}}', "application/vnd.x+json; charset=utf-8", "$.usage.total_tokens", 12),
        (b'{"n": [1, 2.5]}', "application/json", "$.n[1]", 2.5),
        (b'{"usage": {"total_tokens": true}}', "application/json", "$.usage.total_tokens", None),
        (b'{"usage": {}}', "application/json", "$.usage.total_tokens", None),
        (b"no JSON", "application/json", "$.usage.total_tokens", None),
        (b"", "application/json", "$.usage.total_tokens", None),
        (b"[" * 100_000, "application/json", "$.usage.total_tokens", None),
        (STREAM, "text/event-stream", "$.usage.total_tokens", 42),
        (STREAM, "Text/Event-Stream; charset=utf-8", "$['usage']['total_tokens']", 42),
        (b"data: [3]", "text/event-stream", "$[0]", 3),
        (b"", "text/event-stream", "$.a", None),
        (LINES, "application/x-ndjson", "$.usage.total_tokens", 7.5),
        (LINES, "application/jsonl", "$.usage.total_tokens", 7.5),
    ],
)
def test_what_a_body_says(body: bytes, content_type: str, text: str, expected: Any, size: int) -> None:
    if len(body) < 10_000 or size != 1:
        assert said(body, content_type, text, size) == expected


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/octet-stream", "application/jsonish"])
def test_other_bodies_say_nothing(content_type: str) -> None:
    assert reader_of(path(), content_type) is None


def test_what_is_too_long_says_nothing_and_is_not_kept() -> None:
    filler = b" " * 100_000
    body = reader_of(path("$[0]"), "application/json")
    lines = reader_of(path("$[0]"), "text/event-stream")
    assert body is not None
    assert lines is not None

    for _ in range(LONGEST_BODY // len(filler) + 1):
        body.feed(filler)
    body.feed(b"[1]")
    lines.feed(b"data: [5]\ndata: [6")
    for _ in range(LONGEST_LINE // len(filler) + 1):
        lines.feed(filler)
    lines.feed(b"]\n")

    assert body.value() is None
    assert lines.value() == 5


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (7, 7), (7.2, 8), (10**30, 100), (-1, None), (True, None), ("7", None), (None, None),
     (float("nan"), None), (float("inf"), None), (-0.5, None)],
)  # fmt: skip
def test_an_amount_is_a_whole_number_rounded_up_and_bounded(value: Any, expected: int | None) -> None:
    assert amount_of(value, 100) == expected


@given(st.lists(st.binary(max_size=40), max_size=8), st.sampled_from(["application/json", "text/event-stream"]))
def test_any_bytes_say_a_number_or_nothing(chunks: list[bytes], content_type: str) -> None:
    reader = reader_of(path(), content_type)
    assert reader is not None
    for chunk in chunks:
        reader.feed(chunk)

    assert reader.value() is None or isinstance(reader.value(), (int, float))


@given(st.lists(st.integers(0, 10**6), min_size=1), st.integers(1, 50))
def test_the_last_of_a_stream_counts_however_it_comes(numbers: list[int], size: int) -> None:
    stream = b"".join(b"data: %b\n\n" % json.dumps({"usage": {"total_tokens": each}}).encode() for each in numbers)

    assert said(stream, "text/event-stream", size=size) == numbers[-1]


def test_after_a_timeout_nobody_knows_and_after_a_policys_refusal_one_does() -> None:
    assert may_have_run(Refusal(Reason.INTEGRATION_TIMEOUT))
    assert not may_have_run(Refusal(Reason.BODY_INVALID))
