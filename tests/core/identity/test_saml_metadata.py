"""An identity provider's metadata."""

from __future__ import annotations

import pytest

from gatewaykit.core.identity.saml_metadata import read_metadata

METADATA = """\
<!-- of our provider -->
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example/saml">
  <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <md:KeyDescriptor use="signing">
      <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>
        <ds:X509Certificate>
          QUJD
          REVG
        </ds:X509Certificate>
      </ds:X509Data></ds:KeyInfo>
    </md:KeyDescriptor>
    <md:KeyDescriptor use="encryption">
      <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>
        <ds:X509Certificate>R0hJ</ds:X509Certificate>
      </ds:X509Data></ds:KeyInfo>
    </md:KeyDescriptor>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>
"""


def test_the_name_and_the_signing_certificates_are_read() -> None:
    name, certificates = read_metadata(METADATA.encode())

    assert name == "https://idp.example/saml"
    assert certificates == ["-----BEGIN CERTIFICATE-----\nQUJDREVG\n-----END CERTIFICATE-----\n"]


def test_a_key_for_any_use_signs() -> None:
    _, certificates = read_metadata(METADATA.replace(' use="signing"', "").encode())

    assert len(certificates) == 1


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("", "it is no XML"),
        ("<a/>", "describes 0 identity providers"),
        (f"<a>{METADATA}{METADATA}</a>", "describes 2 identity providers"),
        (METADATA.replace("entityID", "id"), "no entityID"),
        (METADATA.replace('use="signing"', 'use="encryption"'), "no certificate for signing"),
    ],
    ids=["nothing", "none", "two", "no name", "no certificate"],
)
def test_what_is_missing_is_said(document: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_metadata(document.encode())
