"""Is a client certificate trusted? cryptography's verifier builds and checks the chain; what it leaves out is here.

RFC 5280 section 6; reference 02 section 8. Checked are signatures, names, dates, strengths, CA flags, path lengths and
name constraints, at most four certificates deep, and that the certificate is one for clients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from gatewaykit.core.identity.mtls import distinguished_name, time_text
from gatewaykit.core.identity.truststore import Truststore, weakness

if TYPE_CHECKING:
    from cryptography.x509.verification import Policy

    from gatewaykit.core.identity.revocation import Revocations

E = TypeVar("E", bound=x509.ExtensionType)

__all__ = ["Trusted", "Verify", "compile_verification"]

MAX_DEPTH: Final = 4
"""Certificates in a chain, the client's own and the one of the truststore included."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """A chain that holds, until a certificate or a revocation list in it ends."""

    certificate: x509.Certificate
    until_s: float


Verify: TypeAlias = Callable[[Sequence[x509.Certificate], float], Trusted | str]
"""Judges a presented chain, the client's certificate first, at a time in seconds since 1970."""


def compile_verification(truststore: Truststore, revocations: Revocations | None = None) -> Verify:
    """A function that says whether a presented chain leads to the truststore, or exactly why not."""
    anchors = truststore.certificates
    trusted, store = frozenset(anchors), Store(list(anchors))

    def verify(presented: Sequence[x509.Certificate], at_s: float) -> Trusted | str:
        leaf, at = presented[0], datetime.fromtimestamp(at_s, timezone.utc)
        if problem := _unfit(leaf, at):
            return problem
        others = [each for each in presented[1:] if each not in trusted]
        chain = _chain(leaf, others, at) if leaf.version is x509.Version.v3 else _old_chain(leaf, others, at)
        if isinstance(chain, str):
            return chain
        until = min(certificate.not_valid_after_utc for certificate in chain)
        if revocations is not None:
            revoked = revocations.against(chain, anchors, at)
            if isinstance(revoked, str):
                return revoked
            until = min(until, revoked)
        return Trusted(leaf, until.timestamp())

    def _chain(
        leaf: x509.Certificate, others: list[x509.Certificate], at: datetime
    ) -> Sequence[x509.Certificate] | str:
        builder = PolicyBuilder().store(store).time(at.replace(tzinfo=None)).max_chain_depth(MAX_DEPTH - 2)
        policies = builder.extension_policies(ca_policy=_CA, ee_policy=ExtensionPolicy.permit_all())
        try:
            return policies.build_client_verifier().verify(leaf, others).chain
        except VerificationError as error:
            why = str(error).partition(" (encountered")[0].removeprefix("validation failed: ")
            return f"no chain leads from {distinguished_name(leaf.issuer)} to the truststore: {why}"

    def _old_chain(
        leaf: x509.Certificate, others: list[x509.Certificate], at: datetime
    ) -> Sequence[x509.Certificate] | str:
        """The chain of a version 1 certificate, which the verifier refuses: what `openssl x509 -req` makes, as AWS's
        own tutorial does. Its issuer is looked for here; the verifier judges the rest."""
        if leaf in trusted:
            return (leaf,)
        why = f"no chain leads from {distinguished_name(leaf.issuer)} to the truststore: nobody there has signed it"
        for issuer in (*anchors, *others):
            if issuer.subject != leaf.issuer or not _has_signed(issuer, leaf):
                continue
            rest = _chain(issuer, others, at)
            if isinstance(rest, str):
                why = rest
            elif len(rest) >= MAX_DEPTH:
                why = f"the chain of {distinguished_name(leaf.issuer)} is too deep"
            elif not all(_may_issue(each, below) for below, each in enumerate(rest)):
                why = f"{distinguished_name(leaf.issuer)} may not issue certificates"
            else:
                return (leaf, *rest)
        return why

    return verify


def _unfit(leaf: x509.Certificate, at: datetime) -> str:
    """What the client's own certificate lacks; "" where it lacks nothing."""
    if at < leaf.not_valid_before_utc:
        return f"it is not valid before {time_text(leaf.not_valid_before_utc)}"
    if at > leaf.not_valid_after_utc:
        return f"it has expired on {time_text(leaf.not_valid_after_utc)}"
    if weak := weakness(leaf):
        return weak
    uses = _extension(leaf, x509.ExtendedKeyUsage)
    if uses is not None and _FOR_CLIENTS.isdisjoint(uses):
        return "it is not for clients: its extended key usage does not hold clientAuth"
    usage = _extension(leaf, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        return "it is not for clients: its key usage does not hold digitalSignature"
    return ""


def _signs(policy: Policy, certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError(f"{distinguished_name(certificate.subject)} may not sign certificates")


# Roots made by hand, as AWS's tutorial makes them, have no key usage, which the rules for public CAs demand.
_CA: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs)
)
_FOR_CLIENTS: Final = frozenset((ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE))


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _has_signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def _may_issue(certificate: x509.Certificate, below: int) -> bool:
    """Whether it is a CA that may have `below` CAs between itself and the client's certificate."""
    constraints, usage = _extension(certificate, x509.BasicConstraints), _extension(certificate, x509.KeyUsage)
    if constraints is None or not constraints.ca or (usage is not None and not usage.key_cert_sign):
        return False
    return constraints.path_length is None or below <= constraints.path_length
