"""introspection() and a real issuer: npm's oidc-provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gatewaykit import PolicyMiddleware, VirtualClock, introspection
from gatewaykit.clock import SYSTEM
from gatewaykit.testing import Client
from gatewaykit.testing.client import Result
from tests.peers.oidc import JWT_RESOURCE, OPAQUE_RESOURCE, Issuer, oidc, oidc_program

__all__ = ["oidc", "oidc_program"]

pytestmark = pytest.mark.needs("node", "npm")


class Guarded:
    """An app behind the policy, with a clock that starts now."""

    def __init__(self, oidc: Issuer, **options: Any) -> None:
        self.clock = VirtualClock(SYSTEM.wall())
        settings = {"client_id": "gateway", "client_secret": oidc.secret, "issuer": oidc.url, **options}
        policy = introspection(f"{oidc.url}/token/introspection", **settings)
        self.middleware = PolicyMiddleware(_app, policies=[policy], clock=self.clock)

    async def get(self, token: str) -> Result:
        return await Client(self.middleware).get("/", headers={"authorization": f"Bearer {token}"})


async def _app(scope: Any, receive: Any, send: Any) -> None:
    identity = scope["state"]["gatewaykit"].identity
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{identity.principal} {identity.scopes}".encode()})


@pytest.fixture
async def guarded(oidc: Issuer) -> AsyncIterator[Guarded]:
    guarded = Guarded(oidc, audience=OPAQUE_RESOURCE, scopes=["pets:read"], claims={"tenant": "acme"})
    async with guarded.middleware:
        yield guarded


async def test_an_opaque_token_is_let_in(guarded: Guarded, oidc: Issuer) -> None:
    answer = await guarded.get(oidc.token(OPAQUE_RESOURCE))

    assert (answer.status, answer.text) == (200, "shop ('pets:read',)")


async def test_a_token_without_the_scope_is_not(guarded: Guarded, oidc: Issuer) -> None:
    answer = await guarded.get(oidc.token(OPAQUE_RESOURCE, "pets:write"))

    assert (answer.status, answer.header("www-authenticate")) == (
        403, 'Bearer scope="pets:read", error="insufficient_scope"',
    )  # fmt: skip


async def test_a_token_that_it_did_not_issue_is_not(guarded: Guarded) -> None:
    assert (await guarded.get("made-up")).status == 401


async def test_a_revocation_is_seen_when_what_was_said_before_is_old(guarded: Guarded, oidc: Issuer) -> None:
    token = oidc.token(OPAQUE_RESOURCE)
    before = [(await guarded.get(token)).status for _ in range(3)]
    asked = oidc.asked_for("/token/introspection")

    oidc.revoke(token)
    remembered = (await guarded.get(token)).status
    guarded.clock.advance("30s")
    after = (await guarded.get(token)).status

    assert (before, asked, remembered, after) == ([200] * 3, 1, 200, 401)


async def test_a_token_ends_with_its_time(guarded: Guarded, oidc: Issuer) -> None:
    token = oidc.token(OPAQUE_RESOURCE)
    assert (await guarded.get(token)).status == 200

    guarded.clock.advance("2h")

    assert (await guarded.get(token)).status == 401


async def test_an_issuer_that_is_gone_lets_nobody_in(guarded: Guarded, oidc: Issuer) -> None:
    token = oidc.token(OPAQUE_RESOURCE)
    oidc.stop()

    answer = await guarded.get(token)

    assert (answer.status, answer.header("x-amzn-errortype")) == (500, "AuthorizerFailureException")


@pytest.mark.parametrize(
    ("options", "resource"),
    [({"client_secret": "another"}, OPAQUE_RESOURCE), ({"client_id": "nobody"}, OPAQUE_RESOURCE), ({}, JWT_RESOURCE)],
    ids=["a wrong secret", "an unknown client", "a JWT, which this issuer does not tell about"],
)
async def test_an_issuer_that_refuses_to_tell_lets_nobody_in(
    oidc: Issuer, options: dict[str, Any], resource: str
) -> None:
    guarded = Guarded(oidc, **options)
    async with guarded.middleware:
        answer = await guarded.get(oidc.token(resource))

    assert (answer.status, answer.header("x-amzn-errortype")) == (500, "AuthorizerConfigurationException")
