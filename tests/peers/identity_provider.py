"""A SAML 2.0 identity provider for tests: it signs what it is given, with keys of its own, by signxml."""

from __future__ import annotations

import base64
import datetime
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

__all__ = ["API", "ISSUER", "NOW", "IdentityProvider", "assertion", "deflated", "encoded", "provider"]

NOW = "2026-01-15T12:00:00Z"
ISSUER, API = "https://idp.example/saml", "https://api.example"

_TEMPLATE = """\
<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{id}" Version="2.0" \
IssueInstant="2026-01-15T11:59:00Z">
  <saml:Issuer>{issuer}</saml:Issuer>
  <ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="placeholder"/>
  <saml:Subject>
    <saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">{name}</saml:NameID>
    <saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
      <saml:SubjectConfirmationData {confirmation}/>
    </saml:SubjectConfirmation>
  </saml:Subject>
  <saml:Conditions {conditions}>
    <saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction>{more_conditions}
  </saml:Conditions>
  <saml:AuthnStatement AuthnInstant="2026-01-15T11:59:00Z" {session}/>
  <saml:AttributeStatement>
    <saml:Attribute Name="urn:oid:mail"><saml:AttributeValue>{name}</saml:AttributeValue></saml:Attribute>
    <saml:Attribute Name="groups">
      <saml:AttributeValue>staff</saml:AttributeValue><saml:AttributeValue>vets</saml:AttributeValue>
    </saml:Attribute>
  </saml:AttributeStatement>
</saml:Assertion>"""
_FACTS = {
    "id": "_a1", "issuer": ISSUER, "name": "alice@example.com", "audience": API, "more_conditions": "", "session": "",
    "confirmation": f'Recipient="{API}/token" NotOnOrAfter="2026-01-15T12:05:00Z"',
    "conditions": 'NotBefore="2026-01-15T11:59:00Z" NotOnOrAfter="2026-01-15T12:05:00Z"',
}  # fmt: skip


def assertion(**facts: str) -> str:
    """An assertion about Alice that is not signed yet; `facts` replace parts of it."""
    return _TEMPLATE.format(**{**_FACTS, **facts})


def encoded(xml: str) -> str:
    """As it is sent: base64url, without padding (RFC 7522 section 2.1)."""
    return base64.urlsafe_b64encode(xml.encode()).decode().rstrip("=")


def deflated(xml: str) -> str:
    """As in a redirect: deflated, in base64."""
    packer = zlib.compressobj(wbits=-15)
    return base64.b64encode(packer.compress(xml.encode()) + packer.flush()).decode()


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    key: Any
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def sign(
        self,
        xml: str,
        uri: str = "",
        *,
        method: SignatureMethod | None = None,
        digest: DigestAlgorithm = DigestAlgorithm.SHA256,
        c14n: CanonicalizationMethod = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    ) -> str:
        """The XML with a signature of its root, or of what `uri` names."""
        root = etree.fromstring(xml)
        if method is None:
            ecdsa = isinstance(self.key, ec.EllipticCurvePrivateKey)
            method = SignatureMethod.ECDSA_SHA256 if ecdsa else SignatureMethod.RSA_SHA256
        signer = _Signer(signature_algorithm=method, digest_algorithm=digest, c14n_algorithm=c14n)
        signed = signer.sign(root, key=self.key, cert=[self.certificate], reference_uri=uri or f"#{root.get('ID')}")
        return etree.tostring(signed, encoding="unicode")


class _Signer(XMLSigner):  # type: ignore[misc]  # signxml does not export it as typed
    def check_deprecated_methods(self) -> None:
        """Signs with SHA-1 as well: that it is refused has to be seen."""


@cache
def provider(name: str = "idp", kind: str = "ec", around: str = NOW) -> IdentityProvider:
    """A provider with its own key, the same for one name in one run; `kind` is ec, rsa or weak.

    Its certificate is valid for a year before and after `around`.
    """
    key: Any = ec.generate_private_key(ec.SECP256R1())
    if kind != "ec":
        key = rsa.generate_private_key(65537, 1024 if kind == "weak" else 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    year = datetime.timedelta(days=365)
    middle = datetime.datetime.fromisoformat(around)
    certificate = builder.not_valid_before(middle - year).not_valid_after(middle + year).sign(key, hashes.SHA256())
    return IdentityProvider(key, certificate)
