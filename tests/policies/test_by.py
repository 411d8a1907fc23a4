"""What a limit counts by."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import Identity, Request
from gatewaykit.core.identity.api_key import ApiKey
from gatewaykit.errors import ConfigError
from gatewaykit.policies import by

ALICE = Identity(principal="alice", claims={"sub": "a-1", "age": 7})


def a_request(**facts: object) -> Request:
    request = Request("GET", "/pets/7", headers=[(b"X-Tenant", b"blue"), (b"X-Empty", b"")])
    for name, value in facts.items():
        setattr(request, name, value)
    return request


@pytest.mark.parametrize(
    ("key", "request_", "expected"),
    [
        (by.address, a_request(address="192.0.2.7"), "192.0.2.7"),
        (by.address, a_request(address="2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64"),
        (by.address, a_request(address="2001:DB8:1:2::1"), "2001:db8:1:2::/64"),
        (by.address, a_request(address="fe80::1%eth0"), "fe80::/64"),
        (by.address, a_request(address="::ffff:192.0.2.7"), "192.0.2.7"),
        (by.address, a_request(address=""), None),
        (by.address, a_request(address="not:an:address"), "not:an:address"),
        (by.api_key, a_request(api_key=ApiKey(id="k1", value="x")), "k1"),
        (by.api_key, a_request(), None),
        (by.identity, a_request(identity=ALICE), "custom:alice"),
        (by.identity, a_request(), None),
        (by.identity, a_request(identity=Identity(principal="", kind="lambda")), None),
        (by.claim("sub"), a_request(identity=ALICE), "a-1"),
        (by.claim("age"), a_request(identity=ALICE), "7"),
        (by.claim("none"), a_request(identity=ALICE), None),
        (by.claim("sub"), a_request(), None),
        (by.route, a_request(resource="/pets/{id}"), "GET /pets/{id}"),
        (by.route, a_request(resource="/pets/{id}", method="BREW"), "OTHER /pets/{id}"),
        (by.route, a_request(), None),
        (by.everyone, a_request(), "everyone"),
        (by.header("X-None"), a_request(), None),
        (by.header("X-Empty"), a_request(), None),
    ],
    ids=[
        "IPv4", "IPv6 by its /64", "IPv6 in capitals", "IPv6 with a zone", "IPv4 in IPv6", "no address", "no IP",
        "API key", "no API key", "identity", "no identity", "identity of nobody", "claim", "claim that is no text",
        "no such claim", "claim without identity", "route", "route and an invented method", "no route", "everyone",
        "no header", "empty header",
    ],
)  # fmt: skip
def test_the_key_of_a_request(key: by.KeyFunction, request_: Request, expected: str | None) -> None:
    assert key(request_) == expected


def test_a_header_counts_by_its_digest() -> None:
    key = by.header("x-tenant")(a_request())

    assert key is not None
    assert len(key) == 32
    assert "blue" not in key


@pytest.mark.parametrize("name", ["", "a b", "é", "x\n", "x:", None, 5], ids=repr)
def test_what_is_no_header_name_is_a_configuration_error(name: str) -> None:
    with pytest.raises(ConfigError, match="is no header name"):
        by.header(name)


@pytest.mark.parametrize("name", ["", None, 5], ids=repr)
def test_what_is_no_claim_is_a_configuration_error(name: str) -> None:
    with pytest.raises(ConfigError, match="is no name of a claim"):
        by.claim(name)


@given(st.text(max_size=60))
def test_any_address_gives_a_key(address: str) -> None:
    key = by.address(a_request(address=address))

    assert (key is None) == (address == "")


LAMBDA = Identity(principal="ann", kind="lambda", claims={"plan": "gold", "level": 3})


@pytest.mark.parametrize(
    ("key", "request_", "expected"),
    [
        (by.authorizer_context("plan"), a_request(identity=LAMBDA), "gold"),
        (by.authorizer_context("level"), a_request(identity=LAMBDA), "3"),
        (by.authorizer_context("nope"), a_request(identity=LAMBDA), None),
        (by.authorizer_context("plan"), a_request(), None),
        (
            by.authorizer_context("sub"),
            a_request(identity=Identity(principal="a", kind="jwt", claims={"sub": "x"})),
            None,
        ),
        (by.path_parameter("id"), a_request(path_parameters={"id": "7"}), "7"),
        (by.path_parameter("id"), a_request(path_parameters={"id": ""}), None),
        (by.path_parameter("id"), a_request(), None),
        (by.network(), a_request(address="192.0.2.7"), "192.0.2.7"),
        (by.network(ipv4=24), a_request(address="192.0.2.7"), "192.0.2.0/24"),
        (by.network(ipv4=24), a_request(address="::ffff:192.0.2.7"), "192.0.2.0/24"),
        (by.network(ipv6=48), a_request(address="2001:db8:1:2::1"), "2001:db8:1::/48"),
        (by.network(ipv6=128), a_request(address="2001:DB8::1%eth0"), "2001:db8::1"),
        (by.network(), a_request(address=""), None),
        (by.network(), a_request(address="not:an:address"), "not:an:address"),
        (by.every(by.route, by.header("x-tenant")), a_request(), None),
        (by.every(by.everyone, by.path_parameter("id")), a_request(path_parameters={"id": "a:b"}), "8:everyone3:a:b"),
    ],
)
def test_more_to_count_by(key: by.KeyFunction, request_: Request, expected: str | None) -> None:
    assert key(request_) == expected


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_no_two_combinations_are_one_key(a: str, b: str, c: str, d: str) -> None:
    one, other = by.every(lambda _: a, lambda _: b), by.every(lambda _: c, lambda _: d)

    assert (one(a_request()) == other(a_request())) == ((a, b) == (c, d))


def test_a_part_that_is_no_text_is_not_made_one() -> None:
    assert by.every(by.everyone, lambda _: 7)(a_request()) == 7  # type: ignore[arg-type, return-value, comparison-overlap]  # wrong on purpose


@pytest.mark.parametrize(
    "make",
    [
        lambda: by.network(ipv4=0), lambda: by.network(ipv4=33), lambda: by.network(ipv6=129),
        lambda: by.network(ipv4=True),
        lambda: by.authorizer_context(""), lambda: by.path_parameter(""), lambda: by.every(by.route),
        lambda: by.every(by.route, by.header), lambda: by.every(by.route, "x"),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_by(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()


@given(st.ip_addresses(v=4).map(str), st.integers(1, 32), st.ip_addresses(v=6).map(str), st.integers(1, 128))
def test_a_network_is_that_of_the_library(four: str, bits4: int, six: str, bits6: int) -> None:
    key = by.network(ipv4=bits4, ipv6=bits6)
    for address, bits in ((four, bits4), (six, bits6)):
        if ip_address(address).version == 6 and ip_address(address).ipv4_mapped:  # type: ignore[union-attr]  # of IPv6
            continue
        shown = key(a_request(address=address))
        assert shown is not None
        assert ip_network(shown) == ip_network(f"{address}/{bits}", strict=False)
