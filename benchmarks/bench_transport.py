"""The HTTP transport under uvicorn, against nginx and Caddy as reverse proxies, by requests per CPU second.

    python benchmarks/bench_transport.py [ROUNDS] [SECONDS]

The app is the least that forwards a request, so that what is measured is uvicorn and the transport. Target: at 1 kB at
least 0.28 of nginx, at 100 kB at least 0.33.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.e2e import LOAD_CPU, Row, Server, compare, free_port, program, table

SIZES = {"1 kB": 1024, "100 kB": 102_400}

BACK_END = """
daemon off; worker_processes 1; pid {home}/back.pid; error_log {home}/back.log; {user}
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 60; sendfile on; tcp_nopush on;
  client_body_temp_path {home}/b1; proxy_temp_path {home}/b2; fastcgi_temp_path {home}/b3;
  uwsgi_temp_path {home}/b4; scgi_temp_path {home}/b5;
  server {{ listen 127.0.0.1:{back} backlog=1024; root {home}/www; }}
}}
"""
NGINX = """
daemon off; worker_processes 1; pid {home}/front.pid; error_log {home}/front.log; {user}
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 60;
  client_body_temp_path {home}/f1; proxy_temp_path {home}/f2; fastcgi_temp_path {home}/f3;
  uwsgi_temp_path {home}/f4; scgi_temp_path {home}/f5;
  upstream back {{ server 127.0.0.1:{back}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{ proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""
CADDY = """
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  reverse_proxy 127.0.0.1:{back} {{
    transport http {{
      keepalive_idle_conns_per_host 128
    }}
  }}
}}
"""

_HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"transfer-encoding", b"te", b"upgrade", b"host", b"trailer"))


def make_app(port: int) -> Callable[..., Awaitable[None]]:
    """An ASGI app that forwards what it is asked to a port of this machine, and nothing more."""
    from gatewaykit.ports import UpstreamRequest
    from gatewaykit.upstream.http import HttpTransport

    transport = HttpTransport()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = [field for field in scope["headers"] if field[0] not in _HOP_BY_HOP]
        request = UpstreamRequest(scope["method"], "http", "127.0.0.1", port, scope["raw_path"], headers)
        response: Any = await transport.send(request, timeout_s=29)
        kept = [field for field in response.headers if field[0].lower() not in _HOP_BY_HOP]
        await send({"type": "http.response.start", "status": response.status, "headers": kept})
        if response.complete:
            body = await response.read(10_000_000)
            await send({"type": "http.response.body", "body": body})
            return
        async for chunk in response.stream():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def run(rounds: int = 5, seconds: int = 2) -> dict[str, list[Row]]:
    """Rows by size of the response."""
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        back = free_port()
        write_site(home, back)
        command = [program("nginx"), "-p", str(home), "-c"]
        with Server("back end", [*command, str(home / "back.conf")], back, cpu=LOAD_CPU):
            for size in SIZES:
                fronts = proxies(home, back, f"/{SIZES[size]}")
                results[size] = compare(fronts, base="nginx proxy_pass", rounds=rounds, seconds=seconds)
    return results


def write_site(home: Path, back: int) -> None:
    """The back end's files and configuration."""
    (home / "www").mkdir()
    for size in SIZES.values():
        (home / "www" / str(size)).write_bytes(b"x" * size)
    (home / "back.conf").write_text(BACK_END.format(home=home, back=back, user=_USER))


def proxies(home: Path, back: int, path: str) -> list[Server]:
    """The proxies that are compared, each on a port of its own."""
    nginx, caddy, ours = free_port(), free_port(), free_port()
    (home / "front.conf").write_text(NGINX.format(home=home, back=back, port=nginx, user=_USER))
    (home / "Caddyfile").write_text(CADDY.format(port=caddy, back=back))
    nginx_command = [program("nginx"), "-p", str(home), "-c", str(home / "front.conf")]
    caddy_command = [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(home / "Caddyfile")]
    caddy_home = {"HOME": str(home), "XDG_DATA_HOME": str(home), "GOMAXPROCS": "1"}
    app = "benchmarks.bench_transport:app_from_environment"
    options = ["--http", "httptools", "--loop", "uvloop", "--log-level", "warning", "--no-access-log"]
    options += ["--no-server-header", "--no-date-header"]  # the back end sends both, and a proxy passes them on
    our_command = [sys.executable, "-m", "uvicorn", "--factory", app, *options, "--port", str(ours)]
    our_home = {"BENCH_BACK_END_PORT": str(back), "PYTHONPATH": str(Path(__file__).parent.parent)}
    return [
        Server("nginx proxy_pass", nginx_command, nginx, path=path),
        Server("caddy reverse_proxy", caddy_command, caddy, path=path, environment=caddy_home),
        Server("uvicorn + HttpTransport", our_command, ours, path=path, environment=our_home),
    ]


def app_from_environment() -> Callable[..., Awaitable[None]]:
    """The app, for uvicorn's `--factory`."""
    return make_app(int(os.environ["BENCH_BACK_END_PORT"]))


_USER = "user root;" if os.geteuid() == 0 else ""

if __name__ == "__main__":
    chosen = dict(zip(("rounds", "seconds"), map(int, sys.argv[1:])))
    for size, rows in run(**chosen).items():
        print(table(f"\nreverse proxy, {size}: requests per CPU second, nginx = 1", rows), flush=True)
