"""Several gateways behind their base paths."""

from __future__ import annotations

from typing import Any

import pytest

from gatewaykit import Gateway, access_log
from gatewaykit.gateway.mounts import Mounts


def api(name: str) -> Gateway:
    """An API whose one route says its name and the path it saw."""
    integration = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {
            "default": {
                "statusCode": "200",
                "responseTemplates": {"application/json": f"{name} $context.path $context.resourcePath"},
            }
        },
    }
    operation = {"responses": {}, "x-amazon-apigateway-integration": integration}
    paths = {"/": {"get": operation}, "/{proxy+}": {"get": operation}}
    return Gateway.from_openapi({"openapi": "3.0.1", "info": {"title": name, "version": "1"}, "paths": paths})


async def call(app: Any, path: str, kind: str = "http", root: str = "", headers: Any = ()) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request", "body": b""}

    scope = {
        "type": kind, "method": "GET", "path": root + path, "raw_path": (root + path).encode(), "query_string": b"",
        "headers": [*headers], "root_path": root, "client": ("127.0.0.1", 1), "http_version": "1.1", "scheme": "http",
    }  # fmt: skip
    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/shop", b"shop", id="the base path"),
        pytest.param("/shop/pets", b"shop", id="below it"),
        pytest.param("/shop/eu/pets", b"eu", id="the longest base path"),
        pytest.param("/shop/europe", b"shop", id="a base path ends with a segment"),
    ],
)
@pytest.mark.parametrize("root", ["", "/outer"])
async def test_the_longest_base_path_decides(path: str, expected: bytes, root: str) -> None:
    app = Mounts({"/shop": api("shop"), "/shop/eu": api("eu")})

    sent = await call(app, path, root=root)

    assert sent[0]["status"] == 200
    assert sent[1]["body"].split()[0] == expected


async def test_an_api_at_the_root_takes_the_rest() -> None:
    app = Mounts({"/": api("root"), "/shop": api("shop")})

    assert (await call(app, "/shopping"))[1]["body"].split()[0] == b"root"


async def test_a_path_without_an_api_is_forbidden() -> None:
    sent = await call(Mounts({"/shop": api("shop")}), "/other")

    assert (sent[0]["status"], sent[1]["body"]) == (403, b'{"message":"Forbidden"}')
    assert {b"x-amzn-requestid", b"x-amz-apigw-id"} <= {name for name, _ in sent[0]["headers"]}


async def test_a_websocket_without_an_api_is_refused() -> None:
    sent = await call(Mounts({"/shop": api("shop")}), "/other", kind="websocket")

    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_request_that_fits_no_api_is_logged_too(kind: str) -> None:
    lines: list[str] = []
    log = access_log("$context.identity.sourceIp $context.path $context.status", sink=lines.append)
    app = Mounts({"/shop": api("shop")}, logs=[log], trusted_proxies=["127.0.0.1"])

    await call(app, "/other", kind=kind, headers=[(b"x-forwarded-for", b"192.0.2.7")])

    assert lines == ["192.0.2.7 /other 403"]


async def test_an_app_behind_several_gateways_is_started_once() -> None:
    events: list[str] = []
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            event = (await receive())["type"]
            events.append(event)
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    mounts = Mounts({"/shop": api("shop"), "/eu": api("eu")}, apps=[app, app])
    await mounts({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    assert events == ["lifespan.startup", "lifespan.shutdown"]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
