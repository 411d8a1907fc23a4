"""What a limit counts by."""

from __future__ import annotations

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
