"""Tokens of real issuers, fetched and verified over real connections: npm's oidc-provider, and moto's Cognito."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from gatewaykit import PolicyMiddleware, cognito, jwt
from gatewaykit.ports import Policy
from gatewaykit.testing import Client, Result
from gatewaykit.units import parse_duration
from tests.peers.moto import REGION, Moto, moto, moto_server
from tests.peers.oidc import JWT_RESOURCE, OPAQUE_RESOURCE, Issuer, oidc, oidc_program
from tests.tokens import b64

__all__ = ["moto", "moto_server", "oidc", "oidc_program"]

needs_node = pytest.mark.needs("node", "npm")


class RunningClock:
    """The machine's clock, moved on as far as a test says: real issuers date their tokens by the real time."""

    ahead_s = 0.0

    def wall(self) -> float:
        return time.time() + self.ahead_s

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s

    def advance(self, by: str) -> None:
        self.ahead_s += parse_duration(by)


class Guarded:
    """An app behind one policy, over the network's transport. It answers with the caller's name."""

    def __init__(self, policy: Policy) -> None:
        self.clock = RunningClock()
        self.middleware = PolicyMiddleware(self._app, policies=[policy], clock=self.clock)
        self.client = Client(self.middleware)

    async def __aenter__(self) -> Guarded:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.middleware.aclose()

    async def ask(self, token: str) -> Result:
        return await self.client.get("/", headers={"authorization": f"Bearer {token}"})

    async def status(self, token: str) -> int:
        return (await self.ask(token)).status

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        caller = scope["state"]["gatewaykit"].identity
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{caller.principal} {caller.claims.get('tenant')}".encode()})


@needs_node
@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "Ed25519"])
async def test_a_providers_access_tokens_hold(oidc: Issuer, alg: str) -> None:
    resource = JWT_RESOURCE if alg == "RS256" else f"https://api.example/{alg}"
    policy = jwt(issuer=oidc.url, audience=resource, algorithms=[alg], scopes="pets:read", claims={"tenant": "acme"})
    async with Guarded(policy) as app:
        good, without_scope = oidc.token(resource), oidc.token(resource, scope="pets:write")
        answer = await app.ask(good)

        assert (answer.status, answer.body) == (200, b"shop acme")
        assert await app.status(without_scope) == 403
        assert await app.status(oidc.token(OPAQUE_RESOURCE)) == 401
        assert await app.status(good[:-4] + "AAAA") == 401
        app.clock.advance("1h")
        assert await app.status(good) == 401


@needs_node
async def test_rotation_under_load_refuses_nobody(oidc: Issuer) -> None:
    async with Guarded(jwt(issuer=oidc.url, audience=JWT_RESOURCE, cached_tokens=0)) as app:
        statuses: list[int] = []
        tokens = [oidc.token()]
        over = asyncio.Event()
        assert await app.status(tokens[0]) == 200

        async def load() -> None:
            while not over.is_set():
                statuses.append(await app.status(tokens[-1]))

        callers = [asyncio.create_task(load()) for _ in range(8)]
        for _ in range(3):
            await asyncio.to_thread(oidc.rotate, keep=1)
            tokens.append(await asyncio.to_thread(oidc.token))
            await asyncio.gather(*(app.status(tokens[-1]) for _ in range(50)))
            app.clock.advance("11s")
        over.set()
        await asyncio.gather(*callers)

        assert set(statuses) == {200}
        assert oidc.asked_for("/jwks") == 4
        assert await app.status(tokens[0]) == 401


@needs_node
async def test_many_unknown_keys_at_once_make_one_fetch(oidc: Issuer) -> None:
    async with Guarded(jwt(issuer=oidc.url, audience=JWT_RESOURCE)) as app:
        assert await app.status(oidc.token()) == 200
        made_up = [f"{b64({'alg': 'RS256', 'kid': f'x{number}'})}.e30.AAAA" for number in range(50)]

        assert set(await asyncio.gather(*map(app.status, made_up))) == {401}
        assert oidc.asked_for("/jwks") == 2


@needs_node
async def test_a_provider_that_goes_down_is_missed_two_hours_later(oidc: Issuer) -> None:
    async with Guarded(jwt(issuer=oidc.url, audience=JWT_RESOURCE, leeway="1d")) as app:
        token = oidc.token()
        assert await app.status(token) == 200
        oidc.stop()

        app.clock.advance("119m")
        assert await app.status(token) == 200
        app.clock.advance("1m")
        answer = await app.ask(token)
        assert (answer.status, answer.header("x-amzn-errortype")) == (500, "AuthorizerFailureException")
        oidc.start()
        app.clock.advance("30s")
        assert await app.status(token) == 401  # it came back with other keys
        assert await app.status(oidc.token()) == 200


@needs_node
async def test_an_http_api_authorizer_takes_the_providers_tokens(oidc: Issuer) -> None:
    async with Guarded(jwt(issuer=oidc.url, audience=[JWT_RESOURCE], scopes=["pets:read"], http_api=True)) as app:
        assert await app.status(oidc.token()) == 200
        assert (await app.client.get("/", headers={"authorization": oidc.token()})).status == 200


# ---------------------------------------------------------------------------------------------------- Cognito


class Pool:
    """A user pool of moto with a user in it."""

    def __init__(self, moto: Moto) -> None:
        self.client = moto.client("cognito-idp")
        self.id = self.client.create_user_pool(PoolName="members")["UserPool"]["Id"]
        self.app = self.client.create_user_pool_client(
            UserPoolId=self.id, ClientName="app", ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
        )["UserPoolClient"]["ClientId"]
        self.client.admin_create_user(UserPoolId=self.id, Username="alice", TemporaryPassword="first-Passw0rd")
        self.client.admin_set_user_password(UserPoolId=self.id, Username="alice", Password="Passw0rd!", Permanent=True)
        self.arn = f"arn:aws:cognito-idp:{REGION}:123456789012:userpool/{self.id}"
        self.issuers = {self.arn: f"{moto.url}/{self.id}"}

    def tokens(self) -> dict[str, str]:
        signed_in = self.client.admin_initiate_auth(
            UserPoolId=self.id, ClientId=self.app, AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "alice", "PASSWORD": "Passw0rd!"},
        )["AuthenticationResult"]  # fmt: skip
        return {"id": signed_in["IdToken"], "access": signed_in["AccessToken"]}


async def test_id_tokens_of_a_user_pool_hold_where_no_scope_is_asked_for(moto: Moto) -> None:
    pool = Pool(moto)
    tokens = pool.tokens()
    try:
        async with Guarded(cognito(pool.arn, issuers=pool.issuers, validation_expression=pool.app)) as app:
            assert await app.status(tokens["id"]) == 200
            assert await app.status(tokens["access"]) == 401
            app.clock.advance("1d")
            expired = await app.ask(tokens["id"])
            assert (expired.status, expired.body) == (401, b'{"message":"The incoming token has expired"}')
    finally:
        pool.client.close()


async def test_access_tokens_of_a_user_pool_hold_with_their_scope(moto: Moto) -> None:
    pool = Pool(moto)
    tokens = pool.tokens()
    scope = "aws.cognito.signin.user.admin"
    try:
        async with Guarded(cognito(pool.arn, issuers=pool.issuers, scopes=[scope])) as app:
            assert await app.status(tokens["access"]) == 200
            assert await app.status(tokens["id"]) == 401
        async with Guarded(cognito(pool.arn, issuers=pool.issuers, scopes=["pets/read"])) as app:
            assert await app.status(tokens["access"]) == 401
    finally:
        pool.client.close()


async def test_a_user_pool_token_is_a_jwt_as_any_other(moto: Moto) -> None:
    pool = Pool(moto)
    issuer = f"https://cognito-idp.{REGION}.amazonaws.com/{pool.id}"
    try:
        keys = f"{moto.url}/{pool.id}/.well-known/jwks.json"
        async with Guarded(jwt(issuer=issuer, jwks=keys, audience=pool.app, http_api=True)) as app:
            assert await app.status(pool.tokens()["access"]) == 200
    finally:
        pool.client.close()
