"""TLS: who is trusted, which name is checked, and what a failed handshake is called."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gatewaykit.errors import UpstreamError
from gatewaykit.upstream.http import HttpTransport
from tests.upstream.fault_server import Peer, answers_ok, get, serving


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for back.example and 127.0.0.1, with its key in the same file."""
    return make_certificate(tmp_path_factory.mktemp("tls") / "pair.pem", days=1)


def make_certificate(path: Path, *, days: int) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "back.example")])
    now = datetime.now(timezone.utc)
    names = x509.SubjectAlternativeName(
        [x509.DNSName("back.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def serving_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def trusting(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificate))
    context.set_alpn_protocols(["http/1.1"])
    return context


async def test_a_trusted_certificate_is_served_and_the_connection_kept(certificate: Path) -> None:
    transport = HttpTransport(tls_context=trusting(certificate))
    async with serving(answers_ok, serving_context(certificate)) as server:
        for method in ("GET", "POST", "HEAD", "GET"):
            response = await transport.send(get(server.port, scheme="https", method=method), timeout_s=10)
            assert response.status == 200
        await transport.aclose()
        await server.idle()

        assert server.accepted == 2  # the body that this server sends to HEAD costs one


async def test_an_unknown_certificate_is_refused_unless_verification_is_off(certificate: Path) -> None:
    strict, lenient = HttpTransport(), HttpTransport(verify=False)
    async with serving(answers_ok, serving_context(certificate)) as server:
        request = get(server.port, scheme="https")
        with pytest.raises(UpstreamError, match="certificate refused: self-signed certificate") as refused:
            await strict.send(request, timeout_s=10)
        response = await lenient.send(request, timeout_s=10)

        assert refused.value.kind == "tls"
        assert await response.read(10) == b"ok"
        await lenient.aclose()


@pytest.mark.parametrize(("server_name", "kind"), [("back.example", None), ("other.example", "tls")])
async def test_the_server_name_is_what_is_checked(certificate: Path, server_name: str, kind: str | None) -> None:
    transport = HttpTransport(tls_context=trusting(certificate), server_name=server_name)
    async with serving(answers_ok, serving_context(certificate)) as server:
        try:
            await transport.send(get(server.port, scheme="https"), timeout_s=10)
            failed = None
        except UpstreamError as error:
            failed = error.kind

        assert failed == kind
        await transport.aclose()


async def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    expired = make_certificate(tmp_path / "expired.pem", days=-1)
    transport = HttpTransport(tls_context=trusting(expired))
    async with serving(answers_ok, serving_context(expired)) as server:
        with pytest.raises(UpstreamError, match="certificate has expired"):
            await transport.send(get(server.port, scheme="https"), timeout_s=10)


async def _closes(peer: Peer) -> None:
    await peer.reader.read(1)


async def _talks_plainly(peer: Peer) -> None:
    await peer.reader.read(1)
    await peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await peer.gone()


@pytest.mark.parametrize("behaviour", [_closes, _talks_plainly])
async def test_a_server_without_tls_is_a_tls_error(transport: HttpTransport, behaviour: object) -> None:
    async with serving(behaviour) as server:  # type: ignore[arg-type]
        with pytest.raises(UpstreamError) as failed:
            await transport.send(get(server.port, scheme="https"), timeout_s=10)

        assert failed.value.kind == "tls"
        await server.idle()


async def test_a_handshake_that_stalls_is_a_connect_timeout(transport: HttpTransport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.gone()

    async with serving(behave) as server:
        with pytest.raises(UpstreamError) as failed:
            await transport.send(get(server.port, scheme="https"), timeout_s=0.05)

        assert failed.value.kind == "connect_timeout"
        await server.idle()


async def test_large_bodies_pass_over_tls_with_backpressure(certificate: Path) -> None:
    transport = HttpTransport(verify=False)
    size = 8 << 20

    async def behave(peer: Peer) -> None:
        received = await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(received.body))
        await peer.send(received.body)
        await peer.gone()

    async with serving(behave, serving_context(certificate)) as server:
        body = bytes(range(256)) * (size // 256)
        response = await transport.send(get(server.port, scheme="https", method="POST", body=body), timeout_s=20)

        assert await response.read(size) == body
        await transport.aclose()
