"""Forged, confused and monstrous tokens at the door of an app: none gets in, none breaks it, none sends it anywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from gatewaykit import PolicyMiddleware, Reason, cognito, jwt
from gatewaykit.clock import VirtualClock
from gatewaykit.errors import UpstreamError
from gatewaykit.ports import Policy, UpstreamRequest
from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.attacks.checks import leaks_nothing
from tests.tokens import AUDIENCE, ISSUER, NOW_S, b64, claims, jwk, pem, private_key, signed, token

KNOWN = {
    "keys": [
        jwk("RSA", "k1"),
        jwk("ES256", "es"),
        jwk("Ed25519", "ed"),
        jwk("RSA-1024", "weak"),
        jwk("RSA/enc", "enc", use="enc"),
    ]
}
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]
POOL = f"{ISSUER}/pool"
RS, ES = {"alg": "RS256", "kid": "k1"}, {"alg": "ES256", "kid": "es"}


class Door:
    """An app behind a policy, and an issuer on a scripted transport. `fetched` are the addresses that were asked."""

    def __init__(self, *policies: Policy) -> None:
        self.reached = 0
        self.clock = VirtualClock(NOW_S)
        self.transport = ScriptedTransport(self._answer)
        guards = policies or (jwt(issuer=ISSUER, audience=AUDIENCE, algorithms=ALGORITHMS),)
        self.client = Client(PolicyMiddleware(self._app, policies=guards, clock=self.clock, transport=self.transport))

    @property
    def fetched(self) -> set[str]:
        return {f"{each.scheme}://{each.host}{each.target.decode()}" for each in self.transport.requests}

    async def knock(self, text: str | bytes, name: str = "authorization") -> int:
        value = b"Bearer " + (text if isinstance(text, bytes) else text.encode("latin-1", "replace"))
        answer = await self.client.get("/", headers=[(name, value)])
        leaks_nothing(answer)
        return answer.status

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    def _answer(self, request: UpstreamRequest) -> Reply | UpstreamError:
        if request.target.startswith(b"/.well-known/openid-configuration"):
            return Reply(body=json.dumps({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}).encode())
        return Reply(body=json.dumps(KNOWN).encode())


HOME = {f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/jwks"}


def with_header(header: Mapping[str, Any], alg: str = "RS256", key: str | bytes = "", **more: Any) -> str:
    return signed(header, claims(**more), alg, key)


def altered(at: int, part: str) -> str:
    """A good token with one segment replaced."""
    parts = token().split(".")
    parts[at] = part
    return ".".join(parts)


GOOD = {
    "RS256": token(), "PS512": token("PS512"), "ES256": token("ES256", header={"kid": "es"}),
    "Ed25519": token("Ed25519", header={"kid": "ed"}), "EdDSA": token("EdDSA", header={"kid": "ed"}),
}  # fmt: skip

NONE = {
    f"alg {alg!r} {name}": f"{b64({'alg': alg, 'kid': 'k1', 'typ': 'JWT'})}.{b64(claims())}.{signature}"
    for alg in ("none", "None", "NONE", "nOnE", "", None, [], True)
    for name, signature in (("without a signature", ""), ("with another's", token().split(".")[2]))
}

CONFUSION = {
    "RS to HS by PEM": with_header({**RS, "alg": "HS256"}, "HS256", pem().encode()),
    "RS to HS by PEM without its last line end": with_header({**RS, "alg": "HS256"}, "HS256", pem().strip().encode()),
    "RS to HS by JWK": with_header({**RS, "alg": "HS256"}, "HS256", json.dumps(jwk()).encode()),
    "RS to HS by modulus": with_header({**RS, "alg": "HS256"}, "HS256", jwk()["n"].encode()),
    "RS to HS by nothing": with_header({**RS, "alg": "HS256"}, "HS256", b""),
    "ES to HS by x": with_header({**ES, "alg": "HS256"}, "HS256", jwk("ES256")["x"].encode()),
    "Ed to HS by x": with_header({"alg": "HS256", "kid": "ed"}, "HS256", jwk("Ed25519")["x"].encode()),
    "ES384 for a key on P-256": with_header({**ES, "alg": "ES384"}, "ES256"),
    "ES256 for an RSA key": with_header({**ES, "kid": "k1"}, "ES256"),
    "RS256 for an EC key": with_header({**RS, "kid": "es"}),
    "PS for RS": with_header(RS, "PS256"),
    "RS512 for RS256": with_header(RS, "RS512"),
    "HS of no name": with_header({"alg": "HS256"}, "HS256", pem().encode()),
}

BROUGHT_KEYS = {
    name: with_header({**RS, **header}, key="RSA/evil", sub="mallory")
    for name, header in {
        "jwk": {"jwk": jwk("RSA/evil", "k1")},
        "jwk, its name its own": {"jwk": jwk("RSA/evil", "evil"), "kid": "evil"},
        "jwk, no name": {"jwk": jwk("RSA/evil", None), "kid": None},
        "jku": {"jku": "https://evil.example/jwks"},
        "jku inside the network": {"jku": "http://169.254.169.254/latest/meta-data/"},
        "x5u": {"x5u": "https://evil.example/cert"},
        "x5c": {"x5c": ["MIIBszCCARwCCQ"]},
        "iss of the attacker": {"iss": "https://evil.example"},
    }.items()
}

KID = {
    f"kid {kid[:24]!r}": with_header({"alg": "RS256", "kid": kid}, key="RSA/evil")
    for kid in (
        "../../../../dev/null", "/etc/passwd", "k1\0", "' UNION SELECT 'key", "k1;id", "$(id)", "%00", "k" * 2900,
        "https://evil.example/key", "\U0001f511", "constructor", "__proto__", "",
    )
} | {f"kid {kid!r}": with_header({"alg": "RS256", "kid": kid}) for kid in (7, ["k1"], {"k1": 1}, True)}  # fmt: skip

HEADERS = {
    "crit b64": with_header({**RS, "crit": ["b64"], "b64": False}),
    "crit, empty": with_header({**RS, "crit": []}),
    "crit, no list": with_header({**RS, "crit": "b64"}),
    "crit of a known claim": with_header({**RS, "crit": ["exp"], "exp": NOW_S + 9}),
    "b64 false, the payload as it is": f"{b64({**RS, 'b64': False})}.{{}}.{token().split('.')[2]}",
    "b64 false": with_header({**RS, "b64": False}),
    "alg twice": signed('{"alg":"none","kid":"k1","alg":"RS256"}', claims(), "RS256"),
    "alg twice, spaced": signed('{"alg" :"HS256","kid":"k1","alg":"RS256"}', claims(), "RS256"),
    "kid twice": signed('{"alg":"RS256","kid":"x","kid":"k1"}', claims(), "RS256"),
    "a lone surrogate": signed('{"alg":"RS256","kid":"k1","x":"\\ud800"}', claims(), "RS256"),
    "NaN": signed('{"alg":"RS256","kid":"k1","x":NaN}', claims(), "RS256"),
    "a list": signed("[]", claims(), "RS256"),
    "huge": with_header({**RS, "x": "x" * 5000}),
    "deep": signed('{"alg":"RS256","kid":"k1","x":' + "[" * 1400 + "]" * 1400 + "}", claims(), "RS256"),
    "no UTF-8": signed(b'{"alg":"RS256","kid":"k1","x":"\xff"}', claims(), "RS256"),
}


def claimed(text: str) -> str:
    """A token with this text among its claims, signed by the issuer: only reading it can go wrong."""
    return signed(RS, json.dumps(claims())[:-1] + f",{text}}}", "RS256")


CLAIMS = {
    "sub twice": claimed('"sub":"mallory"'),
    "sub twice, in disguise": claimed('"s\\u0075b" :"mallory"'),
    "exp twice": claimed(f'"exp":{NOW_S + 9}'),
    "a member twice, inside": claimed('"act":{"sub":"a","sub":"b"}'),
    "a lone surrogate": claimed('"x":"\\udead"'),
    "a lone surrogate in a name": claimed('"\\udead":1'),
    "NaN": claimed('"x":NaN'),
    "40 deep": claimed('"x":' + "[" * 40 + "]" * 40),
    "1500 deep": claimed('"x":' + "[" * 1500 + "]" * 1500),
    "45000 deep": claimed('"x":' + "[" * 45000 + "]" * 45000),
    "expired": token(exp=NOW_S - 1),
    "expired this second": token(exp=NOW_S),
    "never": token(exp=None),
    "exp a text": token(exp=str(NOW_S + 60)),
    "exp true": token(exp=True),
    "exp NaN": token(exp=float("nan")),
    "exp without end": token(exp=float("inf")),
    "exp 1e999": signed(RS, json.dumps(claims()).replace(str(NOW_S + 3600), "1e999"), "RS256"),
    "exp a list": token(exp=[NOW_S + 60]),
    "exp of 5000 digits": signed(RS, json.dumps(claims()).replace(str(NOW_S + 3600), "9" * 5000), "RS256"),
    "not yet": token(nbf=NOW_S + 60),
    "nbf NaN": token(nbf=float("nan")),
    "nbf a text": token(nbf="0"),
    "nbf false": token(nbf=False),
    "issued tomorrow": token(iat=NOW_S + 86400),
    "iat a text": token(iat="0"),
    "another issuer": token(iss="https://evil.example"),
    "an issuer with a slash": token(iss=ISSUER + "/"),
    "no issuer": token(iss=None),
    "issuers": token(iss=[ISSUER]),
    "another audience": token(aud="https://other.example"),
    "no audience": token(aud=None),
    "no audience but a client": token(aud=None, client_id=AUDIENCE),
    "an audience in an object": token(aud={AUDIENCE: True}),
    "a part of the audience": token(aud=AUDIENCE[:-1]),
    "sub a number": token(sub=7),
}

SIGNATURES = {
    "psychic": f"{b64(ES)}.{b64(claims())}.{b64(bytes(64))}",
    "r and s of one": f"{b64(ES)}.{b64(claims())}.{b64(bytes(31) + b'1' + bytes(31) + b'1')}",
    "nothing": altered(2, ""),
    "zeros": altered(2, b64(bytes(256))),
    "ones": altered(2, b64(b"\xff" * 256)),
    "another payload": altered(1, b64(claims(sub="mallory"))),
    "another header": altered(0, b64({**RS, "x": 1})),
    "another key": with_header(RS, key="RSA/evil"),
    "a weak key of the issuer": with_header({"alg": "RS256", "kid": "weak"}, key="RSA-1024"),
    "a key for encryption": with_header({"alg": "RS256", "kid": "enc"}, key="RSA/enc"),
    "spare bits": token()[:-1] + chr(ord(token()[-1]) + 1),
    "padding": token() + "==",
    "a line end": token() + "\n",
    "plain base64": altered(2, token().split(".")[2].replace("-", "+").replace("_", "/") + "+/"),
    "a fourth segment": token() + ".",
    "five segments": token() + ".x.y",
    "twice": f"{token()} {token()}",
    "a list": f"{token()},{token()}",
    "JSON": json.dumps(dict(zip(("protected", "payload", "signature"), token().split("."), strict=True))),
    "16 MiB": altered(1, "A" * (1 << 24)),
    "a million segments": "." * 1_000_000,
    "bytes": b"\x00\xff\xfe" * 100,
}


def table(**groups: Mapping[str, str | bytes]) -> list[Any]:
    return [pytest.param(text, id=f"{group}: {name}") for group, each in groups.items() for name, text in each.items()]


@pytest.mark.parametrize(
    "text",
    table(
        none=NONE,
        confusion=CONFUSION,
        brought=BROUGHT_KEYS,
        kid=KID,
        header=HEADERS,
        claims=CLAIMS,
        signature=SIGNATURES,
    ),
)
async def test_no_attack_gets_in_breaks_the_app_or_sends_it_elsewhere(text: str | bytes) -> None:
    door = Door()

    assert await door.knock(text) == 401
    assert door.reached == 0
    assert door.fetched <= HOME
    assert await door.knock(token()) == 200  # and the door still opens


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in GOOD.items()])
async def test_good_tokens_do(text: str) -> None:
    assert await Door().knock(text) == 200


@pytest.mark.parametrize("text", table(none=NONE, confusion=CONFUSION, signature=SIGNATURES, claims=CLAIMS))
async def test_nor_past_a_cognito_authorizer(text: str | bytes) -> None:
    door = Door(cognito(POOL))
    good = token(iss=POOL, token_use="id")

    assert await door.knock(text) == 401
    assert door.reached == 0
    assert await door.knock(good) == 200


# ---------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "secret", [b"secret", b"", b"x" * 31, pem().encode()], ids=["short", "empty", "31 bytes", "public"]
)
def test_a_weak_secret_does_not_start(secret: bytes) -> None:
    from gatewaykit import ConfigError

    with pytest.raises(ConfigError):
        jwt(issuer=ISSUER, audience=AUDIENCE, secret=secret, algorithms=["HS256"])


async def test_a_secret_of_the_issuers_published_keys_is_no_secret() -> None:
    door = Door(
        jwt(issuer=ISSUER, audience=AUDIENCE, jwks={"keys": [jwk(), {"kty": "oct", "k": b64(b"k" * 32), "kid": "o"}]})
    )

    assert await door.knock(with_header({"alg": "HS256", "kid": "o"}, "HS256", b"k" * 32)) == 401


# ---------------------------------------------------------------------------------------------------- the cache


async def test_a_token_seen_before_lets_no_other_in() -> None:
    door = Door()
    good = token()
    assert await door.knock(good) == 200

    head, payload, signature = good.split(".")
    for text in (
        f"{head}.{b64(claims(sub='mallory'))}.{signature}",
        f"{b64({**RS, 'alg': 'none'})}.{payload}.",
        good[:-1] + ("A" if good[-1] != "A" else "E"),
        good + "A",
    ):
        assert await door.knock(text) == 401


async def test_a_token_seen_before_expires() -> None:
    door = Door()
    text = token(exp=NOW_S + 5)
    assert await door.knock(text) == 200
    door.clock.advance("5s")

    assert await door.knock(text) == 401


@pytest.mark.parametrize("order", [1, -1], ids=["the good one first", "the good one last"])
async def test_of_two_tokens_none_counts(order: int) -> None:
    door = Door()
    assert await door.knock(token()) == 200
    two = [("Authorization", f"Bearer {text}") for text in (token(), with_header(RS, key="RSA/evil"))][::order]
    answer = await door.client.get("/", headers=two)
    in_query = Door(jwt(issuer=ISSUER, audience=AUDIENCE, identity_source="query:t"))

    assert (answer.status, door.reached) == (400, 1)
    assert (await in_query.client.get(f"/?t={token()}&t=x")).status == 400
    assert (await in_query.client.get(f"/?t={token()}&u=x&u=y")).status == 200


async def test_other_headers_may_be_sent_twice() -> None:
    door = Door()
    headers = [("accept", "a"), ("accept", "b"), ("authorization", f"Bearer {token()}")]

    assert [(await door.client.get("/", headers=headers)).status for _ in range(2)] == [200, 200]


async def test_one_policys_good_token_is_not_anothers() -> None:
    strict = Door(jwt(issuer=ISSUER, audience=AUDIENCE), jwt(issuer=ISSUER, audience=AUDIENCE, scopes="admin"))

    assert await strict.knock(token()) == 403
    assert await strict.knock(token()) == 403
    assert strict.reached == 0


# ---------------------------------------------------------------------------------------------------- floods


async def test_a_good_token_that_is_huge_is_not_even_looked_into() -> None:
    door = Door()

    assert await door.knock(with_header(RS, note="x" * 20_000)) == 401
    assert door.reached == 0


async def test_a_flood_of_unknown_keys_asks_the_issuer_twice() -> None:
    door = Door()
    texts = [with_header({"alg": "RS256", "kid": f"x{number}"}, key="RSA/evil") for number in range(100)]

    assert set(await asyncio.gather(*map(door.knock, texts))) == {401}
    assert len(door.transport.requests) <= 4  # metadata and keys, at first and once more


async def test_an_issuer_that_is_down_fails_closed_and_is_not_flooded() -> None:
    door = Door()
    door.transport._answers = lambda request: UpstreamError("refused", "nobody listens")

    assert {await door.knock(token()) for _ in range(20)} == {500}
    assert door.reached == 0
    assert len(door.transport.requests) == 2  # the two places of metadata


@pytest.mark.parametrize(
    "answer",
    [
        Reply(body=json.dumps({"issuer": "https://evil.example", "jwks_uri": "https://evil.example/jwks"}).encode()),
        Reply(body=json.dumps({"issuer": ISSUER, "jwks_uri": "http://evil.example/jwks"}).encode()),
        Reply(body=json.dumps({"issuer": ISSUER, "jwks_uri": "gopher://evil.example/jwks"}).encode()),
        Reply(status=302, headers=[(b"location", b"https://evil.example/")]),
        Reply(body=b"{" * 150_000),
        Reply(body=b"x" * 1_000_000),
        Reply(body=json.dumps({"keys": [{"kty": "oct", "k": b64(b"k" * 32)}]}).encode()),
    ],
    ids=[
        "another issuer",
        "keys without TLS",
        "keys of another scheme",
        "a redirect",
        "deep JSON",
        "a megabyte",
        "secrets",
    ],
)
async def test_an_issuer_whose_answers_make_no_sense_lets_nobody_in(answer: Reply) -> None:
    door = Door()
    door.transport._answers = lambda request: answer

    assert await door.knock(token(key="RSA/evil")) == 500
    assert all("evil" not in address for address in door.fetched)


# ---------------------------------------------------------------------------------------------------- what is said


async def test_every_forgery_gets_the_same_answer() -> None:
    door = Door()
    answers = set()
    for text in (*CONFUSION.values(), *BROUGHT_KEYS.values(), *KID.values(), *CLAIMS.values()):
        answer = await door.client.get("/", headers={"authorization": f"Bearer {text}"})
        answers.add((answer.status, answer.body, answer.header("www-authenticate")))

    assert answers == {(401, b'{"message":"Unauthorized"}', 'Bearer error="invalid_token"')}


async def test_the_operator_gets_the_reason_on_one_line() -> None:
    door = Door()
    decision = PolicyMiddleware(
        door._app, policies=[jwt(issuer=ISSUER, audience=AUDIENCE, jwks=KNOWN)], clock=door.clock
    ).decide(
        "GET", "/", headers={"authorization": "Bearer " + with_header({"alg": "RS256", "kid": "a\r\nSet-Cookie: x"})}
    )

    assert decision.reason is Reason.TOKEN_INVALID
    assert "\n" not in decision.detail
    assert "\\r\\nSet-Cookie" in decision.detail


def test_the_keys_of_these_tests_are_what_they_say() -> None:
    assert private_key("RSA").key_size == 2048
    assert private_key("RSA-1024").key_size == 1024
