"""`identity` as a FastAPI dependency, and its security schemes in the document."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Security, WebSocket
from fastapi.security import HTTPBearer, OAuth2PasswordBearer

from gatewaykit import Identity, PolicyMiddleware, Request, identity
from gatewaykit.gateway.fastapi import identity_from, optional_identity
from gatewaykit.testing import Client
from tests.asgi.apps import Deciding

bearer = identity_from(HTTPBearer(scheme_name="token"))
oauth2 = identity_from(OAuth2PasswordBearer("/token"))


def make_app(*, proved: Identity | None) -> FastAPI:
    app = FastAPI()

    @app.get("/key")
    async def key(caller: Annotated[Identity, Depends(identity)]) -> str:
        return caller.principal

    @app.get("/sync")
    def sync(caller: Annotated[Identity, Depends(identity)]) -> str:
        return caller.principal

    @app.get("/bearer")
    async def by_bearer(caller: Annotated[Identity, Depends(bearer)]) -> str:
        return caller.principal

    @app.get("/scoped")
    async def scoped(caller: Annotated[Identity, Security(oauth2, scopes=["items:read"])]) -> str:
        return caller.principal

    @app.get("/optional")
    async def optional(caller: Annotated[Identity | None, Depends(optional_identity)]) -> str:
        return "nobody" if caller is None else caller.principal

    @app.websocket("/ws")
    async def ws(socket: WebSocket, caller: Annotated[Identity, Depends(identity)]) -> None:
        await socket.accept()
        await socket.send_text(caller.principal)

    def learn(request: Request) -> Request:
        request.identity = proved
        return request

    app.add_middleware(PolicyMiddleware, policies=[Deciding(learn)])
    return app


@pytest.mark.parametrize("path", ["/key", "/sync", "/bearer", "/scoped", "/optional"])
async def test_a_proved_identity_reaches_the_route(path: str) -> None:
    alice = Identity(principal="alice", scopes=("items:read",))

    answer = await Client(make_app(proved=alice)).get(path)

    assert (answer.status, answer.json()) == (200, "alice")


@pytest.mark.parametrize(
    ("path", "challenge"), [("/key", "APIKey"), ("/bearer", "Bearer"), ("/scoped", "Bearer")], ids=lambda each: each
)
@pytest.mark.parametrize("policies", [True, False], ids=["behind policies", "behind none"])
async def test_without_an_identity_a_route_that_needs_one_is_closed(path: str, challenge: str, policies: bool) -> None:
    app = make_app(proved=None)
    if not policies:
        app.user_middleware.clear()

    answer = await Client(app).get(path)

    assert (answer.status, answer.header("www-authenticate")) == (401, challenge)


async def test_without_an_identity_an_optional_one_is_none() -> None:
    answer = await Client(make_app(proved=None)).get("/optional")

    assert answer.json() == "nobody"


async def test_a_caller_without_the_scopes_that_a_route_asks_for_is_refused() -> None:
    answer = await Client(make_app(proved=Identity(principal="alice", scopes=("other",)))).get("/scoped")

    assert answer.status == 403
    assert answer.header("www-authenticate") == 'Bearer error="insufficient_scope", scope="items:read"'


async def test_a_websocket_gets_the_identity() -> None:
    async with Client(make_app(proved=Identity(principal="alice"))).websocket("/ws") as socket:
        assert await socket.receive() == "alice"


async def test_a_websocket_without_an_identity_is_closed() -> None:
    async with Client(make_app(proved=None)).websocket("/ws") as socket:
        pass

    assert (socket.accepted, socket.close_code) == (False, 1008)


def test_the_document_shows_the_security_schemes() -> None:
    document: dict[str, Any] = make_app(proved=None).openapi()

    schemes = document["components"]["securitySchemes"]
    assert schemes["api_key"] == {"type": "apiKey", "in": "header", "name": "x-api-key"}
    assert schemes["token"] == {"type": "http", "scheme": "bearer"}
    assert document["paths"]["/key"]["get"]["security"] == [{"api_key": []}]
    assert document["paths"]["/bearer"]["get"]["security"] == [{"token": []}]
    assert document["paths"]["/scoped"]["get"]["security"] == [{"OAuth2PasswordBearer": ["items:read"]}]


def test_without_fastapi_the_name_says_what_to_install() -> None:
    code = "import sys; sys.modules['fastapi'] = None; from gatewaykit import identity"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert result.stderr.splitlines()[-1].endswith('needs FastAPI; run: pip install "gatewaykit[fastapi]"')
