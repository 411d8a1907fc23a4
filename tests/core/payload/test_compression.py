"""Content codings of bodies: reference 01 section 11."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import Head, HeaderList
from gatewaykit.core.payload.compression import (
    Deflater,
    answer_coding,
    inflated,
    is_compressible,
    request_coding,
)
from gatewaykit.core.reasons import Reason, Refusal

LIMIT = 1_000_000
TEXT = b"some text, some text, and some more text " * 50
ZIPPED = gzip.compress(TEXT, mtime=0)


def deflated(body: bytes) -> bytes:
    return zlib.compress(body)


def reason_of(outcome: object) -> Reason:
    assert isinstance(outcome, Refusal), outcome
    return outcome.reason


@pytest.mark.parametrize(
    ("values", "coding"),
    [
        pytest.param([b"gzip"], "gzip", id="gzip"),
        pytest.param([b" GZip "], "gzip", id="any casing"),
        pytest.param([b"deflate"], "deflate", id="deflate"),
        pytest.param([b"identity"], "", id="identity"),
        pytest.param([b""], "", id="empty"),
        pytest.param([b"identity", b"gzip"], "gzip", id="identity changes nothing"),
    ],
)
def test_a_coding_that_can_be_undone(values: list[bytes], coding: str) -> None:
    assert request_coding(values) == coding


@pytest.mark.parametrize("values", [[b"br"], [b"x-gzip"], [b"gzip, gzip"], [b"gzip", b"deflate"], [b"\xff"], [b"*"]])
def test_any_other_coding_is_a_415(values: list[bytes]) -> None:
    refusal = request_coding(values)

    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.reason.status) == (Reason.BODY_CODING_UNUSABLE, 415)
    assert refusal.reason.message == "Unsupported Media Type"


@pytest.mark.parametrize(
    ("coding", "coded", "body"),
    [
        pytest.param("gzip", ZIPPED, TEXT, id="gzip"),
        pytest.param("gzip", ZIPPED + gzip.compress(b"!"), TEXT + b"!", id="two members"),
        pytest.param("gzip", gzip.compress(b""), b"", id="gzip of nothing"),
        pytest.param("deflate", deflated(TEXT), TEXT, id="deflate"),
        pytest.param("gzip", b"", b"", id="no body"),
        pytest.param("gzip", gzip.compress(bytes(LIMIT)), bytes(LIMIT), id="as large as the limit"),
        pytest.param("gzip", gzip.compress(bytes(65536)), bytes(65536), id="as large as a piece"),
    ],
)
def test_a_body_without_its_coding(coding: str, coded: bytes, body: bytes) -> None:
    assert inflated(coded, coding, LIMIT) == body


@pytest.mark.parametrize(
    ("coding", "coded"),
    [
        pytest.param("gzip", b"plain text", id="no gzip"),
        pytest.param("deflate", b"plain text", id="no deflate"),
        pytest.param("gzip", deflated(TEXT), id="deflate, called gzip"),
        pytest.param("deflate", ZIPPED, id="gzip, called deflate"),
        pytest.param("deflate", deflated(TEXT)[2:-4], id="deflate without its frame"),
        pytest.param("gzip", ZIPPED[:-1], id="cut short"),
        pytest.param("gzip", ZIPPED[:5], id="cut in its head"),
        pytest.param("gzip", ZIPPED[:-8] + bytes(8), id="a wrong checksum"),
        pytest.param("gzip", ZIPPED + b"more", id="something behind its end"),
        pytest.param("deflate", deflated(TEXT) + b"more", id="something behind the end of deflate"),
        pytest.param("gzip", gzip.compress(b"") * 1001, id="too many members"),
    ],
)
def test_a_body_that_is_not_in_its_coding_is_a_415(coding: str, coded: bytes) -> None:
    assert reason_of(inflated(coded, coding, LIMIT)) is Reason.BODY_CODING_UNUSABLE


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [LIMIT + 1, 50 * LIMIT], ids=["a byte too much", "a bomb"])
def test_a_body_that_is_too_large_behind_its_coding_is_a_413(coding: str, size: int) -> None:
    assert reason_of(inflated(Deflater(coding)(bytes(size), False), coding, LIMIT)) is Reason.BODY_TOO_LARGE


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        pytest.param(None, "", id="nothing"),
        pytest.param("", "", id="empty"),
        pytest.param("*", "", id="a star alone"),
        pytest.param("gzip", "gzip", id="gzip"),
        pytest.param("GZIP", "gzip", id="any casing"),
        pytest.param("deflate,gzip", "deflate", id="the first of two"),
        pytest.param("gzip, deflate, br", "gzip", id="what browsers send"),
        pytest.param("br, gzip", "gzip", id="wanted as much as another"),
        pytest.param("deflate;q=0.5,gzip;q=1.0", "gzip", id="by weight"),
        pytest.param("gzip;q=1.0,identity;q=0.5,*;q=0", "gzip", id="others refused"),
        pytest.param("br;q=1.0, gzip;q=0.8", "", id="what is wanted most is not supported"),
        pytest.param("identity, gzip;q=0.5", "", id="identity is wanted most"),
        pytest.param("*, gzip;q=0.5", "", id="anything is wanted most"),
        pytest.param("gzip;q=0", "", id="refused"),
        pytest.param("gzip;q=", "", id="no weight"),
        pytest.param("gzip;q=1e9", "", id="a weight that is none"),
        pytest.param("gzip;level=9;q=0.5", "gzip", id="other parameters do not count"),
        pytest.param("x-gzip", "", id="an old name"),
        pytest.param(";q=1", "", id="no coding"),
    ],
)
def test_the_coding_of_an_answer(accept: str | None, coding: str) -> None:
    assert answer_coding(accept) == coding


@pytest.mark.parametrize(
    ("status", "headers", "may"),
    [
        pytest.param(200, [], True, id="plain"),
        pytest.param(500, [], True, id="an error of the back end"),
        pytest.param(200, [(b"Cache-Control", b"no-store")], True, id="a cache rule"),
        pytest.param(200, [(b"Content-Encoding", b"identity")], False, id="it says its coding"),
        pytest.param(200, [(b"cache-control", b"private"), (b"cache-control", b"No-Transform")], False, id="forbidden"),
        pytest.param(206, [], False, id="a part"),
        pytest.param(416, [(b"content-range", b"bytes */10")], False, id="a range"),
        pytest.param(204, [], False, id="no body"),
        pytest.param(304, [], False, id="not modified"),
        pytest.param(101, [], False, id="not an answer yet"),
    ],
)
def test_which_responses_may_be_coded(status: int, headers: HeaderList, may: bool) -> None:
    assert is_compressible(Head(status, headers)) is may


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_every_chunk_can_be_read_at_once(coding: str) -> None:
    deflate, inflate = Deflater(coding), zlib.decompressobj(47)

    read = [inflate.decompress(deflate(chunk, True)) for chunk in (b"one", b"", b"two")]
    rest = inflate.decompress(deflate(b"three", False))

    assert (read, rest, inflate.eof) == ([b"one", b"", b"two"], b"three", True)


@given(st.lists(st.binary(max_size=2000), max_size=5), st.sampled_from(["gzip", "deflate"]))
def test_what_was_coded_comes_back_whatever_its_chunks(chunks: list[bytes], coding: str) -> None:
    deflate = Deflater(coding)

    coded = b"".join([*(deflate(chunk, True) for chunk in chunks), deflate(b"", False)])

    assert inflated(coded, coding, LIMIT) == b"".join(chunks)


@given(st.binary(), st.binary(max_size=60), st.sampled_from(["gzip", "deflate"]), st.integers(0, 100))
def test_any_bytes_give_a_body_or_a_refusal(body: bytes, broken: bytes, coding: str, limit: int) -> None:
    for coded in (body, Deflater(coding)(body, False) + broken, Deflater(coding)(body, False)[: len(broken)]):
        outcome = inflated(coded, coding, limit)

        assert isinstance(outcome, Refusal) or len(outcome) <= limit


@given(st.binary(), st.text())
def test_any_header_gives_a_coding_or_a_refusal(sent: bytes, accept: str) -> None:
    assert isinstance(request_coding([sent]), (str, Refusal))
    assert answer_coding(accept) in ("", "gzip", "deflate")
