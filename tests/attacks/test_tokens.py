"""Introspection and forward-auth between callers, issuers and services that mean harm, or fail: nobody comes in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gatewaykit import Gateway, PolicyMiddleware, Reason, VirtualClock, forward_auth, introspection
from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.attacks.checks import leaks_nothing
from tests.conformance.documents import document
from tests.upstream.fault_server import Peer, serving

CLIENT: dict[str, Any] = {"client_id": "gateway", "client_secret": "hunter2"}
ALICE = json.dumps({"active": True, "sub": "alice"}).encode()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Shows who it was told is calling: by the view, and by any header that a CGI program would take for one."""
    identity = scope["state"]["gatewaykit"].identity
    told = [value.decode() for name, value in scope["headers"] if name.replace(b"_", b"-") == b"x-user"]
    body = json.dumps([None if identity is None else identity.principal, told]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def introspecting(answer: Any, **options: Any) -> tuple[Client, ScriptedTransport]:
    issuer = ScriptedTransport(answer if callable(answer) else lambda _: answer)
    policy = introspection("http://login.test/introspect", **CLIENT, **options)
    guarded = PolicyMiddleware(
        app, policies=[policy], transport=issuer, clock=VirtualClock(), preauth_throttle=False
    )  # fmt: skip
    return Client(guarded), issuer


def bearer(token: str | bytes) -> list[tuple[str, str | bytes]]:
    return [("authorization", token if isinstance(token, bytes) else f"Bearer {token}")]


# ---------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    "body",
    [
        b'{"active": false, "active": true, "sub": "alice"}', b'{"active": true, "active": false, "sub": "alice"}',
        b'{"active": "true", "sub": "alice"}', b'{"active": "false", "sub": "alice"}', b'{"active": 1, "sub": "alice"}',
        b'{"active": true, "sub": "alice", "exp": NaN}', b'{"active": true, "sub": "alice", "exp": Infinity}',
        b'{"active": true, "sub": "alice", "exp": 1e999}', b'{"active": true, "sub": "alice", "exp": "9999999999"}',
        b'{"active": true, "sub": "alice", "exp": true}', b'{"active": true, "sub": "bob", "sub": "alice"}',
        b'{"active": true, "sub": ["alice"]}', b'{"active": true}', b'[{"active": true, "sub": "alice"}]',
        b'{"sub": "alice"}', b"", b"true", b"<html>", ALICE[:-1], b"[" * 100_000, b"\xff\xfe" + ALICE,
        b'{"active": true, "sub": "alice", "x": "' + b"x" * 200_000 + b'"}',
    ],
    ids=[
        "active twice, false first", "active twice, true first", "active as text", "inactive as text",
        "active as a number", "exp NaN", "exp infinite", "exp too large", "exp as text", "exp as a flag",
        "two subjects", "a list of subjects", "nobody", "in a list", "no active", "nothing", "true", "HTML", "cut off",
        "deep", "another encoding", "huge",
    ],
)  # fmt: skip
async def test_an_answer_that_could_be_read_in_two_ways_lets_nobody_in(body: bytes) -> None:
    client, _ = introspecting(Reply(body=body))

    answer = await client.get("/", headers=bearer("abc"))

    leaks_nothing(answer)
    assert answer.status == 500


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 400, 401, 403, 404, 429, 500, 503])
async def test_the_members_of_another_answer_than_a_200_do_not_count(status: int) -> None:
    elsewhere = Reply(status=status, headers=[(b"location", b"http://evil.test/")], body=ALICE)
    client, issuer = introspecting(lambda request: Reply(body=ALICE) if request.host == "evil.test" else elsewhere)

    answer = await client.get("/", headers=bearer("abc"))

    leaks_nothing(answer)
    assert answer.status == 500
    assert [request.host for request in issuer.requests] == ["login.test"]


# ---------------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    "token",
    ["a\r\nX-Admin: 1", "a\nb", "a&client_id=evil", "a%0d%0a", "a b", "a\0", "\xe9", "a" * 20_000, "{}", "=", "a=b"],
    ids=[
        "CR LF",
        "LF",
        "a parameter",
        "percent",
        "space",
        "NUL",
        "latin-1",
        "huge",
        "JSON",
        "padding",
        "inner padding",
    ],
)
async def test_a_token_that_is_none_is_never_sent_on(token: str) -> None:
    client, issuer = introspecting(Reply(body=ALICE))

    answer = await client.get("/", headers=bearer(b"Bearer " + token.encode("latin-1")))

    assert (answer.status, issuer.requests) == (401, [])


async def test_two_tokens_at_once_are_refused() -> None:
    """One of them is good; which one the app would read, nobody knows."""
    client, issuer = introspecting(Reply(body=ALICE))

    answer = await client.get("/", headers=bearer("abc") + bearer("evil"))

    assert (answer.status, issuer.requests) == (400, [])


async def test_no_caller_gets_anothers_answer() -> None:
    """Twenty callers at once, some with tokens that only differ in case, or by what follows."""

    def answer(request: Any) -> Reply:
        token = request.body.decode().partition("&")[0].removeprefix("token=")
        return Reply(body=json.dumps({"active": True, "sub": token}).encode())

    client, _ = introspecting(answer)
    tokens = ["abc", "ABC", "abcd", "ab", "abc=", "abc==", "abc.", "a-bc", "a_bc", "a~bc"] * 2

    answers = await asyncio.gather(*[client.get("/", headers=bearer(token)) for token in tokens])
    again = await asyncio.gather(*[client.get("/", headers=bearer(token)) for token in reversed(tokens)])

    assert [answer.json()[0].replace("%3D", "=") for answer in answers] == tokens
    assert [answer.json()[0].replace("%3D", "=") for answer in again] == tokens[::-1]


async def test_a_flood_of_tokens_that_are_not_active_leaves_those_that_are_in_the_cache() -> None:
    nobody = b'{"active": false}'
    client, issuer = introspecting(lambda request: Reply(body=ALICE if b"=good&" in request.body else nobody))
    await client.get("/", headers=bearer("good"))
    for number in range(10_100):
        await client.get("/", headers=bearer(f"bad{number}"))
    asked = len(issuer.requests)

    answer = await client.get("/", headers=bearer("good"))

    assert (answer.status, len(issuer.requests)) == (200, asked)


# ---------------------------------------------------------------------------------------------------- headers


def authed(answer: Any = None, **options: Any) -> tuple[PolicyMiddleware, ScriptedTransport]:
    says = answer or Reply(headers=[(b"X-User", b"alice")])
    service = ScriptedTransport(says if callable(says) else lambda _: says)
    settings: dict[str, Any] = {"principal": "x-user", "copy_headers": ["x-user"], **options}
    return PolicyMiddleware(app, policies=[forward_auth("http://auth.test/", **settings)], transport=service), service


SMUGGLED = {
    "the name itself": [("x-user", "admin")],
    "in another casing": [("X-USER", "admin")],
    "with an underscore": [("x_user", "admin")],
    "twice": [("x-user", "admin"), ("x-user", "root")],
    "as a field of the hop": [("connection", "x-user"), ("x-user", "admin")],
}


@pytest.mark.parametrize("headers", SMUGGLED.values(), ids=SMUGGLED)
@pytest.mark.parametrize(("said", "told"), [("alice", ["alice"]), (None, [])], ids=["named", "nobody"])
@pytest.mark.parametrize("ttl", [0, 60], ids=["asked", "remembered"])
async def test_the_client_does_not_say_who_it_is(
    headers: list[tuple[str, str]], said: str | None, told: list[str], ttl: int
) -> None:
    middleware, service = authed(Reply(headers=[] if said is None else [(b"X-User", said.encode())]), ttl=ttl)

    answers = [await Client(middleware, any_casing=True).get("/", headers=headers) for _ in range(2)]

    assert [answer.json() for answer in answers] == [[said, told]] * 2
    assert [name for request in service.requests for name, _ in request.headers if b"user" in name.lower()] == []


async def test_the_client_cannot_have_a_proxy_drop_who_it_is() -> None:
    """The names in Connection are dropped by the next hop: the back end would see a request without its caller."""
    transport = ScriptedTransport(lambda request: Reply(headers=[(b"X-User", b"alice")]))
    policy = forward_auth("http://auth.test/", copy_headers=["x-user"])
    proxied = {"type": "http_proxy", "httpMethod": "GET", "uri": "http://back.test/"}
    gateway = Gateway.from_openapi(document({"/": {"get": proxied}}), policies=[policy], transport=transport)

    await Client(gateway).get("/", headers={"connection": "close, X-User"})

    (sent,) = (dict(request.headers) for request in transport.requests if request.host == "back.test")
    assert {name.lower(): value for name, value in sent.items()}[b"x-user"] == b"alice"


@pytest.mark.parametrize(
    "name", ["x-forwarded-for", "x-forwarded-uri", "x-forwarded-method", "x-forwarded-host", "x-forwarded-proto",
             "x-original-uri", "x-original-method", "x-original-url", "x-real-ip", "forwarded", "x_forwarded_uri",
             "X_Forwarded-For", "x-original_uri"],
)  # fmt: skip
async def test_the_client_does_not_say_what_the_service_is_asked_about(name: str) -> None:
    middleware, service = authed()

    await Client(middleware, client=("203.0.113.7", 1)).get("/admin", headers={name: "evil", "host": "shop"})

    (sent,) = service.requests
    assert "evil" not in str(sent.headers)
    assert dict(sent.headers)[b"x-forwarded-uri"] == b"/admin"
    assert dict(sent.headers)[b"x-forwarded-for"] == b"203.0.113.7"


async def test_the_client_cannot_hide_from_the_service_what_the_app_will_see() -> None:
    middleware, service = authed()

    await Client(middleware).get("/", headers={"connection": "x-tenant", "x-tenant": "other"})

    assert [value for request in service.requests for name, value in request.headers if name == b"x-tenant"] == [
        b"other"
    ]


async def test_no_caller_gets_anothers_session() -> None:
    """The service decides by any header there is, and by the page; nothing that differs shares an answer."""

    def answer(request: Any) -> Reply:
        seen = dict(request.headers)
        told = [seen.get(name, b"-") for name in (b"cookie", b"x-a", b"x-forwarded-uri")]
        return Reply(headers=[(b"X-User", b" ".join(told))])

    middleware, _ = authed(answer, ttl=60)
    client = Client(middleware)
    asked = [
        ("/", [("cookie", "ab")]), ("/", [("cookie", "a"), ("x-a", "b")]), ("/", [("x-a", "ab")]),
        ("/b", [("cookie", "a")]), ("/", [("cookie", "a\nx-a: b")]), ("/?x", [("cookie", "ab")]),
    ]  # fmt: skip

    first = [(await client.get(path, headers=headers)).json()[0] for path, headers in asked]
    again = [(await client.get(path, headers=headers)).json()[0] for path, headers in reversed(asked)]

    assert len(set(first)) == len(asked)
    assert again == first[::-1]


# ---------------------------------------------------------------------------------------------------- sockets


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nx-user: alice\r\n\r\n"


async def drips(peer: Peer) -> None:
    await peer.request()
    await peer.send(HEAD % len(ALICE))
    for byte in ALICE:  # each in time, all of them not
        await peer.send(bytes((byte,)))
        await asyncio.sleep(0.03)  # a peer that is slow on purpose


async def says_nothing(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


async def hangs_up(peer: Peer) -> None:
    await peer.request()
    await peer.send((HEAD % len(ALICE)) + ALICE[:9])
    peer.reset()


async def never_ends(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nx-user: alice\r\n\r\n")
    try:
        while True:
            await peer.send(b" " * 65536)
    except ConnectionError:
        pass


async def splits(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nx-user: alice\nx-admin: 1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}")
    await peer.gone()


SERVERS = {
    "drips": drips, "says nothing": says_nothing, "hangs up": hangs_up, "never ends": never_ends, "splits": splits,
}  # fmt: skip


@pytest.fixture(params=SERVERS.values(), ids=SERVERS)
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    async with serving(request.param) as server:
        yield server.port


@pytest.mark.parametrize("kind", ["introspection", "forward_auth"])
async def test_a_server_that_does_not_give_an_answer_lets_nobody_in(kind: str, port: int) -> None:
    url = f"http://127.0.0.1:{port}/"
    made: Any = introspection(url, **CLIENT, timeout="200ms")
    if kind == "forward_auth":
        made = forward_auth(url, principal="x-user", copy_headers=["x-user"], timeout="200ms")
    async with PolicyMiddleware(app, policies=[made]) as middleware:
        answer = await Client(middleware).get("/", headers=bearer("abc"))

        leaks_nothing(answer)
        assert answer.status == 500
        decided = {"introspection": Reason.ISSUER_UNREACHABLE, "forward_auth": Reason.AUTHORIZER_FAILED}[kind]
        assert answer.header("x-amzn-errortype") == decided.error_type
