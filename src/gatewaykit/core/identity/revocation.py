"""Certificate revocation lists (RFC 5280 section 5). API Gateway checks none; here they are checked where given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from cryptography import x509

from gatewaykit.core.identity.mtls import distinguished_name, serial_text, time_text

__all__ = ["Revocations", "read_revocations"]


@dataclass(frozen=True, slots=True)
class Revocations:
    """Lists of several issuers. With `stale` a list counts beyond its end: only for who cannot renew them in time."""

    lists: tuple[x509.CertificateRevocationList, ...]
    stale: bool = False

    def against(
        self, chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], at: datetime
    ) -> str | datetime:
        """What speaks against a verified chain, the client's certificate first; or until when nothing does.

        The issuer of the client's certificate must have a list; what is signed by a CA without one is not refused
        further up. A certificate that is trusted as it stands, and is its own issuer, is nobody's to revoke.
        """
        until = datetime.max.replace(tzinfo=at.tzinfo)
        for position, certificate in enumerate(chain):
            if certificate.issuer == certificate.subject:
                continue
            issuers = [other for other in (*chain, *anchors) if other.subject == certificate.issuer]
            lists = [each for each in self.lists if each.issuer == certificate.issuer and _is_signed(each, issuers)]
            who = f"certificate {serial_text(certificate.serial_number)} of {distinguished_name(certificate.issuer)}"
            if any(each.get_revoked_certificate_by_serial_number(certificate.serial_number) for each in lists):
                return f"{who} is revoked"
            if not lists and position == 0:
                return f"whether {who} is revoked is not known: no revocation list is signed by its issuer"
            if lists and not self.stale:
                ends = [each.next_update_utc for each in lists if each.last_update_utc <= at]
                latest = max((end for end in ends if end is not None), default=None)
                if latest is None:
                    return f"whether {who} is revoked is not known: the list does not say for when it holds"
                if latest <= at:
                    return f"whether {who} is revoked is not known: the list ended on {time_text(latest)}"
                until = min(until, latest)
        return until


def read_revocations(data: bytes, *, stale: bool = False) -> Revocations | str:
    """The lists in a file, one in DER or several in PEM; or what is wrong with it."""
    lists = []
    for number, block in enumerate(_BLOCK.findall(data) or [data], 1):
        try:
            is_pem = block.startswith(b"-----")
            each = x509.load_pem_x509_crl(block) if is_pem else x509.load_der_x509_crl(block)
            named = distinguished_name(each.issuer)
            _ = each.next_update_utc, each.last_update_utc, len(each)
            critical = [extension.oid.dotted_string for extension in each.extensions if extension.critical]
            digest = each.signature_hash_algorithm
        except Exception as error:  # noqa: BLE001 - the library has many errors for the many ways a list is broken
            return f"revocation list {number} cannot be read: {str(error).partition('. See ')[0]}"
        if critical:
            return f"revocation list {number} ({named}) is for a part only: it has the critical extension {critical[0]}"
        if digest is None or digest.name not in ("sha256", "sha384", "sha512"):
            return f"revocation list {number} ({named}) is signed with too weak a digest"
        lists.append(each)
    return Revocations(tuple(lists), stale)


_BLOCK: Final = re.compile(rb"-----BEGIN X509 CRL-----[^-]*-----END X509 CRL-----")


def _is_signed(each: x509.CertificateRevocationList, issuers: Sequence[x509.Certificate]) -> bool:
    return any(_may_sign(issuer) and each.is_signature_valid(cast(Any, issuer.public_key())) for issuer in issuers)


def _may_sign(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True
