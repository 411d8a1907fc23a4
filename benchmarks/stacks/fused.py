"""The floor: the same decisions with the same facts, written by hand as one ASGI function each."""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from hmac import compare_digest
from time import gmtime, monotonic, strftime, time
from typing import Any, Final

from benchmarks.stacks import facts

__all__ = ["clf_time", "four", "gcra", "none", "one", "six"]

_ORIGINS: Final[dict[Any, Any]] = {facts.ORIGIN.encode(): [(b"access-control-allow-origin", facts.ORIGIN.encode())]}
_VARY: Final = (b"vary", b"Origin")
_PREFLIGHT: Final = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, X-Api-Key"),
    (b"access-control-max-age", b"600"),
    _VARY,
]
_METHODS: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE"))
_HEADERS: Final = frozenset((b"authorization", b"content-type", b"x-api-key"))


def none() -> Any:
    return facts.bare


def one() -> Any:
    """CORS."""
    app = facts.bare

    async def with_cors(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        if origin is not None and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await _preflight(headers, origin, send)
            return
        fields = _ORIGINS.get(origin)

        async def amended(message: Any) -> None:
            if message["type"] == "http.response.start":
                sent = [*message["headers"], _VARY]
                if fields is not None:
                    sent += fields
                message = {**message, "headers": sent}
            await send(message)

        await app(scope, receive, amended)

    return with_cors


def four() -> Any:
    """Access log, CORS, API key, throttle."""
    return _fused(facts.bare, maps=False)


def six() -> Any:
    """The four, validation of the body, and its mapping."""
    return _fused(facts.echo, maps=True)


def _fused(app: Any, maps: bool) -> Any:
    write = facts.LINES.append
    digest = sha256(facts.API_KEY.encode()).digest()
    keys = {digest: (digest, facts.PRINCIPAL)}
    decoy = (bytes(32), "")
    take = gcra(facts.RATE, facts.BURST)
    accepted = _order_reader() if maps else None

    async def fused(scope: Any, receive: Any, send: Any) -> None:
        received = time()
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        fields = _ORIGINS.get(origin)
        principal, status, length = "-", 0, 0

        def amended(message: Any) -> Any:
            nonlocal status, length
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = [*message["headers"], _VARY]
                if fields is not None:
                    sent += fields
                message = {**message, "headers": sent}
            else:
                length += len(message.get("body", b""))
            return send(message)

        try:
            if origin is not None and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
                status = await _preflight(headers, origin, send)
                return
            raw = headers.get(b"x-api-key")
            if not raw:
                await _refuse(amended, 403, b'{"message":"Forbidden"}')
                return
            digest = sha256(raw).digest()
            expected, principal = keys.get(digest, decoy)
            if not compare_digest(digest, expected):
                await _refuse(amended, 403, b'{"message":"Forbidden"}')
                return
            limit = take(principal)
            if limit is None:
                await _refuse(amended, 429, b'{"message":"Too Many Requests"}')
                return
            if accepted is not None:
                body = await _whole_body(receive)
                if body is None:
                    return
                mapped = accepted(body)
                if mapped is None:
                    await _refuse(amended, 400, b'{"message":"Invalid request body"}')
                    return
                receive = _replay(mapped, receive)
            state = scope["state"]
            state["caller"], state["limits"] = principal, [limit]
            try:
                await app(scope, receive, amended)
            finally:
                del state["caller"], state["limits"]
        finally:
            client = scope["client"]
            write(
                f"{client[0] if client else '-'} - {principal or '-'} [{clf_time(int(received))}] "
                f'"{scope["method"]} {scope["raw_path"].decode("latin-1")} HTTP/{scope["http_version"]}" '
                f"{status} {length}"
            )

    return fused


def gcra(rate: float, burst: int) -> Any:
    """A token bucket as one number a key in a dict. Gives the limit's state, or None over the limit."""
    full_at: dict[str, float] = {}
    interval = 1 / rate
    room = burst * interval

    def take(key: str) -> tuple[str, int, int, float] | None:
        now = monotonic()
        full = full_at.get(key, 0.0)
        if full < now:
            full = now
        full += interval
        owed = full - now
        if owed > room:
            return None
        full_at[key] = full
        return "throttle", burst, int((room - owed) * rate), owed

    return take


def _order_reader() -> Any:
    """A function from a body to what the app gets; None for a body that is refused."""
    import fastjsonschema

    from benchmarks.stacks.ours import compile_mapping

    validate, map_body = fastjsonschema.compile(facts.SCHEMA, use_default=False), compile_mapping(facts.TEMPLATE)
    refused = fastjsonschema.JsonSchemaException

    def accepted(body: bytes) -> bytes | None:
        try:
            validate(json.loads(body))
        except (ValueError, refused):
            return None
        mapped: bytes | None = map_body(body)
        return mapped

    return accepted


async def _whole_body(receive: Any) -> bytes | None:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > facts.MAX_BODY_BYTES:
            return None
        more = message.get("more_body", False)
    return body


def _replay(body: bytes, receive: Any) -> Any:
    given = False

    async def again() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _preflight(headers: Any, origin: bytes, send: Any) -> int:
    fields, wanted = _ORIGINS.get(origin), headers.get(b"access-control-request-headers")
    if (
        fields is None
        or headers[b"access-control-request-method"] not in _METHODS
        or (wanted is not None and any(name.strip() not in _HEADERS for name in wanted.lower().split(b",")))
    ):
        await _refuse(send, 403, b'{"message":"Forbidden"}')
        return 403
    await send({"type": "http.response.start", "status": 204, "headers": [*fields, *_PREFLIGHT]})
    await send({"type": "http.response.body", "body": b""})
    return 204


async def _refuse(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@lru_cache(maxsize=4)
def clf_time(second: int) -> str:
    return strftime("%d/%b/%Y:%H:%M:%S +0000", gmtime(second))
