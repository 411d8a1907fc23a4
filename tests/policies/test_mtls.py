"""The mutual TLS policy: where certificates come from, what is remembered, and how files are read again."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509

from gatewaykit import mtls
from gatewaykit.clock import VirtualClock
from gatewaykit.core.http import Identity, Request
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError
from gatewaykit.policies.mtls import Mtls
from gatewaykit.ports import Runtime
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.testing import PolicyContract
from gatewaykit.upstream.scripted import ScriptedTransport
from tests.peers.certificates import DAY, NOW, issue, revocation_list

ROOT = issue("O=Shop,CN=root", ca=True)
CLIENT = issue("C=US,O=Shop,CN=client", ROOT, names=[x509.DNSName("till1.example")], ends=NOW + DAY)
STRANGER = issue("C=US,O=Shop,CN=client", issue("O=Shop,CN=root", ca=True))
TRUST = ROOT.pem.encode()
PROXY = ("10.0.0.7", 1)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW.timestamp())


@pytest.fixture
def runtime(clock: VirtualClock) -> Runtime:
    return Runtime(
        clock=clock, throttles=MemoryThrottleStore(clock), transport=ScriptedTransport(), entropy=os.urandom,
        trusted_proxies=("10.0.0.0/8",),
    )  # fmt: skip


def over_tls(*chain: str | bytes, **more: Any) -> Request:
    request = Request("GET", "/")
    request.tls = {"client_cert_chain": list(chain), **more}
    return request


def from_proxy(*fields: tuple[str, str], client: tuple[str, int] | None = PROXY) -> Request:
    headers = [(name.encode(), value.encode()) for name, value in fields]
    return Request("GET", "/", headers=headers, client=client)


def ask(policy: Mtls, runtime: Runtime, request: Request) -> Request | Refusal:
    return hook(policy, runtime)(request)


def hook(policy: Mtls, runtime: Runtime) -> Any:
    return policy.bind(runtime).on_request


def reason(answer: Request | Refusal) -> Reason | None:
    return answer.reason if isinstance(answer, Refusal) else None


ESCAPED = quote(CLIENT.pem, safe="")


@pytest.mark.parametrize(
    "tls",
    [
        {"client_cert_chain": [CLIENT.pem]},
        {"client_cert_chain": (CLIENT.pem, ROOT.pem), "client_cert_error": None},
        {"client_cert_chain": [CLIENT.der]},
        {"client_cert_chain": CLIENT.pem},
        {"client_cert": CLIENT.der},
        {"client_cert": CLIENT.pem, "client_cert_chain": []},
    ],
    ids=["PEM list", "with the root", "DER list", "one text", "DER leaf", "PEM leaf beside an empty chain"],
)
def test_the_servers_tls_extension_is_read_leniently(runtime: Runtime, tls: dict[str, Any]) -> None:
    request = Request("GET", "/")
    request.tls = tls

    assert ask(mtls(TRUST), runtime, request) is request
    assert request.client_cert.subject_dn == "C=US,O=Shop,CN=client"
    assert request.identity is not None
    assert (request.identity.kind, request.identity.principal) == ("mtls", "C=US,O=Shop,CN=client")
    assert request.identity.claims["names"] == ("DNS:till1.example",)


@pytest.mark.parametrize(
    ("source", "fields"),
    [
        ("client-cert", [("Client-Cert", f":{b64encode(CLIENT.der).decode()}:")]),
        ("nginx", [("X-SSL-Client-Cert", ESCAPED), ("X-SSL-Client-Verify", "SUCCESS")]),
        ("haproxy", [("X-SSL-Client-Cert", f":{b64encode(CLIENT.der).decode()}:")]),
        ("envoy", [("X-Forwarded-Client-Cert", f'Cert="{ESCAPED}"')]),
        ("alb", [("X-Amzn-Mtls-Clientcert", ESCAPED)]),
    ],
)
def test_a_trusted_proxys_header_is_read_and_taken_out(runtime: Runtime, source: Any, fields: Any) -> None:
    request = from_proxy(*fields, ("Accept", "*/*"))

    assert ask(mtls(TRUST, source=source), runtime, request) is request
    assert request.client_cert.subject_dn == "C=US,O=Shop,CN=client"
    assert request.header_list == [(b"Accept", b"*/*")]
    assert request.headers == {b"accept": b"*/*"}


@pytest.mark.parametrize(
    ("policy", "request_", "why"),
    [
        pytest.param(
            mtls(TRUST), Request("GET", "/"),
            "the connection has no TLS, or the server does not show it (the ASGI TLS extension)", id="no TLS",
        ),
        pytest.param(mtls(TRUST), over_tls(), "the client sent no certificate", id="no certificate"),
        pytest.param(
            mtls(TRUST, source="nginx"), from_proxy(("x-ssl-client-cert", ESCAPED), client=("192.0.2.1", 1)),
            "the peer 192.0.2.1 is no trusted proxy: its headers say nothing about a client certificate",
            id="a header from anybody",
        ),
        pytest.param(
            mtls(TRUST, source="nginx"), from_proxy(("x-ssl-client-cert", ESCAPED), client=None),
            "the peer without an address is no trusted proxy: its headers say nothing about a client certificate",
            id="a header from a Unix socket",
        ),
        pytest.param(
            mtls(TRUST, source="nginx"), from_proxy(), "the proxy sent no client certificate (nginx)",
            id="a proxy without one",
        ),
        pytest.param(
            mtls(TRUST, source="nginx", proxies=["10.0.0.8"]), from_proxy(("x-ssl-client-cert", ESCAPED)),
            "the peer 10.0.0.7 is no trusted proxy: its headers say nothing about a client certificate",
            id="another proxy than this policy's own",
        ),
    ],
)  # fmt: skip
def test_without_a_certificate_the_operator_learns_why(
    runtime: Runtime, policy: Mtls, request_: Request, why: str
) -> None:
    refusal = ask(policy, runtime, request_)

    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.detail) == (Reason.CLIENT_CERTIFICATE_MISSING, why)
    assert request_.client_cert is None


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        pytest.param(over_tls(STRANGER.pem), "no chain leads from O=Shop,CN=root", id="another CA of the same name"),
        pytest.param(over_tls("nonsense"), "certificate 1 cannot be read", id="nonsense"),
        pytest.param(over_tls(7, CLIENT.pem), "the server shows none that can be read", id="no texts"),  # type: ignore[arg-type]
        pytest.param(
            over_tls(CLIENT.pem, client_cert_error="revoked"), "the server says of it: revoked", id="the server"
        ),
    ],
)
def test_a_certificate_that_proves_nothing_is_refused(runtime: Runtime, request_: Request, why: str) -> None:
    for required in (True, False):
        refusal = ask(mtls(TRUST, required=required), runtime, request_)

        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.CLIENT_CERTIFICATE_INVALID
        assert why in refusal.detail
        assert request_.identity is None


def test_the_tls_extension_may_hold_something_that_is_no_list(runtime: Runtime) -> None:
    request = Request("GET", "/")
    request.tls = {"client_cert_chain": 7}

    assert reason(ask(mtls(TRUST), runtime, request)) is Reason.CLIENT_CERTIFICATE_INVALID


def test_access_logs_can_show_a_certificate_that_was_refused(runtime: Runtime) -> None:
    request = over_tls(STRANGER.pem)
    ask(mtls(TRUST), runtime, request)

    assert request.client_cert.issuer_dn == "O=Shop,CN=root"


def test_where_none_is_required_a_request_without_one_passes(runtime: Runtime) -> None:
    request = from_proxy(("x-ssl-client-cert", ESCAPED), client=("192.0.2.1", 1))

    assert ask(mtls(TRUST, required=False), runtime, request) is request
    assert request.client_cert is None
    assert request.identity is None
    assert request.header_list == []


def test_an_identity_that_is_there_stays(runtime: Runtime) -> None:
    request = over_tls(CLIENT.pem)
    request.identity = alice = Identity(principal="alice")

    assert ask(mtls(TRUST), runtime, request) is request
    assert request.identity is alice
    assert request.client_cert is not None


@pytest.mark.parametrize(
    ("options", "lets_in"),
    [
        ({"subjects": ["C=US,O=Shop,CN=client"]}, True),
        ({"subjects": ["C=US,O=Shop,CN=clien", "CN=client"]}, False),
        ({"names": ["DNS:till1.example", "DNS:x"]}, True),
        ({"names": ["till1.example"]}, False),
        ({"subjects": ["C=US,O=Shop,CN=client"], "names": ["DNS:x"]}, False),
    ],
    ids=["subject", "parts of a subject", "name", "a name without its kind", "both have to fit"],
)
def test_only_some_subjects_and_names_may_be_let_in(runtime: Runtime, options: dict[str, Any], lets_in: bool) -> None:
    answer = ask(mtls(TRUST, **options), runtime, over_tls(CLIENT.pem))

    assert reason(answer) is (None if lets_in else Reason.CLIENT_CERTIFICATE_INVALID)


def test_a_certificate_without_a_subject_has_another_principal(runtime: Runtime) -> None:
    for names, principal in (([x509.DNSName("a.example")], "DNS:a.example"), ([], "sha256:")):
        request = over_tls(issue("", ROOT, names=names).pem)
        ask(mtls(TRUST), runtime, request)

        assert request.identity is not None
        assert request.identity.principal.startswith(principal)


def test_a_chain_seen_before_is_not_verified_again_until_it_ends(runtime: Runtime, clock: VirtualClock) -> None:
    check = hook(mtls(TRUST), runtime)
    first, second, late = over_tls(CLIENT.pem), over_tls(CLIENT.pem), over_tls(CLIENT.pem)
    assert check(first) is first
    assert check(second) is second
    assert second.identity is first.identity  # remembered

    clock.advance("1d")
    clock.advance(1)
    refusal = check(late)

    assert isinstance(refusal, Refusal)
    assert "it has expired on" in refusal.detail


def test_the_headers_of_a_trusted_proxy_may_stay(runtime: Runtime) -> None:
    fields = (("x-ssl-client-cert", ESCAPED), ("X-Forwarded-Client-Cert", "Hash=a"), ("X_SSL_Client_Cert", "b"))
    kept, taken = from_proxy(*fields), from_proxy(*fields, client=("192.0.2.1", 1))
    policy = mtls(TRUST, source="nginx", keep_header=True, required=False)

    assert ask(policy, runtime, kept) is kept
    assert ask(policy, runtime, taken) is taken
    assert kept.headers == {b"x-ssl-client-cert": ESCAPED.encode()}
    assert taken.headers == {}


def test_what_was_found_is_in_the_trace(runtime: Runtime) -> None:
    request = over_tls(CLIENT.pem)
    request.events = []
    ask(mtls(TRUST), runtime, request)

    assert request.events == [("credential", "client certificate C=US,O=Shop,CN=client (TLS)")]


# ---------------------------------------------------------------------------------------------------- files


def test_a_changed_truststore_is_read_again(
    runtime: Runtime, clock: VirtualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "trust.pem"
    path.write_text(ROOT.pem)
    check = hook(mtls(str(path), reload="10s"), runtime)
    other = issue("CN=other", ca=True)
    newcomer = issue("CN=new", other)
    assert reason(check(over_tls(newcomer.pem))) is Reason.CLIENT_CERTIFICATE_INVALID

    path.write_text(other.pem + "\n")
    assert reason(check(over_tls(CLIENT.pem))) is None  # it was looked at a moment ago
    clock.advance(10)

    assert reason(check(over_tls(newcomer.pem))) is None
    assert reason(check(over_tls(CLIENT.pem))) is Reason.CLIENT_CERTIFICATE_INVALID  # nothing is remembered


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("nothing\n")], ids=["gone", "useless"])
def test_a_truststore_that_cannot_be_used_any_more_is_told_of_once_and_the_last_one_stays(
    runtime: Runtime, clock: VirtualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Any
) -> None:
    path = tmp_path / "trust.pem"
    path.write_text(ROOT.pem)
    check = hook(mtls(path), runtime)
    spoil(path)
    for _ in range(3):
        clock.advance(10)

        assert reason(check(over_tls(CLIENT.pem))) is None

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "what was read before stays in use" in caplog.text


def test_a_new_revocation_list_counts_without_a_restart(runtime: Runtime, clock: VirtualClock, tmp_path: Path) -> None:
    path = tmp_path / "list.pem"
    path.write_bytes(revocation_list(ROOT))
    check = hook(mtls(TRUST, crl=path), runtime)
    assert reason(check(over_tls(CLIENT.pem))) is None

    path.write_bytes(revocation_list(ROOT, [CLIENT]))
    clock.advance(10)
    refusal = check(over_tls(CLIENT.pem))

    assert isinstance(refusal, Refusal)
    assert refusal.detail.endswith("of O=Shop,CN=root is revoked")


def test_a_list_that_has_ended_refuses_unless_told_otherwise(runtime: Runtime) -> None:
    ended = revocation_list(ROOT, ends=NOW - DAY / 2)

    assert reason(ask(mtls(TRUST, crl=ended), runtime, over_tls(CLIENT.pem))) is Reason.CLIENT_CERTIFICATE_INVALID
    assert reason(ask(mtls(TRUST, crl=ended, stale_crl="accept"), runtime, over_tls(CLIENT.pem))) is None


def test_what_is_odd_in_a_truststore_is_logged(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    ask(mtls(TRUST + CLIENT.pem.encode()), runtime, over_tls(CLIENT.pem))

    assert "certificate 2 (C=US,O=Shop,CN=client) is no CA" in caplog.text


# ---------------------------------------------------------------------------------------------------- mistakes


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        mtls(
            "", crl=7, stale_crl="x", source="ngnix", header="x y", verify_header="v", proxies=["nobody"],
            subjects="CN=a", names=[1], reload="soon",
        )  # type: ignore[arg-type]  # fmt: skip  # a user's mistakes

    assert [problem.where for problem in caught.value.problems] == [
        "mtls.truststore", "mtls.crl", "mtls.source", "mtls.header", "mtls.verify_header", "mtls.stale_crl",
        "mtls.proxies", "mtls.subjects", "mtls.names", "mtls.reload",
    ]  # fmt: skip
    assert caught.value.problems[2].near == "nginx"


def test_the_certificate_and_the_verdict_are_in_two_headers() -> None:
    with pytest.raises(ConfigError, match="is the header with the certificate too"):
        mtls(TRUST, source="nginx", header="X-Cert", verify_header="x-cert")


def test_files_are_read_when_the_policy_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        mtls(tmp_path / "none.pem", crl=b"nothing")

    assert [problem.where for problem in caught.value.problems] == ["mtls.truststore", "mtls.crl"]
    assert "none.pem: No such file" in caught.value.problems[0].what


def test_a_file_that_goes_before_the_policy_is_bound_is_a_problem(tmp_path: Path, runtime: Runtime) -> None:
    path = tmp_path / "trust.pem"
    path.write_text(ROOT.pem)
    policy = mtls(path)
    path.unlink()

    with pytest.raises(ConfigError, match="No such file"):
        policy.bind(runtime)


def test_a_header_that_nobody_is_trusted_to_write_is_a_mistake(runtime: Runtime) -> None:
    runtime.trusted_proxies = ()

    with pytest.raises(ConfigError, match="no proxy is trusted to write it"):
        mtls(TRUST, source="nginx").bind(runtime)
    assert mtls(TRUST, source="nginx", proxies=["10.0.0.1"]).bind(runtime)


class TestMtlsOverTls(PolicyContract):
    lets_through = False
    clock = VirtualClock(NOW.timestamp())

    def make_policy(self) -> Mtls:
        return mtls(TRUST)


class TestMtlsByHeader(PolicyContract):
    headers = {"x-forwarded-client-cert": f'Cert="{ESCAPED}"'}  # noqa: RUF012 - a ClassVar there
    clock = VirtualClock(NOW.timestamp())

    def make_policy(self) -> Mtls:
        return mtls(TRUST, source="envoy", proxies=["127.0.0.1"])
