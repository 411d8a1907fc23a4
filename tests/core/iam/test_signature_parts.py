"""An `Authorization` header where a signature is looked for (reference 01 section 1, 02 section 2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.iam.signature_parts import incomplete_signature

HASH_OF_BEARER_ABC = "w1Xc6WwWEogNEZQP/dkBTThsJT4MNlKmzQanIm970rY="
NO_PAIR = (
    "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64)"
)
NO_DATE = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."


def lacks(*names: str) -> str:
    return " ".join(f"Authorization header requires '{name}' parameter." for name in names)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        pytest.param("Bearer abc", f"{NO_PAIR}: '{HASH_OF_BEARER_ABC}'.", id="a bearer token"),
        pytest.param("allow", f"{NO_PAIR}: '", id="one word"),
        pytest.param("Basic a=b, c", f"{NO_PAIR}: '", id="a piece without an equal sign"),
        pytest.param(
            "Basic dXNlcjpwYXNz=", f"{lacks('Credential', 'Signature', 'SignedHeaders')} {NO_DATE} (Hashed with ",
            id="padded base64 is a pair",
        ),
        pytest.param(
            "X Credential=a, Signature=b", f"{lacks('SignedHeaders')} {NO_DATE} (Hashed with ", id="one is missing"
        ),
    ],
)  # fmt: skip
def test_a_header_that_is_no_signature_is_complained_of(value: str, complaint: str) -> None:
    said = incomplete_signature(value, dated=False)

    assert said is not None
    assert said.startswith(complaint)
    assert value not in said


def test_a_dated_request_lacks_no_date() -> None:
    assert NO_DATE not in (incomplete_signature("Basic a=", dated=True) or NO_DATE)


@pytest.mark.parametrize("value", ["", "  ", "AWS4-HMAC-SHA256 Credential=a"])
def test_nothing_is_said_of_a_signature_or_of_nothing(value: str) -> None:
    assert incomplete_signature(value, dated=False) is None


@given(st.text(st.characters(max_codepoint=255)), st.booleans())
def test_any_header_gives_a_complaint_or_none(value: str, dated: bool) -> None:
    said = incomplete_signature(value, dated=dated)

    assert said is None or "SHA-256" in said
