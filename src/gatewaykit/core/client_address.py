"""Whose address counts: the peer's, or the one a trusted proxy vouches for.

`X-Forwarded-For` is read from the right: each hop that is a trusted proxy vouches for the entry before it, and the
first that is not trusted is the client. What a client wrote itself never counts. The proxy that is the peer also says
which scheme the client used, where TLS ends there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from gatewaykit.core.http import Request, header_values

__all__ = ["compile_client_address", "compile_client_scheme", "compile_is_proxy"]

UNIX = "unix"


def compile_client_address(trusted: Iterable[str]) -> Callable[[Request], str]:
    """A function that gives a request's client address.

    `trusted` holds addresses and networks (`"10.0.0.0/8"`, `"::1"`), and `"unix"` for a peer on a Unix socket. Raises
    ValueError for anything else.
    """
    networks, unix_trusted = _trusted(trusted)

    def client_address(request: Request) -> str:
        client = request.client
        peer = client[0] if client else ""
        if not (_within(peer, networks) if peer else unix_trusted):
            return peer
        address = peer
        for entry in reversed(b",".join(header_values(request.header_list, b"x-forwarded-for")).split(b",")):
            hop = _address(entry.decode("latin-1").strip())
            if hop is None:
                break  # malformed: the last hop that was vouched for is all that is known
            address = hop
            if not _within(hop, networks):
                break
        return address

    return client_address


def compile_is_proxy(trusted: Iterable[str]) -> Callable[[Request], bool]:
    """A function that says whether the peer of a request's connection is a trusted proxy.

    `trusted` is as for `compile_client_address`.
    """
    networks, unix_trusted = _trusted(trusted)
    within = lru_cache(maxsize=1024)(lambda peer: _within(peer, networks))

    def is_proxy(request: Request) -> bool:
        client = request.client
        return within(client[0]) if client and client[0] else unix_trusted

    return is_proxy


def compile_client_scheme(trusted: Iterable[str]) -> Callable[[Request], str]:
    """A function that gives the scheme a request's client used: `http`, `https`, or what the server says.

    `trusted` is as for `compile_client_address`.
    """
    is_proxy = compile_is_proxy(trusted)

    def client_scheme(request: Request) -> str:
        written = request.headers.get(b"x-forwarded-proto")
        if written is None:
            return request.scheme
        scheme = written.rpartition(b",")[2].strip().lower()
        return scheme.decode() if scheme in (b"http", b"https") and is_proxy(request) else request.scheme

    return client_scheme


def _trusted(names: Iterable[str]) -> tuple[tuple[IPv4Network | IPv6Network, ...], bool]:
    listed = list(names)
    return tuple(ip_network(name, strict=False) for name in listed if name != UNIX), UNIX in listed


def _within(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)


def _address(entry: str) -> str | None:
    """An entry as a bare address: `1.2.3.4`, `1.2.3.4:5678`, `2001:db8::1`, `[2001:db8::1]:5678`."""
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        return str(ip_address(entry))
    except ValueError:
        return None
