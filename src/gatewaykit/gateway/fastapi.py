"""What the policies learned as FastAPI dependencies, with their security schemes in `/docs`.

    from gatewaykit import Identity, identity

    @app.get("/items")
    async def items(caller: Annotated[Identity, Depends(identity)]): ...

The policies in front do the proving; these only hand on what they proved, to routes and WebSockets alike.
"""

from __future__ import annotations

try:
    from fastapi import HTTPException, WebSocketException
    from fastapi.openapi.models import HTTPBase
    from fastapi.security import APIKeyHeader, SecurityScopes
    from fastapi.security.base import SecurityBase
    from starlette.requests import HTTPConnection
except ModuleNotFoundError:
    raise ModuleNotFoundError('gatewaykit.identity needs FastAPI; run: pip install "gatewaykit[fastapi]"') from None

from gatewaykit.asgi.scope import STATE_KEY, View
from gatewaykit.core.http import Identity

__all__ = ["identity", "identity_from", "optional_identity"]


class OptionalIdentity(SecurityBase):
    """A dependency that gives who is calling, or None. Shown in `/docs` as the scheme it was made with."""

    def __init__(self, scheme: SecurityBase) -> None:
        self.model, self.scheme_name = scheme.model, scheme.scheme_name

    def __call__(self, connection: HTTPConnection) -> Identity | None:
        view: View | None = connection.scope.get("state", {}).get(STATE_KEY)
        return None if view is None else view.identity


class RequiredIdentity(OptionalIdentity):
    """A dependency that gives who is calling.

    Where no policy has proved it, the route answers 401 (a WebSocket is closed with 1008): that a route asks for a
    caller and no policy stands before it must not pass unseen. `Security(identity, scopes=[…])` asks for scopes as
    well; a caller without them gets 403.
    """

    def __call__(  # type: ignore[override]  # FastAPI reads the signature: this one asks for scopes too
        self, connection: HTTPConnection, asked: SecurityScopes
    ) -> Identity:
        caller = OptionalIdentity.__call__(self, connection)
        if caller is None:
            raise self._refused(connection, 401, "Not authenticated", self._challenge())
        missing = [scope for scope in asked.scopes if scope not in caller.scopes]
        if missing:
            challenge = f'{self._challenge()} error="insufficient_scope", scope="{asked.scope_str}"'
            raise self._refused(connection, 403, "Not enough permissions", challenge)
        return caller

    def _refused(self, connection: HTTPConnection, status: int, detail: str, challenge: str) -> Exception:
        if connection.scope["type"] == "websocket":
            return WebSocketException(code=1008, reason=detail)
        return HTTPException(status, detail, headers={"WWW-Authenticate": challenge})

    def _challenge(self) -> str:
        if isinstance(self.model, HTTPBase):
            return self.model.scheme.title()
        return "APIKey" if getattr(self.model, "type_", None) == _API_KEY.model.type_ else "Bearer"


def identity_from(scheme: SecurityBase) -> RequiredIdentity:
    """`identity`, shown in `/docs` as another security scheme, such as `HTTPBearer()` or `OAuth2…`.

    The scheme is for the documentation; it does not look at requests.
    """
    return RequiredIdentity(scheme)


_API_KEY = APIKeyHeader(name="x-api-key", scheme_name="api_key", auto_error=False)

identity = RequiredIdentity(_API_KEY)
optional_identity = OptionalIdentity(_API_KEY)
