"""A service that says who comes in."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from gatewaykit import (
    ConfigError,
    ForwardAuthMiddleware,
    Gateway,
    Identity,
    Policy,
    PolicyMiddleware,
    Reason,
    UpstreamError,
    VirtualClock,
    by,
    forward_auth,
)
from gatewaykit.ports import UpstreamRequest
from gatewaykit.testing import Client, PolicyContract, Reply, ScriptedTransport, decide, decider, make_request
from tests.conformance.documents import document, mock

URL = "http://auth.example:4181/check?for=shop"
USER: dict[str, Any] = {"principal": "X-User", "copy_headers": ["X-User"], "claims": {"X-Role": "role"}}


class Service(ScriptedTransport):
    """Lets in whoever has a session, by name."""

    def __init__(self, **sessions: str) -> None:
        self.sessions = sessions
        super().__init__(self._said)

    def _said(self, request: UpstreamRequest) -> Reply:
        user = self.sessions.get(dict(request.headers).get(b"cookie", b"").decode())
        if user is None:
            return Reply(status=401, headers=[(b"WWW-Authenticate", b"Cookie")], body=b"who are you?")
        return Reply(status=204, headers=[(b"X-User", user.encode()), (b"X-Role", b"vet")])


def ask(service: ScriptedTransport, headers: Any = None, **options: Any) -> Any:
    request = make_request("PUT", "/pets/1?x=1", headers=headers, body=b"abc", address="203.0.113.7")
    return decide(forward_auth(URL, **options), request, transport=service)


def test_a_2xx_lets_in_and_says_who_it_is() -> None:
    decision = ask(Service(s1="alice"), {"cookie": "s1", "x-user": "admin"}, **USER)

    assert decision.identity == Identity(principal="alice", kind="forward_auth", claims={"role": "vet"})
    assert decision.request.headers[b"x-user"] == b"alice"
    assert decision.credential == "let in by auth.example: alice"


def test_a_2xx_that_names_nobody_lets_nobody_in_particular_in() -> None:
    decision = ask(Service(s1="alice"), {"cookie": "s1"})

    assert (decision.allowed, decision.identity) == (True, None)
    assert decision.credential == "let in by auth.example: nobody it names"


def test_the_service_is_sent_the_request_without_its_body() -> None:
    service = Service(s1="alice")

    ask(service, {"cookie": "s1", "host": "shop.example", "x-forwarded-for": "127.0.0.1"}, method="POST")

    (sent,) = service.requests
    assert (sent.method, sent.host, sent.port, sent.target, sent.body) == (
        "POST", "auth.example", 4181, b"/check?for=shop", b"",
    )  # fmt: skip
    assert dict(sent.headers) == {
        b"cookie": b"s1", b"x-forwarded-method": b"PUT", b"x-forwarded-proto": b"http",
        b"x-forwarded-host": b"shop.example", b"x-forwarded-uri": b"/pets/1?x=1", b"x-forwarded-for": b"203.0.113.7",
        b"x-original-method": b"PUT", b"x-original-uri": b"/pets/1?x=1",
    }  # fmt: skip


async def test_the_stage_is_part_of_what_the_client_asked_for() -> None:
    service = Service(s1="alice")
    gateway = Gateway.from_openapi(
        document({"/pets": {"get": mock()}}), policies=[forward_auth(URL)], transport=service, stage_prefix=True
    )

    answer = await Client(gateway).get("/prod/pets?x=1", headers={"cookie": "s1"})

    (sent,) = service.requests
    assert (answer.status, dict(sent.headers)[b"x-forwarded-uri"]) == (200, b"/prod/pets?x=1")


def test_the_client_gets_the_services_401() -> None:
    decision = ask(Service())

    assert (decision.status, decision.reason, decision.detail) == (
        401, Reason.UNAUTHENTICATED, "the service answered 401",
    )  # fmt: skip
    assert decision.response.header("www-authenticate") == "Cookie"


def test_and_its_body_when_that_is_asked_for() -> None:
    decision = ask(Service(), relay_body=True)

    assert (decision.status, decision.response.body, decision.identity) == (401, b"who are you?", None)


def test_a_redirect_to_a_login_page_is_relayed_when_that_is_asked_for() -> None:
    login = Reply(status=302, headers=[(b"Location", b"https://login.example/?back=shop")])

    closed, open_ = (ask(ScriptedTransport([login]), relay_redirects=relays) for relays in (False, True))

    assert (closed.status, closed.reason) == (500, Reason.AUTHORIZER_FAILED)
    assert (open_.status, open_.response.header("location")) == (302, "https://login.example/?back=shop")


@pytest.mark.parametrize(
    "answer",
    [Reply(status=500), Reply(status=404), Reply(status=302), UpstreamError("refused", "nobody listens"),
     UpstreamError("timeout", "no answer"), Reply(body=b"x" * 200_000)],
    ids=["500", "404", "302", "nobody", "late", "huge"],
)  # fmt: skip
def test_any_other_answer_and_none_let_nobody_in(answer: Any) -> None:
    decision = ask(ScriptedTransport([answer]), **USER)

    assert (decision.status, decision.reason, decision.identity) == (500, Reason.AUTHORIZER_FAILED, None)


# ---------------------------------------------------------------------------------------------------- remembered


def asking(service: ScriptedTransport, clock: VirtualClock | None = None, **options: Any) -> Any:
    decide_next = decider(forward_auth(URL, **{**USER, **options}), transport=service, clock=clock or VirtualClock())

    def ask_again(cookie: str, path: str = "/", **headers: str) -> Any:
        return decide_next(make_request("GET", path, headers={"cookie": cookie, **headers}))

    return ask_again


def test_without_a_time_to_live_every_request_is_a_question() -> None:
    service = Service(s1="alice")
    ask_again = asking(service)

    assert [ask_again("s1").identity.principal for _ in range(3)] == ["alice"] * 3
    assert len(service.requests) == 3


def test_an_answer_is_remembered_for_the_very_same_question() -> None:
    service, clock = Service(s1="alice", s2="bob"), VirtualClock()
    ask_again = asking(service, clock, ttl="30s")

    names = [ask_again(cookie).identity.principal for cookie in ("s1", "s2", "s1", "s2")]

    assert names == ["alice", "bob", "alice", "bob"]
    assert len(service.requests) == 2
    ask_again("s1", "/other")
    ask_again("s1", accept="text/html")
    assert len(service.requests) == 4
    clock.advance("30s")
    ask_again("s1")
    assert len(service.requests) == 5


def test_what_is_remembered_reaches_the_back_end_too() -> None:
    ask_again = asking(Service(s1="alice"), ttl="30s")

    sent = [ask_again("s1", **{"x-user": "admin"}).request.headers[b"x-user"] for _ in range(2)]

    assert sent == [b"alice", b"alice"]


def test_an_answer_may_depend_on_less() -> None:
    service = Service(s1="alice", s2="bob")
    ask_again = asking(service, ttl="30s", key=by.header("Cookie"))

    names = [ask_again(cookie, f"/{number}").identity.principal for number, cookie in enumerate(("s1", "s2") * 2)]

    assert names == ["alice", "bob"] * 2
    assert len(service.requests) == 2


def test_a_request_without_the_key_is_always_a_question() -> None:
    service = ScriptedTransport(lambda _: Reply())
    decide_next = decider(forward_auth(URL, ttl=30, key=by.header("cookie")), transport=service)

    assert [decide_next(make_request("GET", "/")).allowed for _ in range(2)] == [True, True]
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    "answer", [Reply(status=401), Reply(status=503), Reply(headers=[(b"cache-control", b"no-store")])],
    ids=["401", "503", "no-store"],
)  # fmt: skip
def test_what_is_not_to_be_remembered_is_not(answer: Reply) -> None:
    service = ScriptedTransport(lambda _: answer)
    ask_again = asking(service, ttl="30s")

    ask_again("s1")
    ask_again("s1")

    assert len(service.requests) == 2


async def hello(scope: Any, receive: Any, send: Any) -> None:
    told = [value for name, value in scope["headers"] if name.replace(b"_", b"-") == b"x-user"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello " + b",".join(told)})


async def test_the_same_question_is_asked_once_at_a_time() -> None:
    service = Service(s1="alice")
    held = service.hold()
    client = Client(PolicyMiddleware(hello, policies=[forward_auth(URL, **USER, ttl="30s")], transport=service))
    waiting = [asyncio.ensure_future(client.get("/", headers={"cookie": "s1"})) for _ in range(20)]
    await held.reached()
    for _ in range(5):
        await asyncio.sleep(0)

    held.release()

    assert [answer.text for answer in await asyncio.gather(*waiting)] == ["hello alice"] * 20
    assert len(service.requests) == 1


async def test_who_waited_with_the_same_key_is_not_sent_where_another_is_sent() -> None:
    def to_login(request: UpstreamRequest) -> Reply:
        return Reply(status=302, headers=[(b"location", b"/login?back=" + dict(request.headers)[b"x-forwarded-uri"])])

    service = ScriptedTransport(to_login)
    held = service.hold()
    policy = forward_auth(URL, ttl="30s", key=by.header("cookie"), relay_redirects=True)
    client = Client(PolicyMiddleware(hello, policies=[policy], transport=service))
    waiting = [asyncio.ensure_future(client.get(f"/{page}", headers={"cookie": "s1"})) for page in range(2)]
    await held.reached()
    for _ in range(5):
        await asyncio.sleep(0)

    held.release()

    answers = await asyncio.gather(*waiting)
    assert [answer.header("location") for answer in answers] == ["/login?back=/0", "/login?back=/1"]


async def test_it_is_a_middleware_too() -> None:
    client = Client(ForwardAuthMiddleware(hello, URL, **USER, transport=Service(s1="alice")))

    answer = await client.get("/", headers=[("cookie", "s1"), ("x-user", "admin"), ("x_user", "admin")])

    assert answer.text == "hello alice"


class TestForwardAuth(PolicyContract):
    headers: ClassVar = {"cookie": "s1"}
    transport = Service(s1="alice")

    def make_policy(self) -> Policy:
        return forward_auth(URL, **USER)


class TestForwardAuthThatRemembers(PolicyContract):
    headers: ClassVar = {"cookie": "s1"}
    transport = Service(s1="alice")

    def make_policy(self) -> Policy:
        return forward_auth(URL, ttl=60, relay_body=True, relay_redirects=True)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"url": "nowhere:x"}, "url"),
        ({"method": "GET /"}, "method"),
        ({"forward_headers": ["a b"]}, "forward_headers"),
        ({"forward_headers": 1}, "forward_headers"),
        ({"copy_headers": ["content-length"]}, "copy_headers"),
        ({"copy_headers": ["x:y"]}, "copy_headers"),
        ({"principal": ""}, "principal"),
        ({"principal": "x-user", "claims": ["x-role"]}, "claims"),
        ({"principal": "x-user", "claims": {"x role": "role"}}, "claims"),
        ({"principal": "x-user", "claims": {"x-role": ""}}, "claims"),
        ({"claims": {"x-role": "role"}}, "principal"),
        ({"relay_body": "no"}, "relay_body"),
        ({"relay_redirects": 1}, "relay_redirects"),
        ({"timeout": 0}, "timeout"),
        ({"ttl": "soon"}, "ttl"),
        ({"key": "cookie", "ttl": 1}, "key"),
        ({"key": by.address}, "key"),
    ],
)
def test_a_wrong_option_is_a_mistake(options: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        forward_auth(**{"url": URL, **options})

    assert [problem.where for problem in caught.value.problems] == [f"forward_auth.{where}"]
