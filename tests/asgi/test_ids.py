"""Ids of requests: their shape, and no two alike."""

from __future__ import annotations

import os
import re

from gatewaykit.asgi.ids import IDS, IdPool


def test_a_request_id_is_a_uuid_of_version_4() -> None:
    ids = {IDS.request_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", id) for id in ids)


def test_an_extended_id_is_16_characters_of_base64() -> None:
    assert re.fullmatch(r"[A-Za-z0-9+/]{15}=", IDS.extended_id())


def test_entropy_is_drawn_many_requests_at_a_time() -> None:
    drawn: list[int] = []

    def entropy(count: int) -> bytes:
        drawn.append(count)
        return os.urandom(count)

    pool = IdPool(entropy)
    for _ in range(128):
        pool.pair()

    assert len(drawn) == 1
    pool.pair()
    assert len(drawn) == 2


def test_a_forked_process_draws_its_own() -> None:
    calls = iter([b"a" * 10000, b"b" * 10000])
    pool = IdPool(lambda count: next(calls))
    parent = pool.take(4)

    pool.forget()

    assert (parent, pool.take(4)) == (b"aaaa", b"bbbb")
