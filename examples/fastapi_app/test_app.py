"""The policies of the app, tried in process."""

import asyncio
from typing import Any

from app import KEYS, app

from gatewaykit.testing import Client, Result

ACME = {"x-api-key": KEYS["acme"]}
GLOBEX = {"x-api-key": KEYS["globex"]}


def ask(method: str, path: str, **options: Any) -> Result:
    return asyncio.run(Client(app).request(method, path, **options))


def test_items_need_a_key() -> None:
    assert ask("GET", "/items/1").status == 403
    assert ask("GET", "/items/1", headers=ACME).json() == {"id": 1, "seen by": "acme"}


def test_each_key_has_a_limit_of_its_own() -> None:
    answers = [ask("GET", "/items/1", headers=GLOBEX).status for _ in range(4)]

    assert answers == [200, 200, 200, 429]


def test_an_order_is_checked_before_the_handler_sees_it() -> None:
    headers = {**ACME, "idempotency-key": "1", "content-type": "application/json"}

    assert ask("POST", "/items/1/orders", headers=headers, body='{"sku": 1}').json() == {
        "message": "Invalid request body"
    }
    assert ask("POST", "/items/1/orders", headers=headers, body='{"sku": "x"}').status == 201


def test_pages_of_the_shop_may_read_refusals() -> None:
    answer = ask("GET", "/items/1", headers={"origin": "https://shop.example"})

    assert answer.header("access-control-allow-origin") == "https://shop.example"


def test_the_websocket_needs_a_key_too() -> None:
    async def connect(headers: dict[str, str]) -> bool:
        async with Client(app).websocket("/prices", headers=headers) as socket:
            return socket.accepted

    assert not asyncio.run(connect({}))
    assert asyncio.run(connect(ACME))


def test_the_document_shows_the_key() -> None:
    assert ask("GET", "/openapi.json").json()["components"]["securitySchemes"]["api_key"]["name"] == "x-api-key"
