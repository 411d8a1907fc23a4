"""The short cut of a gateway's app that has the two ids on its answers and nothing else: no Request is made.

A request that names its own id or verb, a response that is refused or broken, goes the way of every other chain.
`benchmarks/bench_routing.py` guards the speed, `tests/asgi/test_envelope_lane.py` that both ways say the same.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from gatewaykit.asgi.ids import IDS
from gatewaykit.asgi.scope import STATE_KEY, View, asgi_request
from gatewaykit.asgi.shell import fail

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp, Message, Receive, Scope, Send
    from gatewaykit.core.http import Identity, LimitState
    from gatewaykit.pipeline.chain import Chain

__all__ = ["Enveloped", "takes_the_long_way"]

_LONG_WAY = frozenset((b"x-amzn-requestid", b"x-http-method-override"))


def takes_the_long_way(scope: Scope) -> bool:
    """Does the request choose its id or its verb?"""
    for name, _ in scope["headers"]:  # noqa: SIM110 - a generator would cost as much again
        if name in _LONG_WAY:
            return True
    return False


class Enveloped:
    """`app` with the two ids on every answer; `chain` is the envelope's, for an app that raises."""

    __slots__ = ("_app", "_chain")

    def __init__(self, app: ASGIApp, chain: Chain) -> None:
        self._app, self._chain = app, chain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.get("state")
        if state is None:
            scope = {**scope, "state": (state := {})}
        passing, outer = _Passing(), state.get(STATE_KEY)
        passing._scope, passing._send, passing._outer, passing._ids = scope, send, outer, IDS.pair()
        state[STATE_KEY] = passing
        try:
            await self._app(scope, receive, passing.send)
        except Exception as error:
            request = asgi_request(scope, receive)
            request.id, request.extended_id = (each.decode() for each in passing._ids)
            if not await fail(self._chain, request, error, hasattr(passing, "_has_started"), send, passing.send):
                raise
        finally:
            if outer is None:  # as `hide`, without the call
                state.pop(STATE_KEY, None)
            else:
                state[STATE_KEY] = outer


class _Passing:
    """A request on its way to the app: what `send` is to the app, and the view of a request of which nothing is known
    but its id."""

    __slots__ = ("_has_started", "_ids", "_outer", "_scope", "_send")

    _has_started: bool  # unset until it is known
    _ids: tuple[bytes, bytes]
    _outer: View | None
    _scope: Scope
    _send: Send

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self._has_started = True
            id, extended_id = self._ids
            ids = (b"x-amzn-requestid", id), (b"x-amz-apigw-id", extended_id)
            message = {**message, "headers": [*message.get("headers", ()), *ids]}
        send = self._send
        return send(message)

    @property
    def request_id(self) -> str:
        return self._ids[0].decode()

    @property
    def identity(self) -> Identity | None:
        return None if self._outer is None else self._outer.identity

    @property
    def limits(self) -> list[LimitState]:
        return [] if self._outer is None else self._outer.limits

    @property
    def address(self) -> str:
        client = self._scope.get("client")
        return self._outer.address if self._outer is not None else client[0] if client else ""
