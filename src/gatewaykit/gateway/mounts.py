"""Several gateways under one server, each behind its base path, as API mappings of a custom domain do it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from gatewaykit.asgi.front import serve_endpoint
from gatewaykit.asgi.ids import IDS
from gatewaykit.asgi.lifespan import answer_lifespan, lifespan_of_apps
from gatewaykit.asgi.scope import asgi_request
from gatewaykit.asgi.shell import deny_handshake
from gatewaykit.core.body import MAX_BODY_BYTES
from gatewaykit.core.gateway_response import compile_renderer
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.deploy.rules import bind_policy
from gatewaykit.deploy.runtime import make_runtime
from gatewaykit.pipeline.chain import Chain
from gatewaykit.policies.client_address import ClientAddress
from gatewaykit.policies.envelope import Envelope
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp, Receive, Scope, Send
    from gatewaykit.core.http import Request
    from gatewaykit.gateway.gateway import Gateway

__all__ = ["Mounts"]


class Mounts:
    """An ASGI app: the longest base path that fits decides. A path behind none is a 403, as on a custom domain.

    `logs` are the policies that also see those. `apps` are the apps behind the gateways, whose lifespans are run here:
    the gateways' own are not asked for.
    """

    def __init__(
        self,
        gateways: Mapping[str, Gateway],
        *,
        logs: Sequence[Policy] = (),
        apps: Sequence[ASGIApp] = (),
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        self.gateways = {path.strip("/"): gateway for path, gateway in gateways.items()}
        self._longest_first = sorted(
            ((f"/{path}" if path else "", gateway) for path, gateway in self.gateways.items()),
            key=lambda mount: -len(mount[0]),
        )
        runtime = make_runtime(profile="aws")
        self._logs = [bind_policy(log, runtime) for log in logs]
        self._apps = tuple({id(app): app for app in apps}.values())  # one app may have several names
        before = [ClientAddress(trusted_proxies)] if trusted_proxies else []
        members = [*before, Envelope(IDS), *self._logs, _NoApi()]
        self._missing = Chain(members, None, compile_renderer(profile="aws"), MAX_BODY_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            if self._apps:
                await lifespan_of_apps(self._apps, scope, receive, send, self.aclose)
            else:
                await answer_lifespan(receive, send, self.aclose)
            return
        root: str = scope.get("root_path", "")
        path: str = scope["path"][len(root) :]
        for prefix, gateway in self._longest_first:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                inner = {**scope, "root_path": root + prefix} if prefix else scope
                await gateway(inner, receive, send)
                return
        request = asgi_request(scope, receive)
        if scope["type"] == "websocket":
            request.body = b""  # a handshake has none
            try:
                answer = self._missing.start(request)
                refusal = cast("Refusal", await answer if isinstance(answer, Awaitable) else answer)
                await deny_handshake(self._missing, request, refusal, request.reached, receive, send)
            finally:
                self._missing.end(request)
        else:
            await serve_endpoint(self._missing, request, send)

    async def aclose(self) -> None:
        for gateway in self.gateways.values():
            await gateway.aclose()
        for log in self._logs:
            await log.aclose()


class _NoApi(Policy):
    name = "route"

    def on_request(self, request: Request) -> Refusal:
        return Refusal(Reason.STAGE_NOT_FOUND, _detail(request))


def _detail(request: Request) -> str:
    return f"no API is mounted where {request.path} is"
