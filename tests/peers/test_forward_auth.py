"""forward_auth() beside nginx's auth_request: one service, the same requests, the same answers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gatewaykit import PolicyMiddleware, forward_auth
from gatewaykit.testing import Client
from gatewaykit.upstream.fetch import call_to, fetch
from gatewaykit.upstream.http import HttpTransport

pytestmark = pytest.mark.needs("nginx")

CONFIG = """
daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log; {user}
events {{ worker_connections 64; }}
http {{
  access_log off; underscores_in_headers on;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  map $http_cookie $status_of_session {{ default 401; alice 204; bob 200; eve 403; lost 302; gone 404; broken 500; }}
  server {{
    listen 127.0.0.1:{port};
    location = /check {{
      add_header X-User $http_cookie; add_header WWW-Authenticate Cookie always;
      add_header X-Seen "$http_x_forwarded_method $http_x_forwarded_uri $http_x_forwarded_for";
      if ($status_of_session = 204) {{ return 204; }}
      if ($status_of_session = 200) {{ return 200 "welcome"; }}
      if ($status_of_session = 401) {{ return 401; }}
      if ($status_of_session = 403) {{ return 403; }}
      if ($status_of_session = 302) {{ return 302 /login; }}
      if ($status_of_session = 404) {{ return 404; }}
      return 500;
    }}
    location /app {{
      auth_request /auth; auth_request_set $user $upstream_http_x_user;
      proxy_set_header X-User $user; proxy_pass http://127.0.0.1:{port}/shown;
    }}
    location = /auth {{
      internal; proxy_pass http://127.0.0.1:{port}/check; proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }}
    location = /shown {{ return 200 "$http_x_user"; }}
    location = /login {{ return 200 "login"; }}
  }}
}}
"""
SESSIONS = ("alice", "bob", "eve", "lost", "gone", "broken", "", "nobody")


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx with its own files."""
    home = tmp_path_factory.mktemp("nginx")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
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


async def _app(scope: Any, receive: Any, send: Any) -> None:
    user = dict(scope["headers"]).get(b"x-user", b"")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": user})


@pytest.fixture
async def ours(nginx: int) -> AsyncIterator[PolicyMiddleware]:
    policy = forward_auth(f"http://127.0.0.1:{nginx}/check", principal="X-User", copy_headers=["X-User"])
    async with PolicyMiddleware(_app, policies=[policy]) as middleware:
        yield middleware


@pytest.mark.parametrize("session", SESSIONS)
async def test_a_session_gets_in_where_nginx_lets_it_in(session: str, nginx: int, ours: PolicyMiddleware) -> None:
    headers = {"cookie": session, "x-user": "admin"} if session else {"x-user": "admin"}
    transport = HttpTransport()
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    theirs = await fetch(transport, call_to(f"http://127.0.0.1:{nginx}/app"), sent)
    await transport.aclose()

    answer = await Client(ours).get("/app", headers=headers)

    assert answer.status == theirs.status
    if theirs.status == 401:
        assert (answer.header("www-authenticate") or "").encode() == theirs.header(b"www-authenticate") == b"Cookie"
    if theirs.status == 200:
        assert answer.body == theirs.body == session.encode()


async def test_the_service_sees_the_request_as_traefik_shows_it(nginx: int) -> None:
    url = f"http://127.0.0.1:{nginx}/check"
    policy = forward_auth(url, principal="X-User", claims={"X-Seen": "seen"})
    async with PolicyMiddleware(_shows_claims, policies=[policy]) as middleware:
        answer = await Client(middleware, client=("203.0.113.7", 1)).post(
            "/app?x=1", headers={"cookie": "bob"}, body="abc"
        )

    assert answer.text == "POST /app?x=1 203.0.113.7"


async def _shows_claims(scope: Any, receive: Any, send: Any) -> None:
    seen = scope["state"]["gatewaykit"].identity.claims["seen"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": seen.encode()})
