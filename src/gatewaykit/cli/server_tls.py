"""The server's own TLS, by the options of `serve` or by a gateway.yaml, and what it means for the policies."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewaykit.cli.usage_error import UsageError

if TYPE_CHECKING:
    import ssl

    from gatewaykit.deploy.config import Config, TlsSettings
    from gatewaykit.deploy.rules import Rule
    from gatewaykit.ports import Policy

__all__ = ["add_tls", "client_certificates", "tls_of"]

_OPTIONS = ("tls_cert", "tls_key", "client_ca", "client_cert")


def add_tls(group: Any) -> None:
    group.add_argument("--tls-cert", metavar="FILE", help="serve HTTPS with this certificate, and its chain, in PEM")
    group.add_argument("--tls-key", metavar="FILE", help="the certificate's key, where it is in another file")
    group.add_argument("--client-ca", metavar="FILE", help="let only clients in with a certificate of these CAs")
    group.add_argument(
        "--client-cert", choices=["required", "optional"], help="whether a client may come without one (required)"
    )


def tls_of(arguments: argparse.Namespace, config: Config | None) -> ssl.SSLContext | None:
    """None for plain HTTP. Raises UsageError for options that mean nothing without others, ConfigError for files."""
    settings = _settings(arguments, config)
    if settings is None:
        return None
    from gatewaykit.server.tls import Tls, server_context

    key, client_ca = (None if name is None else Path(name) for name in (settings.key, settings.client_ca))
    tls = Tls(cert=Path(settings.cert), key=key, client_ca=client_ca, client_cert=settings.client_cert)
    return server_context(tls)


def client_certificates(
    arguments: argparse.Namespace, config: Config | None, listed: Sequence[Policy | Rule]
) -> list[Policy]:
    """The `mtls` policy, where the server asks clients for certificates and nobody has listed one."""
    settings = _settings(arguments, config)
    if settings is None or settings.client_ca is None or any(getattr(each, "phase", "") == "mtls" for each in listed):
        return []
    from gatewaykit.policies.mtls import mtls

    return [mtls(settings.client_ca, required=settings.client_cert == "required")]


def _settings(arguments: argparse.Namespace, config: Config | None) -> TlsSettings | None:
    """What the file says, with what the command line says instead."""
    written = config.server.tls if config else None
    if not hasattr(arguments, "tls_cert"):  # a command that does not serve
        return written
    given = {name.removeprefix("tls_"): value for name in _OPTIONS if (value := getattr(arguments, name)) is not None}
    if not given:
        return written
    from dataclasses import replace

    from gatewaykit.deploy.config import TlsSettings

    if written is None and "cert" not in given:
        raise UsageError("--tls-key, --client-ca and --client-cert need --tls-cert")
    settings = TlsSettings(**given) if written is None else replace(written, **given)
    if "client_cert" in given and settings.client_ca is None:
        raise UsageError("--client-cert needs --client-ca")
    return settings
