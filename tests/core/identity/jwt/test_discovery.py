"""Where keys are published, and how long they are kept."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.jwt.discovery import insecure, lifetime, metadata_addresses, read_metadata

ISSUER = "https://issuer.example/tenant"


@pytest.mark.parametrize(
    ("issuer", "addresses"),
    [
        (
            "https://a.example",
            ("https://a.example/.well-known/openid-configuration", "https://a.example/.well-known/oauth-authorization-server"),
        ),
        (
            "https://a.example/t/",
            ("https://a.example/t/.well-known/openid-configuration", "https://a.example/.well-known/oauth-authorization-server/t"),
        ),
    ],
    ids=["a bare issuer", "an issuer with a path"],
)  # fmt: skip
def test_metadata_stands_where_the_two_standards_say(issuer: str, addresses: tuple[str, str]) -> None:
    assert metadata_addresses(issuer) == addresses


def test_metadata_names_the_key_set() -> None:
    body = json.dumps({"issuer": ISSUER, "jwks_uri": "https://keys.example/jwks"}).encode()

    assert read_metadata(body, ISSUER) == "https://keys.example/jwks"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        json.dumps({"issuer": ISSUER + "/", "jwks_uri": "https://a"}).encode(),
        json.dumps({"jwks_uri": "https://a"}).encode(),
        json.dumps({"issuer": ISSUER}).encode(),
        json.dumps({"issuer": ISSUER, "jwks_uri": ["https://a"]}).encode(),
        json.dumps({"issuer": ISSUER, "jwks_uri": ""}).encode(),
    ],
    ids=["nothing", "a list", "another issuer", "no issuer", "no key set", "a list of key sets", "an empty address"],
)
def test_metadata_of_somebody_else_or_of_nothing_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_metadata(body, ISSUER)


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("https://a.example/x", False),
        ("http://a.example/x", True),
        ("http://127.0.0.1:8080/x", False),
        ("http://localhost/x", False),
        ("http://[::1]:1/x", False),
        ("http://127.0.0.1.evil.example/x", True),
        ("http://localhost@evil.example/x", True),
        ("ftp://a.example", True),
        ("x", True),
    ],
    ids=lambda value: str(value),
)
def test_keys_come_over_tls_or_from_this_machine(address: str, answer: bool) -> None:
    assert insecure(address) is answer


@pytest.mark.parametrize(
    ("cache_control", "fresh_s"),
    [
        (None, 600),
        ("", 600),
        ("public", 600),
        ("max-age=300", 300),
        ("public, MAX-AGE = 900, must-revalidate", 900),
        ('max-age="120"', 120),
        ("max-age=1", 60),
        ("max-age=86400", 7200),
        ("max-age=999999999999", 7200),
        ("max-age=-5", 600),
        ("max-age", 600),
        ("no-store", 60),
        ("max-age=3600, no-cache", 60),
        ("no-cache, max-age=3600", 60),
    ],
    ids=repr,
)
def test_cache_control_counts_within_bounds(cache_control: str | None, fresh_s: float) -> None:
    found = lifetime(cache_control)

    assert found.fresh_s == fresh_s
    assert found.ahead_s == fresh_s * 0.75
    assert found.most_s == 7200


@given(st.text(max_size=40) | st.text('max-age=0123456789, "no-store', max_size=40))
def test_any_cache_control_gives_a_lifetime_in_order(text: str) -> None:
    found = lifetime(text)

    assert 0 < found.ahead_s < found.fresh_s <= found.most_s
