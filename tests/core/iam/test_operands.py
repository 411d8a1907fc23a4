"""What conditions compare, as it is read from texts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.iam import operands

_DAY = 1_767_225_600  # 2026-01-01T00:00:00Z

TABLE = [
    ("number", "12", 12),
    ("number", "-1.50", Decimal("-1.5")),
    ("number", "1e3", 1000),
    ("number", "", None),
    ("number", "NaN", None),
    ("number", "1_0", None),
    ("number", "\u0663", None),
    ("number", "9" * 41, None),
    ("instant", "2026-01-01T00:00:00Z", _DAY),
    ("instant", "2026-01-01t00:00:00z", _DAY),
    ("instant", "2026-01-01T01:00+01:00", _DAY),
    ("instant", "2026-01-01T01:00+0100", _DAY),
    ("instant", "2026-01-01", _DAY),
    ("instant", "2026-01", _DAY),
    ("instant", "2026-01-01T00:00:00.5Z", _DAY + 0.5),
    ("instant", str(_DAY), _DAY),
    ("instant", "2026", 2026),
    ("instant", "-1.5", -1.5),
    ("instant", "2026-02-30", None),
    ("instant", "2026-13", None),
    ("instant", "0000-01-01", None),
    ("instant", "yesterday", None),
    ("instant", "2026-01-01 00:00", None),
    ("boolean", "TRUE", True),
    ("boolean", "false", False),
    ("boolean", "1", None),
    ("binary", "aGk=", b"hi"),
    ("binary", "aGk", None),
    ("binary", "!!", None),
    ("binary", "é", None),
    ("arn_parts", "arn:aws:sns:us-east-1:1:a:b", ("arn", "aws", "sns", "us-east-1", "1", "a:b")),
    ("arn_parts", "arn:aws:sns:us-east-1:1", None),
    ("arn_parts", "urn:aws:sns:us-east-1:1:a", None),
]


@pytest.mark.parametrize(("reader", "text", "expected"), TABLE, ids=[f"{r}-{t[:24].encode()!r}" for r, t, _ in TABLE])
def test_a_text_is_read_or_is_none(reader: str, text: str, expected: object) -> None:
    assert getattr(operands, reader)(text) == expected


INSIDE = [
    ("10.0.0.0/8", "10.1.2.3", True),
    ("10.0.0.0/8", "11.1.2.3", False),
    ("10.1.2.3", "10.1.2.3", True),
    ("10.1.2.3/8", "10.9.9.9", True),  # host bits are no mistake, as in AWS
    ("0.0.0.0/0", "203.0.113.9", True),
    ("0.0.0.0/0", "2001:db8::1", False),
    ("::/0", "203.0.113.9", False),
    ("::/0", "::1", True),
    ("2001:db8::/32", "2001:DB8:1::", True),
    ("2001:db8::/32", "2001:db9::", False),
    ("10.0.0.0/8", "::ffff:10.1.2.3", True),
    ("::ffff:10.0.0.0/104", "10.1.2.3", True),
    ("::ffff:10.0.0.0/104", "11.1.2.3", False),
    ("::", "0.0.0.0", False),
]


@pytest.mark.parametrize(("written", "client", "expected"), INSIDE, ids=[f"{c} in {w}" for w, c, _ in INSIDE])
def test_an_address_is_inside_a_network_of_its_own_version(written: str, client: str, expected: bool) -> None:
    found, address = operands.network(written), operands.address(client)

    assert found is not None
    assert address is not None
    assert (address & found[1] == found[0]) is expected


@pytest.mark.parametrize("text", ["", "10.0.0", "10.0.0.0/33", "::/129", "localhost", "10.0.0.1:80", "\u0661.1.1.1"])
def test_what_is_no_address_is_none(text: str) -> None:
    assert operands.network(text) is None
    assert operands.address(text) is None


@given(st.sampled_from(["number", "instant", "boolean", "binary", "arn_parts", "address", "network"]), st.text())
def test_any_text_is_read_or_is_none(reader: str, text: str) -> None:
    read: Callable[[str], Any] = getattr(operands, reader)

    assert read(text) == read(text)
