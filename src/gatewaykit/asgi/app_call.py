"""An ASGI app as an endpoint that is called in process: for `invoke`, where no server stands in front."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gatewaykit.core.http import Response

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp, Message, Scope
    from gatewaykit.core.http import Request

__all__ = ["AppCall", "scope_of"]


class AppCall:
    """Calls an app with a whole request and collects its whole response."""

    reads_body = True

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, request: Request) -> Response:
        response = Response(500)
        parts: list[bytes] = []
        given = False

        async def receive() -> Message:
            nonlocal given
            if given:
                await asyncio.get_running_loop().create_future()  # the caller stays: no disconnect will come
            given = True
            return {"type": "http.request", "body": request.body or b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                response.status, response.headers = message["status"], list(message.get("headers", ()))
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self._app(scope_of(request), receive, send)
        response.body = b"".join(parts)
        return response

    async def aclose(self) -> None:
        """Nothing is open."""


def scope_of(request: Request) -> Scope:
    """The scope that a server would have made of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.raw_path,
        "query_string": request.query_string,
        "root_path": request.root_path,
        "headers": [(name.lower(), value) for name, value in request.header_list],
        "client": request.client,
        "server": ("localhost", 80),
        "state": {},
    }
