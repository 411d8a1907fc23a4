"""The client's address: what a trusted proxy vouches for, and nothing that a client wrote itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.client_address import compile_client_address, compile_client_scheme
from gatewaykit.core.http import Request

TRUSTED = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]


def address(peer: str | None, *forwarded: str | bytes, trusted: list[str] = TRUSTED) -> str:
    fields = [
        (b"X-Forwarded-For", each if isinstance(each, bytes) else each.encode("latin-1", "replace"))
        for each in forwarded
    ]
    client = None if peer is None else (peer, 1)
    return compile_client_address(trusted)(Request("GET", "/", headers=fields, client=client))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        pytest.param("198.51.100.1", [], "198.51.100.1", id="the peer"),
        pytest.param("198.51.100.1", ["203.0.113.5"], "198.51.100.1", id="an untrusted peer vouches for nobody"),
        pytest.param("10.1.1.1", [], "10.1.1.1", id="a proxy that says nothing"),
        pytest.param("10.1.1.1", ["203.0.113.5"], "203.0.113.5", id="behind one proxy"),
        pytest.param("192.0.2.1", ["203.0.113.5"], "203.0.113.5", id="a single address"),
        pytest.param("10.1.1.1", ["203.0.113.5, 10.2.2.2"], "203.0.113.5", id="behind two"),
        pytest.param("10.1.1.1", ["6.6.6.6, 203.0.113.5"], "203.0.113.5", id="a spoofed entry"),
        pytest.param("10.1.1.1", ["6.6.6.6", "203.0.113.5"], "203.0.113.5", id="a spoofed field"),
        pytest.param("10.1.1.1", ["10.3.3.3, 10.2.2.2"], "10.3.3.3", id="proxies all the way"),
        pytest.param("10.1.1.1", ["203.0.113.5:1234"], "203.0.113.5", id="with a port"),
        pytest.param("10.1.1.1", ["[2001:db9::1]:1234"], "2001:db9::1", id="an IPv6 address with a port"),
        pytest.param("10.1.1.1", ["2001:db9::1"], "2001:db9::1", id="an IPv6 address"),
        pytest.param("2001:db8::5", ["203.0.113.5"], "203.0.113.5", id="an IPv6 proxy"),
        pytest.param("::ffff:10.1.1.1", ["203.0.113.5"], "203.0.113.5", id="an IPv4 proxy on an IPv6 socket"),
        pytest.param("10.1.1.1", [""], "10.1.1.1", id="an empty field"),
        pytest.param("10.1.1.1", ["203.0.113.5, "], "10.1.1.1", id="an empty entry"),
        pytest.param("10.1.1.1", ["unknown"], "10.1.1.1", id="no address"),
        pytest.param("10.1.1.1", [b"\xff\xfe"], "10.1.1.1", id="no text"),
        pytest.param("10.1.1.1", ["203.0.113.5, nonsense, 10.2.2.2"], "10.2.2.2", id="the last that was vouched for"),
        pytest.param("testclient", ["203.0.113.5"], "testclient", id="a peer that is no address"),
        pytest.param(None, ["203.0.113.5"], "", id="no peer"),
    ],
)  # fmt: skip
def test_the_address_is(peer: str | None, forwarded: list[str | bytes], expected: str) -> None:
    assert address(peer, *forwarded) == expected


@pytest.mark.parametrize("peer", [None, ""])
def test_a_peer_on_a_unix_socket_is_trusted_by_name(peer: str | None) -> None:
    assert address(peer, "203.0.113.5", trusted=["unix"]) == "203.0.113.5"
    assert address("203.0.113.9", "203.0.113.5", trusted=["unix"]) == "203.0.113.9"


@pytest.mark.parametrize("trusted", ["example.com", "10.0.0.0/99", ""])
def test_what_is_no_network_is_refused(trusted: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        compile_client_address([trusted])


TRUSTED_ENTRY = st.sampled_from(["10.0.0.1", "10.9.9.9", "2001:db8::7", "192.0.2.1"])
UNTRUSTED_ENTRY = st.sampled_from(["203.0.113.5", "2001:db9::1", "198.51.100.7"])
ANY_ENTRY = st.one_of(TRUSTED_ENTRY, UNTRUSTED_ENTRY, st.text(st.characters(codec="latin-1"), max_size=12))


@given(st.lists(ANY_ENTRY, max_size=4), UNTRUSTED_ENTRY, st.lists(TRUSTED_ENTRY, max_size=4), TRUSTED_ENTRY)
def test_nothing_to_the_left_of_an_untrusted_hop_counts(
    spoofed: list[str], client: str, proxies: list[str], peer: str
) -> None:
    assert address(peer, ", ".join([*spoofed, client, *proxies])) == client


@given(st.lists(ANY_ENTRY, max_size=4), UNTRUSTED_ENTRY)
def test_an_untrusted_peer_is_the_client_whatever_it_says(spoofed: list[str], peer: str) -> None:
    assert address(peer, ", ".join(spoofed)) == peer


@given(st.binary(max_size=60))
def test_any_bytes_give_an_address(field: bytes) -> None:
    assert isinstance(address("10.1.1.1", field), str)


@pytest.mark.parametrize(
    ("peer", "written", "scheme"),
    [
        pytest.param("10.1.1.1", b"https", "https", id="TLS ends at the proxy"),
        pytest.param("10.1.1.1", b"HTTPS", "https", id="in any casing"),
        pytest.param("10.1.1.1", b"https, http", "http", id="the last is the proxy's own"),
        pytest.param("10.1.1.1", b"gopher", "ws", id="no scheme of requests"),
        pytest.param("10.1.1.1", b"\xff", "ws", id="no text"),
        pytest.param("10.1.1.1", None, "ws", id="a proxy that says nothing"),
        pytest.param("198.51.100.1", b"https", "ws", id="an untrusted peer vouches for nothing"),
        pytest.param("testclient", b"https", "ws", id="a peer that is no address"),
        pytest.param(None, b"https", "https", id="a trusted Unix socket"),
    ],
)
def test_the_scheme_is(peer: str | None, written: bytes | None, scheme: str) -> None:
    fields = [] if written is None else [(b"X-Forwarded-Proto", written)]
    request = Request("GET", "/", headers=fields, client=None if peer is None else (peer, 1), scheme="ws")

    assert compile_client_scheme([*TRUSTED, "unix"])(request) == scheme
