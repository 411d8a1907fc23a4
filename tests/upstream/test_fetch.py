from __future__ import annotations

import asyncio

import pytest

from gatewaykit.errors import UpstreamError
from gatewaykit.upstream.fetch import call_to, fetch
from gatewaykit.upstream.scripted import Hold, Reply, ScriptedTransport


@pytest.mark.parametrize("url", ["", "ftp://x/", "https://", "https://a b/", "http://u:p@host/", "https://x:99999/"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="cannot be called"):
        call_to(url)


async def test_a_whole_answer_comes_back() -> None:
    transport = ScriptedTransport([Reply(status=203, headers=[(b"X-One", b"1")], chunks=[b"a", b"b"])])
    call = call_to("http://host:8080/keys?x=1", method="POST")

    answer = await fetch(transport, call, [(b"accept", b"application/json")], b"body")

    assert (answer.status, answer.header(b"x-one"), answer.header(b"x-two"), answer.body) == (203, b"1", None, b"ab")
    sent = transport.requests[0]
    assert (sent.method, sent.host, sent.port, sent.target, sent.body) == ("POST", "host", 8080, b"/keys?x=1", b"body")


async def test_an_answer_over_the_limit_is_given_up() -> None:
    transport = ScriptedTransport([Reply(body=b"x" * 11)])

    with pytest.raises(UpstreamError) as failure:
        await fetch(transport, call_to("http://host/", max_bytes=10))

    assert failure.value.kind == "too_large"


async def test_an_answer_that_drips_is_a_timeout() -> None:
    stalled = Hold()
    transport = ScriptedTransport([Reply(chunks=[b"a", stalled, b"b"])])

    with pytest.raises(UpstreamError) as failure:
        await fetch(transport, call_to("http://host/", timeout_s=0.01))

    assert failure.value.kind == "timeout"
    await asyncio.sleep(0)
    assert len(transport.given_up) == 1
