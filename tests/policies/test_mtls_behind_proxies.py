"""Certificates that real proxies pass on. Envoy and ALB are known from their documentation only."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from gatewaykit import PolicyMiddleware, mtls
from gatewaykit.server.httptools_protocol import RawHttpToolsProtocol
from tests.peers.certificates import DAY, NOW, Pair, issue, server
from tests.peers.proxies import haproxy, nginx
from tests.server.serving import exchange, serving

ROOT = issue("CN=root", ca=True)
CLIENT = issue("C=US,O=Shop,CN=client", ROOT)
EXPIRED = issue("CN=expired", ROOT, begins=NOW - 3 * DAY, ends=NOW - DAY)
STRANGER = issue("CN=stranger", issue("CN=root", ca=True))

NGINX = (
    "proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;",
    "proxy_set_header X-SSL-Client-Verify $ssl_client_verify;",
)
HAPROXY = (
    "http-request set-header X-SSL-Client-Cert :%[ssl_c_der,base64]:",
    "http-request set-header X-SSL-Client-Verify %[ssl_c_verify]",
)
RFC_9440 = (
    "http-request del-header Client-Cert",
    "http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }",
)
IGNORE = "ca-ignore-err all crt-ignore-err all"  # HAProxy lets every certificate through, and says what it thinks of it


async def tells(scope: Any, receive: Any, send: Any) -> None:
    """An app that says who the client is, and which header fields it got."""
    caller = scope["state"]["gatewaykit"].identity
    told = {
        "caller": None if caller is None else caller.principal,
        "fields": sorted(name.decode() for name, _ in scope["headers"] if b"ssl" in name or b"cert" in name),
    }
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    server(ROOT).files(tmp_path, "server")
    (tmp_path / "ca.pem").write_text(ROOT.pem)
    return tmp_path


async def ask(home: Path, port: int, pair: Pair | None, *fields: str) -> tuple[int, Any]:
    """Status and body, for a client with a certificate and header fields of its own choice."""
    context = ssl.create_default_context(cadata=ROOT.pem)
    if pair is not None:
        context.load_cert_chain(*pair.files(home, "client"))
    lines = ("GET / HTTP/1.1", "Host: localhost", "Connection: close", *fields)
    answer = await exchange(port, "".join(f"{line}\r\n" for line in (*lines, "")).encode(), context=context)
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"chunked" in head.lower():
        body = body.split(b"\r\n")[1]
    return int(head.split()[1]), json.loads(body) if body.startswith(b"{") else body


def behind(source: Any, **options: Any) -> PolicyMiddleware:
    policy = mtls(ROOT.pem.encode(), source=source, **options)
    return PolicyMiddleware(tells, policies=[policy], trusted_proxies=["127.0.0.1"])


KNOWN = (200, {"caller": "C=US,O=Shop,CN=client", "fields": []})
FORBIDDEN = (403, {"message": "Forbidden"})


@pytest.mark.needs("nginx")
async def test_nginx_passes_the_certificate_on(home: Path, free_port: int) -> None:
    async with serving(behind("nginx"), RawHttpToolsProtocol) as port:
        with nginx(home, free_port, port, *NGINX):
            assert await ask(home, free_port, CLIENT) == KNOWN
            assert await ask(home, free_port, CLIENT, "X-SSL-Client-Cert: mine", "Client-Cert: :bWluZQ==:") == KNOWN
            assert await ask(home, free_port, None) == FORBIDDEN
            assert await ask(home, free_port, None, f"Client-Cert: {CLIENT.der.hex()}") == FORBIDDEN
            assert (await ask(home, free_port, EXPIRED))[0] == 400  # nginx refuses it before us


@pytest.mark.needs("nginx")
async def test_nginx_may_leave_the_verdict_to_us(home: Path, free_port: int) -> None:
    async with serving(behind("nginx"), RawHttpToolsProtocol) as port:
        with nginx(home, free_port, port, NGINX[0], verify="optional_no_ca"):
            assert await ask(home, free_port, CLIENT) == KNOWN
            assert await ask(home, free_port, STRANGER) == FORBIDDEN


@pytest.mark.needs("haproxy")
@pytest.mark.parametrize(("source", "lines"), [("haproxy", HAPROXY), ("client-cert", RFC_9440)])
async def test_haproxy_passes_the_certificate_on(
    source: str, lines: tuple[str, ...], home: Path, free_port: int
) -> None:
    async with serving(behind(source), RawHttpToolsProtocol) as port:
        with haproxy(home, free_port, port, *lines, ignore=IGNORE):
            assert await ask(home, free_port, CLIENT) == KNOWN
            assert await ask(home, free_port, CLIENT, "X_SSL_Client_Cert: mine", "client_cert: :bWluZQ==:") == KNOWN
            assert await ask(home, free_port, None) == FORBIDDEN
            assert await ask(home, free_port, None, f"X-SSL-Client-Cert: {CLIENT.der.hex()}") == FORBIDDEN
            assert await ask(home, free_port, EXPIRED) == FORBIDDEN
            assert await ask(home, free_port, STRANGER) == FORBIDDEN


@pytest.mark.needs("haproxy")
async def test_the_header_stays_where_it_is_asked_for(home: Path, free_port: int) -> None:
    async with serving(behind("client-cert", keep_header=True), RawHttpToolsProtocol) as port:
        with haproxy(home, free_port, port, *RFC_9440):
            status, told = await ask(home, free_port, CLIENT, "X-Client-Cert: mine")

    assert (status, told["fields"]) == (200, ["client-cert"])
