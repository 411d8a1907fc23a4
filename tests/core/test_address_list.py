"""Lists of addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.address_list import AddressList, _unmapped, compile_addresses


def a_list(*texts: str) -> AddressList:
    found = compile_addresses(texts, "list")
    assert isinstance(found, AddressList)
    return found


@pytest.mark.parametrize(
    ("entry", "address", "found"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.8", ""),
        ("10.0.0.0/8", "10.255.255.255", "10.0.0.0/8"),
        ("10.0.0.0/8", "11.0.0.0", ""),
        ("0.0.0.0/0", "203.0.113.9", "0.0.0.0/0"),
        ("0.0.0.0/0", "2001:db8::1", ""),
        ("2001:db8::/32", "2001:DB8:0:1::ffff", "2001:db8::/32"),
        ("2001:db8::/32", "2001:db9::", ""),
        ("::/0", "2001:db8::1", "::/0"),
        ("::/0", "::ffff:192.0.2.7", ""),
        ("fe80::/10", "fe80::1%eth0", "fe80::/10"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "10.0.0.0/8"),
        ("::ffff:10.0.0.0/104", "10.1.2.3", "10.0.0.0/8"),
        ("::ffff:10.0.0.0/104", "::ffff:10.1.2.3", "10.0.0.0/8"),
        ("10.0.0.0/8", "", ""),
        ("10.0.0.0/8", "10.1.2.3 ", ""),
        ("10.0.0.0/8", "010.1.2.3", ""),
        ("10.0.0.0/8", "10.1.2.3:80", ""),
        ("10.0.0.0/8", "testclient", ""),
    ],
)
def test_an_entry_holds_what_it_says(entry: str, address: str, found: str) -> None:
    assert a_list("198.51.100.1", entry).find(address) == found


def test_the_narrowest_entry_is_named() -> None:
    assert a_list("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3").find("10.1.2.3") == "10.1.2.3"
    assert a_list("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3").find("10.1.2.4") == "10.1.0.0/16"


@pytest.mark.parametrize(
    ("entry", "problem", "near"),
    [
        ("10.0.0.1/8", "'10.0.0.1/8' is no network: 10.0.0.1/8 has host bits set", "10.0.0.0/8"),
        ("10.0.0", "'10.0.0' is no network", ""),
        ("10.0.0.0/33", "'10.0.0.0/33' is no network", ""),
        ("shop.example", "'shop.example' is no network", ""),
        ("010.0.0.1", "'010.0.0.1' is no network", ""),
        (5, "5 is no address", ""),
        (None, "None is no address", ""),
    ],
    ids=["bits behind the prefix", "too short", "too long a prefix", "a name", "octal", "a number", "nothing"],
)
def test_what_is_no_entry(entry: object, problem: str, near: str) -> None:
    found = compile_addresses(["10.0.0.0/8", entry], "deny")

    assert isinstance(found, tuple)
    assert str(found[0]).startswith(f"deny[1]: {problem}")
    assert found[0].near == near


def test_ten_thousand_networks_are_a_few_look_ups() -> None:
    found = a_list(*(f"{a}.{b}.{c}.0/{24 + c % 5}" for a in range(20, 60) for b in range(50) for c in range(0, 80, 16)))

    assert sum(map(len, found._by_version.values())) == 5
    assert found.find("25.7.48.9") == "25.7.48.0/27"


ADDRESSES = st.ip_addresses()
NETWORKS = st.tuples(ADDRESSES, st.integers(0, 128)).map(
    lambda pair: (
        ip_network((int(pair[0]), min(pair[1], pair[0].max_prefixlen)), strict=False)
        if isinstance(pair[0], IPv6Address)
        else ip_network((int(pair[0]), min(pair[1], 32)), strict=False)
    )
)


@given(st.lists(NETWORKS, max_size=8), ADDRESSES, st.integers(0, 7))
def test_it_is_what_the_standard_library_says(
    networks: list[IPv4Network | IPv6Network], address: IPv4Address | IPv6Address, near: int
) -> None:
    if networks:  # one that is in, more often than chance
        network = networks[near % len(networks)]
        address = ip_address(int(network.network_address) + near) if int(network.network_address) else address
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return

    found = a_list(*map(str, networks)).find(str(address))

    meant = [_unmapped(network) for network in networks]  # what stands for IPv4 addresses is a network of those
    assert bool(found) == any(address in network for network in meant)


@given(st.text())
def test_any_text_is_in_the_list_or_not(text: str) -> None:
    assert isinstance(a_list("10.0.0.0/8", "::/0").find(text), str)
