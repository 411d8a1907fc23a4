"""Opaque tokens that their issuer is asked about."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any, ClassVar
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import import_key

from gatewaykit import (
    ConfigError,
    Gateway,
    Identity,
    IntrospectionMiddleware,
    Policy,
    PolicyMiddleware,
    Reason,
    UpstreamError,
    VirtualClock,
    introspection,
)
from gatewaykit.ports import UpstreamRequest
from gatewaykit.testing import Client, Hold, PolicyContract, Reply, ScriptedTransport, decider, make_request
from tests.conformance.documents import document, mock

ENDPOINT = "https://login.example/introspect"
CLIENT: dict[str, Any] = {"client_id": "gateway", "client_secret": "a secret"}
ACTIVE = {"active": True, "sub": "alice", "scope": "pets:read"}


def saying(**members: Any) -> Reply:
    return Reply(body=json.dumps({**ACTIVE, **members}).encode())


class Issuer(ScriptedTransport):
    """Answers about tokens by their text; whoever is not listed is not active."""

    def __init__(self, **tokens: Any) -> None:
        self.tokens = tokens
        super().__init__(self._said)

    def _said(self, request: UpstreamRequest) -> Reply:
        assert isinstance(request.body, bytes)
        (token,) = parse_qs(request.body.decode())["token"]
        return self.tokens.get(token, saying(active=False))  # type: ignore[no-any-return]  # replies

    @property
    def asked(self) -> list[str]:
        return [parse_qs(request.body.decode())["token"][0] for request in self.requests]  # type: ignore[union-attr]  # bytes


class Asking:
    """A policy over an issuer, asked without a server and without an event loop."""

    def __init__(self, issuer: ScriptedTransport, clock: VirtualClock | None = None, **options: Any) -> None:
        policy = introspection(ENDPOINT, **{**CLIENT, **options})
        self._decide = decider(policy, transport=issuer, clock=clock or VirtualClock())

    def __call__(self, token: str, header: str = "authorization") -> Any:
        value = f"Bearer {token}" if header == "authorization" else token
        return self._decide(make_request("GET", "/", headers={header: value}))


def test_an_active_token_lets_its_bearer_in() -> None:
    decision = Asking(Issuer(abc=saying()))("abc")

    assert decision.identity == Identity(principal="alice", kind="introspection", claims=ACTIVE, scopes=("pets:read",))
    assert decision.credential == "token **** in the header authorization"


def test_a_token_that_is_not_active_does_not() -> None:
    decision = Asking(Issuer())("abc")

    assert (decision.status, decision.reason, decision.identity) == (401, Reason.TOKEN_INVALID, None)
    assert decision.response.header("www-authenticate") == (
        'Bearer error="invalid_token", error_description="the token is not valid"'
    )


def test_without_a_token_nobody_is_asked() -> None:
    issuer = Issuer()

    decision = decider(introspection(ENDPOINT, **CLIENT), transport=issuer)(make_request("GET", "/"))

    assert (decision.status, decision.reason) == (401, Reason.TOKEN_MISSING)
    assert decision.response is not None
    assert (decision.response.header("www-authenticate"), issuer.requests) == ("Bearer", [])


def test_a_token_without_the_scope_is_a_403() -> None:
    decision = Asking(Issuer(abc=saying()), scopes="pets:write")("abc")

    assert (decision.status, decision.reason) == (403, Reason.SCOPE_MISSING)
    assert decision.response.header("www-authenticate") == 'Bearer scope="pets:write", error="insufficient_scope"'


def test_a_token_may_stand_elsewhere() -> None:
    asking = Asking(Issuer(abc=saying()), identity_source="header:X-Token")

    assert asking("abc", "x-token").allowed
    assert not asking("abc").allowed


# ---------------------------------------------------------------------------------------------------- what is sent


def test_the_request_is_the_one_of_rfc_7662() -> None:
    issuer = Issuer(abc=saying())

    Asking(issuer, client_id="a:b", client_secret="ü %")("abc")

    (sent,) = issuer.requests
    assert (sent.method, sent.scheme, sent.host, sent.target) == ("POST", "https", "login.example", b"/introspect")
    headers = dict(sent.headers)
    assert headers[b"Content-Type"] == b"application/x-www-form-urlencoded"
    assert headers[b"Accept"] == b"application/json"
    assert base64.b64decode(headers[b"Authorization"].removeprefix(b"Basic ")) == b"a%3Ab:%C3%BC%20%25"
    assert sent.body == b"token=abc&token_type_hint=access_token"


def test_the_secret_may_stand_in_the_body() -> None:
    issuer = Issuer(abc=saying())

    Asking(issuer, auth_method="client_secret_post")("abc")

    (sent,) = issuer.requests
    assert b"Authorization" not in dict(sent.headers)
    assert sent.body == b"token=abc&token_type_hint=access_token&client_id=gateway&client_secret=a+secret"


def pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()  # type: ignore[no-any-return]  # text


@pytest.mark.parametrize(
    ("key", "kind", "algorithm"),
    [(rsa.generate_private_key(65537, 2048), "RSA", "RS256"), (ec.generate_private_key(ec.SECP256R1()), "EC", "ES256")],
    ids=["RSA", "EC"],
)
def test_the_gateway_may_sign_who_it_is(key: Any, kind: Any, algorithm: str) -> None:
    issuer, clock = Issuer(abc=saying()), VirtualClock("2026-01-15T12:00Z")

    Asking(issuer, clock, auth_method="private_key_jwt", client_secret=pem(key))("abc")

    (sent,) = issuer.requests
    body = parse_qs(sent.body.decode())  # type: ignore[union-attr]  # bytes
    claims = jwt.decode(body["client_assertion"][0], import_key(pem(key), kind), [algorithm]).claims
    assert body["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("gateway", "gateway", ENDPOINT)
    assert (claims["iat"], claims["exp"] - claims["iat"], len(claims["jti"])) == (clock.wall(), 60, 32)


# ---------------------------------------------------------------------------------------------------- remembered


def test_an_answer_is_remembered_and_then_asked_for_again() -> None:
    issuer, clock = Issuer(abc=saying()), VirtualClock()
    asking = Asking(issuer, clock, ttl="30s")

    assert [asking("abc").allowed for _ in range(3)] == [True] * 3
    clock.advance("29s")
    assert asking("abc").allowed
    assert len(issuer.requests) == 1
    issuer.tokens = {}  # it is revoked
    assert asking("abc").allowed
    clock.advance("1s")

    assert asking("abc").reason is Reason.TOKEN_INVALID
    assert len(issuer.requests) == 2


def test_no_answer_outlives_the_token() -> None:
    clock = VirtualClock()
    asking = Asking(Issuer(abc=saying(exp=clock.wall() + 10)), clock, ttl="1h")
    assert asking("abc").allowed
    clock.advance("10s")

    decision = asking("abc")

    assert (decision.reason, decision.status) == (Reason.TOKEN_EXPIRED, 401)


def test_that_a_token_is_not_active_is_remembered_for_a_while() -> None:
    issuer, clock = Issuer(), VirtualClock()
    asking = Asking(issuer, clock, negative_ttl="5s")
    for _ in range(3):
        assert asking("abc").reason is Reason.TOKEN_INVALID
    assert len(issuer.requests) == 1
    issuer.tokens = {"abc": saying()}
    clock.advance("5s")

    assert asking("abc").allowed


def test_with_no_time_to_live_every_request_is_a_question() -> None:
    issuer = Issuer(abc=saying())
    asking = Asking(issuer, ttl=0, negative_ttl=0)

    assert [asking(token).allowed for token in ("abc", "abc", "x", "x")] == [True, True, False, False]
    assert issuer.asked == ["abc", "abc", "x", "x"]


@pytest.mark.parametrize(
    "failure", [Reply(status=503), Reply(body=b"{}"), UpstreamError("refused", "nobody listens")],
    ids=["503", "garbage", "nobody"],
)  # fmt: skip
def test_a_failure_is_not_remembered(failure: Any) -> None:
    answers = iter([failure, saying()])
    asking = Asking(ScriptedTransport(lambda _: next(answers)))

    first, second = asking("abc"), asking("abc")

    assert (first.status, first.identity, second.allowed) == (500, None, True)


@pytest.mark.parametrize("kind", ["refused", "unresolved", "timeout", "tls", "too_large", "invalid", "reset"])
def test_an_issuer_that_cannot_be_asked_lets_nobody_in(kind: str) -> None:
    decision = Asking(ScriptedTransport([UpstreamError(kind, "on purpose")]))("abc")

    assert (decision.status, decision.reason) == (500, Reason.ISSUER_UNREACHABLE)
    assert decision.detail == f"introspection endpoint: {kind}: on purpose"


async def test_requests_with_one_token_ask_once() -> None:
    issuer = Issuer(abc=saying())
    held = issuer.hold()
    client = Client(PolicyMiddleware(hello, policies=[introspection(ENDPOINT, **CLIENT)], transport=issuer))
    waiting = [asyncio.ensure_future(client.get("/", headers={"authorization": "Bearer abc"})) for _ in range(20)]
    await held.reached()
    for _ in range(5):
        await asyncio.sleep(0)

    held.release()

    assert [answer.text for answer in await asyncio.gather(*waiting)] == ["hello alice"] * 20
    assert len(issuer.requests) == 1


async def test_requests_with_two_tokens_ask_twice() -> None:
    issuer = Issuer(abc=saying(), xyz=saying(sub="bob"))
    held = [issuer.hold(), issuer.hold()]
    client = Client(PolicyMiddleware(hello, policies=[introspection(ENDPOINT, **CLIENT)], transport=issuer))
    waiting = [
        asyncio.ensure_future(client.get("/", headers={"authorization": f"Bearer {token}"})) for token in ("abc", "xyz")
    ]
    for hold in held:
        await hold.reached()
    held[1].release()
    held[0].release()

    assert [answer.text for answer in await asyncio.gather(*waiting)] == ["hello alice", "hello bob"]


async def test_an_answer_that_drips_is_given_up() -> None:
    stalled = Hold()
    issuer = ScriptedTransport([Reply(chunks=[b'{"active"', stalled, b": true}"])])
    policy = introspection(ENDPOINT, **CLIENT, timeout="10ms")
    client = Client(PolicyMiddleware(hello, policies=[policy], transport=issuer))

    answer = await client.get("/", headers={"authorization": "Bearer abc"})

    assert answer.status == 500
    assert len(issuer.given_up) == 1


async def hello(scope: Any, receive: Any, send: Any) -> None:
    who = scope["state"]["gatewaykit"].identity.principal
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"hello {who}".encode()})


async def test_it_is_a_middleware_too() -> None:
    client = Client(IntrospectionMiddleware(hello, ENDPOINT, **CLIENT, transport=Issuer(abc=saying())))

    assert (await client.get("/", headers={"authorization": "Bearer abc"})).text == "hello alice"


async def test_it_stands_in_front_of_a_definition() -> None:
    issuer = Issuer(abc=saying())
    policies = [introspection(ENDPOINT, **CLIENT)]
    gateway = Gateway.from_openapi(document({"/": {"get": mock()}}), policies=policies, transport=issuer)

    answers = [await gateway.invoke("GET", "/", headers={"authorization": f"Bearer {each}"}) for each in ("abc", "x")]

    assert [answer.status for answer in answers] == [200, 401]


class TestIntrospection(PolicyContract):
    headers: ClassVar = {"authorization": "Bearer abc"}
    transport = Issuer(abc=saying())

    def make_policy(self) -> Policy:
        return introspection(ENDPOINT, **CLIENT)


# ---------------------------------------------------------------------------------------------------- options


WEAK = pem(rsa.generate_private_key(65537, 1024))


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"endpoint": "ftp://x"}, "endpoint"),
        ({"client_id": ""}, "client_id"),
        ({"client_secret": None}, "client_secret"),
        ({"auth_method": "client_secret_basik"}, "auth_method"),
        ({"auth_method": "private_key_jwt"}, "client_secret"),
        ({"auth_method": "private_key_jwt", "client_secret": WEAK}, "client_secret"),
        ({"audience": [1]}, "audience"),
        ({"scopes": 1}, "scopes"),
        ({"issuer": ""}, "issuer"),
        ({"claims": ["tenant"]}, "claims"),
        ({"claims": {"tenant": []}}, "claims"),
        ({"claims": {"tenant": {"a": 1}}}, "claims"),
        ({"ttl": "soon"}, "ttl"),
        ({"negative_ttl": -1}, "negative_ttl"),
        ({"timeout": 0}, "timeout"),
        ({"leeway": "x"}, "leeway"),
        ({"identity_source": "cookie:a"}, "identity_source"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_a_mistake(options: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        introspection(**{"endpoint": ENDPOINT, **CLIENT, **options})

    assert [problem.where for problem in caught.value.problems] == [f"introspection.{where}"]


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        introspection("nowhere:x", client_id="", client_secret="", auth_method="basic", ttl="x")  # type: ignore[arg-type]  # on purpose

    assert len(caught.value.problems) == 5


def test_the_secret_is_in_no_representation() -> None:
    assert "a secret" not in repr(introspection(ENDPOINT, **CLIENT))
