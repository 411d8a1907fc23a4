"""The address filter: deny wins, an allow list shuts everybody else out, and nobody chooses an address."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import ConfigError, Gateway, Reason, address_filter, by, throttle
from gatewaykit.testing import Client, PolicyContract, decide, make_request
from tests.conformance.documents import document, mock


class TestAnAddressFilter(PolicyContract):
    def make_policy(self) -> Any:
        return address_filter(allow=["127.0.0.0/8"], deny=["127.0.0.9"])


class TestADenyList(PolicyContract):
    def make_policy(self) -> Any:
        return address_filter(deny=["192.0.2.0/24"])


def test_who_stays_out_does_not_learn_which_routes_there_are() -> None:
    gateway = Gateway.from_openapi(document({"/x": {"get": mock()}}), policies=[address_filter(deny=["10.0.0.0/8"])])

    for method, path in (("GET", "/nothing"), ("POST", "/x")):
        assert gateway.decide(method, path, address="10.1.2.3").reason is Reason.ADDRESS_DENIED


@pytest.mark.parametrize(
    ("lists", "address", "detail"),
    [
        ({"allow": ["203.0.113.0/24"]}, "203.0.113.9", ""),
        ({"allow": ["203.0.113.0/24"]}, "203.0.114.9", "203.0.114.9 is not on the allow list"),
        ({"allow": ["203.0.113.0/24"]}, "", "the client's address is not known"),
        ({"allow": ["203.0.113.0/24"]}, "a" * 100, "the client's address is not on the allow list"),
        ({"allow": []}, "203.0.113.9", "203.0.113.9 is not on the allow list"),
        ({"deny": ["203.0.113.0/24"]}, "203.0.113.9", "203.0.113.9 is on the deny list (203.0.113.0/24)"),
        ({"deny": ["203.0.113.0/24"]}, "203.0.114.9", ""),
        ({"deny": ["203.0.113.0/24"]}, "", ""),
        ({"allow": ["203.0.113.0/24"], "deny": ["203.0.113.66"]}, "203.0.113.65", ""),
        (
            {"allow": ["203.0.113.66"], "deny": ["203.0.113.0/24"]},
            "203.0.113.66",
            "203.0.113.66 is on the deny list (203.0.113.0/24)",
        ),
        ({"allow": ["10.0.0.0/8"]}, "::ffff:10.1.2.3", ""),
        ({"deny": ["::ffff:10.0.0.0/104"]}, "10.1.2.3", "10.1.2.3 is on the deny list (10.0.0.0/8)"),
    ],
    ids=[
        "allowed", "not allowed", "unknown, with an allow list", "a server's own idea of an address", "nobody allowed",
        "denied", "not denied", "unknown, with a deny list", "allowed and not denied", "allowed and denied",
        "IPv4 as IPv6", "a network of IPv4 as IPv6",
    ],
)  # fmt: skip
def test_who_comes_in(lists: dict[str, list[str]], address: str, detail: str) -> None:
    decision = decide(address_filter(**lists), make_request("GET", "/", address=address))

    assert decision.detail == detail
    assert decision.reason is (Reason.ADDRESS_DENIED if detail else None)


async def test_the_client_sees_wafs_answer() -> None:
    gateway = Gateway.from_openapi(document({"/x": {"get": mock()}}), policies=[address_filter(deny=["10.0.0.0/8"])])

    answer = await Client(gateway, client=("10.1.2.3", 5)).get("/x")

    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')
    assert answer.header("x-amzn-errortype") == "ForbiddenException"


def test_in_a_definition_it_stands_before_every_limit() -> None:
    limit = throttle(rate=1, burst=1, key=by.everyone)
    gateway = Gateway.from_openapi(
        document({"/x": {"get": mock()}}), policies=[limit, address_filter(deny=["10.0.0.0/8"])]
    )

    for _ in range(3):
        assert gateway.decide("GET", "/x", address="10.1.2.3").reason is Reason.ADDRESS_DENIED
    assert gateway.decide("GET", "/x", address="203.0.113.9").allowed


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        address_filter(allow="10.0.0.0/8", deny=["10.0.0.1/8", "nonsense"])

    assert [(problem.where, problem.near) for problem in caught.value.problems] == [
        ("address_filter.allow", ""),
        ("address_filter.deny[0]", "10.0.0.0/8"),
        ("address_filter.deny[1]", ""),
    ]
    with pytest.raises(ConfigError, match="neither allow nor deny"):
        address_filter()
    with pytest.raises(ConfigError, match="is 5"):
        address_filter(allow=5)  # type: ignore[arg-type]  # a user's mistake
