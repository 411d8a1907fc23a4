"""An in-process ASGI client: no socket, no server; every message the app sends is recorded and checked.

    client = Client(app)
    answer = await client.get("/items/1", headers={"x-api-key": KEY})
    assert answer.status == 200 and answer.json() == {"id": 1}

Bodies can be fed whole, byte by byte, in chunks, or cut off by a client that leaves; `open` drives a request message by
message. What the app raises is on the result, as a server would have logged it: `raised`.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes

from gatewaykit.gateway.requests import tls_with
from gatewaykit.testing.messages import AsgiViolation, ResponseRules
from gatewaykit.testing.websocket import WebSocket

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp, Message, Scope

__all__ = ["Client", "Exchange", "Result"]

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]] | None
Feed = str | Sequence[bytes]

_CHUNK_BYTES = 1000


class Result:
    """What a client got: status, headers and body as on the wire, each message as sent, and what the app raised."""

    def __init__(self, rules: ResponseRules, messages: list[Message], raised: BaseException | None) -> None:
        self._rules, self.messages, self.raised = rules, messages, raised

    @property
    def started(self) -> bool:
        """Whether there was a response at all."""
        return self._rules.status is not None

    @property
    def complete(self) -> bool:
        """Whether the response came to its end."""
        return self._rules.done

    @property
    def status(self) -> int:
        if self._rules.status is None:
            raise AssertionError("the app sent no response") from self.raised
        return self._rules.status

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Every header field, in order."""
        return self._rules.headers

    def header(self, name: str) -> str | None:
        """The value of a header field, several joined by `, `; None where it was not sent."""
        wanted = name.lower().encode("latin-1")
        values = [value.decode("latin-1") for key, value in self.headers if key.lower() == wanted]
        return ", ".join(values) if values else None

    @property
    def body(self) -> bytes:
        return self._rules.body

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<Result {self._rules.status} {self.body[:200]!r} raised={self.raised!r}>"


class Exchange:
    """One request, driven message by message: feed its body, read the response as it comes, leave in the middle."""

    def __init__(self, app: ASGIApp, scope: Scope, *, any_casing: bool = False) -> None:
        self.messages: list[Message] = []
        self._rules = ResponseRules(scope["method"], scope["extensions"], any_casing=any_casing)
        self._incoming: deque[Message] = deque()
        self._seen = 0
        self._left = False
        self._violation: AsgiViolation | None = None
        self._changed = asyncio.Event()  # something came in, went out, or ended
        self._app = asyncio.ensure_future(app(scope, self._receive, self._send))
        self._app.add_done_callback(lambda _: self._changed.set())

    def feed(self, chunk: bytes, *, more: bool = True) -> None:
        """Give the app a piece of the body; the last one with `more=False`."""
        self._put({"type": "http.request", "body": chunk, "more_body": more})

    def leave(self) -> None:
        """Close the connection: the app is told as soon as it has taken what was fed."""
        self._put({"type": "http.disconnect"})

    async def next_message(self) -> Message:
        """The next message that the app sends. Raises AssertionError when it ends without one."""
        await self._until(lambda: self._seen < len(self.messages) or self._app.done())
        if self._seen == len(self.messages):
            raise AssertionError("the app sent nothing more") from _exception(self._app)
        self._seen += 1
        return self.messages[self._seen - 1]

    async def result(self) -> Result:
        """Wait for the app to end. Raises AsgiViolation when it broke the contract."""
        await self._until(self._app.done)
        raised = _exception(self._app)
        if self._violation is not None:
            raise self._violation from raised
        if raised is None and not self._left:
            self._rules.finish()
        return Result(self._rules, self.messages, raised)

    async def cancel(self) -> None:
        """Cancel the app, as a server does that shuts down, and wait for its end."""
        self._app.cancel()
        await asyncio.wait([self._app])

    def _put(self, message: Message) -> None:
        self._incoming.append(message)
        self._changed.set()

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._changed.clear()
            await self._changed.wait()

    async def _receive(self) -> Message:
        # Servers tell an app that listens on after its response that the client is gone.
        await self._until(lambda: bool(self._incoming) or self._left or self._rules.done)
        if self._left or not self._incoming:
            return {"type": "http.disconnect"}
        message = self._incoming.popleft()
        self._left = message["type"] == "http.disconnect"
        return message

    async def _send(self, message: Message) -> None:
        if self._left:
            return  # as most servers do: what nobody is left to read goes nowhere
        try:
            self._rules.take(message)
        except AsgiViolation as violation:
            self._violation = self._violation or violation
            raise
        self.messages.append(message)
        self._changed.set()


class Client:
    """A client of an ASGI app. The options are what the server behind it would put into the scope.

    `any_casing` forgives header names that are not in lower case, as Django sends them against the rules of ASGI.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        root_path: str = "",
        scheme: str = "http",
        client: tuple[str, int] | None = ("127.0.0.1", 50000),
        http_version: str = "1.1",
        extensions: Collection[str] = (),
        any_casing: bool = False,
        timeout_s: float = 30.0,
    ) -> None:
        self.app = app
        self.any_casing, self.timeout_s = any_casing, timeout_s
        self._root_path, self._scheme, self._client = root_path, scheme, client
        self._http_version, self._extensions = http_version, tuple(extensions)
        self._state: dict[str, Any] = {}

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Headers = None,
        body: bytes | str = b"",
        feed: Feed = "whole",
        disconnect_after: int | None = None,
        **scope: Any,
    ) -> Result:
        """One request. `path` may carry a query string and percent-encoding; `root_path` is put before it.

        `feed` is `"whole"`, `"bytes"` (one by one), `"chunks"` (of a thousand, with empty ones between), or the chunks
        themselves. A Content-Length goes with a body, unless the headers say how it is framed. With
        `disconnect_after=n` the client leaves after n bytes of body; after all of them, once the body is complete.
        `client_cert` is the certificate it came with over TLS: PEM, or a list with the whole chain. More keywords
        replace parts of the scope (`root_path`, `scheme`, `client`, `extensions`, …).
        """
        data = body.encode() if isinstance(body, str) else body
        headers = _framed(headers, data)
        async with self.open(method, path, headers=headers, **scope) as exchange:
            for message in _messages(data, feed, disconnect_after):
                exchange._put(message)
            async with self._in_time():
                return await exchange.result()

    async def get(self, path: str, **options: Any) -> Result:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Result:
        return await self.request("POST", path, **options)

    async def options(self, path: str, **options: Any) -> Result:
        return await self.request("OPTIONS", path, **options)

    @asynccontextmanager
    async def open(self, method: str, path: str, *, headers: Headers = None, **scope: Any) -> AsyncIterator[Exchange]:
        """A request to be driven by hand; its app is cancelled when the block is left."""
        made = self._scope("http", path, headers, {"method": method, **scope})
        exchange = Exchange(self.app, made, any_casing=self.any_casing)
        try:
            yield exchange
        finally:
            await exchange.cancel()

    @asynccontextmanager
    async def websocket(
        self, path: str, *, headers: Headers = None, subprotocols: Sequence[str] = (), denial: bool = True, **scope: Any
    ) -> AsyncIterator[WebSocket]:
        """A WebSocket, after its handshake: accepted, or refused (`refusal`, `close_code`).

        `denial` tells the app that a handshake may be answered with an HTTP response.
        """
        extensions = {*self._extensions, *(("websocket.http.response",) if denial else ())}
        made = self._scope(
            "websocket", path, headers, {"subprotocols": list(subprotocols), "extensions": extensions, **scope}
        )
        socket = WebSocket(self.app, made)
        try:
            async with self._in_time():
                await socket.handshake()
            yield socket
        finally:
            await socket.end()

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[Client]:
        """Start the app up, and shut it down at the end of the block. Raises AssertionError when it refuses to."""
        incoming: asyncio.Queue[Message] = asyncio.Queue()
        outgoing: asyncio.Queue[Message] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        app = asyncio.ensure_future(self.app(scope, incoming.get, outgoing.put))

        async def ask(what: str) -> None:
            incoming.put_nowait({"type": f"lifespan.{what}"})
            answer = asyncio.ensure_future(outgoing.get())
            await asyncio.wait([answer, app], return_when=asyncio.FIRST_COMPLETED, timeout=self.timeout_s)
            if not answer.done() or (message := answer.result())["type"] != f"lifespan.{what}.complete":
                answer.cancel()
                told = message.get("message") if answer.done() and not answer.cancelled() else "no answer"
                raise AssertionError(f"{what} failed: {told}") from (_exception(app) if app.done() else None)

        try:
            await ask("startup")
            yield self
            await ask("shutdown")
        finally:
            app.cancel()
            await asyncio.wait([app])

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.timeout_s) as scope:
                yield
        except TimeoutError:
            if scope.expired():
                raise AssertionError(f"the app did not end within {self.timeout_s:g} s") from None
            raise

    def _scope(self, kind: str, path: str, headers: Headers, given: dict[str, Any]) -> Scope:
        target, _, query = path.partition("?")
        raw = quote(target, safe="/%:@!$&'()*+,;=~-._").encode()
        root: str = given.get("root_path", self._root_path)
        certificate = given.pop("client_cert", None)
        scope = {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": self._http_version,
            "scheme": {"http": self._scheme, "websocket": "wss" if self._scheme == "https" else "ws"}[kind],
            "path": root + unquote_to_bytes(raw).decode("utf-8", "replace"),
            "raw_path": quote(root).encode() + raw,
            "query_string": query.encode(),
            "headers": _header_list(headers),
            "client": self._client,
            "server": ("127.0.0.1", 80),
            "state": self._state.copy(),
            "root_path": root,
            **given,
        }
        scope["extensions"] = {name: {} for name in given.get("extensions", self._extensions)}
        if certificate is not None:
            scope["extensions"]["tls"] = tls_with(certificate)
        return scope


def _header_list(headers: Headers) -> list[tuple[bytes, bytes]]:
    pairs = headers.items() if isinstance(headers, Mapping) else (headers or ())
    return [(_bytes(name).lower(), _bytes(value)) for name, value in pairs]


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def _messages(body: bytes, feed: Feed, disconnect_after: int | None) -> list[Message]:
    """The body as the app will receive it."""
    chunks = _split(body, feed)
    messages: list[Message] = []
    left = sum(map(len, chunks)) if disconnect_after is None else disconnect_after
    for position, chunk in enumerate(chunks):
        last = position == len(chunks) - 1
        if len(chunk) > left:
            messages.append({"type": "http.request", "body": chunk[:left], "more_body": True})
            break
        left -= len(chunk)
        messages.append({"type": "http.request", "body": chunk, "more_body": not last})
    if disconnect_after is not None:
        messages.append({"type": "http.disconnect"})
    return messages


def _split(body: bytes, feed: Feed) -> list[bytes]:
    if not isinstance(feed, str):
        return list(feed) or [b""]
    if feed == "whole":
        return [body]
    if feed == "bytes":
        return [body[at : at + 1] for at in range(len(body))] or [b""]
    if feed == "chunks":
        pieces = [body[at : at + _CHUNK_BYTES] for at in range(0, len(body), _CHUNK_BYTES)]
        return [part for piece in pieces for part in (piece, b"")] or [b""]
    raise ValueError(f"feed is {feed!r}; write 'whole', 'bytes', 'chunks', or the chunks themselves")


def _exception(app: asyncio.Future[None]) -> BaseException | None:
    return asyncio.CancelledError() if app.cancelled() else app.exception()


def _framed(headers: Headers, body: bytes) -> Headers:
    """With a Content-Length where there is a body and nothing says how it is framed, as every real client sends."""
    fields = list(headers.items() if isinstance(headers, Mapping) else headers or ())
    names = {(name.decode("latin-1") if isinstance(name, bytes) else name).lower() for name, _ in fields}
    if body and not names & {"content-length", "transfer-encoding"}:
        fields.append(("content-length", str(len(body))))
    return fields
