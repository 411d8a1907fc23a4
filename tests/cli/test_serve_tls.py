"""`serve` with certificates of its own and of its clients: mutual TLS with no proxy."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cli.conftest import Run, Serve
from tests.peers.certificates import Pair, issue, server

ROOT = issue("CN=root", ca=True)
CLIENT = issue("C=US,O=Shop,CN=till 1", ROOT, serial=0xA10B)
STRANGER = issue("C=US,O=Shop,CN=till 1", issue("CN=root", ca=True))
SERVER = server(ROOT)
WHO = """\
openapi: 3.0.1
info: {title: who, version: "1"}
paths:
  /who:
    get:
      responses: {}
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {application/json: '{"statusCode": 200}'}
        responses:
          default:
            statusCode: "200"
            responseTemplates:
              application/json: '{"dn": "$context.identity.clientCert.subjectDN",
                "serial": "$context.identity.clientCert.serialNumber",
                "end": "$context.identity.clientCert.validity.notAfter",
                "pem": "$util.escapeJavaScript($context.identity.clientCert.clientCertPem)"}'
"""
GATEWAY = """\
apis: {who: {definition: who.yaml}}
server: {tls: {cert: keys/server.pem, key: keys/server.key, client_ca: keys/ca.pem}}
"""
OPTIONS = ("--tls-cert", "keys/server.pem", "--tls-key", "keys/server.key", "--client-ca", "keys/ca.pem")


@pytest.fixture
def keys(here: Path) -> Path:
    """keys/server.pem, server.key and ca.pem; who.yaml and gateway.yaml beside them."""
    directory = here / "keys"
    directory.mkdir()
    SERVER.files(directory, "server")
    (directory / "ca.pem").write_text(ROOT.pem)
    (here / "who.yaml").write_text(WHO)
    (here / "gateway.yaml").write_text(GATEWAY)
    return directory


def client_with(keys: Path, pair: Pair | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ROOT.pem)
    if pair is not None:
        context.load_cert_chain(*pair.files(keys, "client"))
    return context


@pytest.mark.parametrize("source", [("who.yaml", *OPTIONS), ("gateway.yaml",)], ids=["options", "gateway.yaml"])
def test_a_client_with_a_certificate_is_let_in_and_known(serve: Serve, keys: Path, source: tuple[str, ...]) -> None:
    running = serve(*source)

    answer = running.get("/who", verify=client_with(keys, CLIENT))

    assert running.said["url"].startswith("https://127.0.0.1:")
    assert running.said["try"] == f"curl --cacert … --cert … --key … {running.said['url']}/who"
    assert answer.status_code == 200
    assert answer.json()["dn"] == "C=US,O=Shop,CN=till 1"
    assert answer.json()["serial"] == "a1:0b"
    assert answer.json()["end"].endswith(" GMT")
    assert answer.json()["pem"] == CLIENT.pem


@pytest.mark.parametrize("pair", [None, STRANGER], ids=["none", "of another CA"])
def test_others_have_no_connection(serve: Serve, keys: Path, pair: Pair | None) -> None:
    running = serve("who.yaml", *OPTIONS)

    with pytest.raises((httpx2.ConnectError, httpx2.ReadError, httpx2.RemoteProtocolError)):
        running.get("/who", verify=client_with(keys, pair))
    code, _, err = running.stop()
    assert (code, err) == (0, "")  # nothing was asked, and nothing is a failure of the server


def test_where_it_is_optional_a_client_may_come_without(serve: Serve, keys: Path) -> None:
    running = serve("gateway.yaml", "--client-cert", "optional")

    without, with_one = (running.get("/who", verify=client_with(keys, pair)) for pair in (None, CLIENT))

    assert (without.status_code, without.json()["dn"]) == (200, "")
    assert with_one.json()["dn"] == "C=US,O=Shop,CN=till 1"


def test_https_alone_asks_nobody(serve: Serve, keys: Path) -> None:
    running = serve("who.yaml", *OPTIONS[:4])

    assert running.get("/who", verify=client_with(keys, None)).json()["dn"] == ""


def test_an_unknown_path_is_behind_the_certificate_too(run: Run, keys: Path) -> None:
    for path in ("/who", "/nothing"):
        ran = run("explain", "gateway.yaml", "GET", path, "--json")

        assert json.loads(ran.out)["reason"] == "CLIENT_CERTIFICATE_MISSING"


def test_explain_takes_the_certificate_of_a_client(run: Run, keys: Path) -> None:
    CLIENT.files(keys, "client")
    STRANGER.files(keys, "stranger")

    fine = run("explain", "gateway.yaml", "GET", "/who", "--client-cert", "keys/client.pem")
    wrong = run("explain", "gateway.yaml", "GET", "/who", "--client-cert", "keys/stranger.pem")
    invoked = run("invoke", "gateway.yaml", "GET", "/who", "--client-cert", "keys/client.pem", "--json")
    missing = run("explain", "gateway.yaml", "GET", "/who", "--client-cert", "keys/none.pem")

    assert fine.code == 0
    assert wrong.out.startswith("denied: client certificate: C=US,O=Shop,CN=till 1 (serial ")
    assert json.loads(json.loads(invoked.out)["body"])["dn"] == "C=US,O=Shop,CN=till 1"
    assert "--client-cert keys/none.pem: No such file" in missing.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--tls-key", "keys/server.key"), "--tls-key, --client-ca and --client-cert need --tls-cert"),
        ((*OPTIONS[:4], "--client-cert", "optional"), "--client-cert needs --client-ca"),
        (("--tls-cert", "keys/none.pem"), "keys/none.pem: No such file or directory"),
        (("--tls-cert", "keys/ca.pem"), "keys/ca.pem cannot be used"),
        ((*OPTIONS[:4], "--client-ca", "keys/server.key"), "no certificate in it can be used"),
    ],
    ids=["a key alone", "optional without CAs", "no file", "no key", "no CA"],
)
def test_what_cannot_be_served_is_said_at_the_start(run: Run, keys: Path, words: Any, why: str) -> None:
    ran = run("serve", "who.yaml", "--port", "0", *words)

    assert ran.code == 2
    assert why in ran.err
