"""Real proxies that end TLS in front of a port of ours, and say who the client is."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["haproxy", "nginx"]

_NGINX = """
daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log; {user}
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {home}/server.pem; ssl_certificate_key {home}/server.key;
    ssl_client_certificate {home}/ca.pem; ssl_verify_client {verify};
    location / {{
      proxy_pass http://127.0.0.1:{behind};
      {lines}
    }}
  }}
}}
"""

_HAPROXY = """
global
  maxconn 64
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend tls
  bind 127.0.0.1:{port} ssl crt {home}/both.pem ca-file {home}/ca.pem verify optional {ignore}
  {lines}
  default_backend app
backend app
  server app 127.0.0.1:{behind}
"""


@contextmanager
def nginx(home: Path, port: int, behind: int, *lines: str, verify: str = "optional") -> Iterator[None]:
    """nginx on `port`, with server.pem, server.key and ca.pem of `home`; `lines` stand in its location."""
    user = "user root;" if os.geteuid() == 0 else ""
    text = _NGINX.format(home=home, port=port, behind=behind, user=user, verify=verify, lines="\n      ".join(lines))
    (home / "nginx.conf").write_text(text)
    with _running(port, shutil.which("nginx") or "/usr/sbin/nginx", "-p", home, "-c", home / "nginx.conf"):
        yield


@contextmanager
def haproxy(home: Path, port: int, behind: int, *lines: str, ignore: str = "") -> Iterator[None]:
    """HAProxy on `port`, with server.pem, server.key and ca.pem of `home`; `lines` stand in its frontend."""
    (home / "both.pem").write_text((home / "server.pem").read_text() + (home / "server.key").read_text())
    text = _HAPROXY.format(home=home, port=port, behind=behind, ignore=ignore, lines="\n  ".join(lines))
    (home / "haproxy.cfg").write_text(text)
    with _running(port, shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", home / "haproxy.cfg"):
        yield


@contextmanager
def _running(port: int, *command: str | Path) -> Iterator[None]:
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            deadline = time.monotonic() + 20
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.02)  # a program's start is the one thing that cannot be awaited
            if process.poll() is not None:
                assert process.stdout is not None
                raise AssertionError(process.stdout.read().decode())
            yield
        finally:
            process.terminate()
