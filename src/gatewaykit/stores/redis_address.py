"""Where a server of Redis or Valkey is: one server, a cluster, or a master that sentinels know."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Place", "RedisAddress", "tls_context"]

Place = tuple[str, int]
"""A host and a port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """Where a server is, who asks, and how long one waits.

    A `path` is a Unix socket, and goes before host and port. `seeds` are some nodes of a cluster, or the sentinels of
    `master`; host and port then do not count.
    """

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    topology: Literal["server", "cluster", "sentinel"] = "server"
    seeds: tuple[Place, ...] = ()
    master: str = ""
    database: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    sentinel_user: str = ""
    sentinel_password: str = field(default="", repr=False)
    client_name: str = "gatewaykit"
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    connect_timeout_s: float = 1.0
    timeout_s: float = 0.25
    max_waiting: int = 10_000

    def __str__(self) -> str:
        seeds = ", ".join(f"{host}:{port}" for host, port in self.seeds)
        match self.topology:
            case "cluster":
                return f"the cluster of {seeds}"
            case "sentinel":
                return f"the master {self.master} of {seeds}"
        return self.path or f"{self.host}:{self.port}"


def tls_context(address: RedisAddress) -> ssl.SSLContext | None:
    """What a TLS connection trusts and shows. Raises OSError (ssl.SSLError is one) for files that are no good."""
    if not address.tls:
        return None
    context = ssl.create_default_context(cafile=address.ca_file or None)
    if address.cert_file:
        context.load_cert_chain(
            address.cert_file, address.key_file or None, lambda: b""
        )  # nobody is asked for a passphrase
    return context
