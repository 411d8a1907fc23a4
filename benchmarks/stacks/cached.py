"""Apps of the cache benchmark: one response of 1 kB, as each cache serves it again."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["BODY", "FIELDS", "app", "edge", "edge_behind", "ready", "stage"]

BODY: Final = b"x" * 1024
FIELDS: Final = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"max-age=31536000")]
_READY: Final = {
    "/hello": (
        {"type": "http.response.start", "status": 200, "headers": [*FIELDS, (b"content-length", b"1024")]},
        {"type": "http.response.body", "body": BODY},
    )
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """What is behind the caches."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": FIELDS})
    await send({"type": "http.response.body", "body": BODY})


async def ready(scope: Any, receive: Any, send: Any) -> None:
    """The floor: messages that stand in a dict, ready to be sent."""
    start, body = _READY[scope["path"]]
    await send(start)
    await send(body)


def edge() -> Any:
    """`edge_cache` as it is."""
    from gatewaykit import PolicyMiddleware, edge_cache

    return PolicyMiddleware(app, policies=[edge_cache()])


def edge_behind() -> Any:
    """`edge_cache` behind another policy: without the short cut."""
    from gatewaykit import PolicyMiddleware, address_filter, edge_cache

    return PolicyMiddleware(app, policies=[address_filter(deny=["192.0.2.0/24"]), edge_cache()])


def stage() -> Any:
    """`stage_cache` as it is."""
    from gatewaykit import PolicyMiddleware, stage_cache

    return PolicyMiddleware(app, policies=[stage_cache()])
