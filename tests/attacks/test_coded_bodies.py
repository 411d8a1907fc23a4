"""Compressed bodies that are small on the wire and nothing like it behind."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.attacks.checks import a_gateway, failures, http, leaks_nothing
from tests.attacks.test_bodies import KINDS, four_kinds
from tests.conformance.documents import mock

LIMIT = 100_000
BOMB = gzip.compress(bytes(50_000_000), 9)


@KINDS
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("split", [False, True], ids=["whole", "in pieces"])
async def test_a_bomb_is_a_413_and_is_never_unpacked(
    path: str, coding: str, split: bool, caplog: pytest.LogCaptureFixture
) -> None:
    api, transport = four_kinds(max_body_bytes=LIMIT)
    body = BOMB if coding == "gzip" else zlib.compress(bytes(50_000_000), 9)
    feed = [body[:1000], body[1000:]] if split else "whole"
    headers = {"content-encoding": coding, "transfer-encoding": "chunked"}

    async with api:
        tracemalloc.start()
        answer = await Client(api).post(path, headers=headers, body=b"" if split else body, feed=feed)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert (answer.status, answer.body) == (413, b"HTTP content length exceeded 100000 bytes.")
    assert peak < 3_000_000
    assert (transport.requests, failures(caplog)) == ([], [])
    leaks_nothing(answer)


@KINDS
async def test_a_body_of_nothing_but_members_is_refused_early(path: str) -> None:
    api, transport = four_kinds()
    members = gzip.compress(b"") * 200_000

    async with api:
        answer = await Client(api).post(path, headers={"content-encoding": "gzip"}, body=members)

    assert (answer.status, transport.requests) == (415, [])


@KINDS
async def test_a_bomb_in_a_bomb_is_not_unpacked_at_all(path: str) -> None:
    api, transport = four_kinds()
    headers = {"content-encoding": "gzip, gzip, gzip"}

    async with api:
        answer = await Client(api).post(path, headers=headers, body=gzip.compress(gzip.compress(BOMB)))

    assert (answer.status, transport.requests) == (415, [])


CODINGS = st.sampled_from([b"gzip", b"deflate", b"identity", b"br", b"", b"gzip,", b"*"]) | st.binary(max_size=20).map(
    lambda value: bytes(byte for byte in value if byte > 31 and byte != 127)
)
CODED = st.binary(max_size=300) | st.builds(
    lambda body, cut, more: gzip.compress(body)[: cut or None] + more,
    st.binary(max_size=300),
    st.integers(-30, 30),
    st.binary(max_size=30),
)
MIRRORS = a_gateway(
    {
        "/mock": {"any": mock(responseTemplates={"application/json": "$input.params('content-encoding')"})},
        "/http": {"any": http("http://back.test/")},
        "/http-proxy": {"any": http("http://back.test/", "http_proxy")},
    },
    transport=ScriptedTransport(lambda request: Reply(body=bytes(request.body))),  # type: ignore[arg-type]  # it is whole there
    root={"x-amazon-apigateway-minimum-compression-size": 0},
    max_body_bytes=LIMIT,
)


@given(st.sampled_from(["/mock", "/http", "/http-proxy"]), CODINGS, CODINGS, CODED, st.sampled_from(["whole", "bytes"]))
def test_any_coding_and_any_body_get_a_whole_answer(
    path: str, coding: bytes, accepted: bytes, body: bytes, feed: str
) -> None:
    headers = [(b"content-encoding", coding), (b"accept-encoding", accepted), (b"content-type", b"text/plain")]

    answer = asyncio.run(Client(MIRRORS, timeout_s=20).request("POST", path, headers=headers, body=body, feed=feed))  # type: ignore[arg-type]  # one of two words

    assert answer.complete
    assert answer.raised is None
    assert answer.status in (200, 415) or path == "/mock"  # a mock reads its status from the body
    if (chosen := answer.header("content-encoding")) is not None:
        (gzip.decompress if chosen == "gzip" else zlib.decompress)(answer.body)
