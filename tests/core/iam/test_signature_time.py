"""When a signature holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.iam.signature_time import instant, is_date, read_date, window

NOON = 1_767_268_800


@pytest.mark.parametrize(
    ("text", "second"),
    [
        (b"20260101T120000Z", NOON), (b"Thu, 01 Jan 2026 12:00:00 GMT", NOON), (b"20260101T120000", None),
        (b"20261301T120000Z", None), (b"20260230T120000Z", None), (b"2026-01-01T12:00:00Z", None), (b"", None),
        (b"Thu, 01 Foo 2026 12:00:00 GMT", None), (b"Thu, 32 Jan 2026 12:00:00 GMT", None), (b"00000101T000000Z", None),
    ],
)  # fmt: skip
def test_a_date_is_read_in_the_forms_that_signatures_have(text: bytes, second: int | None) -> None:
    assert read_date(text) == (None if second is None else (b"20260101T120000Z", second))
    assert is_date(text) == (second is not None and text[:1] != b"T")


def test_a_window_is_of_texts_in_the_order_of_time() -> None:
    assert window(NOON, 300) == (b"20260101T115500Z", b"20260101T120500Z")


@given(st.integers(0, 253402300799))
def test_an_instant_is_read_as_it_was_written(second: int) -> None:
    assert read_date(instant(second)) == (instant(second), second)


@given(st.binary(max_size=32))
def test_any_text_is_a_date_or_none(text: bytes) -> None:
    assert read_date(text) is None or isinstance(read_date(text), tuple)
