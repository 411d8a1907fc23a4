"""Policies around an app keep the whole ASGI contract."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
from typing import Any

import pytest
from starlette.websockets import WebSocket

from gatewaykit import Policy, PolicyMiddleware, Reason, Refusal, Request, Response, rule
from gatewaykit.asgi.scope import RAW_HEADERS
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.testing import Client
from tests.asgi.apps import (
    CLOSING,
    OPENING,
    Deciding,
    Noting,
    OnBody,
    Picky,
    ReadsBody,
    Recorder,
    Rewriting,
    WrapsBody,
    breaks_after,
    breaks_before,
    echo,
    hello,
    refuse,
)  # fmt: skip


def around(app: Any, *policies: Any, **options: Any) -> Client:
    return Client(PolicyMiddleware(app, policies=policies, **options))


# --------------------------------------------------------------------------------------------------- the hooks


async def test_requests_go_in_listed_order_and_responses_back() -> None:
    notes: list[str] = []

    answer = await around(hello, Noting("a", notes), Noting("b", notes)).get("/")

    assert notes == ["a request", "b request", "b head 200", "a head 200", "b end 200", "a end 200"]
    assert answer.header("x-seen-by") == "b, a"
    assert answer.body == b"hello"


async def test_a_refusal_passes_the_policies_that_were_reached() -> None:
    notes: list[str] = []
    refusing = Noting("b", notes, Refusal(Reason.FORBIDDEN))

    answer = await around(hello, Noting("a", notes), refusing, Noting("c", notes)).get("/")

    assert (answer.status, answer.header("x-seen-by")) == (403, "b, a")
    assert notes == ["a request", "b request", "b head 403", "a head 403", "c end 403", "b end 403", "a end 403"]


async def test_an_answer_of_a_policy_goes_out_amended() -> None:
    notes: list[str] = []
    answering = Deciding(lambda request: Response(418, [(b"x-kind", b"teapot")], b"short and stout"))

    answer = await around(hello, Noting("a", notes), answering).get("/")

    assert (answer.status, answer.body) == (418, b"short and stout")
    assert (answer.header("x-kind"), answer.header("x-seen-by")) == ("teapot", "a")


async def test_an_answer_that_is_a_constant_stays_as_it_was() -> None:
    constant = Response(503, [(b"x-kind", b"maintenance")])
    client = around(hello, Noting("a", []), Deciding(lambda request: constant))

    await client.get("/")
    second = await client.get("/")

    assert second.header("x-seen-by") == "a"
    assert constant.headers == [(b"x-kind", b"maintenance")]


async def test_hooks_may_wait() -> None:
    async def waits(request: Request) -> Request:
        await asyncio.sleep(0)
        return request

    async def refuses(request: Request) -> Refusal:
        await asyncio.sleep(0)
        return Refusal(Reason.THROTTLED)

    answer = await around(hello, Deciding(waits), Deciding(lambda request: request), Deciding(refuses)).get("/")

    assert answer.status == 429


@pytest.mark.parametrize(
    "answer", [None, True, "yes", Request("GET", "/")], ids=["None", "True", "text", "other request"]
)
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "awaited"])
@pytest.mark.parametrize("behind", [0, 1], ids=["first", "behind one that waits"])
async def test_a_hook_that_does_not_answer_fails_closed(answer: object, waits: bool, behind: int) -> None:
    async def later(request: Request) -> Any:
        return answer

    async def goes_on(request: Request) -> Request:
        return request

    app = Recorder()
    first = [Deciding(goes_on)] * behind

    result = await around(app, *first, Deciding(later if waits else lambda request: answer)).get("/")

    assert (result.status, result.json()) == (500, {"message": "Internal server error"})
    assert app.scopes == []


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_hook_that_raises_fails_closed_and_is_logged_once(kind: str, caplog: Any) -> None:
    def breaks(request: Request) -> Any:
        raise ValueError("secret")

    app = Recorder()
    client = around(app, Noting("a", []), Deciding(breaks))

    if kind == "http":
        result = await client.get("/")
    else:
        async with client.websocket("/") as socket:
            assert socket.refusal is not None
            result = socket.refusal

    assert (result.status, result.raised, app.scopes) == (500, None, [])
    assert b"secret" not in result.body
    assert result.header("x-seen-by") == "a"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "INTERNAL_ERROR" in caplog.text


async def test_a_response_hook_that_raises_sends_nothing_half_amended(caplog: Any) -> None:
    class Breaks(Policy):
        def on_head(self, request: Request, head: Any) -> None:
            head.headers.append((b"x-half", b"1"))
            raise ValueError("no")

    answer = await around(hello, Breaks()).get("/")

    assert (answer.status, answer.header("x-half")) == (500, None)
    assert isinstance(answer.raised, ValueError)


async def test_an_end_hook_that_raises_does_not_stop_the_others(caplog: Any) -> None:
    class Breaks(Policy):
        def on_end(self, request: Request) -> None:
            raise ValueError("no")

    notes: list[str] = []

    answer = await around(hello, Noting("a", notes), Breaks()).get("/")

    assert (answer.status, notes[-1]) == (200, "a end 200")
    assert "after the response" in caplog.text


# --------------------------------------------------------------------------------------------------- every ending


class Ends(Policy):
    def __init__(self) -> None:
        self.count = 0

    def on_end(self, request: Request) -> None:
        self.count += 1


async def forever(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await asyncio.Event().wait()


async def raises_base(request: Request) -> Any:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("app", "policies"),
    [
        pytest.param(hello, [], id="answered"),
        pytest.param(breaks_before, [], id="raised before the response"),
        pytest.param(breaks_after, [], id="raised after it started"),
        pytest.param(hello, [refuse()], id="refused"),
        pytest.param(hello, [Deciding(lambda request: None)], id="a hook broke"),
        pytest.param(hello, [Deciding(raises_base)], id="cancelled in a hook"),
        pytest.param(hello, [ReadsBody()], id="the body was read"),
        pytest.param(hello, [ReadsBody(2)], id="the body was too large"),
        pytest.param(hello, [OnBody()], id="buffered"),
        pytest.param(breaks_after, [OnBody()], id="raised while it was buffered"),
        pytest.param(echo, [WrapsBody()], id="transformed"),
    ],
)
@pytest.mark.parametrize("leave", [None, 0, 1, 3], ids=lambda at: f"leaves {at}")
async def test_the_end_comes_exactly_once(app: Any, policies: list[Any], leave: int | None, caplog: Any) -> None:
    ends = Ends()

    await around(app, ends, *policies).request("POST", "/", body=b"abc", feed="bytes", disconnect_after=leave)

    assert ends.count == 1


async def test_the_end_comes_exactly_once_when_the_server_cancels() -> None:
    ends = Ends()

    async with around(forever, ends).open("GET", "/") as exchange:
        exchange.feed(b"", more=False)
        await asyncio.sleep(0)
        await exchange.cancel()

    assert ends.count == 1


async def test_a_cancelled_app_is_not_answered_for() -> None:
    async with around(forever, Noting("a", [])).open("GET", "/") as exchange:
        exchange.feed(b"", more=False)
        await asyncio.sleep(0)
        await exchange.cancel()
        answer = await exchange.result()

    assert isinstance(answer.raised, asyncio.CancelledError)
    assert not answer.started


async def test_an_app_that_raises_before_its_response_gets_an_amended_500_and_the_server_learns_of_it(
    caplog: Any,
) -> None:
    notes: list[str] = []

    answer = await around(breaks_before, Noting("a", notes)).get("/")

    assert (answer.status, answer.json()) == (500, {"message": "Internal server error"})
    assert answer.header("x-seen-by") == "a"
    assert isinstance(answer.raised, LookupError)
    assert notes[-1] == "a end 500"


async def test_an_app_that_raises_after_the_start_breaks_the_response_off(caplog: Any) -> None:
    answer = await around(breaks_after, Noting("a", [])).get("/")

    assert (answer.status, answer.body, answer.complete) == (200, b"part", False)
    assert isinstance(answer.raised, LookupError)
    assert len(caplog.records) == 1


# --------------------------------------------------------------------------------------------------- the scope


async def test_a_chain_without_policies_is_the_app_itself() -> None:
    app = Recorder()
    scope: dict[str, Any] = {"type": "http", "headers": []}

    async def nothing(*_: Any) -> None: ...

    await PolicyMiddleware(app)(scope, nothing, nothing)  # type: ignore[arg-type]  # a channel nobody reads

    assert app.scopes[0] is scope


async def test_unknown_scopes_go_by_untouched() -> None:
    app = Recorder()
    scope = {"type": "mqtt"}

    async def nothing(*_: Any) -> None: ...

    await PolicyMiddleware(app, policies=[refuse()])(scope, nothing, nothing)  # type: ignore[arg-type]  # as above

    assert app.scopes[0] is scope


async def test_what_the_app_sends_is_never_changed_in_place() -> None:
    before = [dict(message) for message in (*OPENING, *CLOSING)]

    answer = await around(hello, Noting("a", []), WrapsBody()).get("/")

    assert answer.body == b"[hello]."
    assert [*OPENING, *CLOSING] == before


async def test_nothing_stays_on_the_scope_of_the_server() -> None:
    app = Recorder()
    state = {"own": 1}

    await around(app, Noting("a", [])).get("/", state=state)

    assert state == {"own": 1}
    assert "gatewaykit" not in app.scopes[0]["state"]


async def test_the_view_is_in_state_during_the_request() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        view = scope["state"]["gatewaykit"]
        seen.append((view.identity, view.limits, view.address, len(view.request_id)))
        await hello(scope, receive, send)

    client = around(app, Noting("a", []))
    await client.get("/")
    await client.get("/", state=None)

    assert seen == [(None, [], "127.0.0.1", 36)] * 2


async def test_extensions_are_kept_but_for_shortcuts_past_a_policy_that_wants_the_body() -> None:
    app = Recorder()
    extensions = ("http.response.pathsend", "http.response.zerocopysend", "http.response.debug")

    await around(app, Noting("a", [])).get("/", extensions=extensions)
    await around(app, WrapsBody()).get("/", extensions=extensions)
    await around(app, OnBody()).get("/", extensions=["http.response.debug"])

    assert [sorted(scope["extensions"]) for scope in app.scopes] == [
        sorted(extensions), ["http.response.debug"], ["http.response.debug"],
    ]  # fmt: skip


async def test_context_variables_set_by_a_policy_reach_the_app_and_those_of_the_app_stay_its_own() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen = []

    def sets(request: Request) -> Request:
        variable.set("by the policy")
        return request

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(variable.get())
        await hello(scope, receive, send)

    await around(app, Deciding(sets)).get("/")

    assert seen == ["by the policy"]


@pytest.mark.parametrize(
    ("root_path", "path", "raw_path"),
    [
        pytest.param("", "/items/1", b"/items/1", id="no prefix"),
        pytest.param("/api", "/api/items/1", b"/api/items/1", id="a prefix"),
        pytest.param("/api/", "/api/items/1", b"/api/items/1", id="a prefix with a slash at its end"),
        pytest.param("/a b", "/a b/items/1", b"/a%20b/items/1", id="a prefix that is percent-encoded on the wire"),
        pytest.param("/api", "/api/items/1", b"/%61pi/items/1", id="a prefix in an encoding of its own"),
        pytest.param("/api", "/api/items/1", b"/api%2Fitems/1", id="a slash in an encoding of its own"),
        pytest.param("/items", "/items/items/1", b"/items/items/1?x=1", id="a prefix that comes twice"),
        pytest.param("/api", "/items/1", b"/items/1", id="a prefix that the proxy took off"),
        pytest.param("/it", "/items/1", b"/items/1", id="a prefix that ends within a segment"),
        pytest.param("/api", "/api/items/1", None, id="no raw path"),
        pytest.param("/api", "/api/items/1", b"", id="an empty raw path"),
        pytest.param("", "/items/1", b"", id="an empty raw path and no prefix"),
    ],
)
async def test_rules_are_relative_to_the_prefix(root_path: str, path: str, raw_path: bytes | None) -> None:
    seen: list[tuple[str, bytes]] = []

    def note(request: Request) -> Request:
        seen.append((request.path, request.raw_path))
        return request

    app = PolicyMiddleware(hello, policies=[rule("/items/{id}", Deciding(note))])

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": root_path, "path": path, "raw_path": raw_path}, receive, send)

    await Client(server).get("/")

    assert seen == [("/items/1", b"/items/1")]


# --------------------------------------------------------------------------------------------------- streaming


async def test_a_stream_is_not_buffered_in_either_direction() -> None:
    async with around(echo, Noting("a", [])).open("POST", "/") as exchange:
        await exchange.next_message()
        exchange.feed(b"one")
        first = await exchange.next_message()
        exchange.feed(b"two", more=False)
        second = await exchange.next_message()
        await exchange.result()

    assert (first["body"], second["body"]) == (b"one", b"two")


async def test_a_wrapped_stream_is_not_buffered_either() -> None:
    async with around(echo, WrapsBody()).open("POST", "/") as exchange:
        await exchange.next_message()
        exchange.feed(b"one")
        first = await exchange.next_message()
        exchange.feed(b"two", more=False)
        answer = await exchange.result()

    assert first["body"] == b"[one]"
    assert answer.body == b"[one][two]."


async def test_a_wrapper_may_leave_a_body_alone_and_then_its_length_stays() -> None:
    class Declines(Policy):
        def wrap_body(self, request: Request, head: Any) -> Any:
            return None

    async def sized(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    declined = await around(sized, Declines()).get("/")
    wrapped = await around(sized, WrapsBody()).get("/")

    assert (declined.header("content-length"), declined.body) == ("2", b"ok")
    assert (wrapped.header("content-length"), wrapped.body) == (None, b"[ok].")


async def shown(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it was shown."""
    body = (await receive())["body"].decode()
    seen = {"query": scope["query_string"].decode(), "headers": [name.decode() for name, _ in scope["headers"]]}
    raw = [name.decode() for name, _ in scope["extensions"].get(RAW_HEADERS, ())]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps({"body": body, "raw": raw, **seen}).encode()})


@pytest.mark.parametrize("reads", [True, False], ids=["body read", "body not read"])
async def test_an_app_is_shown_the_request_that_a_policy_made(reads: bool) -> None:
    policies = [*([ReadsBody()] if reads else []), Rewriting()]

    answer = await around(shown, *policies).post(
        "/?page=1", headers={"x-old": "1", "x-kept": "1"}, body="ab", feed="bytes"
    )

    seen = answer.json()
    assert (seen["body"], seen["query"]) == ("AB" if reads else "a", "page=2")
    assert seen["headers"] == ["x-new", "x-kept", "content-length"]


async def test_a_server_that_keeps_the_casing_of_names_shows_the_new_ones_too() -> None:
    scope = {"extensions": {RAW_HEADERS: [(b"X-Kept", b"1")], "http.response.trailers": {}}}

    async def served(real: Scope, receive: Receive, send: Send) -> None:
        await PolicyMiddleware(shown, policies=[Rewriting()])({**real, **scope}, receive, send)

    seen = (await Client(served).get("/", headers={"x-kept": "1"})).json()

    assert (seen["headers"], seen["raw"]) == (["x-new", "x-kept"], ["X-New", "X-Kept"])
    assert scope["extensions"][RAW_HEADERS] == [(b"X-Kept", b"1")]


async def test_a_websocket_is_shown_the_handshake_that_a_policy_made() -> None:
    queries: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        queries.append(scope["query_string"])
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    async with around(app, Rewriting()).websocket("/?page=1"):
        pass

    assert queries == [b"page=2"]


def in_chunks(*chunks: bytes, swallow: bool = False) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-own", b"1")]})
        for position, chunk in enumerate(chunks):
            try:
                more = position + 1 < len(chunks)
                await send({"type": "http.response.body", "body": chunk, "more_body": more})
            except Exception:  # an app that does not let a broken send end it
                if not swallow:
                    raise

    return app


async def test_a_body_that_is_refused_before_its_head_is_out_is_answered_with_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notes: list[str] = []

    answer = await around(in_chunks(b" ", b"!", b"more"), Noting("a", notes), Picky(holds_head=True)).get("/")

    assert (answer.status, answer.header("x-own"), answer.header("x-seen-by")) == (502, None, "a")
    assert (answer.complete, answer.raised) == (True, None)
    assert notes == ["a request", "a head 502", "a end 502"]
    assert [record.reason for record in caplog.records] == ["INTEGRATION_RESPONSE_INVALID"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("holds_head", [True, False])
@pytest.mark.parametrize("swallow", [True, False], ids=["an app that goes on", "an app that gives up"])
async def test_a_body_that_is_refused_after_its_head_is_out_never_looks_whole(
    holds_head: bool, swallow: bool, caplog: pytest.LogCaptureFixture
) -> None:
    client = around(in_chunks(b"a", b"!", b"b", b"c", swallow=swallow), Picky(holds_head=holds_head))

    async with client.open("GET", "/") as exchange:
        exchange.feed(b"", more=False)
        start, first = await exchange.next_message(), await exchange.next_message()
        with pytest.raises(AssertionError, match="sent nothing more"):
            await exchange.next_message()

    assert (start["status"], first["body"], first["more_body"]) == (201, b"a", True)
    assert ["too loud" in record.getMessage() for record in caplog.records] == [True]


async def test_a_head_that_is_held_back_goes_out_with_the_first_byte() -> None:
    notes: list[str] = []

    answer = await around(in_chunks(b" ", b" a", b" ", b"b"), Noting("a", notes), Picky(holds_head=True)).get("/")

    assert [message.get("body") for message in answer.messages] == [None, b"a", b"", b"b"]
    assert (answer.status, answer.header("x-seen-by")) == (201, "a")
    assert notes == ["a request", "a head 201", "a end 201"]


async def test_a_head_that_is_held_back_goes_out_at_the_end_of_an_empty_body() -> None:
    answer = await around(in_chunks(b" ", b""), Picky(holds_head=True)).get("/")

    assert (answer.status, answer.body, answer.complete) == (201, b"", True)


async def test_an_app_that_breaks_while_its_head_is_held_back_is_a_500() -> None:
    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError("broken")

    answer = await around(breaks, Picky(holds_head=True)).get("/")

    assert (answer.status, type(answer.raised)) == (500, LookupError)


async def test_a_policy_that_wants_the_response_whole_gets_it_whole() -> None:
    async def pieces(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        await send({"type": "http.response.body", "body": b"cd"})

    answer = await around(pieces, Noting("a", []), OnBody()).get("/")

    assert (answer.status, answer.body, answer.header("content-length")) == (201, b"ABCD", "4")
    assert answer.header("x-seen-by") == "a"


@pytest.mark.parametrize("status", [204, 304])
async def test_a_buffered_response_that_has_no_body_gets_no_length(status: int) -> None:
    async def empty(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body"})

    answer = await around(empty, OnBody()).get("/")

    assert (answer.status, answer.header("content-length"), answer.body) == (status, None, b"")


async def test_the_length_of_a_buffered_head_response_is_the_apps() -> None:
    async def head(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"42")]})
        await send({"type": "http.response.body"})

    answer = await around(head, OnBody()).request("HEAD", "/")

    assert answer.header("content-length") == "42"


async def test_a_response_too_large_to_buffer_becomes_an_amended_500(caplog: Any) -> None:
    answer = await around(echo, Noting("a", []), OnBody(), max_body_bytes=4).request(
        "POST", "/", body=b"abcdefgh", feed="bytes"
    )

    assert (answer.status, answer.json()) == (500, {"message": "Internal server error"})
    assert answer.header("x-seen-by") == "a"
    assert "INTEGRATION_RESPONSE_TOO_LARGE" in caplog.text


@pytest.mark.parametrize("policy", [OnBody(), Picky(holds_head=True)], ids=["too large", "refused"])
async def test_an_app_that_goes_on_for_ever_ends_once_another_answer_is_out(policy: Any, caplog: Any) -> None:
    ended = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"!" * 50, "more_body": True})
                await asyncio.sleep(0)
        finally:
            ended.set()

    answer = await asyncio.wait_for(around(endless, policy, max_body_bytes=100).get("/"), 10)

    assert (answer.status >= 500, answer.complete, answer.raised, ended.is_set()) == (True, True, None, True)
    assert len(caplog.records) == 1


async def test_trailers_go_through() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        await send({"type": "http.response.body", "body": b"x"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})

    answer = await around(app, Noting("a", [])).get("/")

    assert answer.messages[-1]["headers"] == [(b"x-sum", b"1")]


# --------------------------------------------------------------------------------------------------- request bodies


@pytest.mark.parametrize("feed", ["whole", "bytes", "chunks", [b"", b"ab", b"c"]], ids=str)
async def test_a_body_that_a_policy_read_is_given_to_the_app_again(feed: Any) -> None:
    policy = ReadsBody()

    answer = await around(echo, policy).request("POST", "/", body=b"abc", feed=feed)

    assert policy.bodies == [b"abc"]
    assert answer.body == b"abc"


async def test_after_a_replayed_body_the_app_still_learns_that_the_client_left() -> None:
    received = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.extend([await receive(), await receive()])

    await around(app, ReadsBody()).request("POST", "/", body=b"abc", disconnect_after=3)

    assert [message["type"] for message in received] == ["http.request", "http.disconnect"]


async def test_an_earlier_refusal_leaves_the_body_unread() -> None:
    async with around(hello, refuse(), ReadsBody()).open("POST", "/") as exchange:
        answer = await exchange.result()  # no body was fed

    assert answer.status == 403


@pytest.mark.parametrize("feed", ["whole", "bytes"])
@pytest.mark.parametrize("declared", [True, False], ids=["with its length", "without"])
@pytest.mark.parametrize("limit", ["policy", "gateway"])
async def test_a_body_over_the_limit_is_refused_as_aws_does(feed: Any, declared: bool, limit: str) -> None:
    app = Recorder()
    policies = [Noting("a", []), ReadsBody(4 if limit == "policy" else True)]
    client = around(app, *policies, **({} if limit == "policy" else {"max_body_bytes": 4}))

    answer = await client.request(
        "POST",
        "/",
        body=b"abcde",
        feed=feed,
        headers={"content-length": "5"} if declared else {"transfer-encoding": "chunked"},
    )

    assert (answer.status, answer.header("content-type")) == (413, "text/plain")
    assert answer.body == b"HTTP content length exceeded 4 bytes."
    assert answer.header("x-seen-by") == "a"
    assert app.scopes == []


async def test_a_body_that_says_it_is_over_the_limit_is_not_read() -> None:
    async with around(hello, ReadsBody(4)).open("POST", "/", headers={"content-length": "5"}) as exchange:
        answer = await exchange.result()  # no body was fed

    assert answer.status == 413


@pytest.mark.parametrize("length", ["x", "", "-1", "4" * 5000, "\xb2"], ids=["text", "empty", "negative", "huge", "²"])
async def test_a_length_that_is_no_number_decides_nothing_by_failing(length: str) -> None:
    answer = await around(hello, ReadsBody(4)).request("POST", "/", body=b"abc", headers={"content-length": length})

    assert answer.status in (200, 413)


async def test_a_body_of_exactly_the_limit_passes() -> None:
    answer = await around(echo, ReadsBody(3)).request("POST", "/", body=b"abc", feed="bytes")

    assert answer.body == b"abc"


@pytest.mark.parametrize("leave", [0, 2])
async def test_a_client_that_leaves_in_its_body_reaches_nothing(leave: int) -> None:
    app = Recorder()
    notes: list[str] = []

    answer = await around(app, Noting("a", notes), ReadsBody()).request(
        "POST", "/", body=b"abc", disconnect_after=leave
    )

    assert not answer.started
    assert (app.scopes, notes[-1]) == ([], "a end 499")


# --------------------------------------------------------------------------------------------------- WebSockets


async def test_a_websocket_passes_the_same_request_hooks() -> None:
    notes: list[str] = []

    async with around(echo, Noting("a", notes)).websocket("/") as socket:
        socket.send_text("one")
        assert await socket.receive() == "one"

    assert notes == ["a request", "a head 101", "a end 101"]
    assert socket.headers == [(b"x-seen-by", b"a")]


async def test_a_refused_handshake_is_answered_where_the_server_can() -> None:
    async with around(echo, Noting("a", []), refuse()).websocket("/") as socket:
        pass

    assert socket.refusal is not None
    assert (socket.refusal.status, socket.refusal.header("x-seen-by")) == (403, "a")
    assert socket.refusal.header("content-length") == str(len(socket.refusal.body))


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.FORBIDDEN, 1008),
        (Reason.API_KEY_MISSING, 1008),
        (Reason.THROTTLED, 1013),
        (Reason.STORE_FAILED, 1013),
        (Reason.INTERNAL_ERROR, 1011),
    ],
    ids=lambda each: getattr(each, "name", None),
)
async def test_a_refused_handshake_is_closed_where_it_cannot(reason: Reason, code: int, caplog: Any) -> None:
    async with around(echo, refuse(reason)).websocket("/", denial=False) as socket:
        pass

    assert (socket.accepted, socket.refusal, socket.close_code) == (False, None, code)


async def test_a_policy_may_answer_a_handshake_with_a_response() -> None:
    async with around(echo, Deciding(lambda request: Response(307, [(b"Location", b"/else")]))).websocket(
        "/"
    ) as socket:
        pass

    assert socket.refusal is not None
    assert (socket.refusal.status, socket.refusal.header("location")) == (307, "/else")


async def test_a_policy_that_wants_the_body_finds_an_empty_one_on_a_websocket() -> None:
    policy = ReadsBody()

    async with around(echo, policy).websocket("/") as socket:
        pass

    assert (socket.accepted, policy.bodies) == (True, [b""])


async def test_a_policy_for_responses_leaves_a_websocket_alone() -> None:
    async with around(echo, OnBody(), WrapsBody()).websocket("/") as socket:
        socket.send_text("one")
        assert await socket.receive() == "one"


async def test_the_apps_own_denial_is_amended() -> None:
    async def denies(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    async with around(denies, Noting("a", [])).websocket("/") as socket:
        pass

    assert socket.refusal is not None
    assert (socket.refusal.status, socket.refusal.header("x-seen-by")) == (404, "a")


async def test_a_handshake_that_the_app_closes_ends_with_the_status_a_client_sees() -> None:
    notes: list[str] = []

    async def closes(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 1000})

    async with around(closes, Noting("a", notes)).websocket("/") as socket:
        pass

    assert (socket.close_code, notes[-1]) == (1000, "a end 403")


async def test_the_end_comes_exactly_once_on_a_websocket_whose_app_raises() -> None:
    ends = Ends()

    async with around(breaks_before, ends).websocket("/") as socket:
        pass

    assert isinstance(socket.raised, LookupError)
    assert ends.count == 1


@pytest.mark.parametrize("looks", [False, True], ids=["at once", "after the connect event"])
@pytest.mark.parametrize("denial", [False, True], ids=["closed", "answered"])
async def test_a_websocket_app_that_raises_before_it_answers_is_a_denial_and_one_record(
    looks: bool, denial: bool, caplog: Any
) -> None:
    notes: list[str] = []

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        if looks:
            await receive()
        raise LookupError("secret")

    async with around(broken, Noting("a", notes)).websocket("/", denial=denial) as socket:
        pass

    if denial:
        assert socket.refusal is not None
        assert (socket.refusal.status, socket.refusal.json()) == (500, {"message": "Internal server error"})
        assert socket.refusal.header("x-seen-by") == "a"
    else:
        assert socket.close_code == 1011
    assert isinstance(socket.raised, LookupError)
    assert notes[-1] == "a end 500"
    assert [record.reason for record in caplog.records] == ["INTERNAL_ERROR"]


async def test_a_websocket_app_that_raises_later_leaves_one_record(caplog: Any) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise LookupError("later")

    async with around(broken).websocket("/") as socket:
        pass

    assert socket.accepted
    assert isinstance(socket.raised, LookupError)
    assert [record.request_id != "" for record in caplog.records] == [True]


async def test_a_websocket_client_that_leaves_is_no_failure(caplog: Any) -> None:
    async def ignores(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        await websocket.receive_text()

    async with around(ignores).websocket("/") as socket:
        pass

    assert type(socket.raised).__name__ == "WebSocketDisconnect"
    assert caplog.records == []


# --------------------------------------------------------------------------------------------------- lifespan


async def test_the_apps_lifespan_runs_and_closes_what_policies_opened() -> None:
    notes: list[str] = []

    class Closing(Policy):
        async def aclose(self) -> None:
            notes.append("closed")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for step in ("startup", "shutdown"):
            notes.append((await receive())["type"])
            await send({"type": f"lifespan.{step}.complete"})

    async with around(app, Closing()).lifespan():
        pass

    assert notes == ["lifespan.startup", "lifespan.shutdown", "closed"]


async def test_what_the_apps_lifespan_puts_into_state_reaches_its_requests() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["database"] = "open"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            seen.append(scope["state"]["database"])
            await hello(scope, receive, send)

    async with around(app, Noting("a", [])).lifespan() as client:
        await client.get("/")

    assert seen == ["open"]


async def raises_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("only http")


async def returns_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    return


@pytest.mark.parametrize("app", [raises_at_once, returns_at_once])
async def test_lifespan_is_answered_for_an_app_that_has_none(app: Any) -> None:
    notes: list[str] = []

    class Closing(Policy):
        async def aclose(self) -> None:
            notes.append("closed")

    async with around(app, Closing()).lifespan():
        notes.append("serving")

    assert notes == ["serving", "closed"]


async def test_an_app_that_fails_to_start_up_is_not_answered_for() -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise ValueError("no database")

    with pytest.raises(AssertionError, match="startup failed") as caught:
        async with around(fails, Noting("a", [])).lifespan():
            pass
    assert isinstance(caught.value.__cause__, ValueError)


async def test_an_app_that_reports_a_failed_startup_is_heard() -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(AssertionError, match="no database"):
        async with around(fails, Noting("a", [])).lifespan():
            pass


async def test_a_policy_that_waits_under_another_library_than_asyncio_says_so(caplog: pytest.LogCaptureFixture) -> None:
    class Waits(Policy):
        async def on_request(self, request: Any) -> Any:
            asyncio.get_running_loop()

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)  # as under trio, which drives the same coroutines
    try:
        with pytest.raises(StopIteration):
            PolicyMiddleware(hello, policies=[Waits()])(scope, None, send).send(None)  # type: ignore[arg-type]
    finally:
        asyncio._set_running_loop(loop)

    assert sent[0]["status"] == 500
    assert "asyncio worker" in caplog.text
