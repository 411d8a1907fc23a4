"""saml_bearer() and assertions that another implementation than signxml signed: xmlsec1."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gatewaykit import Decision, PolicyMiddleware, Reason, VirtualClock, saml_bearer
from tests.peers.identity_provider import API, ISSUER, NOW, IdentityProvider, assertion, deflated, encoded, provider

pytestmark = pytest.mark.needs("xmlsec1")

DSIG, MORE = "http://www.w3.org/2000/09/xmldsig#", "http://www.w3.org/2001/04/xmldsig-more#"
TEMPLATE = """\
<ds:Signature xmlns:ds="{dsig}">
  <ds:SignedInfo>
    <ds:CanonicalizationMethod Algorithm="{c14n}"/>
    <ds:SignatureMethod Algorithm="{method}"/>
    <ds:Reference URI="#_a1">
      <ds:Transforms>
        <ds:Transform Algorithm="{dsig}enveloped-signature"/><ds:Transform Algorithm="{c14n}"/>
      </ds:Transforms>
      <ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue/>
    </ds:Reference>
  </ds:SignedInfo>
  <ds:SignatureValue/>
  <ds:KeyInfo><ds:X509Data/></ds:KeyInfo>
</ds:Signature>"""
EXCLUSIVE, INCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
SHA256, SHA1 = "http://www.w3.org/2001/04/xmlenc#sha256", f"{DSIG}sha1"


def sign(idp: IdentityProvider, directory: Path, method: str, digest: str = SHA256, c14n: str = EXCLUSIVE) -> str:
    """An assertion about Alice, signed by xmlsec1."""
    key = idp.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "key.pem").write_bytes(key)
    (directory / "certificate.pem").write_text(idp.pem)
    signature = TEMPLATE.format(dsig=DSIG, method=method, digest=digest, c14n=c14n)
    placeholder = f'<ds:Signature xmlns:ds="{DSIG}" Id="placeholder"/>'
    (directory / "assertion.xml").write_text(assertion().replace(placeholder, signature))
    command = ["xmlsec1", "--sign", "--privkey-pem", "key.pem,certificate.pem", "--id-attr:ID", "Assertion"]
    done = subprocess.run([*command, "assertion.xml"], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def send(idp: IdentityProvider, credential: str) -> Decision:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError("decide calls no app")

    policy = saml_bearer(issuer=ISSUER, audience=API, idp_certificates=idp.pem, recipient=f"{API}/token")
    guarded = PolicyMiddleware(app, policies=[policy], clock=VirtualClock(NOW))
    return guarded.decide("GET", "/", headers={"authorization": f"SAML {credential}"})


@pytest.mark.parametrize(
    ("kind", "method", "c14n"),
    [
        ("rsa", f"{MORE}rsa-sha256", EXCLUSIVE),
        ("rsa", f"{MORE}rsa-sha512", EXCLUSIVE),
        ("ec", f"{MORE}ecdsa-sha256", EXCLUSIVE),
        ("rsa", f"{MORE}rsa-sha256", INCLUSIVE),
    ],
    ids=["RSA", "RSA with SHA-512", "ECDSA", "inclusive"],
)
def test_an_assertion_that_it_signed_is_let_in(kind: str, method: str, c14n: str, tmp_path: Path) -> None:
    idp = provider(kind, kind)
    xml = sign(idp, tmp_path, method, c14n=c14n)

    for credential in (encoded(xml), deflated(xml)):
        decision = send(idp, credential)

        assert decision.identity is not None, decision.detail
        assert decision.identity.principal == "alice@example.com"


@pytest.mark.parametrize(
    ("method", "digest"), [(f"{DSIG}rsa-sha1", SHA256), (f"{MORE}rsa-sha256", SHA1)], ids=["signed", "digested"]
)
def test_an_assertion_that_it_signed_with_sha_1_is_not(method: str, digest: str, tmp_path: Path) -> None:
    idp = provider("rsa", "rsa")

    decision = send(idp, encoded(sign(idp, tmp_path, method, digest)))

    assert (decision.reason, decision.identity) == (Reason.TOKEN_INVALID, None)


def test_an_assertion_that_was_changed_afterwards_is_not(tmp_path: Path) -> None:
    idp = provider("rsa", "rsa")
    xml = sign(idp, tmp_path, f"{MORE}rsa-sha256").replace("alice@example.com", "admin@example.com")

    assert send(idp, encoded(xml)).reason is Reason.TOKEN_INVALID
