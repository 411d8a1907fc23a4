"""One list of policies gives every framework the same verdicts, and leaves each its whole ASGI contract."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import django
import flask
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path
from fastapi import FastAPI
from fastapi.responses import StreamingResponse as FastStreaming
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from gatewaykit import (
    PolicyMiddleware,
    Request,
    access_log,
    api_key,
    by,
    cors,
    rule,
    steps,
    throttle,
    transform,
    validate,
)  # fmt: skip
from gatewaykit.asgi.types import ASGIApp, Receive, Scope, Send
from gatewaykit.asgi.wsgi import wsgi_app
from gatewaykit.testing import Client, Result, VirtualClock
from tests.asgi.apps import Deciding

KEY = "a-key-of-sixteen-or-more"
ORIGIN = "https://shop.example"
ITEM = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}

ROWS = transform(
    request=[steps.csv_to_json(), steps.unwrap("[0]"), steps.set_headers({"x-trace": "1"})],
    response=[steps.set_headers({"x-rows": "1"})],
)

tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="none")


def set_tenant(request: Request) -> Request:
    tenant.set(request.header("x-tenant") or "none")
    return request


def policies(lines: list[str]) -> list[Any]:
    return [
        access_log("$context.status", sink=lines.append),
        cors(origins=[ORIGIN]),
        rule("/items/{proxy+}", api_key({"acme": KEY}), throttle(rate=1, burst=2, key=by.api_key, name="items")),
        rule("POST /items/7", ROWS),
        rule("POST /items/{id}", validate(parameters=["header.x-trace"], body=ITEM)),
        rule("/ws", api_key({"acme": KEY})),
        Deciding(set_tenant),
    ]


# --------------------------------------------------------------------------------------------------- the frameworks
# Each has: GET /items/{id} (the caller and the tenant), POST /items/{id} (its body), POST /echo (a stream), GET /broken
# (raises), and /ws where it can.


def seen(view: Any) -> str:
    return f"{view.identity.principal} {tenant.get()}"


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["state"]["gatewaykit"].identity.principal})
        await receive()
        return
    route = scope["path"].removeprefix(scope.get("root_path", ""))
    if route == "/broken":
        raise LookupError("broken")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    if scope["method"] == "GET":
        await send({"type": "http.response.body", "body": seen(scope["state"]["gatewaykit"]).encode()})
        return
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


async def item(request: StarletteRequest) -> PlainTextResponse:
    return PlainTextResponse(seen(request.state.gatewaykit) if request.method == "GET" else await request.body())


async def echo(request: StarletteRequest) -> StreamingResponse:
    return StreamingResponse(request.stream())


async def broken(request: StarletteRequest) -> PlainTextResponse:
    raise LookupError("broken")


async def ws(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(socket.state.gatewaykit.identity.principal)
    await socket.receive()


def make_starlette() -> Starlette:
    return Starlette(
        routes=[
            Route("/items/{id}", item, methods=["GET", "POST"]),
            Route("/echo", echo, methods=["POST"]),
            Route("/broken", broken),
            WebSocketRoute("/ws", ws),
        ]
    )


def make_fastapi() -> FastAPI:
    app = FastAPI()

    @app.get("/items/{id}")
    async def get_item(id: int, request: StarletteRequest) -> PlainTextResponse:
        return PlainTextResponse(seen(request.state.gatewaykit))

    @app.post("/items/{id}")
    async def post_item(request: StarletteRequest) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    @app.post("/echo")
    async def post_echo(request: StarletteRequest) -> FastStreaming:
        return FastStreaming(request.stream())

    @app.get("/broken")
    async def get_broken() -> None:
        raise LookupError("broken")

    app.add_api_websocket_route("/ws", ws)
    return app


def django_item(request: Any, id: str) -> HttpResponse:
    body = seen(request.scope["state"]["gatewaykit"]) if request.method == "GET" else request.body
    return HttpResponse(body, content_type="text/plain")


async def django_echo(request: HttpRequest) -> StreamingHttpResponse:
    async def chunks() -> AsyncIterator[bytes]:  # Django itself reads the body whole before it calls a view
        while chunk := request.read(1):
            yield chunk

    return StreamingHttpResponse(chunks())


def django_broken(request: HttpRequest) -> HttpResponse:
    raise LookupError("broken")


urlpatterns = [path("items/<id>", django_item), path("echo", django_echo), path("broken", django_broken)]

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for tests", DEBUG=False)
    django.setup()


def make_flask() -> ASGIApp:
    app = flask.Flask(__name__)

    @app.get("/items/<id>")
    def get_item(id: str) -> flask.Response:
        return flask.Response(seen(flask.request.environ["gatewaykit"]), content_type="text/plain")

    @app.post("/items/<id>")
    def post_item(id: str) -> flask.Response:
        return flask.Response(flask.request.get_data(), content_type="text/plain")

    @app.post("/echo")
    def post_echo() -> flask.Response:
        stream = flask.request.stream

        def chunks() -> Iterator[bytes]:
            while chunk := stream.read(1):
                yield chunk

        return flask.Response(chunks())

    @app.get("/broken")
    def get_broken() -> str:
        raise LookupError("broken")

    return wsgi_app(app, workers=2)


@dataclass(frozen=True)
class Framework:
    make: Callable[[], Any]
    has_websockets: bool = True
    streams_in: bool = True  # begins to answer before the request is whole
    answers_own_500: bool = False  # what a handler raises does not leave the framework


FRAMEWORKS = {
    "plain ASGI": Framework(lambda: plain),
    "Starlette": Framework(make_starlette),
    "FastAPI": Framework(make_fastapi),
    "Django": Framework(get_asgi_application, has_websockets=False, streams_in=False, answers_own_500=True),
    "Flask": Framework(make_flask, has_websockets=False, answers_own_500=True),
}


@pytest.fixture(params=FRAMEWORKS, ids=str)
def framework(request: pytest.FixtureRequest) -> Iterator[Framework]:
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[]):
        yield FRAMEWORKS[request.param]


class Rig:
    """A framework behind the policies, wrapped or by its own `add_middleware`, at the root or under a prefix."""

    def __init__(self, framework: Framework, *, root_path: str = "", mounted: bool = False) -> None:
        self.lines: list[str] = []
        self.clock = VirtualClock()
        app = framework.make()
        options: Any = {"policies": policies(self.lines), "clock": self.clock, "max_body_bytes": 100}
        if hasattr(app, "add_middleware"):
            app.add_middleware(PolicyMiddleware, **options)
        else:
            app = PolicyMiddleware(app, **options)
        self.prefix = ""
        if mounted:
            app, self.prefix = Starlette(routes=[Mount("/api", app)]), "/api"
        self.client = Client(app, root_path=root_path, any_casing=True)

    async def ask(self, method: str, path: str, key: str | None = KEY, **options: Any) -> Result:
        headers = {"origin": ORIGIN, **({} if key is None else {"x-api-key": key}), **options.pop("headers", {})}
        return await self.client.request(method, self.prefix + path, headers=headers, **options)


PLACES = {"at the root": {}, "under a root_path": {"root_path": "/api"}, "mounted": {"mounted": True}}


@pytest.fixture(params=PLACES, ids=str)
def rig(request: pytest.FixtureRequest, framework: Framework) -> Rig:
    return Rig(framework, **PLACES[request.param])


# --------------------------------------------------------------------------------------------------- the verdicts

ALLOWED = [(b"access-control-allow-origin", ORIGIN.encode()), (b"vary", b"Origin")]
JSON_FIELD = (b"content-type", b"application/json")


def refused(error: str, message: str, *more: tuple[bytes, bytes]) -> Any:
    body = f'{{"message":"{message}"}}'.encode()
    return sorted([JSON_FIELD, (b"x-amzn-errortype", error.encode()), (b"content-length", b"%d" % len(body)), *ALLOWED])


def verdict(answer: Result) -> Any:
    limits = (b"ratelimit", b"ratelimit-policy", b"retry-after")
    return answer.status, answer.body, sorted(field for field in answer.headers if field[0] not in limits)


FORBIDDEN = (403, b'{"message":"Forbidden"}', refused("ForbiddenException", "Forbidden"))
TRACE = {"x-trace": "1", "content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "options", "expected"),
    [
        pytest.param("GET", "/items/1", {"key": None}, FORBIDDEN, id="no key"),
        pytest.param("GET", "/items/1", {"key": "another-key-of-sixteen"}, FORBIDDEN, id="an unknown key"),
        pytest.param("GET", "//items//1/", {"key": None}, FORBIDDEN, id="no key, more slashes"),
        pytest.param("GET", "/items/%31", {"key": None}, FORBIDDEN, id="no key, percent-encoded"),
        pytest.param("GET", "/items/nowhere/at/all", {"key": None}, FORBIDDEN, id="no key, no such route"),
        pytest.param(
            "POST", "/items/1", {"body": "{}"},
            (400, b'{"message":"Missing required request parameters: [x-trace]"}',
             refused("BadRequestException", "Missing required request parameters: [x-trace]")),
            id="no x-trace",
        ),
        pytest.param(
            "POST", "/items/1", {"body": '{"name": 1}', "headers": TRACE},
            (400, b'{"message":"Invalid request body"}', refused("BadRequestException", "Invalid request body")),
            id="a body against its schema",
        ),
        pytest.param(
            "POST", "/items/1", {"body": '{"name": 1}', "headers": TRACE, "feed": "bytes"},
            (400, b'{"message":"Invalid request body"}', refused("BadRequestException", "Invalid request body")),
            id="a body against its schema, byte by byte",
        ),
        pytest.param(
            "POST", "/items/1", {"body": "x" * 101, "headers": TRACE, "feed": "bytes"},
            (413, b"HTTP content length exceeded 100 bytes.",
             sorted([(b"content-type", b"text/plain"), (b"content-length", b"39"), *ALLOWED])),
            id="a body over the limit",
        ),
    ],
)  # fmt: skip
async def test_every_framework_gets_the_same_refusal(
    rig: Rig, method: str, path: str, options: Any, expected: Any
) -> None:
    answer = await rig.ask(method, path, **options)

    assert verdict(answer) == expected
    assert rig.lines == [str(answer.status)]


async def test_every_framework_is_throttled_alike(rig: Rig) -> None:
    answers = [await rig.ask("GET", "/items/1") for _ in range(3)]
    rig.clock.advance("1s")
    later = await rig.ask("GET", "/items/1")

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert verdict(answers[2]) == (
        429, b'{"message":"Too Many Requests"}', refused("TooManyRequestsException", "Too Many Requests"),
    )  # fmt: skip
    assert (answers[2].header("retry-after"), later.status) == ("1", 200)


async def test_every_framework_has_its_preflights_answered(rig: Rig) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}

    answer = await rig.ask("OPTIONS", "/items/1", None, headers=asked)

    assert (answer.status, answer.header("access-control-allow-origin")) == (204, ORIGIN)


async def test_every_framework_gets_what_the_policies_learned_and_their_context_variables(rig: Rig) -> None:
    answer = await rig.ask("GET", "/items/1", headers={"x-tenant": "berlin"})

    assert (answer.status, answer.text) == (200, "acme berlin")
    assert answer.header("access-control-allow-origin") == ORIGIN


@pytest.mark.parametrize("feed", ["whole", "bytes"])
async def test_every_framework_gets_a_body_that_a_policy_has_read(rig: Rig, feed: str) -> None:
    answer = await rig.ask("POST", "/items/1", body='{"name": "a"}', headers=TRACE, feed=feed)

    assert (answer.status, answer.text) == (200, '{"name": "a"}')


@pytest.mark.parametrize("feed", ["whole", "bytes"])
async def test_every_framework_gets_the_request_that_steps_made(rig: Rig, feed: str) -> None:
    answer = await rig.ask("POST", "/items/7", body="name\na\n", headers={"content-type": "text/csv"}, feed=feed)

    assert (answer.status, answer.text, answer.header("x-rows")) == (200, '{"name":"a"}', "1")


async def test_every_framework_streams_both_ways(rig: Rig, framework: Framework) -> None:
    async with rig.client.open("POST", rig.prefix + "/echo", headers={"origin": ORIGIN}) as exchange:
        chunks: list[bytes] = []

        async def chunk() -> None:
            while not (body := (await exchange.next_message()).get("body", b"")):
                pass
            chunks.append(body)

        exchange.feed(b"a")
        if framework.streams_in:
            await chunk()  # before the rest was sent
        exchange.feed(b"b", more=False)
        answer = await exchange.result()

    assert (answer.status, answer.body) == (200, b"ab")
    assert chunks == [b"a"] * framework.streams_in
    assert answer.header("access-control-allow-origin") == ORIGIN


async def test_a_handler_that_raises_is_a_500_that_pages_may_read(
    rig: Rig, framework: Framework, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await rig.ask("GET", "/broken")

    assert (answer.status, answer.header("access-control-allow-origin")) == (500, ORIGIN)
    assert isinstance(answer.raised, LookupError) != framework.answers_own_500
    assert rig.lines == ["500"]


@pytest.mark.parametrize("path", ["/items/1", "/echo"])
async def test_a_client_that_leaves_in_its_body_leaves_one_line_and_nothing_hanging(rig: Rig, path: str) -> None:
    answer = await rig.ask("POST", path, body='{"name": "a"}', headers=TRACE, disconnect_after=4)

    assert not answer.complete
    assert len(rig.lines) == 1


@pytest.mark.parametrize("denial", [True, False], ids=["with denial responses", "without"])
async def test_a_websocket_is_refused_and_accepted(rig: Rig, framework: Framework, denial: bool) -> None:
    url = rig.prefix + "/ws"
    async with rig.client.websocket(url, denial=denial) as without_key:
        pass

    assert not without_key.accepted
    if denial:
        assert without_key.refusal is not None
        assert (without_key.refusal.status, without_key.refusal.json()) == (403, {"message": "Forbidden"})
    else:
        assert without_key.close_code == 1008
    if framework.has_websockets:
        async with rig.client.websocket(url, headers={"x-api-key": KEY}, denial=denial) as with_key:
            assert await with_key.receive() == "acme"


async def test_the_lifespan_of_every_framework_is_answered(framework: Framework) -> None:
    rig = Rig(framework)

    async with rig.client.lifespan():
        answer = await rig.ask("GET", "/items/1")

    assert answer.status == 200
