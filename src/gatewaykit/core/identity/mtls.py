"""What a client certificate says, in API Gateway's shape.

Developer guide, "Configuring mutual TLS authentication"; reference 02 section 8. Names are written in the order of the
certificate (`C=US,O=Shop,CN=client`), serial numbers as bytes in hexadecimal (`a1:0b`, and `1` for one), times as
OpenSSL prints them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

__all__ = ["ClientCertificate", "facts_of", "read_certificates", "serial_text", "time_text"]

MOST_PRESENTED: Final = 10
"""Certificates in one chain. No honest one is as long; each costs a signature to check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """The certificate a client has shown. `names` are its alternative names, such as `DNS:a.example`."""

    pem: str
    subject_dn: str
    issuer_dn: str
    serial_number: str
    not_before: str
    not_after: str
    names: tuple[str, ...] = ()
    fingerprint: str = ""  # SHA-256, in hexadecimal

    @property
    def context(self) -> dict[str, Any]:
        """`$context.identity.clientCert`."""
        return {
            "clientCertPem": self.pem,
            "subjectDN": self.subject_dn,
            "issuerDN": self.issuer_dn,
            "serialNumber": self.serial_number,
            "validity": {"notBefore": self.not_before, "notAfter": self.not_after},
        }


def read_certificates(parts: Iterable[str | bytes]) -> tuple[x509.Certificate, ...] | str:
    """A presented chain, the client's own certificate first; or what is wrong with it.

    Each part is DER, or text with one or more PEM blocks.
    """
    read: list[x509.Certificate] = []
    for part in parts:
        data = part.encode("utf-8", "replace") if isinstance(part, str) else part
        blocks = _PEM.findall(data) or [data]
        if len(read) + len(blocks) > MOST_PRESENTED:
            return f"the chain has more than {MOST_PRESENTED} certificates"
        for block in blocks:
            certificate = load_certificate(block)
            if isinstance(certificate, str):
                return f"certificate {len(read) + 1} cannot be read: {certificate}"
            read.append(certificate)
    return tuple(read)


def load_certificate(data: bytes) -> x509.Certificate | str:
    """A certificate from PEM or DER, whose names, times and extensions can be read; or why not."""
    try:
        is_pem = data.lstrip().startswith(b"-----")
        certificate = x509.load_pem_x509_certificate(data) if is_pem else x509.load_der_x509_certificate(data)
        # Parsing is lazy: what may fail, fails here, and nowhere later.
        facts_of(certificate)
        _ = certificate.signature_hash_algorithm, certificate.public_key()
    except Exception as error:  # noqa: BLE001 - the library has many errors for the many ways a certificate is broken
        words = str(error).partition("\n")[0].partition(". See ")[0]
        return words or type(error).__name__
    return certificate


def facts_of(certificate: x509.Certificate) -> ClientCertificate:
    """What a certificate says. Raises ValueError and others for one whose parts cannot be read."""
    return ClientCertificate(
        pem=certificate.public_bytes(Encoding.PEM).decode(),
        subject_dn=distinguished_name(certificate.subject),
        issuer_dn=distinguished_name(certificate.issuer),
        serial_number=serial_text(certificate.serial_number),
        not_before=time_text(certificate.not_valid_before_utc),
        not_after=time_text(certificate.not_valid_after_utc),
        names=_alternative_names(certificate.extensions),
        fingerprint=certificate.fingerprint(SHA256()).hex(),
    )


def distinguished_name(name: x509.Name) -> str:
    """`C=US,O=Shop,CN=client`: most general first, as AWS shows it; values escaped as in RFC 4514."""
    return ",".join(rdn.rfc4514_string(_SHORT_NAMES) for rdn in name.rdns)


def serial_text(number: int) -> str:
    digits = f"{abs(number):x}"
    if len(digits) > 2:
        digits = digits.zfill(len(digits) + len(digits) % 2)
    return ("-" if number < 0 else "") + ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def time_text(moment: datetime) -> str:
    """`Aug  5 09:36:04 2021 GMT`."""
    return f"{_MONTHS[moment.month - 1]} {moment.day:2} {moment:%H:%M:%S} {moment.year:04} GMT"


_PEM: Final = re.compile(rb"-----BEGIN [^-]+-----[^-]*-----END [^-]+-----")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SHORT_NAMES: Final = {x509.NameOID.EMAIL_ADDRESS: "emailAddress"}


def _alternative_names(extensions: x509.Extensions) -> tuple[str, ...]:
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(text for name in names if (text := _alternative_name(name)))


def _alternative_name(name: x509.GeneralName) -> str:
    for kind, prefix in _KINDS:
        if isinstance(name, kind):
            return f"{prefix}:{name.value}"
    return ""


_KINDS: Final = (
    (x509.DNSName, "DNS"), (x509.UniformResourceIdentifier, "URI"), (x509.RFC822Name, "email"), (x509.IPAddress, "IP"),
)  # fmt: skip
