"""Attacks on mutual TLS, at the public doors: certificates that are claimed, borrowed, forged or out of date."""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit import Gateway, MtlsMiddleware, PolicyMiddleware, authenticate, mtls
from gatewaykit.clock import VirtualClock
from gatewaykit.core.http import Identity
from gatewaykit.core.reasons import Reason
from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.peers.certificates import NOW, issue, revocation_list

ROOT = issue("O=Shop,CN=root", ca=True)
CLIENT = issue("C=US,O=Shop,CN=client", ROOT)
TRUST = ROOT.pem.encode()
PROXY, ANYBODY = ("10.0.0.7", 1), ("203.0.113.9", 1)

ESCAPED = quote(CLIENT.pem, safe="")
DER = f":{b64encode(CLIENT.der).decode()}:"
CLAIMS = {
    "client-cert": ("Client-Cert", DER),
    "nginx": ("X-SSL-Client-Cert", ESCAPED),
    "haproxy": ("X-SSL-Client-Cert", DER),
    "envoy": ("X-Forwarded-Client-Cert", f'Cert="{ESCAPED}"'),
    "alb": ("X-Amzn-Mtls-Clientcert", ESCAPED),
}
SOURCES = ("tls", *CLAIMS)


async def told(scope: Any, receive: Any, send: Any) -> None:
    """An app that tells who it thinks is calling, and the header fields it got."""
    caller = scope["state"]["gatewaykit"].identity
    body = {"caller": caller and caller.principal, "fields": [name.decode() for name, _ in scope["headers"]]}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def door(source: Any, **options: Any) -> PolicyMiddleware:
    clock = options.pop("clock", VirtualClock(NOW.timestamp()))
    return MtlsMiddleware(told, TRUST, source=source, clock=clock, trusted_proxies=["10.0.0.0/8"], **options)


def ask(app: Any, *fields: tuple[str, str], client: tuple[str, int] = ANYBODY, **more: Any) -> Any:
    return asyncio.run(Client(app, client=client).get("/", headers=[*fields], **more))


async def status_of(app: Any, tls: Any) -> int:
    """The status for a connection with this TLS extension."""
    scope = Client(app)._scope("http", "/", None, {"method": "GET"})
    scope["extensions"]["tls"] = tls
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return int(sent[0]["status"])


def spellings(name: str) -> list[str]:
    return [name, name.lower(), name.upper(), name.replace("-", "_"), name.lower().replace("-", "_", 1)]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("form", CLAIMS)
def test_a_certificate_that_anybody_wrote_into_a_header_proves_nothing(source: str, form: str) -> None:
    name, value = CLAIMS[form]
    for spelt in spellings(name):
        refused = ask(door(source), (spelt, value), ("X-SSL-Client-Verify", "SUCCESS"))
        passed = ask(door(source, required=False), (spelt, value), ("X-SSL-Client-Verify", "SUCCESS"))

        assert refused.status == 403, spelt
        assert passed.json() == {"caller": None, "fields": []}, spelt


@pytest.mark.parametrize("source", CLAIMS)
@pytest.mark.parametrize("form", CLAIMS)
def test_a_trusted_proxy_speaks_in_its_own_form_only(source: str, form: str) -> None:
    answer = ask(door(source), CLAIMS[form], client=PROXY)

    assert answer.status == (200 if source == form else 403)


@pytest.mark.parametrize("source", CLAIMS)
def test_what_a_client_slips_past_its_proxy_is_taken_out(source: str) -> None:
    smuggled = [(spelt, value) for name, value in CLAIMS.values() for spelt in spellings(name) if "_" in spelt]
    answer = ask(door(source), CLAIMS[source], *smuggled, client=PROXY)

    assert answer.json() == {"caller": "C=US,O=Shop,CN=client", "fields": []}


@pytest.mark.parametrize("source", CLAIMS)
def test_a_header_that_is_there_twice_proves_nothing(source: str) -> None:
    name, value = CLAIMS[source]
    other = issue("CN=other", ROOT)
    values = [
        value,
        value.replace(ESCAPED, quote(other.pem, safe="")).replace(DER, f":{b64encode(other.der).decode()}:"),
    ]
    for pair in (values, values[::-1], [value, value]):
        answer = ask(door(source), *[(name, each) for each in pair], client=PROXY)

        assert answer.status == 403


def test_x_forwarded_for_makes_nobody_a_proxy() -> None:
    for forwarded in ("10.0.0.7", "10.0.0.7, 10.0.0.8"):
        assert ask(door("nginx"), ("X-Forwarded-For", forwarded), CLAIMS["nginx"]).status == 403


def test_a_header_says_nothing_where_the_server_ended_tls() -> None:
    stranger = issue("CN=stranger", issue("O=Shop,CN=root", ca=True))
    for certificate in (None, stranger.pem):
        assert ask(door("tls"), *CLAIMS.values(), client=PROXY, client_cert=certificate).status == 403


FORGED_SIGNATURE = ssl.DER_cert_to_PEM_cert(CLIENT.der[:-1] + bytes([CLIENT.der[-1] ^ 1]))
FAKE_ROOT = issue("O=Shop,CN=root", ca=True)


@pytest.mark.parametrize(
    "chain",
    [
        pytest.param(issue("C=US,O=Shop,CN=client", FAKE_ROOT).chain, id="another CA of the same name"),
        pytest.param([*issue("C=US,O=Shop,CN=client", FAKE_ROOT).chain, FAKE_ROOT.pem], id="with its root"),
        pytest.param([*issue("C=US,O=Shop,CN=client", FAKE_ROOT).chain, ROOT.pem], id="with the real root"),
        pytest.param(issue("C=US,O=Shop,CN=admin", CLIENT).chain, id="signed by a client"),
        pytest.param([issue().pem, CLIENT.pem, ROOT.pem], id="self-signed, with the chain of another behind"),
        pytest.param([FAKE_ROOT.pem], id="a root of one's own"),
        pytest.param(issue(issuer=ROOT, ends=NOW - timedelta(seconds=1)).chain, id="expired a second ago"),
        pytest.param(issue(issuer=ROOT, uses=(ExtendedKeyUsageOID.SERVER_AUTH,)).chain, id="a server's certificate"),
        pytest.param([FORGED_SIGNATURE], id="another signature"),
        pytest.param([CLIENT.key_pem], id="a key"),
        pytest.param([CLIENT.pem] * 200, id="two hundred certificates"),
    ],
)
def test_a_forged_chain_is_refused(chain: list[str]) -> None:
    answer = ask(door("tls"), client_cert=chain)

    assert answer.status == 403


def test_a_certificate_ends_between_two_requests_of_one_connection() -> None:
    clock = VirtualClock(NOW.timestamp())
    app = door("tls", clock=clock)
    short = issue("CN=short", ROOT, ends=NOW + timedelta(minutes=5))
    extension = {"client_cert_chain": (short.pem,)}  # one object for the connection

    def status() -> int:
        return asyncio.run(status_of(app, extension))

    assert status() == 200
    clock.advance("301s")
    assert status() == 403


def test_a_certificate_is_revoked_while_its_connection_lives(tmp_path: Any) -> None:
    clock, path = VirtualClock(NOW.timestamp()), tmp_path / "list.pem"
    path.write_bytes(revocation_list(ROOT))
    app = door("tls", clock=clock, crl=path)
    assert ask(app, client_cert=CLIENT.pem).status == 200

    path.write_bytes(revocation_list(ROOT, [CLIENT]))
    clock.advance("10s")
    assert ask(app, client_cert=CLIENT.pem).status == 403


@pytest.mark.parametrize(
    "crl",
    [
        pytest.param(revocation_list(ROOT, signer=FAKE_ROOT), id="signed by another"),
        pytest.param(revocation_list(FAKE_ROOT), id="of another CA of the same name"),
        pytest.param(revocation_list(ROOT, ends=NOW - timedelta(seconds=1)), id="ended"),
    ],
)
def test_a_revocation_list_that_proves_nothing_lets_nobody_in(crl: bytes) -> None:
    assert ask(door("tls", crl=crl), client_cert=CLIENT.pem).status == 403


def test_an_authorizer_behind_does_not_open_what_the_certificate_closes() -> None:
    lets_all_in = authenticate(lambda request: Identity(principal="anybody"))
    for listed in ([mtls(TRUST), lets_all_in], [lets_all_in, mtls(TRUST)]):
        app = PolicyMiddleware(told, policies=listed)

        assert ask(app).status == 403


def test_the_client_learns_nothing_of_why() -> None:
    answers = [
        ask(door("tls")), ask(door("tls"), client_cert=[FAKE_ROOT.pem]), ask(door("tls"), client_cert="nonsense"),
        ask(door("nginx"), CLAIMS["nginx"]),
    ]  # fmt: skip

    assert {(answer.status, answer.body, tuple(answer.headers)) for answer in answers} == {
        (answers[0].status, answers[0].body, tuple(answers[0].headers))
    }


DOCUMENT = {
    "openapi": "3.0.1", "info": {"title": "t", "version": "1"},
    "paths": {"/pets": {"get": {"responses": {}, "x-amazon-apigateway-integration": {
        "type": "http_proxy", "httpMethod": "GET", "uri": "http://back.example/pets",
    }}}},
}  # fmt: skip


def test_a_back_end_never_sees_a_claimed_certificate_and_an_unknown_path_is_not_told_of() -> None:
    transport = ScriptedTransport([Reply(body=b"{}")])
    gateway = Gateway.from_openapi(
        DOCUMENT, policies=[mtls(TRUST)], transport=transport, clock=VirtualClock(NOW.timestamp())
    )
    asked = [*CLAIMS.values(), ("X_SSL_Client_Cert", "x"), ("X-Kept", "1")]

    unknown = ask(gateway, client=PROXY)
    answer = asyncio.run(Client(gateway).get("/pets", headers=asked, client_cert=CLIENT.pem))

    assert (unknown.status, unknown.json()) == (403, {"message": "Forbidden"})
    assert answer.status == 200
    names = {name.lower() for name, _ in transport.requests[0].headers}
    assert b"x-kept" in names
    assert not any(b"cert" in name for name in names)


FORGED = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=80).map(str.encode),
    st.integers(0, len(ESCAPED) - 1).map(lambda at: (ESCAPED[:at] + "A" + ESCAPED[at + 1 :]).encode()),
    st.integers(0, len(DER) - 1).map(lambda at: (DER[:at] + "A" + DER[at + 1 :]).encode()),
)


@given(st.sampled_from(sorted(CLAIMS)), FORGED, st.booleans())
def test_any_bytes_in_a_header_give_a_refusal_or_the_very_certificate(source: str, value: bytes, quoted: bool) -> None:
    sent = b'Cert="%b"' % value if source == "envoy" and quoted else value
    decision = DOORS[source].decide("GET", "/", headers=[(CLAIMS[source][0], sent.decode("latin-1"))], address=PROXY[0])

    if decision.allowed:
        assert decision.request.client_cert.pem == CLIENT.pem
    else:
        assert decision.reason in (Reason.CLIENT_CERTIFICATE_MISSING, Reason.CLIENT_CERTIFICATE_INVALID)


@given(st.one_of(st.binary(max_size=80), st.lists(st.one_of(st.binary(), st.text(), st.integers(), st.none()))))
def test_any_tls_extension_gives_a_refusal(chain: Any) -> None:
    assert asyncio.run(status_of(MtlsMiddleware(told, TRUST), {"client_cert_chain": chain})) == 403


DOORS = {source: door(source) for source in CLAIMS}
