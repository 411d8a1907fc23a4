"""Lines of the phase trace."""

from __future__ import annotations

import pytest

from gatewaykit.core.http import Request
from gatewaykit.core.payload.log_lines import note_body, note_headers


def traced() -> Request:
    request = Request("GET", "/")
    request.events = []
    return request


def test_without_a_trace_nothing_is_noted() -> None:
    request = Request("GET", "/")
    note_headers(request, "p", "Headers", [(b"a", b"b")])
    note_body(request, "p", "Body", b"text")

    assert request.events is None


def test_headers_are_listed_with_secrets_masked() -> None:
    request = traced()
    note_headers(request, "p", "Endpoint request headers", [(b"A", b"b"), (b"X-Api-Key", b"secret")])

    assert request.events == [("p", "Endpoint request headers: {A=b, X-Api-Key=********}")]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        pytest.param("text", "Body: text", id="text"),
        pytest.param(b"bytes", "Body: bytes", id="bytes of text"),
        pytest.param(b"\xff\xfe", "Body: [Binary Data: 2 bytes]", id="binary"),
        pytest.param("x" * 9999, f"Body: {'x' * 1100}", id="long"),
    ],
)
def test_bodies_are_shown_as_text_or_by_their_size(body: str | bytes, line: str) -> None:
    request = traced()
    note_body(request, "p", "Body", body)

    assert request.events == [("p", line)]
