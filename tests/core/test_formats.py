"""Formats of JSON Schema."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.formats import formats_of

GOOD = {
    "date-time": ["2026-01-01T00:00:00Z", "2026-02-28t23:59:60.123+05:30"],
    "date": ["2028-02-29"],
    "time": ["12:30:00Z", "00:00:00.5-01:00"],
    "email": ["a@b.co", "first.last+tag@mail.example.org"],
    "hostname": ["a", "x-1.example.com"],
    "ipv4": ["192.0.2.1"],
    "ipv6": ["::1", "2001:db8::ffff:1.2.3.4"],
    "uri": ["http://example.com/a?b=c#d", "urn:isbn:1"],
    "uri-reference": ["", "/a/b", "../c?d", "http://x"],
    "json-pointer": ["", "/a/0/~0~1"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000"],
    "regex": ["^a+$"],
}
BAD = {
    "date-time": [
        "2026-01-01",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01x00:00:00Z",
    ],
    "date": ["2026-02-30", "26-1-1", "2026-01-01T", "\u0662026-01-01"],
    "time": ["25:00:00Z", "12:00"],
    "email": ["a", "@b.co", "a@", "a@b", ".a@b.co", "a.@b.co", "a..b@c.co", "a b@c.co", "a@-b.co", "a@b@c.co"],
    "hostname": ["", "-a", "a-", "a..b", "x" * 64, "a." * 127 + "aa"],
    "ipv4": ["1.2.3", "1.2.3.256", "01.2.3.4", " 1.2.3.4", "1" * 50],
    "ipv6": ["1.2.3.4", ":::", "fe80::1%eth0", "1" * 50],
    "uri": ["/a", "no scheme:x", "1http://x", "http://a b"],
    "uri-reference": ["a b", "<x>", "\\"],
    "json-pointer": ["a", "/~2"],
    "uuid": ["123e4567", "g" * 36],
    "regex": ["(", r"\p{L}"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in GOOD.items() for text in texts])
def test_a_text_of_the_format(name: str, text: str) -> None:
    assert formats_of(7)[name](text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_a_text_that_is_not_of_the_format(name: str, text: str) -> None:
    assert not formats_of(7)[name](text)


def test_later_drafts_know_more_formats() -> None:
    assert set(formats_of(4)) < set(formats_of(6)) < set(formats_of(7)) == set(GOOD)


@pytest.mark.parametrize("name", list(GOOD))
@given(text=st.text(max_size=50))
def test_any_text_gets_an_answer(name: str, text: str) -> None:
    assert formats_of(7)[name](text) in (True, False)


@pytest.mark.parametrize("name", [name for name in GOOD if name != "regex"])
def test_a_hostile_text_takes_no_longer_than_its_length(name: str) -> None:
    # A quadratic check would take hours for these, and the test would run into its timeout.
    for piece in ("a@", "a.", "..", "-", "2026-01-01T", "::", "/~", "%"):
        formats_of(7)[name](piece * 500_000)
        formats_of(7)[name](piece * 500_000 + "@!")
