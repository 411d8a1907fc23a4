"""Small ASGI apps and policies that the tests of the shell share."""

from __future__ import annotations

from typing import Any

from gatewaykit import Policy, Reason, Refusal, Request, Response
from gatewaykit.asgi.types import Message, Receive, Scope, Send

OPENING = ({"type": "http.response.start", "status": 200, "headers": ((b"content-type", b"text/plain"),)},)
CLOSING = ({"type": "http.response.body", "body": b"hello"},)


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with messages that are constants."""
    for message in (*OPENING, *CLOSING):
        await send(message)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Gives each piece of the body back as it comes; over a WebSocket, each text."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


async def breaks_before(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("before the response")


async def breaks_after(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"part", "more_body": True})
    raise LookupError("after the start")


class Recorder:
    """An app that keeps what it was called with, and answers 200."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.received: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Noting(Policy):
    """Notes which of its hooks ran, in a list that several of them share."""

    def __init__(self, name: str, notes: list[str], answer: Any = None) -> None:
        self.name, self.notes, self.answer = name, notes, answer

    def on_request(self, request: Request) -> Any:
        self.notes.append(f"{self.name} request")
        return request if self.answer is None else self.answer

    def on_head(self, request: Request, head: Any) -> None:
        self.notes.append(f"{self.name} head {head.status}")
        head.headers.append((b"x-seen-by", self.name.encode()))

    def on_end(self, request: Request) -> None:
        self.notes.append(f"{self.name} end {request.status}")


class Deciding(Policy):
    """A policy whose request hook is given."""

    def __init__(self, on_request: Any, reads_body: bool | int = False) -> None:
        self.on_request, self.reads_body = on_request, reads_body


class ReadsBody(Policy):
    """Wants the body, and lets every request through."""

    def __init__(self, limit: bool | int = True) -> None:
        self.reads_body = limit
        self.bodies: list[bytes | None] = []

    def on_request(self, request: Request) -> Request:
        self.bodies.append(request.body)
        return request


class Rewriting(Policy):
    """Shows what stands behind another request: a header and a query of its own, and the body in upper case."""

    rewrites = True

    def on_request(self, request: Request) -> Request:
        request.header_list = [(b"X-New", b"1"), *(field for field in request.header_list if field[0] != b"x-old")]
        request.headers = {name.lower(): value for name, value in request.header_list}
        request.query_string, request.query = b"page=2", {"page": ["2"]}
        if request.body is not None:
            request.body = request.body.upper()
        return request


class OnBody(Policy):
    """Makes the whole response upper case."""

    def on_body(self, request: Request, response: Response) -> Response:
        assert isinstance(response.body, bytes)
        return Response(response.status, response.headers, response.body.upper())


class WrapsBody(Policy):
    """Puts brackets around every chunk."""

    def wrap_body(self, request: Request, head: Any) -> Any:
        return lambda chunk, more: b"[" + chunk + b"]" if more else b"[" + chunk + b"]."


class Picky(Policy):
    """Takes the spaces out of a body, refuses one with an exclamation mark, and may hold back the head until then."""

    def __init__(self, *, holds_head: bool) -> None:
        self._holds_head = holds_head

    def wrap_body(self, request: Request, head: Any) -> Any:
        def wrapper(chunk: bytes, more: bool) -> bytes | Refusal:
            if b"!" in chunk:
                return Refusal(Reason.INTEGRATION_RESPONSE_INVALID, "too loud")
            return chunk.replace(b" ", b"")

        wrapper.holds_head = self._holds_head  # type: ignore[attr-defined]  # as the protocol of wrappers has it
        return wrapper


def refuse(reason: Reason = Reason.FORBIDDEN, detail: str = "for the operator") -> Deciding:
    return Deciding(lambda request: Refusal(reason, detail))
