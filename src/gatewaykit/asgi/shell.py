"""Policies around an app: one hop, whatever their number.

Rules
* `send` is wrapped once, by a plain function that hands on the server's own awaitable: no frame per chunk.
* What the app sent is never changed in place: its messages and header lists may be constants.
* An exception before the response becomes the chain's 500, so that its hooks see it, and goes on up: the server and an
  outer error handler still learn of it. After the response has started it only goes up. One that the app around this
  one has an answer to (Starlette's HTTPException in a mount) gets that answer, and is no failure.
* The view in `state` is taken away at the end: what stays on the scope outlives the request. The view of a shell
  further out, with another middleware between, comes back.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Protocol, cast

from gatewaykit.asgi.body import replay
from gatewaykit.asgi.front import send_watched
from gatewaykit.asgi.handlers_outside import answered_outside
from gatewaykit.asgi.lanes import lane_of
from gatewaykit.asgi.lifespan import pass_lifespan
from gatewaykit.asgi.scope import STATE_KEY, AsgiRequest, asgi_request, hide, rewritten, view_of
from gatewaykit.asgi.sending import close_code, send_response
from gatewaykit.core.body import BodyRefused
from gatewaykit.core.http import Head, Request, Response
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.pipeline.chain import Chain, drop_content_length, failure, taken
from gatewaykit.pipeline.record import log_failure, log_hook_failure
from gatewaykit.pipeline.way import Way

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp, Message, Receive, Scope, Send
    from gatewaykit.ports import Answer, BodyWrapper, Outcome

__all__ = ["Shell", "deny_handshake", "fail", "without_shortcuts"]

_OUTCOMES = frozenset((Response, Refusal))
_WEBSOCKET_LEFT = frozenset(("ClientDisconnected", "WebSocketDisconnect"))  # uvicorn's, Starlette's: no failure
_STREAM_EXTENSIONS = ("http.response.pathsend", "http.response.zerocopysend")


class Selects(Protocol):
    """Finds the chain of a request, where rules decide it."""

    def chain(self, request: Request) -> Chain: ...


class Shell:
    """Policies around an app, as an ASGI app. `rules` finds the chain of a request; without any, it is `chain`."""

    def __init__(self, app: ASGIApp, chain: Chain, rules: Selects | None = None) -> None:
        self._app, self._chain, self._rules = app, chain, rules
        alone = chain.policies
        self._lane, self._has_view = lane_of(alone[0]) if rules is None and len(alone) == 1 else (None, False)
        self._direct = rules is None and bool(alone)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, request: AsgiRequest | None = None) -> None:
        """Serve a scope. A gateway gives the `request` it has routed already."""
        if (
            (lane := self._lane) is not None
            and request is None
            and scope["type"] == "http"
            and (way := lane(scope, send)) is not None
        ):
            if isinstance(way, tuple):
                start, body = way
                await send(start)
                await send(body)
                return
            try:
                await self._app(scope, receive, way.send)
            except Exception as error:
                if not await fail(self._chain, asgi_request(scope, receive), error, way.started, send, way.send):
                    raise
            finally:
                if self._has_view:
                    try:
                        del scope["state"][STATE_KEY]
                    except KeyError:
                        pass  # the app did
            return
        app, chain = self._app, self._chain
        if not self._direct or scope["type"] != "http":
            if scope["type"] != "http":
                await self._other(scope, receive, send, request)
                return
            if self._rules is not None:
                request = request or asgi_request(scope, receive)
                chain = self._rules.chain(request)
            if not chain.policies:
                await app(scope, receive, send)
                return
        # From here on in one frame: a coroutine that only awaits another costs as much as a policy.
        if request is None:
            request = asgi_request(scope, receive)
        try:
            answer: Any = chain.start(request)  # a cast, in what follows, is a call
            if answer is not request:
                if type(answer) not in _OUTCOMES:
                    answer = await answer
                if answer is not request:
                    await _answer(chain, request, answer, request.reached, send)
                    return
            state = request.state
            if state is None:
                scope = {**scope, "state": (state := {})}
            state[STATE_KEY] = request if request.outer is None else view_of(request)
            outgoing: Send
            request.amend, request.send, outgoing = chain.way.amend, send, request.send_amended
            if not chain.straight:
                if request.body is not None:
                    receive = replay(request.body, receive)
                if chain.rewrites:
                    scope = rewritten(scope, request)
                if chain.way.bodies or chain.way.wraps:
                    scope = without_shortcuts(scope)
                    buffers = bool(chain.way.bodies)
                    outgoing = _buffering(chain, request, send) if buffers else _transforming(chain, request, send)
            try:
                await app(scope, receive, outgoing)
            except Exception as error:
                if not await fail(chain, request, error, request.status != 0, send, outgoing):
                    raise
            finally:
                if request.outer is not None:
                    state[STATE_KEY] = request.outer
                elif STATE_KEY in state:  # as `hide`, without the call
                    del state[STATE_KEY]
        finally:
            for hook in chain.ends:  # as `chain.end`, without the call
                try:
                    hook(request)
                except Exception as error:  # noqa: BLE001 - as there
                    log_hook_failure(request, hook, error)

    async def _other(self, scope: Scope, receive: Receive, send: Send, request: AsgiRequest | None) -> None:
        kind = scope["type"]
        if kind == "websocket":
            request = request or asgi_request(scope, receive)
            chain = self._chain if self._rules is None else self._rules.chain(request)
            await _around_websocket(self._app, chain, request, scope, receive, send)
        elif kind == "lifespan":
            await pass_lifespan(self._app, scope, receive, send, self.aclose)
        else:
            await self._app(scope, receive, send)

    async def aclose(self) -> None:
        """Close what the chain opened. It opens again when needed."""
        await self._chain.aclose()


class _Answered(BodyRefused):
    """Another answer than the app's is out, and whole: what would go on sending is told to end."""


async def fail(chain: Chain, request: AsgiRequest, error: Exception, started: bool, send: Send, outgoing: Send) -> bool:
    """What an app that raised amounts to: a 500 through the chain's hooks, or only a record once it had `started`.

    True where there is no more to say: the app around this one has an answer, which then went `outgoing` as an app's
    own, or another answer than the app's is out.
    """
    if isinstance(error, _Answered):
        return True
    if not started and await answered_outside(request.scope, request.receive, outgoing, error):
        return True
    refusal = failure(request, error)
    if started:
        if refusal is not request.refusal:  # else it is in the log already
            log_failure(request, refusal)
    else:
        await _answer(chain, request, refusal, chain.way, send)
    return False


async def _answer(chain: Chain, request: AsgiRequest, outcome: Outcome, way: Way, send: Send) -> None:
    response = await chain.finish(request, outcome, way)
    if type(outcome) is Refusal and outcome.reason is Reason.CLIENT_GONE:
        return
    if isinstance(response.body, bytes):
        await send_response(send, request, response)
    else:
        await send_watched(send, request, response)


def _transforming(chain: Chain, request: AsgiRequest, send: Send) -> Send:
    """As `AsgiRequest.send_amended`, with each chunk of the body through the wrappers that want it."""
    way = chain.way
    wrappers: list[BodyWrapper] = []
    held: Message | None = None  # a start that a wrapper holds back
    answered = False  # for a body that was refused before its head was out
    broken: BodyRefused | None = None  # it was out

    def started(message: Message) -> Message:
        head = Head(message["status"], message["headers"])
        if way.amend is not None:
            way.amend(request, head)
        request.status = head.status
        return {**message, "status": head.status, "headers": head.headers}

    def transform(message: Message) -> Awaitable[None]:
        nonlocal held, answered, broken
        kind = message["type"]
        if kind == "http.response.start":
            head = Head(message["status"], [*message.get("headers", ())])
            for wrap in way.wraps:
                if (wrapper := wrap(request, head)) is not None:
                    wrappers.append(wrapper)
                    if not getattr(wrapper, "observes", False):
                        drop_content_length(head)
            message = {**message, "status": head.status, "headers": head.headers}
            if any(getattr(wrapper, "holds_head", False) for wrapper in wrappers):
                held = message
                return _send_all(send)
            message = started(message)
        elif kind == "http.response.body":
            if broken is not None:
                raise broken
            if answered:
                raise _Answered(cast(Refusal, request.refusal))
            body, more = message.get("body", b""), message.get("more_body", False)
            try:
                for wrapper in wrappers:
                    body = taken(wrapper(body, more))
            except BodyRefused as error:
                if held is None:
                    broken, request.refusal = error, error.refusal
                    log_failure(request, error.refusal, error)
                    raise  # the app breaks off, and the connection with it
                answered = True
                return _answer(chain, request, error.refusal, way.of_heads(), send)
            request.sent_bytes += len(body)
            message = {**message, "body": body}
            if held is not None:
                if more and not body:
                    return _send_all(send)
                start, held = started(held), None
                return _send_all(send, start, message)
        return send(message)

    return transform


async def _send_all(send: Send, *messages: Message) -> None:
    for message in messages:
        await send(message)


def _buffering(chain: Chain, request: AsgiRequest, send: Send) -> Send:
    """Collect the response, bounded, because a policy wants to see it whole."""
    response = Response(500)
    parts: list[bytes] = []
    size = 0
    too_large: Refusal | None = None

    async def collect(message: Message) -> None:
        nonlocal size, too_large
        if too_large is not None:
            raise _Answered(too_large)
        if message["type"] == "http.response.start":
            response.status, response.headers = message["status"], [*message.get("headers", ())]
        elif message["type"] == "http.response.body" and not request.status:
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > chain.max_body_bytes:
                too_large = Refusal(Reason.INTEGRATION_RESPONSE_TOO_LARGE, f"over {chain.max_body_bytes} bytes")
                await _answer(chain, request, too_large, chain.way.of_heads(), send)
                return
            parts.append(chunk)
            if not message.get("more_body", False):
                response.body = b"".join(parts)
                await _answer(chain, request, response, chain.way, send)

    return collect


def without_shortcuts(scope: Scope) -> Scope:
    """Without the extensions by which an app could send a file past us."""
    extensions = scope.get("extensions")
    if not extensions or not any(name in extensions for name in _STREAM_EXTENSIONS):
        return scope
    return {**scope, "extensions": {k: v for k, v in extensions.items() if k not in _STREAM_EXTENSIONS}}


async def _around_websocket(
    app: ASGIApp, chain: Chain, request: AsgiRequest, scope: Scope, receive: Receive, send: Send
) -> None:
    """One WebSocket handshake through the same request hooks; a refusal denies it."""
    request.body = b""  # a handshake has none, and a policy that wants one must not wait for it
    answer = chain.start(request)
    try:
        if answer is not request and type(answer) not in _OUTCOMES:
            answer = await cast("Awaitable[Answer]", answer)
        if answer is not request:
            await deny_handshake(chain, request, cast("Outcome", answer), request.reached, receive, send)
            return
        if chain.rewrites:
            scope = rewritten(scope, request)
        state = request.state
        if state is None:
            scope = {**scope, "state": (state := {})}
        state[STATE_KEY] = view_of(request)
        change = chain.way.amend

        def amend(message: Message) -> Awaitable[None]:
            kind = message["type"]
            if kind == "websocket.accept" or kind == "websocket.http.response.start":
                head = Head(message.get("status", 101), [*message.get("headers", ())])
                if change is not None:
                    change(request, head)
                request.status = head.status
                message = {**message, "headers": head.headers}
                if "status" in message:
                    message["status"] = head.status
            elif kind == "websocket.close" and not request.status:
                request.status = 403  # what a server answers to a handshake that was closed
            return send(message)

        connected = False

        def receiving() -> Awaitable[Message]:
            nonlocal connected
            connected = True
            return receive()

        try:
            await app(scope, receiving, amend)
        except Exception as error:
            if request.status:
                if type(error).__name__ not in _WEBSOCKET_LEFT:
                    log_failure(request, failure(request, error))
            elif await answered_outside(scope, receive, amend, error):
                return
            else:
                if not connected:
                    await receive()  # websocket.connect
                await _deny(chain, request, failure(request, error), chain.way, send)
            raise
        finally:
            hide(state, request.outer)
    finally:
        chain.end(request)


async def deny_handshake(
    chain: Chain, request: Request, outcome: Outcome, way: Way, receive: Receive, send: Send
) -> None:
    """Answer a handshake with HTTP where the server can (the denial response extension), else close it."""
    await receive()  # websocket.connect: nothing may be sent before it
    await _deny(chain, request, outcome, way, send)


async def _deny(chain: Chain, request: Request, outcome: Outcome, way: Way, send: Send) -> None:
    response = await chain.finish(request, outcome, way)
    if "websocket.http.response" in (cast(AsgiRequest, request).scope.get("extensions") or ()):
        await send_response(send, request, response, prefix="websocket.")
    else:
        await send({"type": "websocket.close", "code": close_code(response.status), "reason": ""})
