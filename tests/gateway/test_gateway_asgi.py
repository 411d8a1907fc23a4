"""The gateway app over ASGI: apps as integrations, WebSockets, lifespans, mounts, raw paths."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from gatewaykit import Gateway, Policy, Request, access_log, api_key
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.testing import Client
from tests.asgi.apps import Noting, Recorder, breaks_before, echo

KEY = "a-key-of-sixteen-or-more"
MOCK = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {"default": {"statusCode": "200"}},
}


def operation(app: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"responses": {"200": {"description": "ok"}}}
    return {**made, "x-gatewaykit": {"app": app}} if app else {**made, "x-amazon-apigateway-integration": MOCK}


def gateway(apps: dict[str, Any], *policies: Policy, **options: Any) -> Gateway:
    document = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "paths": {
            "/mock": {"get": operation()},
            **{f"/{name}": {"x-amazon-apigateway-any-method": operation(name)} for name in apps},
        },
    }
    return Gateway.from_openapi(document, apps=apps, policies=policies, **options)


async def test_an_app_streams_through_the_gateway() -> None:
    client = Client(gateway({"echo": echo}, Noting("a", [])))

    async with client.open("POST", "/echo") as exchange:
        await exchange.next_message()
        exchange.feed(b"one")
        first = await exchange.next_message()
        exchange.feed(b"two", more=False)
        answer = await exchange.result()

    assert (first["body"], answer.body, answer.header("x-seen-by")) == (b"one", b"onetwo", "a")


async def test_an_app_that_raises_is_a_500_with_the_ids_of_the_request(caplog: Any) -> None:
    answer = await Client(gateway({"broken": breaks_before})).get("/broken")

    assert (answer.status, answer.json()) == (500, {"message": "Internal server error"})
    assert answer.header("x-amzn-requestid") is not None
    assert isinstance(answer.raised, LookupError)


async def test_an_app_gets_websockets_through_the_same_policies() -> None:
    client = Client(gateway({"echo": echo}, api_key({"acme": KEY})))

    async with client.websocket("/echo") as refused:
        pass
    async with client.websocket("/echo", headers={"x-api-key": KEY}) as accepted:
        accepted.send_text("one")
        assert await accepted.receive() == "one"

    assert refused.refusal is not None
    assert refused.refusal.status == 403


@pytest.mark.parametrize("path", ["/mock", "/nowhere"])
async def test_a_websocket_to_what_cannot_have_one_is_refused_and_ends_once(path: str) -> None:
    lines: list[str] = []
    log = access_log("$context.status", sink=lines.append)

    async with Client(gateway({}, log)).websocket(path) as socket:
        pass

    assert socket.refusal is not None
    assert (socket.refusal.status, lines) == (403, ["403"])


async def test_the_lifespans_of_bound_apps_run() -> None:
    notes: list[str] = []

    async def living(scope: Scope, receive: Receive, send: Send) -> None:
        for step in ("startup", "shutdown"):
            notes.append((await receive())["type"])
            await send({"type": f"lifespan.{step}.complete"})

    async with Client(gateway({"living": living, "echo": breaks_before})).lifespan():
        notes.append("serving")
    async with Client(gateway({})).lifespan():
        pass

    assert notes == ["lifespan.startup", "serving", "lifespan.shutdown"]


async def test_an_unknown_scope_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="mqtt"):
        await gateway({})({"type": "mqtt"}, None, None)  # type: ignore[arg-type]  # nobody reads the channels


@pytest.mark.parametrize("path", ["/api/mock", "/api/mock/", "/api//mock"])
async def test_a_mounted_gateway_routes_behind_its_prefix(path: str) -> None:
    app = Starlette(routes=[Mount("/api", gateway({}))])

    assert (await Client(app).get(path)).status == 200
    assert (await Client(app).get("/api/nowhere")).status == 403


@pytest.mark.parametrize(
    "raw_path", [b"/app?x=1", None, b""], ids=["with the query left in it", "none at all", "an empty one"]
)
async def test_a_raw_path_that_is_not_as_it_should_be_finds_its_route(raw_path: bytes | None) -> None:
    app = Recorder()
    served = gateway({"app": app}, profile="web")

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        await served({**scope, "raw_path": raw_path or None}, receive, send)

    answer = await Client(server).get("/app")

    assert (answer.status, len(app.scopes)) == (200, 1)


@pytest.mark.parametrize("override", ["", "POST", "post", "NONSENSE"])
async def test_a_verb_may_be_overridden_by_one_that_exists(override: str) -> None:
    seen: list[str] = []

    class Sees(Policy):
        def on_request(self, request: Request) -> Request:
            seen.append(request.method)
            return request

    answer = await Client(gateway({"app": Recorder()}, Sees())).get(
        "/app", headers={"x-http-method-override": override}
    )

    assert (answer.status, seen) == (200, ["POST" if override.upper() == "POST" else "GET"])


async def test_invoking_an_app_collects_its_answer() -> None:
    invocation = await gateway({"echo": echo}).invoke("POST", "/echo?x=1", body="abc")

    assert (invocation.status, invocation.body) == (200, b"abc")
