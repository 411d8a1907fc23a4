"""Entries as bytes."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.caching.entry import Entry
from gatewaykit.core.caching.packing import _HEAD, _MARK, is_marker, may_hold, pack, unpack

FIELDS = st.lists(st.tuples(st.binary(max_size=10), st.binary(max_size=10)), max_size=4)
ENTRIES = st.builds(
    Entry, st.integers(0, 599), FIELDS, st.binary(max_size=50), st.floats(0, 1e10), st.floats(-1e9, 1e9),
    st.floats(0, 1e9), FIELDS.map(tuple), st.lists(st.text(max_size=5), max_size=3).map(tuple), st.text(max_size=20),
)  # fmt: skip


@given(ENTRIES)
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    assert unpack(pack(entry)) == entry


@given(ENTRIES, st.binary(max_size=5))
def test_an_entry_is_read_from_a_place(entry: Entry, before: bytes) -> None:
    assert unpack(before + pack(entry), len(before)) == entry


@given(ENTRIES, st.text(max_size=5))
def test_what_is_packed_tells_what_it_cannot_hold(entry: Entry, text: str) -> None:
    packed = pack(entry)

    assert is_marker(packed) == (entry.status == 0)
    assert all(may_hold(packed, tag) for tag in entry.tags)
    assert may_hold(packed, entry.url[:3])
    assert may_hold(packed, text) or not (text in entry.tags or entry.url.startswith(text))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_none(packed: bytes) -> None:
    assert unpack(packed) is None or isinstance(unpack(packed), Entry)


@given(ENTRIES, st.data())
def test_what_was_changed_or_cut_short_is_none(entry: Entry, data: st.DataObject) -> None:
    packed = pack(entry)
    at = data.draw(st.integers(2, len(packed) - 1))
    changed = packed[:at] + bytes((packed[at] ^ 1,)) + packed[at + 1 :]

    assert unpack(changed) is None
    assert unpack(packed[:at]) is None


@pytest.mark.parametrize(
    ("lengths", "rest"),
    [((9, 0, 1), b"\n"), ((2, 0, 1), b"a\n\n"), ((0, 2, 1), b"a\n\n"), ((0, 0, 0), b""), ((0, 0, 2), b"\xff\n")],
    ids=["longer than all", "half a field", "half a field of Vary", "no address", "no UTF-8"],
)
def test_a_right_checksum_over_the_wrong_things_is_none(lengths: tuple[int, int, int], rest: bytes) -> None:
    whole = _HEAD.pack(*lengths, 200, 0.0, 0.0, 0.0) + rest

    assert unpack(_MARK.pack(1, 0, crc32(whole)) + whole) is None


def test_another_version_is_none() -> None:
    packed = pack(Entry(200, [], b"", 0.0))

    assert unpack(b"\x02" + packed[1:]) is None
    assert unpack(b"") is None
