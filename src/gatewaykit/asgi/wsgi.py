"""WSGI apps (Flask, Django under WSGI) as ASGI apps, so that policies can stand before them.

a2wsgi runs the app on a pool of threads. What it leaves open is closed here: lifespan is answered, several Cookie
fields are joined as cookies are, fields whose names pass for others once `-` has become `_` are dropped, a query that
is no ASCII is percent-encoded, a body that breaks off is an error instead of a shorter body, and a client that leaves
frees the thread that was answering it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from gatewaykit.asgi.front import Gone, watched
from gatewaykit.asgi.lifespan import answer_lifespan
from gatewaykit.asgi.scope import STATE_KEY, asgi_request
from gatewaykit.core.body import ClientGone
from gatewaykit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from gatewaykit.asgi.types import ASGIApp, Message, Receive, Scope, Send
    from gatewaykit.core.http import HeaderList
    from gatewaykit.ports import BodySource

__all__ = ["ENVIRON_KEY", "wsgi_app"]

ENVIRON_KEY = "gatewaykit"
"""Where a WSGI app finds what the policies learned: the `View`, or None where no policy stands before it."""

_QUERY_SAFE = "".join(map(chr, range(0x21, 0x7F)))
_QUEUED_MESSAGES = 10


def wsgi_app(app: Callable[..., Iterable[bytes]], *, workers: int = 10) -> ASGIApp:
    """A WSGI app as an ASGI app, on `workers` threads. Raises ConfigError where the extra `wsgi` is not installed."""
    try:
        import a2wsgi  # noqa: F401 - only to say at once that it is missing
    except ImportError:
        mend = 'Run: pip install "gatewaykit[wsgi]"'
        raise ConfigError(Problem(where="wsgi_app", what="a2wsgi is not installed", mend=mend)) from None
    from concurrent.futures import ThreadPoolExecutor

    return _WsgiApp(app, ThreadPoolExecutor(workers, thread_name_prefix="wsgi"))


class _WsgiApp:
    def __init__(self, app: Callable[..., Iterable[bytes]], threads: ThreadPoolExecutor) -> None:
        self._app, self._threads = app, threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._respond(scope, receive, send)
        elif kind == "websocket":
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": 1000})  # which servers answer with 403: WSGI has none
        elif kind == "lifespan":
            await answer_lifespan(receive, send, self.aclose)
        else:
            raise RuntimeError(f"a WSGI app serves http, not {kind!r}")

    async def aclose(self) -> None:
        """Let the threads go once they have finished what they are doing."""
        self._threads.shutdown(wait=False)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        from a2wsgi.wsgi import WSGIResponder

        # a2wsgi's message types are total, as asgiref's are: plain dictionaries do not fit them.
        responder: Any = WSGIResponder(cast("Any", self._prepared), self._threads, _QUEUED_MESSAGES)
        put: Callable[[Message], None] = responder.send
        gone = False

        def give_up() -> None:
            """Nobody takes messages any more: a thread that waits to leave one must not wait for ever."""
            nonlocal gone
            gone = True
            while not responder.send_queue.empty():
                responder.send_queue.get_nowait()

        def put_while_wanted(message: Message) -> None:
            if gone:
                raise ConnectionResetError("the client closed the connection before the response was whole")
            put(message)

        async def send_or_give_up(message: Message) -> None:
            try:
                await send(message)
            except BaseException:
                give_up()
                raise

        responder.send = put_while_wanted
        request = asgi_request(scope, receive)
        try:
            await watched(request, responder(_for_wsgi(scope), _whole_or_error(request.source), send_or_give_up))
        except Gone:
            pass  # most servers let an app go on sending to nobody
        finally:
            give_up()

    def _prepared(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ[ENVIRON_KEY] = (environ["asgi.scope"].get("state") or {}).get(STATE_KEY)
        environ["wsgi.errors"] = sys.stderr
        environ["wsgi.input_terminated"] = True  # without it, a body that has no Content-Length would not be read
        return self._app(environ, start_response)


def _for_wsgi(scope: Scope) -> Scope:
    root: str = scope.get("root_path", "").rstrip("/")
    path: str = scope["path"]
    if path != root and not path.startswith(f"{root}/"):
        root = ""  # it only looks like the prefix: /apiary is not under /api
    query = scope.get("query_string", b"")
    if not query.isascii():
        query = quote(query, safe=_QUERY_SAFE).encode()
    return {**scope, "root_path": root, "query_string": query, "headers": _wsgi_headers(scope["headers"])}


def _wsgi_headers(headers: HeaderList) -> HeaderList:
    """One Cookie field (RFC 6265 5.4), and no names with `_`, which would pass for those with `-` (CVE-2015-0219)."""
    cookies = [value for name, value in headers if name == b"cookie"]
    kept = [(name, value) for name, value in headers if name != b"cookie" and b"_" not in name]
    return [*kept, (b"cookie", b"; ".join(cookies))] if cookies else kept


def _whole_or_error(source: BodySource) -> Receive:
    chunks: AsyncIterator[bytes] | None = None

    async def receive_or_raise() -> Message:
        nonlocal chunks
        if chunks is None:
            chunks = source.stream(sys.maxsize)
        try:
            chunk = await anext(chunks, None)
        except ClientGone as error:
            raise ConnectionResetError(str(error)) from None
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    return receive_or_raise
