"""Which bodies are binary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.payload.media_types import BinaryTypes, first_media_type


@pytest.mark.parametrize(
    ("configured", "header", "binary"),
    [
        pytest.param((), "image/png", False, id="nothing configured"),
        pytest.param(("image/png",), "image/png", True, id="row 75 exact"),
        pytest.param(("image/png",), "IMAGE/PNG; q=1", True, id="casing and parameters do not count"),
        pytest.param(("image/png",), "image/*", False, id="row 75 wildcard in Accept"),
        pytest.param(("image/png",), "*/*", False, id="row 75 everything accepted"),
        pytest.param(("image/png",), "image/jpg", False, id="row 75 another type"),
        pytest.param(("image/png",), "text/html, image/png", False, id="only the first counts"),
        pytest.param(("*/test",), "random/test", False, id="row 75 left wildcard"),
        pytest.param(("application/*",), "application/test", True, id="right wildcard"),
        pytest.param(("application/*",), "application/*", True, id="right wildcard, literally"),
        pytest.param(("application/*",), "applications/x", False, id="not a longer type"),
        pytest.param(("image/png",), None, False, id="no header"),
        pytest.param(("image/png",), "png", False, id="malformed"),
        pytest.param(("*/*",), "text/plain", True, id="everything"),
        pytest.param(("*/*",), None, True, id="everything, without a header"),
    ],
)
def test_a_body_is_binary_by_the_configured_types(
    configured: tuple[str, ...], header: str | None, binary: bool
) -> None:
    assert BinaryTypes(configured).match(header) is binary


@given(st.text())
def test_any_header_names_a_media_type_or_none(header: str) -> None:
    found = first_media_type(header)

    assert found is None or (found.count("/") == 1 and found == found.lower())
