"""The HTTP transport against a real nginx."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from gatewaykit.upstream.http import HttpTransport
from tests.upstream.fault_server import get

pytestmark = pytest.mark.needs("nginx")

CONFIG = """
daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log; {user}
events {{ worker_connections 512; }}
http {{
  access_log off; client_max_body_size 1m; keepalive_requests 50; keepalive_timeout 20;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location = /small {{ return 200 "hello"; }}
    location = /none {{ return 204; }}
    location = /accept {{ proxy_pass http://127.0.0.1:{port}/small; }}
    location /files/ {{ alias {home}/; gzip on; gzip_min_length 1; gzip_types *; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx with its own files."""
    home = tmp_path_factory.mktemp("nginx")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    (home / "big").write_bytes(bytes(range(256)) * 8192)
    user = "user root;" if os.geteuid() == 0 else ""
    (home / "nginx.conf").write_text(CONFIG.format(home=home, port=port, user=user))
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with subprocess.Popen([program, "-p", str(home), "-c", str(home / "nginx.conf")], stderr=subprocess.PIPE) as server:
        deadline = time.monotonic() + 20
        while server.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.02)  # a program's start is the one thing that cannot be awaited
        yield port
        server.terminate()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    transport = HttpTransport()
    yield transport
    await transport.aclose()


async def test_requests_far_beyond_nginxs_own_limit_per_connection_all_succeed(
    transport: HttpTransport, nginx: int
) -> None:
    async def ask() -> bytes:
        response = await transport.send(get(nginx, b"/small"), timeout_s=10)
        assert response.status == 200
        return await response.read(10)

    for _ in range(20):
        assert await asyncio.gather(*[ask() for _ in range(20)]) == [b"hello"] * 20


async def test_a_file_arrives_whole(transport: HttpTransport, nginx: int) -> None:
    response = await transport.send(get(nginx, b"/files/big"), timeout_s=10)

    assert await response.read(1 << 22) == bytes(range(256)) * 8192


async def test_a_compressed_file_arrives_chunked_and_still_compressed(transport: HttpTransport, nginx: int) -> None:
    request = get(nginx, b"/files/big", headers=[(b"Accept-Encoding", b"gzip")])
    response = await transport.send(request, timeout_s=10)

    assert dict(response.headers)[b"Transfer-Encoding"] == b"chunked"
    assert (await response.read(1 << 22)).startswith(b"\x1f\x8b")


@pytest.mark.parametrize(
    ("method", "target", "status", "body"),
    [
        ("GET", b"/small", 200, b"hello"),
        ("HEAD", b"/small", 200, b""),
        ("HEAD", b"/files/big", 200, b""),
        ("GET", b"/none", 204, b""),
        ("POST", b"/accept", 200, b"hello"),
    ],
)
async def test_methods_and_statuses(
    transport: HttpTransport, nginx: int, method: str, target: bytes, status: int, body: bytes
) -> None:
    for _ in range(2):
        response = await transport.send(get(nginx, target, method=method), timeout_s=10)

        assert (response.status, await response.read(100)) == (status, body)


async def test_a_body_over_nginxs_limit_is_answered_413_while_it_is_sent(transport: HttpTransport, nginx: int) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield bytes(1 << 16)

    response = await transport.send(get(nginx, b"/accept", method="POST", body=body()), timeout_s=10)

    assert response.status == 413


async def test_a_streamed_body_within_the_limit_is_accepted(transport: HttpTransport, nginx: int) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield bytes(1 << 16)

    response = await transport.send(get(nginx, b"/accept", method="POST", body=body()), timeout_s=10)

    assert (response.status, await response.read(10)) == (200, b"hello")
