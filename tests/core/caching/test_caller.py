"""What of a request says who asks."""

from __future__ import annotations

import pytest

from gatewaykit import Identity, Request
from gatewaykit.core.caching.caller import unkeyed_caller


def asked(*names: bytes) -> Request:
    return Request("GET", "/", headers=[(name, b"x") for name in names])


@pytest.mark.parametrize(
    ("names", "keyed", "cookies", "expected"),
    [
        ((), (), False, ""),
        ((b"authorization",), (), False, "Authorization"),
        ((b"authorization",), (b"authorization",), False, ""),
        ((b"cookie",), (), False, "Cookie"),
        ((b"cookie",), (), True, ""),
        ((b"cookie",), (b"cookie",), False, ""),
        ((b"x-api-key",), (), False, "an API key"),
        ((b"x-api-key",), (b"x-api-key",), False, ""),
        ((b"authorization", b"cookie"), (b"authorization",), False, "Cookie"),
    ],
    ids=["nothing", "Authorization", "keyed", "a cookie", "cookies told apart", "the header keyed", "a key",
         "key keyed", "the other"],
)  # fmt: skip
def test_headers(names: tuple[bytes, ...], keyed: tuple[bytes, ...], cookies: bool, expected: str) -> None:
    assert unkeyed_caller(asked(*names), keyed, cookies=cookies) == expected


def test_a_certificate_and_an_identity() -> None:
    certified, connected, proved = asked(), asked(), asked()
    certified.client_cert = object()
    connected.tls = {"client_cert_chain": ["PEM"]}
    proved.identity = Identity(principal="alice")

    assert unkeyed_caller(certified, (b"authorization",), cookies=True) == "a client certificate"
    assert unkeyed_caller(connected, (), cookies=True) == "a client certificate"
    assert unkeyed_caller(proved, (), cookies=True) == "an identity"
    assert unkeyed_caller(proved, (b"authorization",), cookies=True) == ""
