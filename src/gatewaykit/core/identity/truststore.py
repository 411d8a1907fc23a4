"""Whom a gateway lets vouch for clients: a bundle of CA certificates in PEM.

Limits and strengths: developer guide, "Configuring your truststore"; reference 02 section 8. As there, a certificate
that cannot be used is a warning, not an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gatewaykit.core.identity.mtls import distinguished_name, load_certificate

__all__ = ["MAX_BYTES", "MAX_CERTIFICATES", "Truststore", "read_truststore", "weakness"]

MAX_BYTES: Final = 1_000_000
MAX_CERTIFICATES: Final = 1000


@dataclass(frozen=True, slots=True)
class Truststore:
    """Certificates that are trusted as they stand. `warnings` say which of the bundle are left out, or odd."""

    certificates: tuple[x509.Certificate, ...]
    warnings: tuple[str, ...] = ()


def read_truststore(data: bytes) -> Truststore | str:
    """The truststore in a PEM bundle; or why there is none."""
    if len(data) > MAX_BYTES:
        return f"it has {len(data)} bytes; {MAX_BYTES} are the most"
    blocks = _BLOCK.findall(data)
    broken = len(_BEGIN.findall(data)) - len(blocks)
    if len(blocks) > MAX_CERTIFICATES:
        return f"it has {len(blocks)} certificates; {MAX_CERTIFICATES} are the most"
    usable: dict[x509.Certificate, None] = {}  # in their order; a certificate that stands twice is one
    warnings = [_PRIVATE_KEY] if b"PRIVATE KEY-----" in data else []
    if broken:
        warnings.append(f"certificates that begin and do not end as they should, and are left out: {broken}")
    for number, block in enumerate(blocks, 1):
        certificate = load_certificate(block)
        if isinstance(certificate, str):
            warnings.append(f"certificate {number} cannot be read: {certificate}")
            continue
        named = f"certificate {number} ({distinguished_name(certificate.subject)})"
        if weak := weakness(certificate):
            warnings.append(f"{named} is left out: {weak}")
            continue
        if not _is_ca(certificate):
            warnings.append(f"{named} is no CA: it lets in the client that has this very certificate, and nobody else")
        usable[certificate] = None
    if not usable:
        return "; ".join(("no certificate in it can be used", *warnings))
    return Truststore(tuple(usable), tuple(warnings))


def weakness(certificate: x509.Certificate) -> str:
    """Why a certificate is too weak to prove anything; "" where it is not."""
    key = certificate.public_key()
    if isinstance(key, RSAPublicKey):
        if key.key_size < 2048:
            return f"its RSA key has {key.key_size} bits, and needs 2048"
    elif isinstance(key, EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            return f"its key is on the curve {key.curve.name}, not on P-256, P-384 or P-521"
    else:
        return f"its key is of the kind {type(key).__name__}, not RSA or ECDSA"
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None or algorithm.name not in _DIGESTS:
        return f"it is signed with {'no known digest' if algorithm is None else algorithm.name}, and needs SHA-256"
    return ""


_BEGIN: Final = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----")
_BLOCK: Final = re.compile(_BEGIN.pattern + rb"[^-]*-----END (?:X509 |TRUSTED )?CERTIFICATE-----")
_CURVES: Final = frozenset(("secp256r1", "secp384r1", "secp521r1"))
_DIGESTS: Final = frozenset(("sha256", "sha384", "sha512"))
_PRIVATE_KEY: Final = "it holds a private key, which does not belong there: whoever reads the file can sign clients"


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
