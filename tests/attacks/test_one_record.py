"""What goes wrong behind a gateway that serves leaves one record, with the request's id, and no second of a server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.attacks.checks import http
from tests.conformance.documents import document
from tests.conformance.served import serving

APPS = """\
async def late(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"part", "more_body": True})
    raise LookupError("late")

async def early(scope, receive, send):
    raise LookupError("early")
"""


@contextmanager
def a_back_end_that_breaks_off() -> Iterator[int]:
    """It announces ten bytes, and sends four."""

    def answer() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        pytest.param(b"/proxied", 200, "INTEGRATION_RESPONSE_INVALID", id="a back end that breaks off"),
        pytest.param(b"/late", 200, "LookupError: late", id="an app that raises in its response"),
        pytest.param(b"/early", 500, "LookupError: early", id="an app that raises before it"),
    ],
)
def test_a_failure_that_breaks_the_connection_is_one_record(
    path: bytes, status: int, said: str, tmp_path: Path
) -> None:
    with a_back_end_that_breaks_off() as port:
        operations = {
            "/proxied": {"get": http(f"http://127.0.0.1:{port}/", "http_proxy")},
            "/late": {"get": {"responses": {}, "x-gatewaykit": {"app": "late"}}},
            "/early": {"get": {"responses": {}, "x-gatewaykit": {"app": "early"}}},
        }
        words = ("--log", "off", "--app", "late=handlers:late", "--app", "early=handlers:early")
        with serving(tmp_path, document(operations), APPS, *words) as server:
            answer = server.ask(b"GET " + path)

    assert answer.status == status
    assert b"Traceback" not in answer.raw
    assert server.log.count(" ERROR ") == 1, server.log
    assert said in server.log
    assert server.log.count("Traceback") <= 1
