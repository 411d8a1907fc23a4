"""An identity provider's metadata: its name, and the certificates it signs with (SAML 2.0 metadata, section 2.4).

The file is trusted as configured; its own signature, if it has one, is not looked at. Needs the extra `saml`.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

__all__ = ["read_metadata"]

_METADATA: Final = "{urn:oasis:names:tc:SAML:2.0:metadata}"
_CERTIFICATE: Final = "{http://www.w3.org/2000/09/xmldsig#}X509Certificate"


def read_metadata(document: bytes) -> tuple[str, list[str]]:
    """The entity ID and the signing certificates, each in PEM. Raises ValueError, saying what is missing."""
    try:
        root = etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except etree.XMLSyntaxError as error:
        raise ValueError(f"it is no XML: {error}") from None
    providers = [entity for entity in root.iter(f"{_METADATA}EntityDescriptor") if _is_provider(entity)]
    if len(providers) != 1:
        raise ValueError(f"it describes {len(providers)} identity providers, in place of one")
    entity_id = providers[0].get("entityID")
    if not entity_id:
        raise ValueError("its EntityDescriptor has no entityID")
    certificates = [
        f"-----BEGIN CERTIFICATE-----\n{''.join(str(certificate.text).split())}\n-----END CERTIFICATE-----\n"
        for role in providers[0].findall(f"{_METADATA}IDPSSODescriptor")
        for key in role.findall(f"{_METADATA}KeyDescriptor")
        if key.get("use", "signing") == "signing"
        for certificate in key.iter(_CERTIFICATE)
    ]
    if not certificates:
        raise ValueError("its IDPSSODescriptor has no certificate for signing")
    return str(entity_id), certificates


def _is_provider(entity: etree._Element) -> bool:
    return entity.find(f"{_METADATA}IDPSSODescriptor") is not None
