"""The protocol of Redis: what is written is read back, in whatever pieces it comes; garbage never gets through."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.stores.resp import NOTHING, PlainParser, ProtocolError, ReplyError, command, new_parser

LINES = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=20)
REPLIES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=40), LINES.map(lambda line: ("+", line)),
        LINES.map(lambda line: ("-", line)),
    ),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


def written(reply: Any) -> bytes:
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    if isinstance(reply, tuple):
        return f"{reply[0]}{reply[1]}\r\n".encode()
    return b"*%d\r\n" % len(reply) + b"".join(map(written, reply))


def meant(reply: Any) -> Any:
    """What a parser gives, errors as their text in a tuple."""
    if isinstance(reply, tuple):
        return reply[1].encode() if reply[0] == "+" else ("error", reply[1])
    return [meant(part) for part in reply] if isinstance(reply, list) else reply


def plain(value: Any) -> Any:
    if isinstance(value, ReplyError):
        return ("error", str(value))
    return [plain(part) for part in value] if isinstance(value, list) else value


def read(parser: Any, pieces: list[bytes]) -> list[Any]:
    found = []
    for piece in pieces:
        parser.feed(piece)
        while (value := parser.gets()) is not NOTHING:
            found.append(plain(value))
    return found


@pytest.mark.parametrize("make", [PlainParser, new_parser], ids=["plain", "installed"])
@given(replies=st.lists(REPLIES, max_size=6), cuts=st.lists(st.integers(0, 400), max_size=12))
def test_replies_come_out_as_they_were_written_in_whatever_pieces(
    make: Any, replies: list[Any], cuts: list[int]
) -> None:
    wire = b"".join(map(written, replies))
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]

    found = read(make(), [wire[one:other] for one, other in pairwise(edges)])

    assert found == [meant(reply) for reply in replies]


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_any_bytes_give_replies_or_a_protocol_error(pieces: list[bytes]) -> None:
    try:
        read(PlainParser(), pieces)
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 400 Bad Request\r\n", b"\x16\x03\x01\r\n", b"$5\r\nabcdefg\r\n", b":1x\r\n", b":\r\n", b"$-2\r\n",
        b"*99999999\r\n", b"$99999999999\r\n", b":1_0\r\n", b":" + b"1" * 30 + b"\r\n", b"*1\r\n" * 20,
        b"+" + b"x" * 70_000, b"?",
    ],
    ids=lambda wire: repr(wire[:14]),
)  # fmt: skip
def test_garbage_is_a_protocol_error(wire: bytes) -> None:
    parser = PlainParser()
    parser.feed(wire)

    with pytest.raises(ProtocolError):
        parser.gets()


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5))
def test_a_command_is_a_list_of_bulk_strings(parts: list[bytes]) -> None:
    assert read(PlainParser(), [command(parts)]) == [parts]
