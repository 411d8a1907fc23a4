"""A certificate authority for tests: made anew in every run, with good certificates and every kind of bad one."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["NOW", "Pair", "issue", "revocation_list", "tutorial"]

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key. `issuers` are the CAs above it, the nearest first."""

    certificate: x509.Certificate
    key: Any
    issuers: tuple[Pair, ...] = field(default=())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def chain(self) -> list[str]:
        """What a client with this certificate sends: all but the root."""
        return [self.pem, *(issuer.pem for issuer in self.issuers[:-1])]

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()  # type: ignore[no-any-return]

    def files(self, directory: Path, name: str) -> tuple[Path, Path]:
        """The certificate with those above it, and the key, as files."""
        certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
        certificate.write_text("".join(self.chain))
        key.write_text(self.key_pem)
        return certificate, key


def issue(
    subject: str = "C=US,O=Shop,CN=client",
    issuer: Pair | None = None,
    *,
    ca: bool = False,
    path_length: int | None = None,
    begins: datetime = NOW - DAY,
    ends: datetime = NOW + 365 * DAY,
    names: Sequence[x509.GeneralName] = (),
    uses: Iterable[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.CLIENT_AUTH,),
    signs_certificates: bool = True,
    signs_lists: bool = True,
    digital_signature: bool = True,
    serial: int | None = None,
    key: Any = None,
    digest: hashes.HashAlgorithm | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> Pair:
    """A certificate. Without an issuer it signs itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer = issuer or Pair(None, key)  # type: ignore[arg-type]  # it is the one being made
    name = name_of(subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
        .add_extension(_usage(ca and signs_certificates, ca and signs_lists, digital_signature), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if uses is not None and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(signer.key, digest or hashes.SHA256())
    return Pair(certificate, key, () if issuer is None else (issuer, *issuer.issuers))


def signed_with_sha1(issuer: Pair, directory: Path, *, ca: bool = False) -> Pair:
    """A certificate as nobody should sign one since 2017; only the openssl program still does it."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer.files(directory, "issuer")
    (directory / "old.key").write_text(Pair(issuer.certificate, key).key_pem)
    (directory / "old.ext").write_text(f"basicConstraints=critical,CA:{str(ca).upper()}\n")
    openssl(directory, "req -new -key old.key -subj /CN=old -out old.csr")
    openssl(
        directory,
        "x509 -req -in old.csr -CA issuer.pem -CAkey issuer.key -set_serial 7 -sha1 -extfile old.ext -out old.pem",
    )
    return Pair(x509.load_pem_x509_certificate((directory / "old.pem").read_bytes()), key, (issuer, *issuer.issuers))


def version_1(issuer: Pair, directory: Path) -> Pair:
    """A certificate without extensions, as `openssl x509 -req` makes it unless told otherwise."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer.files(directory, "issuer")
    (directory / "v1.key").write_text(Pair(issuer.certificate, key).key_pem)
    openssl(directory, "req -new -key v1.key -subj /CN=v1 -out v1.csr")
    openssl(directory, "x509 -req -in v1.csr -CA issuer.pem -CAkey issuer.key -set_serial 7 -sha256 -out v1.pem")
    return Pair(x509.load_pem_x509_certificate((directory / "v1.pem").read_bytes()), key, (issuer, *issuer.issuers))


def openssl(directory: Path, command: str) -> None:
    subprocess.run(["openssl", *command.split()], cwd=directory, check=True, capture_output=True)


def weak_key() -> Any:
    return rsa.generate_private_key(65537, 1024)


def server(issuer: Pair) -> Pair:
    """A server's certificate for localhost."""
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    return issue("CN=localhost", issuer, names=names, uses=(ExtendedKeyUsageOID.SERVER_AUTH,))


def revocation_list(
    issuer: Pair,
    revoked: Sequence[Pair] = (),
    *,
    begins: datetime = NOW - DAY,
    ends: datetime = NOW + 30 * DAY,
    signer: Pair | None = None,
    digest: hashes.HashAlgorithm | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> bytes:
    """A list in PEM, signed by its issuer or, as an attacker would, by another."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(begins)
        .next_update(ends)
    )
    for pair in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(pair.certificate.serial_number).revocation_date(NOW)
        builder = builder.add_revoked_certificate(entry.build())
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign((signer or issuer).key, digest or hashes.SHA256()).public_bytes(Encoding.PEM)


def tutorial(directory: Path) -> tuple[Path, Path, Path]:
    """Root, client certificate and client key by the commands of AWS's own tutorial for mutual TLS."""
    openssl(directory, "genrsa -out RootCA.key 2048")
    openssl(directory, "req -new -x509 -days 3650 -key RootCA.key -out RootCA.pem -subj /C=US/O=Shop/CN=Root")
    openssl(directory, "genrsa -out client.key 2048")
    openssl(directory, "req -new -key client.key -out client.csr -subj /C=US/O=Shop/CN=tutorial")
    signing = "x509 -req -in client.csr -CA RootCA.pem -CAkey RootCA.key -set_serial 01 -days 3650 -sha256"
    openssl(directory, f"{signing} -out client.pem")
    return directory / "RootCA.pem", directory / "client.pem", directory / "client.key"


def name_of(text: str) -> x509.Name:
    """A name from `C=US,O=Shop,CN=client`, in this order."""
    pairs = (part.partition("=") for part in text.split(",") if part)
    return x509.Name([x509.NameAttribute(_OIDS[key], value) for key, _, value in pairs])


_OIDS = {
    "C": NameOID.COUNTRY_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME, "E": NameOID.EMAIL_ADDRESS,
}  # fmt: skip


def _usage(certificates: bool, lists: bool, digital_signature: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=certificates, crl_sign=lists,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
