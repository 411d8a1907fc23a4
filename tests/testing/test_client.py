"""The in-process client feeds bodies as told, records every message, and knows the ASGI contract."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit.asgi.types import Message, Receive, Scope, Send
from gatewaykit.testing import AsgiViolation, Client
from tests.asgi.apps import breaks_after, breaks_before, echo, hello

START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b""}


def sending(*messages: Message) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


@pytest.mark.parametrize(
    ("feed", "chunks"),
    [
        pytest.param("whole", [b"abc"], id="whole"),
        pytest.param("bytes", [b"a", b"b", b"c"], id="byte by byte"),
        pytest.param("chunks", [b"abc", b""], id="chunks with empty ones between"),
        pytest.param([b"", b"ab", b"c"], [b"", b"ab", b"c"], id="chunks as given"),
    ],
)
async def test_a_body_is_fed_as_told(feed: Any, chunks: list[bytes]) -> None:
    answer = await Client(echo).request("POST", "/", body=b"abc", feed=feed)

    assert [message["body"] for message in answer.messages[1:]] == chunks
    assert answer.body == b"abc"
    assert answer.complete


@pytest.mark.parametrize(
    ("after", "seen"),
    [
        pytest.param(0, b"", id="before the body"),
        pytest.param(2, b"ab", id="in the middle"),
    ],
)
async def test_the_client_leaves_in_the_middle_of_its_body(after: int, seen: bytes) -> None:
    answer = await Client(echo).request("POST", "/", body=b"abc", feed="bytes", disconnect_after=after)

    assert answer.body == seen
    assert not answer.complete


async def test_the_client_leaves_after_its_body() -> None:
    received = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.extend([await receive(), await receive(), await receive()])

    answer = await Client(app).request("POST", "/", body=b"abc", disconnect_after=3)

    assert [message["type"] for message in received] == ["http.request", "http.disconnect", "http.disconnect"]
    assert not answer.started


async def test_after_the_response_the_app_is_told_that_the_client_is_gone() -> None:
    received = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        received.extend([await receive(), await receive()])

    await Client(app).get("/")

    assert [message["type"] for message in received] == ["http.request", "http.disconnect"]


async def test_an_exchange_is_driven_message_by_message() -> None:
    async with Client(echo).open("POST", "/") as exchange:
        opening = await exchange.next_message()
        exchange.feed(b"one")
        first = await exchange.next_message()
        exchange.feed(b"two", more=False)
        second = await exchange.next_message()
        answer = await exchange.result()

    assert opening["status"] == 200
    assert (first["body"], second["body"], answer.body) == (b"one", b"two", b"onetwo")


async def test_no_next_message_when_the_app_has_ended() -> None:
    async with Client(breaks_before).open("GET", "/") as exchange:
        with pytest.raises(AssertionError, match="nothing more") as caught:
            await exchange.next_message()

    assert isinstance(caught.value.__cause__, LookupError)


async def test_what_the_app_raised_is_on_the_result() -> None:
    answer = await Client(breaks_after).get("/")

    assert isinstance(answer.raised, LookupError)
    assert (answer.status, answer.complete) == (200, False)


async def test_asking_for_the_status_of_no_response_fails_with_its_cause() -> None:
    answer = await Client(breaks_before).get("/")

    with pytest.raises(AssertionError, match="no response") as caught:
        _ = answer.status
    assert caught.value.__cause__ is answer.raised


async def test_the_scope_is_what_a_server_makes_of_a_target() -> None:
    scopes = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await hello(scope, receive, send)

    await Client(app, root_path="/api").get("/a%2Fb/ü?q=%20", headers=[("X-A", "1"), ("x-a", "2")])

    scope = scopes[0]
    assert (scope["path"], scope["raw_path"]) == ("/api/a/b/ü", b"/api/a%2Fb/%C3%BC")
    assert (scope["root_path"], scope["query_string"]) == ("/api", b"q=%20")
    assert scope["headers"] == [(b"x-a", b"1"), (b"x-a", b"2")]


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([], id="nothing at all"),
        pytest.param([START], id="no end"),
        pytest.param([END], id="a body before the start"),
        pytest.param([START, START], id="two starts"),
        pytest.param([START, END, END], id="a body after the end"),
        pytest.param([START, END, START], id="a start after the end"),
        pytest.param([{**START, "status": "200"}, END], id="a status of text"),
        pytest.param([{**START, "status": 42}, END], id="a status of two digits"),
        pytest.param([{**START, "headers": [("a", b"b")]}, END], id="a header name of text"),
        pytest.param([{**START, "headers": [(b"a", "b")]}, END], id="a header value of text"),
        pytest.param([{**START, "headers": [(b"A", b"b")]}, END], id="a header name with a capital"),
        pytest.param([{**START, "headers": [(b"a b", b"b")]}, END], id="a header name with a space"),
        pytest.param([{**START, "headers": [(b"a", b"b\r\nc: d")]}, END], id="a header value with a line break"),
        pytest.param([{**START, "headers": [(b"a", b"b", b"c")]}, END], id="a header of three"),
        pytest.param([START, {**END, "body": "text"}], id="a body of text"),
        pytest.param([START, {**END, "more_body": 1}], id="more_body as a number"),
        pytest.param([{**START, "headers": [(b"content-length", b"3")]}, END], id="a short body"),
        pytest.param([{**START, "headers": [(b"content-length", b"0")] * 2}, END], id="two lengths"),
        pytest.param([START, END, {"type": "http.response.trailers"}], id="trailers that were not announced"),
        pytest.param([START, {"type": "http.response.pathsend", "path": "/x"}], id="an extension nobody offered"),
    ],
)
async def test_a_broken_contract_is_named(messages: list[Message]) -> None:
    with pytest.raises(AsgiViolation):
        await Client(sending(*messages)).get("/")


async def test_a_broken_contract_is_named_even_when_the_app_swallows_the_error() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        try:
            await send(END)
        except AsgiViolation:
            return

    with pytest.raises(AsgiViolation, match="after the end"):
        await Client(app).get("/")


async def test_announced_trailers_end_a_response() -> None:
    trailers = {"type": "http.response.trailers", "headers": [(b"a", b"b")]}

    answer = await Client(sending({**START, "trailers": True}, END, trailers)).get("/")

    assert answer.complete


async def test_a_head_response_has_no_body_whatever_the_app_sent() -> None:
    start = {**START, "headers": [(b"content-length", b"5")]}

    answer = await Client(sending(start, END)).request("HEAD", "/")

    assert answer.body == b""


async def test_a_websocket_is_accepted_and_echoes() -> None:
    async with Client(echo).websocket("/") as socket:
        socket.send_text("one")
        answer = await socket.receive()

    assert socket.accepted
    assert answer == "one"
    assert socket.close_code is None


@pytest.mark.parametrize(
    ("messages", "refusal", "code"),
    [
        pytest.param([{"type": "websocket.close", "code": 1008}], None, 1008, id="closed"),
        pytest.param(
            [
                {"type": "websocket.http.response.start", "status": 403, "headers": []},
                {"type": "websocket.http.response.body", "body": b"no"},
            ],
            403,
            None,
            id="answered",
        ),
    ],
)
async def test_a_websocket_is_refused(messages: list[Message], refusal: int | None, code: int | None) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await sending(*messages)(scope, receive, send)

    async with Client(app).websocket("/") as socket:
        pass

    assert not socket.accepted
    assert (socket.refusal.status if socket.refusal else None) == refusal
    assert socket.close_code == code


@pytest.mark.parametrize(
    ("messages", "denial"),
    [
        pytest.param([{"type": "websocket.send", "text": "x"}], True, id="a message before accept"),
        pytest.param([{"type": "websocket.accept"}, {"type": "websocket.accept"}], True, id="accepted twice"),
        pytest.param([{"type": "websocket.accept"}, {"type": "websocket.send"}], True, id="an empty message"),
        pytest.param([{"type": "websocket.close"}, {"type": "websocket.close"}], True, id="closed twice"),
        pytest.param(
            [{"type": "websocket.http.response.start", "status": 403, "headers": []}], False, id="no denial offered"
        ),
        pytest.param([{"type": "http.response.start", "status": 403}], True, id="a message of HTTP"),
    ],
)
async def test_a_broken_websocket_contract_is_named(messages: list[Message], denial: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await sending(*messages)(scope, receive, send)

    with pytest.raises(AsgiViolation):
        async with Client(app).websocket("/", denial=denial):
            pass


async def test_a_lifespan_runs_around_the_block() -> None:
    notes = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for step in ("startup", "shutdown"):
            notes.append((await receive())["type"])
            await send({"type": f"lifespan.{step}.complete"})

    async with Client(app).lifespan():
        notes.append("serving")

    assert notes == ["lifespan.startup", "serving", "lifespan.shutdown"]


async def test_a_failed_startup_is_an_error() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(AssertionError, match="no database"):
        async with Client(app).lifespan():
            pass
