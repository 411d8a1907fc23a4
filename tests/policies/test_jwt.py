"""The JWT policy: who comes in, who is told what, and what is known again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gatewaykit import Decision, Identity, PolicyMiddleware, Reason, jwt
from gatewaykit.clock import VirtualClock
from gatewaykit.core.http import Request
from gatewaykit.core.identity.jwt import verifying
from gatewaykit.core.reasons import Refusal
from gatewaykit.errors import ConfigError, UpstreamError
from gatewaykit.policies.jwt import Jwt
from gatewaykit.ports import Runtime, UpstreamRequest
from gatewaykit.testing import Client, PolicyContract, Reply, ScriptedTransport, decide, decider, make_request
from tests.tokens import AUDIENCE, ISSUER, NOW_S, SECRET, claims, jwk, pem, signed, token

KEYS = {"keys": [jwk(), jwk("ES256", "es")]}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW_S)


def policy(**options: Any) -> Jwt:
    given = {"issuer": ISSUER, "audience": AUDIENCE, **options}
    if not {"jwks", "jwks_file", "keys", "secret"} & given.keys():
        given["jwks"] = KEYS
    return jwt(**given)


def asking(text: str | None, name: str = "authorization", scheme: str = "Bearer ") -> Request:
    return make_request("GET", "/", headers={} if text is None else {name: scheme + text})


def deciding(text: str | None, *, profile: str = "web", **options: Any) -> Decision:
    return decide(policy(**options), asking(text), clock=VirtualClock(NOW_S), profile=profile)


def told(error: str, description: str, scope: str = "") -> str:
    """The field as HTTP APIs write it."""
    return f'Bearer scope="{scope}" error="{error}" error_description="{description}"'


class TestContract(PolicyContract):
    clock = VirtualClock(NOW_S)
    headers: ClassVar = {"authorization": f"Bearer {token()}"}

    def make_policy(self) -> Jwt:
        return policy()


class TestContractWithAnIssuerThatIsDown(PolicyContract):
    clock = VirtualClock(NOW_S)
    headers: ClassVar = {"authorization": f"Bearer {token()}"}
    lets_through = False

    def make_policy(self) -> Jwt:
        return jwt(issuer="http://127.0.0.1:9", audience=AUDIENCE)


def test_a_good_token_is_who_it_says_with_its_claims_and_scopes() -> None:
    decision = deciding(token(scope="a b", tenant="acme"))

    assert decision.allowed
    assert decision.identity == Identity(
        principal="alice", kind="jwt", claims=claims(scope="a b", tenant="acme"), scopes=("a", "b")
    )


@pytest.mark.parametrize(
    ("more", "principal"),
    [({"sub": None, "client_id": "shop"}, "shop"), ({"sub": None}, ""), ({"sub": ""}, "")],
    ids=["a client", "nobody", "an empty name"],
)
def test_who_has_no_subject_is_its_client(more: dict[str, Any], principal: str) -> None:
    identity = deciding(token(**more)).identity

    assert identity is not None
    assert identity.principal == principal


@pytest.mark.parametrize(
    ("text", "options", "reason", "told"),
    [
        (None, {}, Reason.TOKEN_MISSING, "no token was sent"),
        ("", {}, Reason.TOKEN_MISSING, "without a token"),
        ("x", {}, Reason.TOKEN_INVALID, "three segments"),
        (token(key="RSA/other"), {}, Reason.TOKEN_INVALID, "does not match"),
        (token(header={"kid": "k2"}), {}, Reason.TOKEN_INVALID, "no key 'k2'; the issuer's are 'k1', 'es'"),
        (token(exp=NOW_S - 5), {}, Reason.TOKEN_EXPIRED, "5 s ago"),
        (token(iss="https://evil.example"), {}, Reason.TOKEN_INVALID, "iss is 'https://evil.example'"),
        (token(aud="x"), {}, Reason.TOKEN_INVALID, "aud is 'x'"),
        (token(sub=7), {}, Reason.TOKEN_INVALID, "sub is no text"),
        (token("ES256", header={"kid": "es"}), {}, Reason.TOKEN_INVALID, "alg is 'ES256'"),
        (token(scope="b"), {"scopes": ["a", "c"]}, Reason.SCOPE_MISSING, "one of ['a', 'c'] is needed"),
        (token(), {"claims": {"tenant": "acme"}}, Reason.TOKEN_INVALID, "no claim 'tenant'"),
    ],
    ids=[
        "no token", "no token after Bearer", "no JWT", "a forgery", "an unknown key", "expired", "another issuer",
        "another audience", "a subject that is a number", "an algorithm not allowed", "no scope", "no claim",
    ],
)  # fmt: skip
def test_other_callers_are_refused_and_the_operator_knows_why(
    text: str | None, options: dict[str, Any], reason: Reason, told: str
) -> None:
    decision = deciding(text, **options)

    assert decision.reason is reason
    assert told in decision.detail
    assert decision.identity is None
    assert decision.status == (403 if reason is Reason.SCOPE_MISSING else 401)


@pytest.mark.parametrize(
    ("text", "options", "profile", "field"),
    [
        (None, {}, "web", "Bearer"),
        (None, {}, "aws", None),
        (token(exp=1), {}, "web", 'Bearer error="invalid_token"'),
        (token(exp=1), {}, "aws", None),
        (token(), {"scopes": "a"}, "web", 'Bearer scope="a", error="insufficient_scope"'),
        (None, {"http_api": True}, "aws", "Bearer"),
        ("x", {"http_api": True}, "aws", told("invalid_token", "token contains an invalid number of segments")),
        (token(exp=1), {"http_api": True}, "web", told("invalid_token", "the token has expired")),
        (
            token(), {"http_api": True, "scopes": ["a", "b"]}, "aws",
            told("insufficient_scope", "the token does not have a required scope", "a b"),
        ),
    ],
    ids=[
        "web, no token", "aws, no token", "web, expired", "aws, expired", "web, no scope", "http api, no token (02 s5)",
        "http api, one segment (02 s5)", "http api, expired (02 s5)", "http api, no scope (02 s5)",
    ],
)  # fmt: skip
def test_www_authenticate(text: str | None, options: dict[str, Any], profile: str, field: str | None) -> None:
    response = deciding(text, profile=profile, **options).response

    assert response is not None
    assert response.header("www-authenticate") == field
    assert response.body == (b'{"message":"Forbidden"}' if "scopes" in options else b'{"message":"Unauthorized"}')


# ---------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (token("HS256"), {"secret": SECRET, "algorithms": ["HS256"]}),
        (token("HS512"), {"secret": SECRET.decode(), "algorithms": ["HS256", "HS512"]}),
        (token("ES256", header={"kid": "es"}), {"algorithms": "ES256"}),
        (token("EdDSA"), {"keys": pem("Ed25519"), "algorithms": ["Ed25519"]}),
        (token("Ed25519"), {"keys": [pem("RSA"), pem("Ed25519")], "algorithms": ["EdDSA"]}),
        (token(), {"keys": {"k0": pem("RSA/other"), "k1": pem()}}),
        (token(aud=["x", "b"]), {"audience": ["a", "b"]}),
        (token(aud=None), {"audience": None}),
        (token(iss=None), {"issuer": None}),
        (token(exp=NOW_S - 20, nbf=NOW_S + 20), {"leeway": "30s"}),
        (token(scp=["a"]), {"scopes": ("a", "b")}),
        (token(groups=["staff", "admin"], age=18), {"claims": {"groups": {"admin"}, "age": lambda age: age > 17}}),
        (token(aud=None, client_id=AUDIENCE), {"http_api": True}),
    ],
    ids=[
        "a secret", "a secret as text", "ES256", "EdDSA by its new name", "Ed25519 by its old name", "keys by id",
        "several audiences", "any audience", "any issuer", "leeway", "scopes as a list", "rules for claims",
        "client_id for aud, as HTTP APIs do",
    ],
)  # fmt: skip
def test_options_let_tokens_in(text: str, options: dict[str, Any]) -> None:
    assert deciding(text, **options).allowed


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (signed({"alg": "RS256"}, claims(), "RS256"), {"http_api": True}),
        (token(aud=None, client_id=AUDIENCE), {}),
        (token("HS256", b"x" * 32), {"secret": SECRET, "algorithms": ["HS256"]}),
        (token("HS384"), {"secret": SECRET, "algorithms": ["HS256"]}),
        (token(), {"keys": {"k1": pem("RSA/other"), "k2": pem()}}),
    ],
    ids=["no key id in an HTTP API", "client_id for aud", "another secret", "another hash", "the key of another id"],
)
def test_options_keep_tokens_out(text: str, options: dict[str, Any]) -> None:
    assert deciding(text, **options).reason is Reason.TOKEN_INVALID


def test_a_key_set_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(KEYS))

    assert deciding(token(), jwks_file=file).allowed
    assert deciding(token(), jwks_file=str(file)).allowed


@pytest.mark.parametrize(
    ("name", "scheme", "options", "allowed"),
    [
        ("authorization", "Bearer ", {}, True),
        ("authorization", "bearer ", {}, True),
        ("authorization", "BEARER   ", {}, True),
        ("authorization", "", {}, False),
        ("authorization", "Basic ", {}, False),
        ("authorization", "", {"http_api": True}, True),
        ("authorization", "Token ", {"http_api": True}, False),
        ("x-token", "", {"identity_source": "header:X-Token"}, True),
        ("x-token", "Bearer ", {"identity_source": "$request.header.X-Token"}, True),
        ("authorization", "Bearer ", {"identity_source": "header:X-Token"}, False),
    ],
)
def test_where_and_how_a_token_is_sent(name: str, scheme: str, options: dict[str, Any], allowed: bool) -> None:
    decision = decide(policy(**options), asking(token(), name, scheme), clock=VirtualClock(NOW_S))

    assert decision.allowed is allowed
    assert allowed or decision.reason is Reason.TOKEN_MISSING


def test_a_token_may_stand_in_the_query() -> None:
    request = make_request("GET", f"/?access_token={token()}")

    assert decide(policy(identity_source="query:access_token"), request, clock=VirtualClock(NOW_S)).allowed


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"jwks": None}, ["issuer"]),
        ({"issuer": 7}, ["issuer"]),
        ({"issuer": "http://issuer.example"}, ["issuer"]),
        ({"issuer": "issuer.example"}, ["issuer"]),
        ({"issuer": ISSUER, "audience": []}, ["audience"]),
        ({"issuer": ISSUER, "audience": [7]}, ["audience"]),
        ({"jwks": "http://issuer.example/jwks"}, ["jwks"]),
        ({"jwks": "ftp://x"}, ["jwks"]),
        ({"jwks": {"keys": []}}, ["jwks"]),
        ({"jwks": 7}, ["jwks"]),
        ({"jwks_file": "/no/such/file"}, ["jwks_file"]),
        ({"keys": "no PEM"}, ["keys"]),
        ({"keys": []}, ["keys"]),
        ({"keys": [pem()] * 9}, ["keys"]),
        ({"keys": {"a": 7}}, ["keys"]),
        ({"keys": pem(), "jwks": KEYS}, ["jwks"]),
        ({"secret": "short", "algorithms": ["HS256"]}, ["secret"]),
        ({"secret": pem(), "algorithms": ["HS256"]}, ["secret"]),
        ({"secret": SECRET}, ["secret"]),
        ({"secret": 7, "algorithms": ["HS256"]}, ["secret"]),
        ({"jwks": KEYS, "algorithms": ["RS256", "HS256"]}, ["algorithms"]),
        ({"jwks": KEYS, "algorithms": []}, ["algorithms"]),
        ({"jwks": KEYS, "algorithms": ["none"]}, ["algorithms"]),
        ({"jwks": KEYS, "algorithms": ["RS257"]}, ["algorithms"]),
        ({"jwks": KEYS, "algorithms": [None]}, ["algorithms"]),
        ({"jwks": KEYS, "algorithms": ["ES256"], "http_api": True}, ["algorithms"]),
        ({"jwks": KEYS, "audience": [str(n) for n in range(51)], "http_api": True}, ["audience"]),
        ({"jwks": KEYS, "scopes": [str(n) for n in range(11)], "http_api": True}, ["scopes"]),
        (
            {"jwks": KEYS, "scopes": 7, "leeway": "soon", "identity_source": "x"},
            ["identity_source", "leeway", "scopes"],
        ),
        ({"jwks": KEYS, "claims": ["a"], "cached_tokens": -1}, ["claims", "cached_tokens"]),
        ({"jwks": KEYS, "cached_tokens": True}, ["cached_tokens"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else " ".join(f"{k}={str(v)[:20]}" for k, v in value.items()),
)
def test_mistakes_are_told_all_at_once(options: dict[str, Any], where: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        jwt(**options)

    assert [problem.where for problem in caught.value.problems] == [f"jwt.{name}" for name in where]


def test_keys_without_tls_are_fetched_only_when_that_is_allowed() -> None:
    assert jwt(issuer="http://issuer.example", audience="a", allow_http=True)
    assert jwt(issuer="http://localhost:8080", audience="a")


# ---------------------------------------------------------------------------------------------------- known again


class Counted:
    """Counts the signatures that are checked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.checked = 0
        verify = verifying.Verifier.verify

        def counting(*args: Any) -> Any:
            self.checked += 1
            return verify(*args)

        monkeypatch.setattr(verifying.Verifier, "verify", counting)


def hook_of(policy: Jwt, runtime: Runtime) -> Any:
    return policy.bind(runtime).on_request


def test_a_token_seen_before_is_not_checked_again_until_it_expires(
    runtime: Runtime, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, hook = Counted(monkeypatch), hook_of(policy(), runtime)
    text = token(exp=NOW_S + 60)
    first, second, third = (asking(text) for _ in range(3))

    assert hook(first) is first
    assert hook(second) is second
    assert second.identity == first.identity
    assert counted.checked == 1
    clock.advance(60)
    assert hook(third).reason is Reason.TOKEN_EXPIRED
    assert third.identity is None


def test_leeway_holds_for_known_tokens_too(runtime: Runtime, clock: VirtualClock) -> None:
    hook = hook_of(policy(leeway=10), runtime)
    text = token(exp=NOW_S + 60)
    hook(asking(text))

    clock.advance(69)
    assert isinstance(hook(asking(text)), Request)
    clock.advance(1)
    assert isinstance(hook(asking(text)), Refusal)


def test_a_token_that_differs_in_one_character_is_another(runtime: Runtime) -> None:
    hook = hook_of(policy(), runtime)
    text = token()
    hook(asking(text))

    for changed in (text[:-1] + ("A" if text[-1] != "A" else "Q"), text + "A", text[1:], text.replace(".", "..", 1)):
        assert isinstance(hook(asking(changed)), Refusal)


def test_refusals_are_not_kept(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    counted, hook = Counted(monkeypatch), hook_of(policy(scopes="a"), runtime)
    for _ in range(3):
        assert hook(asking(token())).reason is Reason.SCOPE_MISSING

    assert counted.checked == 3


@pytest.mark.parametrize(("cached_tokens", "checked"), [(4, 4), (3, 8), (0, 8)], ids=["room", "one too many", "none"])
def test_so_many_tokens_are_known_and_no_more(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, cached_tokens: int, checked: int
) -> None:
    counted, hook = Counted(monkeypatch), hook_of(policy(cached_tokens=cached_tokens), runtime)
    texts = [token(jti=str(number)) for number in range(4)]
    for text in texts * 2:
        assert isinstance(hook(asking(text)), Request)

    assert counted.checked == checked


def test_a_known_token_is_still_explained(runtime: Runtime) -> None:
    decisions = decider(policy(), clock=VirtualClock(NOW_S))
    text = token()
    first, second = decisions(asking(text)), decisions(asking(text))

    assert first.credential == second.credential == f"a token in header authorization, ending in …{text[-4:]}"
    assert first.authorization == second.authorization == "the token of alice holds"
    assert decisions(asking(token(exp=1))).authorization == "the token expired 1768478399 s ago"


# ---------------------------------------------------------------------------------------------------- published keys


class Published:
    """An issuer on a scripted transport."""

    def __init__(self) -> None:
        self.kids = ["k1"]
        self.down = False
        self.fetches = 0
        self.after_next: list[str] = []
        self.clock = VirtualClock(NOW_S)
        self.transport = ScriptedTransport(self._answer)

    def middleware(self, **options: Any) -> PolicyMiddleware:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ok"})

        policies = [jwt(issuer=ISSUER, audience=AUDIENCE, **options)]
        return PolicyMiddleware(app, policies=policies, clock=self.clock, transport=self.transport)

    def token(self, kid: str = "k1", **more: Any) -> dict[str, str]:
        now_s = self.clock.wall()
        text = token(header={"kid": kid}, key=f"RSA/{kid}", iat=now_s, exp=now_s + 9000, **more)
        return {"authorization": f"Bearer {text}"}

    def _answer(self, request: UpstreamRequest) -> Reply | UpstreamError:
        if self.down:
            return UpstreamError("refused", "nobody listens")
        if request.target == b"/.well-known/openid-configuration":
            return Reply(body=json.dumps({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}).encode())
        self.fetches += 1
        answer = Reply(body=json.dumps({"keys": [jwk(f"RSA/{kid}", kid) for kid in self.kids]}).encode())
        self.kids = self.after_next or self.kids
        return answer


async def status(client: Client, headers: dict[str, str]) -> int:
    return (await client.get("/", headers=headers)).status


async def test_keys_are_fetched_when_the_first_token_comes() -> None:
    issuer = Published()
    client = Client(issuer.middleware())

    assert await status(client, {}) == 401
    assert await status(client, {"authorization": "Bearer x.y.z"}) == 401
    assert await status(client, issuer.token()) == 200
    assert issuer.fetches == 1


def test_a_decision_without_an_event_loop_fetches_over_a_scripted_transport() -> None:
    issuer = Published()
    decision = decide(
        jwt(issuer=ISSUER, audience=AUDIENCE), make_request("GET", "/", headers=issuer.token()),
        clock=issuer.clock, transport=issuer.transport,
    )  # fmt: skip

    assert decision.allowed


async def test_a_rotated_key_is_found_at_once_and_the_old_one_forgotten() -> None:
    issuer = Published()
    client = Client(issuer.middleware())
    old, new = issuer.token("k1"), issuer.token("k2")
    assert await status(client, old) == 200
    issuer.kids = ["k2"]

    assert await status(client, new) == 200
    assert await status(client, old) == 401
    assert issuer.fetches == 2


async def test_made_up_key_ids_start_one_fetch_in_an_interval() -> None:
    issuer = Published()
    client = Client(issuer.middleware())
    await status(client, issuer.token())

    assert {await status(client, issuer.token(f"k{number}")) for number in range(2, 30)} == {401}
    assert issuer.fetches == 2
    issuer.clock.advance("10s")
    assert await status(client, issuer.token("k30")) == 401
    assert issuer.fetches == 3


async def test_nobody_is_refused_whose_key_came_while_the_others_were_on_their_way() -> None:
    issuer = Published()
    client = Client(issuer.middleware())
    await status(client, issuer.token())
    issuer.clock.advance("450s")
    hold = issuer.transport.hold()
    assert await status(client, issuer.token()) == 200  # and starts a fetch that will not know the new key
    await hold.reached()
    new = [asyncio.create_task(status(client, issuer.token("k2"))) for _ in range(5)]
    await asyncio.sleep(0)
    issuer.after_next = ["k2"]
    hold.release()

    assert await asyncio.gather(*new) == [200] * 5
    assert issuer.fetches == 3


async def test_while_the_issuer_is_down_old_keys_serve_and_then_everybody_gets_a_500() -> None:
    issuer = Published()
    client = Client(issuer.middleware())
    assert await status(client, issuer.token()) == 200
    issuer.down = True

    issuer.clock.advance(7199)
    assert await status(client, issuer.token()) == 200
    assert await status(client, issuer.token("k2")) == 500
    issuer.clock.advance(1)
    answer = await client.get("/", headers=issuer.token())
    assert (answer.status, answer.header("x-amzn-errortype")) == (500, "AuthorizerFailureException")
    issuer.down = False
    issuer.clock.advance(30)
    assert await status(client, issuer.token()) == 200


async def test_a_known_token_counts_for_nothing_once_its_keys_are_too_old() -> None:
    issuer = Published()
    client = Client(issuer.middleware())
    headers = issuer.token()
    assert await status(client, headers) == 200
    issuer.down = True
    issuer.clock.advance(7200)

    assert await status(client, headers) == 500


async def test_policies_with_one_issuer_share_its_keys() -> None:
    issuer = Published()
    first, second = issuer.middleware(), issuer.middleware(scopes="a")
    await status(Client(first), issuer.token())
    await status(Client(second), issuer.token(scope="a"))

    assert issuer.fetches == 1
