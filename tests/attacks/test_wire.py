"""Bytes that are no honest HTTP, sent to the real server with a back end behind it: nothing is smuggled or hangs."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.attacks.checks import http
from tests.conformance.documents import document, mock, proxy
from tests.conformance.served import Answer, Served, serving
from tests.upstream.fault_server import Peer
from tests.upstream.fault_server import serving as back_end

HANDLERS = """\
import json

def echo(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}
"""
END = b"Connection: close\r\n\r\n"
LIMIT = 10 * 1024 * 1024


class Recorder:
    """A back end on a loop of its own; it keeps the bytes of every connection, and answers each request with `ok`."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.port = 0
        self._ready, self._over = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Recorder:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self) -> None:
        async def behave(peer: Peer) -> None:
            while True:
                received = await peer.request()
                self.heads.append(received.head)
                await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        self._loop = asyncio.get_running_loop()
        async with back_end(behave) as server:
            self.port = server.port
            self._ready.set()
            await self._over.wait()


@pytest.fixture(scope="module")
def behind() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, behind: Recorder) -> Iterator[Served]:
    mapped = {"integration.request.path.proxy": "method.request.path.proxy"}
    paths = {
        "/mock": {"any": mock()},
        "/lambda": {"any": proxy("echo")},
        "/{proxy+}": {"any": http(f"http://127.0.0.1:{behind.port}/{{proxy}}", "http_proxy", requestParameters=mapped)},
    }
    words = ("--function", "echo=handlers:echo", "--log", "off")
    with serving(tmp_path_factory.mktemp("wire"), document(paths), HANDLERS, *words) as served:
        yield served
    assert "Traceback" not in served.log


def post(*fields: bytes, path: bytes = b"/a", body: bytes = b"") -> bytes:
    return b"\r\n".join([b"POST " + path + b" HTTP/1.1", b"Host: h", *fields]) + b"\r\n" + END + body


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(post(b"Content-Length: 5", b"Content-Length: 6", body=b"abcdef"), id="two lengths"),
        pytest.param(post(b"Content-Length: 5, 6", body=b"abcdef"), id="two lengths in one field"),
        pytest.param(
            post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
            id="a length and chunks",
        ),
        pytest.param(
            post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"0\r\n\r\n" + SMUGGLED),
            id="chunks and a length",
        ),
        pytest.param(
            post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + SMUGGLED), id="chunked not last"
        ),
        pytest.param(post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + SMUGGLED), id="an unknown coding"),
        pytest.param(post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + SMUGGLED), id="a blank before the colon"),
        pytest.param(post(b"Transfer-Encoding: chunked", body=b"-1\r\n\r\n" + SMUGGLED), id="a chunk of -1 bytes"),
        pytest.param(
            post(b"Transfer-Encoding: chunked", body=b"ffffffffffffffff1\r\n" + SMUGGLED), id="a chunk without end"
        ),
        pytest.param(post(b"Content-Length: +5", body=b"abcde"), id="a signed length"),
        pytest.param(post(b"Content-Length: 0x5", body=b"abcde"), id="a hexadecimal length"),
        pytest.param(post(b"Content-Length: 99999999999999999999999", body=b"a"), id="a length beyond any number"),
        pytest.param(post(b"X-A: b\r\n c"), id="a folded line"),
        pytest.param(post(b"X-A: a\0b"), id="NUL in a value"),
        pytest.param(post(b"X-A: a\rb"), id="CR in a value"),
        pytest.param(post(b"X A: b"), id="a blank in a name"),
        pytest.param(post(b": b"), id="no name"),
        pytest.param(post(path=b"/a b"), id="a blank in the target"),
        pytest.param(b"POST /a HTTP/9.9\r\nHost: h\r\n" + END, id="another version"),
        pytest.param(b"PO(ST /a HTTP/1.1\r\nHost: h\r\n" + END, id="no verb"),
        pytest.param(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1" + b"\0" * 50, id="TLS"),
        pytest.param(b"CONNECT evil.test:443 HTTP/1.1\r\nHost: h\r\n" + END, id="CONNECT"),
    ],
)
def test_what_is_no_honest_request_is_refused_and_reaches_no_back_end(
    server: Served, behind: Recorder, request_bytes: bytes
) -> None:
    before = len(behind.heads)

    answer = Answer(server.send(request_bytes))

    assert answer.status in (400, 413) or answer.raw == b""
    assert not any(b"smuggled" in head for head in behind.heads)
    assert b"Traceback" not in answer.raw
    if answer.status == 413:
        assert len(behind.heads) == before
    assert server.ask(b"GET /mock").status == 200


@pytest.mark.parametrize(
    ("body", "length"), [(b"", b"0"), (b"abc", b"3"), (b"a" * 100_000, b"100000")], ids=["none", "small", "large"]
)
@pytest.mark.parametrize("chunked", [False, True])
def test_an_honest_body_reaches_the_back_end_in_one_framing(
    server: Served, behind: Recorder, body: bytes, length: bytes, chunked: bool
) -> None:
    if chunked:
        framed = post(
            b"Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        )
    else:
        framed = post(b"Content-Length: " + length, body=body)

    answer = Answer(server.send(framed))

    assert (answer.status, answer.body) == (200, b"ok")
    head = behind.heads[-1].lower()
    assert head.count(b"content-length:") + head.count(b"transfer-encoding:") == 1


def test_two_requests_in_one_packet_are_two_requests(server: Served, behind: Recorder) -> None:
    before = len(behind.heads)

    answer = server.send(b"GET /one HTTP/1.1\r\nHost: h\r\n\r\nGET /two HTTP/1.1\r\nHost: h\r\n" + END)

    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert [head.split(b" ")[1] for head in behind.heads[before:]] == [b"/one", b"/two"]


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        pytest.param(b"http://evil.test/a", b"/a", id="absolute form"),
        pytest.param(b"http://evil.test:99/a?x=1", b"/a?x=1", id="absolute form with a port and a query"),
        pytest.param(b"//evil.test/a", b"/evil.test/a", id="slashes first"),
        pytest.param(b"/a/%2e%2e/b", b"/a/../b", id="encoded dots, where there is nothing to leave"),
        pytest.param(b"/a%2Fb", b"/a%2Fb", id="an encoded slash"),
        pytest.param("/é".encode(), b"/%C3%A9", id="raw UTF-8"),
        pytest.param(b"/\xe9", b"/%E9", id="raw Latin-1"),
    ],
)
def test_no_target_leads_to_another_host(server: Served, behind: Recorder, target: bytes, seen: bytes) -> None:
    before = len(behind.heads)

    answer = Answer(server.send(b"GET " + target + b" HTTP/1.1\r\nHost: evil.test\r\n" + END))

    if answer.status == 400:  # the parser itself may refuse bytes that are no ASCII
        assert (len(behind.heads), target.isascii()) == (before, False)
        return
    assert answer.status == 200
    lines = behind.heads[-1].split(b"\r\n")
    assert lines[0] == b"GET " + seen + b" HTTP/1.1"
    assert [line for line in lines if line.lower().startswith(b"host:")] == [b"Host: 127.0.0.1:%d" % behind.port]


@pytest.mark.parametrize("path", [b"/mock", b"/lambda", b"/proxied"])
def test_a_body_that_is_announced_as_too_long_is_refused_at_once(server: Served, path: bytes) -> None:
    answer = Answer(server.send(post(b"Content-Length: %d" % (LIMIT + 1), path=path)))

    assert (answer.status, answer.body) == (413, b"HTTP content length exceeded 10485760 bytes.")
    assert answer.header("content-type") == "text/plain"


@pytest.mark.parametrize("path", [b"/mock", b"/lambda", b"/proxied"])
def test_a_body_that_grows_too_long_is_cut_off(server: Served, path: bytes) -> None:
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"

    answer = Answer(server.send(post(b"Transfer-Encoding: chunked", path=path), *[chunk] * (LIMIT // 0x10000 + 1)))

    assert (answer.status, answer.body) in [
        (413, b"HTTP content length exceeded 10485760 bytes."),
        (0, b""),  # the reset overtook the answer
    ]
    assert server.ask(b"GET /mock").status == 200


def test_a_client_that_hangs_up_in_its_body_leaves_the_server_well(server: Served) -> None:
    for path in (b"/mock", b"/lambda", b"/proxied"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(post(b"Content-Length: 100", path=path, body=b"begun"))

    assert server.ask(b"GET /mock").status == 200


def test_repeated_headers_reach_a_function_whole_and_the_last_one_counts(server: Served) -> None:
    event: Any = json.loads(
        Answer(
            server.send(post(b"X-A: 1", b"x-a: 2", b"X-A: 3, 4", b"Cookie: a=1", b"Cookie: b=2", path=b"/lambda"))
        ).body
    )

    assert event["headers"]["X-A"] == "3, 4"
    assert event["multiValueHeaders"]["X-A"] == ["1", "2", "3, 4"]
    assert event["multiValueHeaders"]["Cookie"] == ["a=1", "b=2"]


def test_bytes_of_a_header_and_a_body_that_are_no_text(server: Served) -> None:
    event: Any = json.loads(
        Answer(server.send(post(b"X-A: caf\xe9", b"Content-Length: 3", path=b"/lambda", body=b"a\xff\x00"))).body
    )

    assert event["headers"]["X-A"] == "café"
    assert event["body"] == "a\ufffd\x00"


def test_a_trailer_does_not_pass_for_a_header(server: Served) -> None:
    body = b"1\r\na\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nX-A: forged\r\n\r\n"

    event: Any = json.loads(
        Answer(server.send(post(b"X-A: 1", b"Transfer-Encoding: chunked", path=b"/lambda", body=body))).body
    )

    assert event["multiValueHeaders"]["X-A"] == ["1"]
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"


def test_a_forged_forwarding_header_is_not_the_address(server: Served) -> None:
    event: Any = json.loads(Answer(server.send(post(b"X-Forwarded-For: 6.6.6.6", path=b"/lambda"))).body)

    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert event["headers"]["X-Forwarded-For"] == "6.6.6.6, 127.0.0.1"
