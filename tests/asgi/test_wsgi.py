"""WSGI apps behind policies: what the bridge leaves open is closed."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gatewaykit import ConfigError, Identity, PolicyMiddleware, Request
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.asgi.wsgi import wsgi_app
from gatewaykit.testing import Client
from tests.asgi.apps import Deciding


class Wsgi:
    """A WSGI app that keeps its environ and answers with a few chunks, or with what it read."""

    def __init__(self, body: Any = (b"he", b"llo")) -> None:
        self.body = body
        self.environs: list[dict[str, Any]] = []
        self.closed = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.environs.append(environ)
        start_response("200 OK", [("Content-Type", "text/plain; charset=latin-1"), ("X-Name", "\xe9")])
        return self.body(environ) if callable(self.body) else self.body


async def test_an_app_answers() -> None:
    answer = await Client(wsgi_app(Wsgi())).get("/")

    assert (answer.status, answer.body, answer.raised) == (200, b"hello", None)
    assert answer.header("x-name") == "\xe9"


async def test_an_app_reads_its_body_as_it_comes() -> None:
    def echo(environ: dict[str, Any]) -> Iterator[bytes]:
        while chunk := environ["wsgi.input"].read(1):
            yield chunk

    async with Client(wsgi_app(Wsgi(echo))).open("POST", "/") as exchange:
        await exchange.next_message()
        exchange.feed(b"a")
        first = await exchange.next_message()
        exchange.feed(b"b", more=False)
        answer = await exchange.result()

    assert (first["body"], answer.body) == (b"a", b"ab")


@pytest.mark.parametrize(
    ("headers", "name", "value"),
    [
        pytest.param([("cookie", "a=1"), ("cookie", "b=2")], "HTTP_COOKIE", "a=1; b=2", id="cookies"),
        pytest.param([("x-a", "1"), ("x-a", "2")], "HTTP_X_A", "1,2", id="a repeated field"),
        pytest.param([("x-a", "1"), ("x_a", "2")], "HTTP_X_A", "1", id="a name that passes for another"),
        pytest.param([("content-type", "a/b")], "CONTENT_TYPE", "a/b", id="content type"),
    ],
)
async def test_headers_reach_the_environ(headers: list[tuple[str, str]], name: str, value: str) -> None:
    app = Wsgi()

    await Client(wsgi_app(app)).get("/", headers=headers)

    assert app.environs[0][name] == value


@pytest.mark.parametrize(
    ("root_path", "path", "script_name", "path_info"),
    [
        pytest.param("", "/a", "", "/a", id="no prefix"),
        pytest.param("/api", "/api/a", "/api", "/a", id="a prefix"),
        pytest.param("/api", "/api", "/api", "", id="the prefix alone"),
        pytest.param("/api/", "/api/a", "/api", "/a", id="a prefix with a slash at its end"),
        pytest.param("/api", "/apiary", "", "/apiary", id="what only looks like the prefix"),
    ],
)
async def test_the_prefix_is_the_script_name(root_path: str, path: str, script_name: str, path_info: str) -> None:
    app = Wsgi()
    bridge = wsgi_app(app)

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        await bridge({**scope, "root_path": root_path, "path": path}, receive, send)

    await Client(server).get("/")

    environ = app.environs[0]
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script_name, path_info)


async def test_a_query_that_is_no_ascii_is_percent_encoded() -> None:
    app = Wsgi()

    answer = await Client(wsgi_app(app)).get("/", query_string=b"a=%20b&c=\xc3\xa9+")

    assert (answer.status, app.environs[0]["QUERY_STRING"]) == (200, "a=%20b&c=%C3%A9+")


async def test_what_the_policies_learned_is_in_the_environ() -> None:
    app = Wsgi(lambda environ: [environ["gatewaykit"].identity.principal.encode()])

    def learn(request: Request) -> Request:
        request.identity = Identity(principal="alice")
        return request

    answer = await Client(PolicyMiddleware(wsgi_app(app), policies=[Deciding(learn)])).get("/")
    await Client(wsgi_app(Wsgi())).get("/")

    assert answer.body == b"alice"


async def test_without_a_policy_the_environ_says_so() -> None:
    app = Wsgi()

    await Client(wsgi_app(app)).get("/", state=None)

    assert app.environs[0]["gatewaykit"] is None
    assert app.environs[0]["wsgi.errors"] is sys.stderr


async def test_a_body_that_breaks_off_is_an_error_and_not_a_shorter_body() -> None:
    read: list[bytes] = []

    def whole(environ: dict[str, Any]) -> list[bytes]:
        read.append(environ["wsgi.input"].read())
        return []

    answer = await Client(wsgi_app(Wsgi(whole))).request("POST", "/", body=b"abc", disconnect_after=2)

    assert isinstance(answer.raised, ConnectionResetError)
    assert read == []


async def test_an_exception_goes_up() -> None:
    def breaks(environ: dict[str, Any]) -> list[bytes]:
        raise LookupError("no")

    answer = await Client(wsgi_app(Wsgi(breaks))).get("/")

    assert isinstance(answer.raised, LookupError)


@pytest.mark.parametrize("how", ["cancelled", "send fails", "send says nothing"])
async def test_a_client_that_leaves_frees_the_thread_that_answers_it(how: str) -> None:
    freed = threading.Event()
    begun = asyncio.Event()

    def endless(environ: dict[str, Any]) -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            freed.set()

    bridge = wsgi_app(Wsgi(endless), workers=1)
    sent = 0

    async def send(message: Any) -> None:
        nonlocal sent
        sent += 1
        if sent > 20:
            begun.set()
            if how == "send fails":
                raise ConnectionResetError("gone")
            if how == "cancelled":
                await asyncio.Event().wait()

    messages: Any = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        if (message := next(messages, None)) is None:
            await begun.wait() if how == "send says nothing" else await asyncio.Event().wait()
        return message or {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "http_version": "1.1"}
    task = asyncio.ensure_future(bridge(scope, receive, send))
    await begun.wait()
    if how == "cancelled":
        task.cancel()
    outcome = (await asyncio.gather(task, return_exceptions=True))[0]

    assert await asyncio.to_thread(freed.wait, 10)
    raised = {"cancelled": asyncio.CancelledError, "send fails": ConnectionResetError}
    assert isinstance(outcome, raised.get(how, type(None)))


async def test_lifespan_is_answered() -> None:
    async with Client(PolicyMiddleware(wsgi_app(Wsgi()))).lifespan() as client:
        answer = await client.get("/")

    assert answer.status == 200


async def test_a_websocket_is_refused() -> None:
    async with Client(wsgi_app(Wsgi())).websocket("/") as socket:
        pass

    assert (socket.accepted, socket.close_code) == (False, 1000)


async def test_an_unknown_scope_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="mqtt"):
        await wsgi_app(Wsgi())({"type": "mqtt"}, None, None)  # type: ignore[arg-type]  # nobody reads the channels


def test_a_missing_extra_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "a2wsgi", None)

    with pytest.raises(ConfigError, match=r"a2wsgi is not installed.*pip install .gatewaykit\[wsgi\]"):
        wsgi_app(Wsgi())
