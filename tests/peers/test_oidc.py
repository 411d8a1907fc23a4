"""The provider that tests get tokens from does what they count on."""

from __future__ import annotations

import base64
import json

import pytest

from tests.peers.oidc import JWT_RESOURCE, OPAQUE_RESOURCE, Issuer, oidc, oidc_program

__all__ = ["oidc", "oidc_program"]

pytestmark = pytest.mark.needs("node", "npm")


def header_and_payload(token: str) -> list[dict[str, object]]:
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "Ed25519"])
def test_a_token_of_a_jwt_resource_is_signed_and_carries_its_facts(oidc: Issuer, alg: str) -> None:
    resource = JWT_RESOURCE if alg == "RS256" else f"https://api.example/{alg}"
    header, payload = header_and_payload(oidc.token(resource, "pets:read pets:write"))

    assert (header["alg"], header["kid"], header["typ"]) == (alg, f"{alg}-1", "at+jwt")
    assert (payload["iss"], payload["aud"], payload["sub"]) == (oidc.url, resource, "shop")
    assert (payload["scope"], payload["tenant"]) == ("pets:read pets:write", "acme")


def test_an_opaque_token_is_known_to_introspection_until_it_is_revoked(oidc: Issuer) -> None:
    token = oidc.token(OPAQUE_RESOURCE)
    before = oidc.introspect(token)
    oidc.revoke(token)

    assert "." not in token
    assert (before["active"], before["client_id"], before["scope"]) == (True, "shop", "pets:read")
    assert oidc.introspect(token) == {"active": False}


def test_rotation_signs_with_new_keys_and_keeps_publishing_the_old(oidc: Issuer) -> None:
    kids = oidc.rotate(keep=1)

    assert [kid for kid in kids if kid.startswith("RS256")] == ["RS256-2", "RS256-1"]
    assert header_and_payload(oidc.token())[0]["kid"] == "RS256-2"
    assert oidc.asked_for("/token") == 1


def test_it_comes_back_on_the_same_port(oidc: Issuer) -> None:
    before = oidc.url
    oidc.stop()
    oidc.start()

    assert oidc.url == before
    assert oidc.token()
