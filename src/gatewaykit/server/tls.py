"""TLS of the server itself: its certificate, and which clients' certificates it takes.

TLS 1.2 and later. A handshake fails for a client whose certificate is not trusted, has expired, is for servers, or is
weak (OpenSSL's security level 2); what else a chain needs is the `mtls` policy's to judge, for every request.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from gatewaykit.clock import SYSTEM
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.reloaded import Reloaded

if TYPE_CHECKING:
    import asyncio

    from gatewaykit.clock import Clock

__all__ = ["Tls", "server_context", "tls_extension"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """`cert` holds the server's certificate, with its intermediates; `key` its key, where that is in another file.

    `client_ca` holds the CAs of clients in PEM; without it no client is asked for a certificate.
    """

    cert: Path
    key: Path | None = None
    client_ca: Path | None = None
    client_cert: Literal["required", "optional"] = "required"


def server_context(tls: Tls, *, clock: Clock = SYSTEM, reload_s: float = 10.0) -> ssl.SSLContext:
    """A context whose files are read again when they have changed. Raises ConfigError for files that cannot be used.

    New connections get what the files hold then; no restart, and no request pays for it.
    """
    files = [file for file in (tls.cert, tls.key, tls.client_ca) if file is not None]
    try:
        contexts = Reloaded(files, lambda contents: _context(tls, contents), reload_s, clock.monotonic)
    except (OSError, ValueError) as error:
        raise ConfigError(Problem(where="tls", what=_words(error))) from None
    first = contexts.current()

    def choose(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        if (current := contexts.current()) is not connection.context:
            connection.context = current

    first.sni_callback = choose  # called for every handshake, with or without a name
    return first


def _context(tls: Tls, contents: Sequence[bytes]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A key with a password would ask for it on the terminal.
        context.load_cert_chain(tls.cert, tls.key, password=lambda: "")
    except ssl.SSLError as error:
        where = tls.cert if tls.key is None else f"{tls.cert} with the key {tls.key}"
        raise ValueError(f"{where} cannot be used: {_words(error)}") from None
    if tls.client_ca is not None:
        from cryptography.hazmat.primitives.serialization import Encoding

        from gatewaykit.core.identity.truststore import read_truststore

        truststore = read_truststore(contents[-1])
        if isinstance(truststore, str):
            raise ValueError(f"{tls.client_ca}: {truststore}")
        trusted = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in truststore.certificates)
        context.load_verify_locations(cadata=trusted.decode())
        context.verify_mode = ssl.CERT_REQUIRED if tls.client_cert == "required" else ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # each certificate of the file is trusted as it stands
        # A session that is taken up again by a ticket has lost the client's intermediates.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason.replace("_", " ").lower() if error.reason else "it is no PEM file"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)


# ---------------------------------------------------------------------------------------------------- ASGI


def tls_extension(transport: asyncio.BaseTransport) -> dict[str, Any] | None:
    """The ASGI TLS extension (0.2) of a connection; None without TLS. Made once: a request only refers to it."""
    connection: Any = transport.get_extra_info("ssl_object")
    if connection is None:
        return None
    chain = _client_chain(connection)
    cipher = connection.cipher()
    return {
        "server_cert": None,
        "client_cert_chain": chain,
        "client_cert_name": _name(chain[0]) if chain else None,
        "client_cert_error": None,  # what failed had no connection
        "tls_version": _VERSIONS.get(connection.version()),
        "cipher_suite": _cipher_suites().get(cipher[0]) if cipher else None,
    }


_VERSIONS: Final = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


@cache
def _cipher_suites() -> dict[str, int]:
    """The two bytes that stand for each suite on the wire, by OpenSSL's name for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL")
    return {str(suite["name"]): int(suite["id"]) & 0xFFFF for suite in context.get_ciphers()}


def _client_chain(connection: Any) -> tuple[str, ...]:
    """The client's chain in PEM, its own certificate first. Before Python 3.13 no public call gives it.

    A session of TLS 1.2 that is taken up again was verified when it began: of it, the chain as sent is what is left.
    """
    if connection.getpeercert(binary_form=True) is None:
        return ()
    inner = connection if hasattr(connection, "get_verified_chain") else connection._sslobj
    chain = inner.get_verified_chain() or inner.get_unverified_chain()
    return tuple(ssl.DER_cert_to_PEM_cert(each) if isinstance(each, bytes) else each.public_bytes() for each in chain)


def _name(pem: str) -> str | None:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(pem.encode()).subject.rfc4514_string()
    except ValueError:  # OpenSSL reads more than others do; the mtls policy refuses such a one
        return None
