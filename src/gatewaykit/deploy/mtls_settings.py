"""The options of `mtls` in a gateway.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatewaykit.deploy.settings import Duration, setting

__all__ = ["MtlsSettings"]

Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MtlsSettings:
    truststore: str = setting("A file with the CA certificates that are trusted, in PEM")
    crl: str | None = setting("A file with certificate revocation lists, in PEM or DER", None)
    stale_crl: Literal["refuse", "accept"] = setting("What becomes of requests when a list has ended", "refuse")
    source: Literal["tls", "client-cert", "nginx", "haproxy", "envoy", "alb"] = setting(
        "Where the certificate is found: in the server's own TLS, or in a trusted proxy's header of this form", "tls"
    )
    header: str = setting("The header with the certificate, for nginx and haproxy; X-SSL-Client-Cert if none", "")
    verify_header: str = setting("The header with the proxy's verdict; X-SSL-Client-Verify if none", "")
    proxies: Texts = setting("Addresses and networks of the proxies, in place of trusted_proxies", ())
    required: bool = setting("Refuse requests without a certificate", True)
    keep_header: bool = setting("Leave a trusted proxy's header in the request", False)
    subjects: Texts = setting('The only subjects let in, whole, such as "C=US,O=Shop,CN=till 1"', ())
    names: Texts = setting('The only alternative names let in, such as "DNS:till1.example"', ())
    reload: Duration = setting("How often the files are looked at for changes", 10.0)
