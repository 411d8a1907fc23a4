"""Compressed bodies that are small on the wire and nothing like it behind."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from gatewaykit.testing import Client
from tests.attacks.checks import failures, leaks_nothing
from tests.attacks.test_bodies import KINDS, four_kinds

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
