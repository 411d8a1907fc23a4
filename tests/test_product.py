"""The three doors as the product promises them: each block of its design, run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from gatewaykit import (
    Gateway,
    Identity,
    PolicyMiddleware,
    Reason,
    ThrottleMiddleware,
    VirtualClock,
    api_key,
    by,
    cors,
    identity,
    rule,
    throttle,
)
from gatewaykit.testing import Client
from tests.conformance.documents import lambda_uri

FREE_KEY = "free-key-of-twenty-characters-or-more"
KEYS = {"free": FREE_KEY}
SHOP = """\
openapi: 3.0.1
info: {title: shop, version: "1"}
components:
  securitySchemes:
    key: {type: apiKey, name: x-api-key, in: header}
x-gatewaykit:
  keys: {free: FREE_KEY}
  policies:
    - quota: {limit: 1, period: DAY, key: api_key}
paths:
  /pets:
    get:
      security: [{key: []}]
      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: GET, uri: "${stageVariables.backend}/pets"}
  /orders:
    post:
      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        uri: ORDERS
  /catalog/{proxy+}:
    x-amazon-apigateway-any-method:
      x-gatewaykit: {app: catalog}
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.yaml").write_text(SHOP.replace("FREE_KEY", FREE_KEY).replace("ORDERS", lambda_uri("orders")))
    monkeypatch.chdir(tmp_path)


async def test_door_1_policies_around_an_app_you_already_have() -> None:
    app = FastAPI()
    app.add_middleware(
        PolicyMiddleware,
        store="memory://",
        trusted_proxies=["10.0.0.0/8"],
        policies=[
            cors(origins=["https://shop.example"]),
            rule("POST /login", throttle(rate="5/minute", burst=5, key=by.address)),
            rule("/items/{proxy+}", api_key(KEYS), throttle(rate=100, burst=200, key=by.api_key)),
        ],
    )
    app.add_middleware(ThrottleMiddleware, rate=100, burst=200, key=by.address)

    @app.post("/login")
    async def login() -> str:
        return "in"

    @app.get("/items/{id}")
    async def item(id: int, caller: Annotated[Identity, Depends(identity)]) -> dict[str, Any]:
        return {"id": id, "for": caller.principal}

    client = Client(app)
    logins = [(await client.request("POST", "/login", client=("192.0.2.1", 1))).status for _ in range(6)]
    refused = await client.get("/items/1", headers={"origin": "https://shop.example"})
    served = await client.get("/items/1", headers={"x-api-key": FREE_KEY})
    docs = app.openapi()

    assert logins == [200] * 5 + [429]
    assert (refused.status, refused.header("access-control-allow-origin")) == (403, "https://shop.example")
    assert served.json() == {"id": 1, "for": "free"}
    assert "securitySchemes" in docs["components"]


@pytest.mark.usefixtures("shop")
async def test_door_2_a_gateway_app_from_a_definition() -> None:
    catalog_app = FastAPI()

    @catalog_app.get("/catalog/{name}")
    async def catalog(name: str) -> str:
        return name

    def orders_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        return {"statusCode": 201, "body": event["body"]}

    gateway = Gateway.from_openapi(
        "shop.yaml",
        stage="prod",
        stage_variables={"backend": "http://127.0.0.1:9000"},
        functions={"orders": orders_handler},
        apps={"catalog": catalog_app},
    )
    app = FastAPI()
    app.mount("/api", gateway)

    client = Client(app)
    ordered = await client.request("POST", "/api/orders", body=b"one")
    read = await client.get("/api/catalog/tea")
    await gateway.aclose()

    assert (ordered.status, ordered.body) == (201, b"one")
    assert (read.status, read.json()) == (200, "tea")
    assert read.header("x-amzn-requestid")


@pytest.mark.usefixtures("shop")
def test_door_3_policies_as_values_tested_alone() -> None:
    clock = VirtualClock("2026-01-01T00:00Z")
    gateway = Gateway.from_openapi(
        "shop.yaml",
        clock=clock,
        apps={"catalog": lambda scope, receive, send: None},  # type: ignore[dict-item,arg-type,return-value]
    )
    assert gateway.decide("GET", "/pets", headers={"x-api-key": FREE_KEY}).allowed

    decision = gateway.decide("GET", "/pets", headers={"x-api-key": FREE_KEY})

    assert decision.reason is Reason.QUOTA_EXCEEDED
    assert decision.response is not None
    assert decision.response.status == 429
    clock.advance("1d")
    assert gateway.decide("GET", "/pets", headers={"x-api-key": FREE_KEY}).allowed
