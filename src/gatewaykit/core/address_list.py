"""Lists of addresses and networks, as AWS WAF's IP sets: what is in a deny list stays out, whatever else says.

A list is compiled to one set of network numbers for each length of prefix that occurs in it, so that ten thousand
networks cost a few look-ups, not ten thousand comparisons. IPv6 forms of IPv4 addresses (`::ffff:192.0.2.1`) are the
IPv4 addresses, in lists and in requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from gatewaykit.errors import Problem

__all__ = ["AddressList", "compile_addresses"]

_MAPPED: Final = IPv6Network("::ffff:0:0/96")


class AddressList:
    """A compiled list. `find` names the entry that holds an address."""

    __slots__ = ("_by_version",)

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        lengths: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            lengths[network.version].setdefault(shift, set()).add(int(network.network_address) >> shift)
        # the narrowest networks first: the entry that is named says most
        self._by_version = {version: sorted(found.items()) for version, found in lengths.items()}

    def find(self, address: str) -> str:
        """The narrowest entry that holds the address; "" where none does, and for what is no address."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return ""
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        number, bits = int(parsed), parsed.max_prefixlen
        for shift, networks in self._by_version[parsed.version]:
            if number >> shift in networks:
                start = type(parsed)(number >> shift << shift)
                return str(start) if not shift else f"{start}/{bits - shift}"
        return ""


def compile_addresses(texts: Iterable[object], where: str) -> AddressList | tuple[Problem, ...]:
    """The list of some addresses and networks (`192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`), or all that is wrong."""
    networks, problems = [], []
    for position, text in enumerate(texts):
        here = f"{where}[{position}]"
        if not isinstance(text, str):
            problems.append(Problem(where=here, what=f"{text!r:.80} is no address", mend="Write it in quotes"))
            continue
        try:
            network = ip_network(text)
        except ValueError as error:
            problems.append(Problem(where=here, what=f"{text!r:.80} is no network: {error}", near=_meant(text)))
            continue
        networks.append(_unmapped(network))
    return tuple(problems) if problems else AddressList(networks)


def _meant(text: str) -> str:
    """The network that an address with a prefix stands in."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        return ""


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network
