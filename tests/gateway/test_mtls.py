"""What a client certificate becomes behind the policy: in events, logs, authorizers and views."""

from __future__ import annotations

import json
from typing import Any

from gatewaykit import Gateway, Identity, PolicyMiddleware, access_log, authenticate, mtls
from gatewaykit.clock import VirtualClock
from gatewaykit.testing import Client
from tests.peers.certificates import NOW, issue

ROOT = issue("O=Shop,CN=root", ca=True)
CLIENT = issue("C=US,O=Shop,CN=client", ROOT, serial=0xA10B)
STRANGER = issue("CN=stranger")
CLOCK = VirtualClock(NOW.timestamp())

URI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:1:function:f/invocations"
DOCUMENT = {
    "openapi": "3.0.1", "info": {"title": "t", "version": "1"},
    "paths": {"/": {"get": {"responses": {}, "x-amazon-apigateway-integration": {
        "type": "aws_proxy", "httpMethod": "POST", "uri": URI,
    }}}},
}  # fmt: skip


def function(event: Any, context: Any) -> dict[str, Any]:
    return {"statusCode": 200, "body": json.dumps(event["requestContext"])}


def gateway(*policies: Any) -> Gateway:
    return Gateway.from_openapi(DOCUMENT, functions={"f": function}, policies=policies, clock=CLOCK)


async def test_a_lambda_function_sees_it_in_the_identity() -> None:  # 02 section 8
    answer = await Client(gateway(mtls(ROOT.pem.encode()))).get("/", client_cert=CLIENT.chain)

    certificate = answer.json()["identity"]["clientCert"]
    assert list(certificate) == ["clientCertPem", "subjectDN", "issuerDN", "serialNumber", "validity"]
    assert certificate["subjectDN"] == "C=US,O=Shop,CN=client"
    assert certificate["serialNumber"] == "a1:0b"
    assert "authorizer" not in answer.json()


async def test_an_authorizer_behind_finds_it_and_has_an_identity_of_its_own() -> None:
    def known(request: Any) -> Identity:
        return Identity(principal=f"till {request.client_cert.serial_number}", claims={"was": request.identity.kind})

    answer = await Client(gateway(authenticate(known), mtls(ROOT.pem.encode()))).get("/", client_cert=CLIENT.pem)

    assert answer.json()["authorizer"] == {"principalId": "till a1:0b", "was": "mtls"}
    assert answer.json()["identity"]["clientCert"]["subjectDN"] == "C=US,O=Shop,CN=client"


async def test_an_access_log_shows_it_also_where_it_was_refused() -> None:  # 02 section 8
    lines: list[str] = []
    log = access_log("$context.status $context.identity.clientCert.subjectDN $context.error.reason", sink=lines.append)
    asked = Client(gateway(log, mtls(ROOT.pem.encode())))

    for certificate in (CLIENT.pem, STRANGER.pem, None):
        await asked.get("/", client_cert=certificate)

    assert [line.strip() for line in lines] == [
        "200 C=US,O=Shop,CN=client -", "403 CN=stranger CLIENT_CERTIFICATE_INVALID", "403 - CLIENT_CERTIFICATE_MISSING",
    ]  # fmt: skip


async def test_an_inner_view_shows_the_certificate_of_the_outer_one() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["state"]["gatewaykit"].client_cert)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    inner = PolicyMiddleware(app, policies=[authenticate(lambda request: Identity(principal="a"))])

    async def between(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    outer = PolicyMiddleware(between, policies=[mtls(ROOT.pem.encode())], clock=CLOCK)
    await Client(outer).get("/", client_cert=CLIENT.pem)

    assert seen[0].subject_dn == "C=US,O=Shop,CN=client"
