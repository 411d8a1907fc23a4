"""What is tried to get past an API key, and what becomes of keys that held once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatewaykit import ApiKey, ConfigError, Gateway, PolicyMiddleware, VirtualClock, api_key
from gatewaykit.core.identity.api_key import hashed
from gatewaykit.deploy.key_stores import key_store
from gatewaykit.testing import Client
from tests.attacks.checks import leaks_nothing, message
from tests.conformance.documents import document, mock

KEY = "Uo9mBo4tZt0H2gGZBZSSW8pEdCl5yTMj"
OLD, OFF, ENDED = "former-key-0123456789", "disabled-key-0123456789", "expired-key-0123456789"
RELOAD_S = 2.0
NOW_S = VirtualClock().wall()
KEYS = [
    ApiKey(id="k1", name="acme", value=hashed(KEY), previous=hashed(OLD), previous_expires_s=NOW_S),
    ApiKey(id="k2", name="off", value=hashed(OFF), enabled=False),
    ApiKey(id="k3", name="ended", value=hashed(ENDED), expires_s=NOW_S),
]
SCHEMES = {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


def put(place: str, *keys: ApiKey) -> None:
    async def write() -> None:
        store = key_store(place, create=True)
        known = {key.id: key for key in await store.list()}
        assert await store.put(*((key, known.get(key.id)) for key in keys))
        await store.aclose()

    asyncio.run(write())


def a_definition(keys: list[ApiKey], place: str) -> Any:
    paths = {"/": {"get": {"security": [{"key": []}], **mock_operation()}}}
    return Gateway.from_openapi(
        {**document(paths), "components": {"securitySchemes": SCHEMES}}, key_store=place, clock=VirtualClock()
    )


def mock_operation() -> dict[str, Any]:
    return {"x-amazon-apigateway-integration": mock()}


DOORS: dict[str, Callable[[list[ApiKey], str], Any]] = {
    "a table": lambda keys, place: PolicyMiddleware(app, policies=[api_key(keys)], clock=VirtualClock()),
    "a file": lambda keys, place: PolicyMiddleware(app, policies=[api_key(place)], clock=VirtualClock()),
    "a database": lambda keys, place: PolicyMiddleware(
        app, policies=[api_key(f"sqlite:///{place.replace('.json', '.db')}")], clock=VirtualClock()
    ),
    "a definition": a_definition,
}


@pytest.fixture(params=DOORS)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    place = str(tmp_path / "keys.json")
    put(place, *KEYS)
    put(f"sqlite:///{tmp_path}/keys.db", *KEYS)
    door = DOORS[request.param](KEYS, place)
    yield Client(door)
    asyncio.run(door.aclose())


def test_the_key_itself_comes_in(client: Client) -> None:
    assert asyncio.run(client.get("/", headers={"x-api-key": KEY})).status == 200


ATTEMPTS: dict[str, tuple[str, Any]] = {
    "in the query": (f"/?x-api-key={KEY}&apikey={KEY}&api_key={KEY}&key={KEY}", {}),
    "in Authorization": ("/", {"authorization": f"Bearer {KEY}"}),
    "in a cookie": ("/", {"cookie": f"x-api-key={KEY}"}),
    "in a header that looks alike": ("/", {"x_api_key": KEY}),
    "its digest": ("/", {"x-api-key": hashed(KEY)}),
    "its bare digest": ("/", {"x-api-key": hashed(KEY)[7:]}),
    "in quotes": ("/", {"x-api-key": f'"{KEY}"'}),
    "in capitals": ("/", {"x-api-key": KEY.upper()}),
    "with a blank before it": ("/", {"x-api-key": f" {KEY}"}),
    "with a blank behind it": ("/", {"x-api-key": f"{KEY} "}),
    "with a tab": ("/", {"x-api-key": f"{KEY}\t"}),
    "with a NUL": ("/", {"x-api-key": f"{KEY}\0"}),
    "with a NUL and more": ("/", {"x-api-key": f"{KEY}\0more"}),
    "cut short": ("/", {"x-api-key": KEY[:-1]}),
    "with another end": ("/", {"x-api-key": KEY[:-1] + "x"}),
    "in a list": ("/", {"x-api-key": f"{KEY},{KEY}"}),
    "with an accent": ("/", {"x-api-key": KEY[:-1] + "\xe9"}),
    "a wildcard": ("/", {"x-api-key": "*"}),
    "empty": ("/", {"x-api-key": ""}),
    "the decoy": ("/", {"x-api-key": "0" * 64}),
    "64 kB": ("/", {"x-api-key": KEY * 2048}),
    "then another": ("/", [("x-api-key", KEY), ("x-api-key", "nobodys-key-0123456789")]),
    "then an empty one": ("/", [("x-api-key", KEY), ("x-api-key", "")]),
    "disabled": ("/", {"x-api-key": OFF}),
    "expired": ("/", {"x-api-key": ENDED}),
    "from before the rotation": ("/", {"x-api-key": OLD}),
}


@pytest.mark.parametrize(("path", "headers"), ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_nothing_but_the_key_comes_in(client: Client, path: str, headers: Any) -> None:
    answer = asyncio.run(client.get(path, headers=headers))

    assert (answer.status, answer.body) == (403, message("Forbidden"))
    leaks_nothing(answer)


def test_every_refusal_is_the_same_to_the_client(client: Client) -> None:
    sent = [{"x-api-key": value} for value in (OFF, ENDED, OLD, "nobodys-key-0123456789")] + [{}]
    answers = [asyncio.run(client.get("/", headers=headers)) for headers in sent]

    shown = {
        (answer.status, answer.body, tuple(field for field in answer.headers if b"id" not in field[0].lower()))
        for answer in answers
    }
    assert len(shown) == 1


@pytest.mark.parametrize("name", ["keys.json", "keys.yaml", "keys.db"])
@pytest.mark.parametrize("found", ["garbage", "a plain value", "nothing"])
def test_a_store_that_is_spoilt_lets_nobody_new_in_and_none_at_the_start(
    name: str, found: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = f"sqlite:///{tmp_path}/{name}" if name.endswith(".db") else str(tmp_path / name)
    put(place, *KEYS)
    clock = VirtualClock()
    running = PolicyMiddleware(app, policies=[api_key(place)], clock=clock)
    texts = {
        "garbage": '{"version": 1, "keys": [',
        "a plain value": '{"version": 1, "keys": [{"id": "x", "value": "in-the-clear-0123456789"}]}',
    }
    (tmp_path / "spoilt").write_text(texts.get(found, ""))
    if found == "nothing":
        (tmp_path / name).unlink()
    else:
        (tmp_path / "spoilt").replace(tmp_path / name)

    with pytest.raises(ConfigError):
        PolicyMiddleware(app, policies=[api_key(place)])
    clock.advance(RELOAD_S)
    for value, allowed in ((KEY, True), ("in-the-clear-0123456789", False), (OFF, False), ("", False)):
        assert running.decide("GET", "/", headers={"x-api-key": value}).allowed == allowed

    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "stay in force" in caplog.text
    assert "in-the-clear" not in caplog.text
    asyncio.run(running.aclose())


@pytest.mark.parametrize("name", ["keys.json", "keys.db"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda key: replace(key, enabled=False), id="disabled"),
        pytest.param(lambda key: replace(key, value=hashed("next-key-0123456789"), previous=""), id="rotated out"),
        pytest.param(lambda key: replace(key, expires_s=NOW_S + 1), id="ended"),
        pytest.param(lambda key: replace(key, stages=frozenset({"prod"})), id="held to another stage"),
    ],
)
def test_a_key_that_no_longer_holds_is_refused_within_the_interval(name: str, change: Any, tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path}/{name}" if name.endswith(".db") else str(tmp_path / name)
    key = ApiKey(id="k1", name="acme", value=hashed(KEY))
    put(place, key)
    clock = VirtualClock()
    running = PolicyMiddleware(app, policies=[api_key(place)], clock=clock)
    assert running.decide("GET", "/", headers={"x-api-key": KEY}).allowed

    put(place, change(key))
    clock.advance(RELOAD_S)

    assert not running.decide("GET", "/", headers={"x-api-key": KEY}).allowed
    asyncio.run(running.aclose())


async def _verb(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    names = [name.decode() for name, _ in scope["headers"]]
    told = f"{scope['method']}{' overridden' * ('x-http-method-override' in names)}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": told})


def _with_an_open_verb() -> Client:
    app = {"x-gatewaykit": {"app": "back"}}
    closed = {"security": [{"key": []}], "responses": {}, **app}
    made = document({"/a": {"get": closed, "post": {"responses": {}, **app}}})
    schemes = {"components": {"securitySchemes": SCHEMES}}
    return Client(Gateway.from_openapi({**made, **schemes}, apps={"back": _verb}, profile="aws"))


async def test_an_app_serves_the_verb_that_was_decided_on() -> None:
    """Else it would do what GET does, by the policies of POST."""
    client = _with_an_open_verb()

    answers = [await client.get("/a", headers={"X-HTTP-Method-Override": verb}) for verb in ("POST", "get", "x")]

    assert [(answer.status, answer.body) for answer in answers[:1]] == [(200, b"POST")]
    assert [answer.status for answer in answers[1:]] == [403, 403]


async def test_a_handshake_is_decided_on_as_a_get_whatever_it_says() -> None:
    client = _with_an_open_verb()

    async with client.websocket("/a", headers={"X-HTTP-Method-Override": "POST"}) as socket:
        refusal = socket.refusal

    assert refusal is not None
    assert refusal.status == 403
