"""TLS of the server: what apps see of it, whom it lets in, and files that change."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gatewaykit.asgi.scope import RAW_HEADERS
from gatewaykit.clock import VirtualClock
from gatewaykit.errors import ConfigError
from gatewaykit.server.h11_protocol import RawH11Protocol
from gatewaykit.server.httptools_protocol import RawHttpToolsProtocol
from gatewaykit.server.tls import Tls, server_context
from tests.peers.certificates import DAY, NOW, Pair, issue, server, signed_with_sha1, weak_key
from tests.server.serving import Recorder, exchange, serving

BOTH = pytest.mark.parametrize("protocol", [RawHttpToolsProtocol, RawH11Protocol], ids=["httptools", "h11"])

ROOT = issue("CN=root", ca=True)
INNER = issue("CN=inner", ROOT, ca=True)
SERVER = server(ROOT)
CLIENT = issue("C=US,O=Shop,CN=client", INNER)
OTHER = issue("CN=other", ca=True)

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """server.pem, server.key, and ca.pem with the root of clients."""
    SERVER.files(tmp_path, "server")
    (tmp_path / "ca.pem").write_text(ROOT.pem)
    return tmp_path


def tls(files: Path, **more: Any) -> Tls:
    return Tls(cert=files / "server.pem", key=files / "server.key", client_ca=files / "ca.pem", **more)


def client_with(files: Path, pair: Pair | None, *, trust: Pair = ROOT) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=trust.pem)
    if pair is not None:
        certificate, key = pair.files(files, "client")
        context.load_cert_chain(certificate, key)
    return context


@BOTH
async def test_the_scope_has_the_verified_chain_of_the_client(protocol: Any, files: Path) -> None:
    app = Recorder()
    async with serving(app, protocol, server_context(tls(files))) as port:
        await exchange(port, GET, LAST, context=client_with(files, CLIENT))

    first, second = (scope["extensions"]["tls"] for scope in app.scopes)
    assert first is second  # once for a connection
    assert first["client_cert_chain"] == (CLIENT.pem, INNER.pem, ROOT.pem)
    assert first["client_cert_name"] == "CN=client,O=Shop,C=US"
    assert first["client_cert_error"] is None
    assert first["tls_version"] == 0x0304
    assert first["cipher_suite"] in (0x1301, 0x1302, 0x1303)
    assert RAW_HEADERS in app.scopes[0]["extensions"]


@BOTH
async def test_a_websocket_handshake_has_it_too(protocol: Any, files: Path) -> None:
    app = Recorder()
    async with serving(app, protocol, server_context(tls(files))) as port:
        await exchange(port, UPGRADE, context=client_with(files, CLIENT))

    assert app.scopes[0]["type"] == "websocket"
    assert app.scopes[0]["extensions"]["tls"]["client_cert_chain"][0] == CLIENT.pem


@BOTH
@pytest.mark.parametrize("upgrade", [LAST, UPGRADE], ids=["http", "websocket"])
async def test_without_tls_there_is_no_extension(protocol: Any, upgrade: bytes) -> None:
    app = Recorder()
    async with serving(app, protocol) as port:
        await exchange(port, upgrade)

    assert "tls" not in app.scopes[0]["extensions"]


async def test_where_a_certificate_is_optional_its_chain_may_be_empty(files: Path) -> None:
    app = Recorder()
    async with serving(app, RawHttpToolsProtocol, server_context(tls(files, client_cert="optional"))) as port:
        await exchange(port, LAST, context=client_with(files, None))

    assert app.scopes[0]["extensions"]["tls"]["client_cert_chain"] == ()
    assert app.scopes[0]["extensions"]["tls"]["client_cert_name"] is None


async def test_tls_1_2_is_named_as_on_the_wire(files: Path) -> None:
    app, context = Recorder(), client_with(files, CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(app, RawHttpToolsProtocol, server_context(tls(files))) as port:
        await exchange(port, LAST, context=context)

    extension = app.scopes[0]["extensions"]["tls"]
    assert extension["tls_version"] == 0x0303
    assert 0xC000 < extension["cipher_suite"] < 0xCCFF
    assert extension["client_cert_chain"][0] == CLIENT.pem


async def refused(files: Path, context: ssl.SSLContext, how: str = "required") -> bool:
    """Whether a client gets no answer, and the app no request."""
    app = Recorder()
    async with serving(app, RawHttpToolsProtocol, server_context(tls(files, client_cert=how))) as port:
        try:
            answer = await exchange(port, LAST, context=context)
        except OSError:  # an SSLError, or a connection that was reset
            answer = b""
    return not app.scopes and not answer


@pytest.mark.parametrize(
    "client",
    [
        pytest.param(None, id="none"),
        pytest.param(issue(issuer=OTHER), id="of another CA"),
        pytest.param(issue(issuer=issue("CN=root", ca=True)), id="of another CA with the same name"),
        pytest.param(issue(), id="self-signed"),
        pytest.param(issue(issuer=ROOT, begins=NOW - 3 * DAY, ends=NOW - DAY), id="expired"),
        pytest.param(issue(issuer=ROOT, begins=NOW + DAY), id="not yet valid"),
        pytest.param(issue(issuer=ROOT, uses=(ExtendedKeyUsageOID.SERVER_AUTH,)), id="for servers"),
        pytest.param(issue(issuer=CLIENT), id="signed by a client"),
    ],
)
async def test_the_handshake_fails_without_a_good_certificate(client: Pair | None, files: Path) -> None:
    assert await refused(files, client_with(files, client))
    if client is not None:
        assert await refused(files, client_with(files, client), "optional")


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("kind", ["RSA of 1024 bits", "SHA-1"])
async def test_the_handshake_fails_with_a_weak_certificate(kind: str, files: Path) -> None:
    weak = signed_with_sha1(ROOT, files) if kind == "SHA-1" else issue(issuer=ROOT, key=weak_key())
    careless = ssl.create_default_context(cadata=ROOT.pem)
    careless.set_ciphers("DEFAULT@SECLEVEL=0")
    careless.load_cert_chain(*weak.files(files, "weak"))

    assert await refused(files, careless)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_older_versions_of_tls_are_refused(files: Path) -> None:
    old = client_with(files, CLIENT)
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1_1
    old.maximum_version = ssl.TLSVersion.TLSv1_1

    assert await refused(files, old)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_a_session_that_is_taken_up_again_shows_the_whole_chain(version: ssl.TLSVersion, files: Path) -> None:
    app, context = Recorder(), client_with(files, CLIENT)
    context.minimum_version = context.maximum_version = version

    def ask(port: int, session: ssl.SSLSession | None) -> tuple[bool | None, ssl.SSLSession | None]:
        plain = socket.create_connection(("127.0.0.1", port))
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as connection:
            connection.sendall(LAST)
            while connection.recv(4096):
                pass
            return connection.session_reused, connection.session

    async with serving(app, RawHttpToolsProtocol, server_context(tls(files))) as port:
        _, session = await asyncio.to_thread(ask, port, None)
        reused, _ = await asyncio.to_thread(ask, port, session)

    assert reused is (version is ssl.TLSVersion.TLSv1_2)  # 1.3 would do it by tickets, and there are none
    assert [scope["extensions"]["tls"]["client_cert_chain"][:2] for scope in app.scopes] == [
        (CLIENT.pem, INNER.pem)
    ] * 2


# ---------------------------------------------------------------------------------------------------- files


async def test_changed_files_count_for_the_next_connection(files: Path) -> None:
    clock, app = VirtualClock(), Recorder()
    newcomer = issue(issuer=OTHER)
    async with serving(app, RawHttpToolsProtocol, server_context(tls(files), clock=clock, reload_s=10)) as port:
        (files / "ca.pem").write_text(OTHER.pem + "\n")
        server(OTHER).files(files, "server")
        await exchange(port, LAST, context=client_with(files, CLIENT))
        clock.advance(10)

        await exchange(port, LAST, context=client_with(files, newcomer, trust=OTHER))
        anyhow = client_with(files, CLIENT)
        anyhow.check_hostname, anyhow.verify_mode = False, ssl.CERT_NONE
        with suppress(OSError):
            await exchange(port, LAST, context=anyhow)

    shown = [scope["extensions"]["tls"]["client_cert_chain"][0] for scope in app.scopes]
    assert shown == [CLIENT.pem, newcomer.pem]


async def test_broken_files_leave_what_was_read_before(files: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock, app = VirtualClock(), Recorder()
    async with serving(app, RawHttpToolsProtocol, server_context(tls(files), clock=clock, reload_s=10)) as port:
        (files / "server.pem").write_text("half a certif")
        clock.advance(10)

        await exchange(port, LAST, context=client_with(files, CLIENT))

    assert len(app.scopes) == 1
    assert "server.pem with the key" in caplog.text


def encrypted(pair: Pair) -> str:
    key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    return str(key.decode())


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        pytest.param("server.pem", None, "server.pem: No such file or directory", id="no file"),
        pytest.param("server.pem", "nothing", "server.pem with the key .* cannot be used", id="no certificate"),
        pytest.param("server.key", CLIENT.key_pem, "key values mismatch", id="the key of another"),
        pytest.param("server.key", encrypted(SERVER), "cannot be used", id="a key with a password"),
        pytest.param("ca.pem", "nothing", "ca.pem: no certificate in it can be used", id="no CA"),
    ],
)
def test_files_that_cannot_be_used_are_a_problem(files: Path, name: str, text: str | None, why: str) -> None:
    (files / name).unlink() if text is None else (files / name).write_text(text)

    with pytest.raises(ConfigError, match=why):
        server_context(tls(files))


def test_the_key_may_be_in_the_file_of_the_certificate(tmp_path: Path) -> None:
    (tmp_path / "both.pem").write_text(SERVER.key_pem + SERVER.pem)

    assert server_context(Tls(cert=tmp_path / "both.pem")).verify_mode is ssl.CERT_NONE


# ---------------------------------------------------------------------------------------------------- clients


async def run(*command: str | Path, given: bytes = b"") -> tuple[int | None, bytes]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*map(str, command), stdin=pipe, stdout=pipe, stderr=pipe)
    out, _ = await process.communicate(given)
    return process.returncode, out


@pytest.mark.needs("curl")
async def test_curl_comes_in_with_a_certificate_and_not_without(files: Path) -> None:
    app = Recorder()
    certificate, key = CLIENT.files(files, "client")
    async with serving(app, RawHttpToolsProtocol, server_context(tls(files))) as port:
        curl = ("curl", "-sS", "--noproxy", "*", "--cacert", files / "ca.pem", f"https://localhost:{port}/")
        with_one = await run(*curl, "--cert", certificate, "--key", key)
        without = await run(*curl)

    assert with_one == (0, b"ok")
    assert without[0] != 0
    assert app.scopes[0]["extensions"]["tls"]["client_cert_chain"][0] == CLIENT.pem
    assert len(app.scopes) == 1


@pytest.mark.needs("openssl")
async def test_s_client_comes_in_with_a_certificate_and_not_without(files: Path) -> None:
    app = Recorder()
    certificate, key = CLIENT.files(files, "client")
    async with serving(app, RawHttpToolsProtocol, server_context(tls(files))) as port:
        client = ("openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}", "-CAfile", files / "ca.pem")
        chain = ("-cert", certificate, "-key", key, "-cert_chain", certificate)
        _, answer = await run(*client, *chain, "-ign_eof", given=LAST)
        _, nothing = await run(*client, "-ign_eof", given=LAST)

    assert answer.startswith(b"HTTP/1.1 200")
    assert nothing == b""
    assert [scope["extensions"]["tls"]["client_cert_chain"][:2] for scope in app.scopes] == [(CLIENT.pem, INNER.pem)]
