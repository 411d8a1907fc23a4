"""Back ends that are away, slow, broken or rude, through real connections: what the client gets, and what the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gatewaykit import Gateway
from gatewaykit.testing import Client
from gatewaykit.testing.client import Result
from tests.attacks.checks import ISE, a_gateway, failures, http, leaks_nothing, message
from tests.upstream.fault_server import OK, Behaviour, Peer, answers_ok, sends, serving

NETWORK = message("Network error communicating with endpoint")
TIMED_OUT = message("Endpoint request timed out")

KINDS = pytest.mark.parametrize("kind", ["http", "http_proxy", "sidecar"])


@asynccontextmanager
async def in_front_of(kind: str, port: int, *, timeout_ms: int = 5000) -> AsyncIterator[Client]:
    """A gateway in front of a port of this machine, as each of the three integrations that speak HTTP."""
    uri = f"http://127.0.0.1:{port}"
    if kind == "sidecar":
        api = Gateway.from_upstream(uri, timeout_s=timeout_ms / 1000, profile="aws")
    else:
        api = a_gateway({"/x": {"any": http(f"{uri}/x", kind, timeoutInMillis=timeout_ms)}})
    async with api:
        yield Client(api)


async def call(kind: str, behaviour: Behaviour, *, timeout_ms: int = 5000, **options: Any) -> Result:
    async with serving(behaviour) as server, in_front_of(kind, server.port, timeout_ms=timeout_ms) as client:
        return await client.request(options.pop("method", "GET"), "/x", **options)


def is_answer(answer: Result, status: int, body: bytes, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    assert (answer.status, answer.body) == (status, body)
    assert answer.header("x-amzn-errortype") == "InternalServerErrorException"
    assert answer.header("content-type") == "application/json"
    leaks_nothing(answer)
    assert failures(caplog) == [reason]


@KINDS
async def test_nobody_listens(kind: str, free_port: int, caplog: pytest.LogCaptureFixture) -> None:
    async with in_front_of(kind, free_port) as client:
        answer = await client.get("/x")

    is_answer(answer, 504, NETWORK, "INTEGRATION_UNREACHABLE", caplog)


async def resets(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def resets_at_once(peer: Peer) -> None:
    peer.reset()


async def half_closes(peer: Peer) -> None:
    await peer.request()
    peer.half_close()
    await peer.gone()


@KINDS
@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(resets, id="resets"),
        pytest.param(resets_at_once, id="resets at once"),
        pytest.param(half_closes, id="half-closes"),
        pytest.param(sends(), id="closes"),
        pytest.param(sends(b"HTTP/1.1 200 OK\r\nContent-Le"), id="closes in the head"),
    ],
)
async def test_a_connection_that_ends_before_an_answer(
    kind: str, behaviour: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await call(kind, behaviour, method="POST", body=b"{}")

    is_answer(answer, 504, NETWORK, "INTEGRATION_BROKE_OFF", caplog)


async def never_answers(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


async def answers_half_a_head(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n")
    await peer.gone()


@KINDS
@pytest.mark.parametrize("behaviour", [never_answers, answers_half_a_head], ids=["silent", "half a head"])
async def test_a_slow_back_end(kind: str, behaviour: Behaviour, caplog: pytest.LogCaptureFixture) -> None:
    answer = await call(kind, behaviour, timeout_ms=50)

    is_answer(answer, 504, TIMED_OUT, "INTEGRATION_TIMEOUT", caplog)


@KINDS
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"nonsense\r\n\r\n", id="no HTTP"),
        pytest.param(b"HTTP/1.1 99 x\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", id="no length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", id="two lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n", id="a header name that is none"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n", id="NUL in a header"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01" + b"\0" * 100, id="TLS"),
    ],
)
async def test_an_answer_that_is_no_http(kind: str, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    answer = await call(kind, sends(data))

    is_answer(answer, 502, ISE, "INTEGRATION_RESPONSE_INVALID", caplog)


def stalls(*parts: bytes) -> Behaviour:
    async def behave(peer: Peer) -> None:
        await peer.request()
        for part in parts:
            await peer.send(part)
        await peer.gone()

    return behave


def sends_then_resets(*parts: bytes) -> Behaviour:
    async def behave(peer: Peer) -> None:
        await peer.request()
        for part in parts:
            await peer.send(part)
        peer.reset()

    return behave


LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n"
BROKEN_BODIES = [
    pytest.param(sends(LONG), 504, NETWORK, "INTEGRATION_BROKE_OFF", id="closes in the body"),
    pytest.param(sends_then_resets(LONG), 504, NETWORK, "INTEGRATION_BROKE_OFF", id="resets in the body"),
    pytest.param(sends(CHUNKED), 504, NETWORK, "INTEGRATION_BROKE_OFF", id="closes between chunks"),
    pytest.param(sends(CHUNKED + b"zz\r\n"), 502, ISE, "INTEGRATION_RESPONSE_INVALID", id="a chunk that is none"),
    pytest.param(stalls(LONG), 504, TIMED_OUT, "INTEGRATION_TIMEOUT", id="stalls in the body"),
]


@pytest.mark.parametrize(("behaviour", "status", "body", "reason"), BROKEN_BODIES)
async def test_http_reads_the_whole_body_first_and_then_answers(
    behaviour: Behaviour, status: int, body: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await call("http", behaviour, timeout_ms=100)

    is_answer(answer, status, body, reason, caplog)


@pytest.mark.parametrize("kind", ["http_proxy", "sidecar"])
@pytest.mark.parametrize("behaviour", [pytest.param(case.values[0], id=case.id) for case in BROKEN_BODIES])
async def test_a_streamed_body_that_breaks_breaks_the_answer(
    kind: str, behaviour: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await call(kind, behaviour, timeout_ms=100)

    # The head is out: the only honest ending is a broken connection, which a server makes of an exception.
    assert (answer.status, answer.body, answer.complete) == (200, b"begun", False)
    assert answer.raised is not None
    assert failures(caplog) == ["INTEGRATION_RESPONSE_INVALID"]


@KINDS
async def test_headers_without_end_are_bounded(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.send(b"X-More: " + b"a" * 8000 + b"\r\n")

    answer = await call(kind, behave)

    assert answer.status in (500, 502)
    assert answer.body == ISE
    leaks_nothing(answer)
    assert len(failures(caplog)) == 1


async def test_an_answer_over_the_limit_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"100000\r\n" + b"a" * 0x100000 + b"\r\n")

    answer = await call("http", behave)

    is_answer(answer, 500, ISE, "INTEGRATION_RESPONSE_TOO_LARGE", caplog)


@KINDS
async def test_a_back_end_that_comes_back_is_used_again(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async def first_breaks(peer: Peer) -> None:
        if peer.number == 0:
            await peer.request()
            peer.reset()
        else:
            await answers_ok(peer)

    async with serving(first_breaks) as server, in_front_of(kind, server.port) as client:
        answers = [await client.post("/x", body=b"{}") for _ in range(3)]

    assert [answer.status for answer in answers] == [504, 200, 200]
    assert failures(caplog) == ["INTEGRATION_BROKE_OFF"]


@KINDS
async def test_an_early_answer_to_a_body_that_is_still_coming(kind: str) -> None:
    async def refuses(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")

    answer = await call(
        kind, refuses, method="POST", headers={"content-length": "3000000"}, feed=[b"a" * 1_000_000] * 3
    )

    # Either the back end's answer, or that it hung up on the body; never a hanging or broken one.
    assert (answer.status, answer.complete) in [(413, True), (200, True), (504, True)]


@KINDS
async def test_an_upload_over_the_limit_is_cut_off(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    begun = asyncio.Event()

    async def swallows(peer: Peer) -> None:
        await peer.head()
        begun.set()
        await peer.gone()

    async with serving(swallows) as server, in_front_of(kind, server.port) as client:
        answer = await client.post("/x", headers={"transfer-encoding": "chunked"}, feed=[b"a" * (1 << 20)] * 11)
        if begun.is_set():
            await asyncio.wait_for(server.idle(), 10)  # the back end's connection is closed, not left half-sent

    assert (answer.status, answer.body) == (413, b"HTTP content length exceeded 10485760 bytes.")
    assert failures(caplog) == []


@KINDS
async def test_a_redirect_is_passed_on_and_not_followed(kind: str) -> None:
    answer = await call(
        kind, sends(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")
    )

    assert answer.status == (200 if kind == "http" else 302)


@pytest.mark.parametrize("kind", ["http_proxy", "sidecar"])
async def test_an_interim_answer_is_not_the_answer(kind: str) -> None:
    answer = await call(kind, sends(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK))

    assert (answer.status, answer.body) == (200, b"ok")


@pytest.mark.parametrize("kind", ["http_proxy", "sidecar"])
async def test_a_protocol_switch_nobody_asked_for_is_no_answer(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = await call(
        kind,
        sends(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw"),
        headers={"upgrade": "x", "connection": "upgrade"},
        timeout_ms=200,
    )

    is_answer(answer, 502, ISE, "INTEGRATION_RESPONSE_INVALID", caplog)
