"""What a user assembles today: FastAPI, CORSMiddleware, a dependency for the key, slowapi, fastjsonschema, airspeed.

Each in its cheapest documented form: `@limiter.limit` rather than slowapi's middleware, handlers that take the Request
and return a Response (no pydantic model, no jsonable_encoder), a template that is parsed once, and an access log that
is a plain ASGI function and a list rather than the standard logger.
"""

from __future__ import annotations

import json
from hashlib import sha256
from hmac import compare_digest
from time import time
from typing import Annotated, Any

import airspeed  # type: ignore[import-untyped]  # it has no types
import fastjsonschema
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import APIKeyHeader
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded

from benchmarks.stacks import facts
from benchmarks.stacks.fused import clf_time

__all__ = ["four", "plain", "plain_post", "six"]

_HEADER = APIKeyHeader(name="x-api-key", auto_error=False)
_DIGEST = sha256(facts.API_KEY.encode()).digest()
_KEYS = {_DIGEST: (_DIGEST, facts.PRINCIPAL)}
_DECOY = (bytes(32), "")
_HELLO = b'{"hello":"you"}'


def plain() -> Any:
    """FastAPI with one route and nothing around it."""
    app = FastAPI()

    @app.get("/hello")
    async def hello(request: Request) -> Response:
        return Response(_HELLO, media_type="application/json")

    return app


def plain_post() -> Any:
    """FastAPI with a route that answers with the body it got."""
    app = FastAPI()

    @app.post("/orders")
    async def orders(request: Request) -> Response:
        return Response(await request.body(), media_type="application/json")

    return app


def four() -> Any:
    app, limiter = _app()

    @app.get("/hello", dependencies=[Depends(_caller)])
    @limiter.limit(f"{facts.RATE}/second")
    async def hello(request: Request) -> Response:
        return Response(_HELLO, media_type="application/json")

    return app


def six() -> Any:
    app, limiter = _app()
    validate = fastjsonschema.compile(facts.SCHEMA, use_default=False)
    template = airspeed.Template(facts.TEMPLATE)

    @app.post("/orders", dependencies=[Depends(_caller)])
    @limiter.limit(f"{facts.RATE}/second")
    async def orders(request: Request) -> Response:
        try:
            order = json.loads(await request.body())
            validate(order)
        except (ValueError, fastjsonschema.JsonSchemaException):
            raise HTTPException(400, "Invalid request body") from None
        mapped = template.merge({"input": _Input(order)})
        return Response(mapped, media_type="application/json")

    return app


class _Input:
    """`$input` for a template that asks for the whole body."""

    def __init__(self, value: object) -> None:
        self._value = value

    def path(self, expression: str) -> object:
        assert expression == "$"
        return self._value


async def _caller(request: Request, key: Annotated[str | None, Depends(_HEADER)]) -> None:
    digest = sha256((key or "").encode()).digest()
    expected, principal = _KEYS.get(digest, _DECOY)
    if not compare_digest(digest, expected):
        raise HTTPException(403, "Forbidden")
    request.state.caller = principal


def _app() -> tuple[FastAPI, Limiter]:
    app, limiter = FastAPI(), Limiter(key_func=lambda request: request.state.caller)
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]  # as documented
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[facts.ORIGIN],
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "X-Api-Key"],
    )
    app.add_middleware(_AccessLog)
    return app, limiter


class _AccessLog:
    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        received, status, length = time(), 0, 0

        def counting(message: Any) -> Any:
            nonlocal status, length
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                length += len(message.get("body", b""))
            return send(message)

        try:
            await self._app(scope, receive, counting)
        finally:
            if scope["type"] == "http":
                client, principal = scope["client"], scope["state"].get("caller", "-")
                facts.LINES.append(
                    f"{client[0] if client else '-'} - {principal} [{clf_time(int(received))}] "
                    f'"{scope["method"]} {scope["raw_path"].decode("latin-1")} HTTP/{scope["http_version"]}" '
                    f"{status} {length}"
                )
