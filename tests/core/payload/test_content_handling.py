"""The binary matrix. R is gzip-like bytes, E their base64, T plain text."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.payload.content_handling import convert_request, convert_response
from gatewaykit.core.payload.media_types import BinaryTypes
from gatewaykit.core.reasons import Refusal

R = b"\x1f\x8b\x08\x00\xff"
E = base64.b64encode(R)
T = b"this is text"
PNG = BinaryTypes(("image/png",))
NONE = BinaryTypes()
REFUSED = "refused"
AS_TEXT = (R.decode("utf-8", "replace"), E.decode(), T.decode())
UNTOUCHED = (R, E, T)
ENCODED = tuple(base64.b64encode(body).decode() for body in (R, E, T))
DECODED = (REFUSED, R, REFUSED)
TO_TEXT, TO_BINARY = "CONVERT_TO_TEXT", "CONVERT_TO_BINARY"


def outcome(converted: str | bytes | Refusal) -> object:
    return REFUSED if isinstance(converted, Refusal) else converted


@pytest.mark.parametrize(
    ("types", "handling", "content_type", "expected"),
    [
        pytest.param(NONE, None, "image/png", AS_TEXT, id="row 104"),
        pytest.param(PNG, None, "image/png", UNTOUCHED, id="row 105"),
        pytest.param(PNG, None, "text/plain", AS_TEXT, id="row 106"),
        pytest.param(PNG, TO_TEXT, "image/png", ENCODED, id="row 107"),
        pytest.param(PNG, TO_TEXT, "text/plain", AS_TEXT, id="row 108"),
        pytest.param(PNG, TO_BINARY, "image/png", UNTOUCHED, id="row 109"),
        pytest.param(PNG, TO_BINARY, "text/plain", DECODED, id="row 110"),
        pytest.param(NONE, TO_BINARY, "image/png", DECODED, id="row 110 no binary types"),
    ],
)
def test_a_request_body_is_converted_as_recorded(
    types: BinaryTypes, handling: str | None, content_type: str, expected: tuple[object, ...]
) -> None:
    assert tuple(outcome(convert_request(body, content_type, handling, types)) for body in (R, E, T)) == expected


@pytest.mark.parametrize(
    ("handling", "payload", "accept", "expected"),
    [
        pytest.param(None, "text/plain", "image/png", DECODED, id="row 112"),
        pytest.param(None, "image/png", "image/png", UNTOUCHED, id="row 113"),
        pytest.param(None, "text/plain", "text/plain", AS_TEXT, id="row 114"),
        pytest.param(None, "image/png", "text/plain", ENCODED, id="row 115"),
        pytest.param(TO_TEXT, "image/png", "text/plain", ENCODED, id="row 116"),
        pytest.param(TO_TEXT, "image/png", "image/png", ENCODED, id="row 116 binary accepted"),
        pytest.param(TO_TEXT, "text/plain", "image/png", AS_TEXT, id="row 116 text payload"),
        pytest.param(TO_BINARY, "text/plain", "text/plain", DECODED, id="row 117"),
        pytest.param(TO_BINARY, "text/plain", "image/png", DECODED, id="row 117 binary accepted"),
        pytest.param(TO_BINARY, "image/png", "text/plain", UNTOUCHED, id="row 117 binary payload"),
    ],
)
def test_a_response_body_is_converted_as_recorded(
    handling: str | None, payload: str, accept: str, expected: tuple[object, ...]
) -> None:
    assert tuple(outcome(convert_response(body, payload, accept, handling, PNG)) for body in (R, E, T)) == expected


@given(st.binary(), st.sampled_from([None, TO_TEXT, TO_BINARY]), st.sampled_from(["image/png", "text/plain", None]))
def test_any_bytes_give_text_bytes_or_a_refusal(body: bytes, handling: str | None, media_type: str | None) -> None:
    assert isinstance(convert_request(body, media_type, handling, PNG), (str, bytes, Refusal))
    assert isinstance(convert_response(body, media_type, media_type, handling, PNG), (str, bytes, Refusal))
