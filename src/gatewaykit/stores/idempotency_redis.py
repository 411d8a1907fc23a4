"""Idempotency keys of many processes and machines, in Redis or Valkey: one script call a verb (`idempotency.lua`).

Keys begin with `gatewaykit:{GATEWAY}:idempotency:`. Each has a time to live, which is what holds and keeps it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from hashlib import sha1
from importlib.resources import files
from typing import Any

from gatewaykit.core.idempotency import NEW, Begun, Verdict
from gatewaykit.errors import StoreError
from gatewaykit.stores.redis_connection import RedisAddress, RedisConnections
from gatewaykit.stores.resp import command

__all__ = ["RedisIdempotencyStore"]


class RedisIdempotencyStore:
    """Idempotency keys on a server, over a connection of their own: a large answer delays no limit."""

    def __init__(self, address: RedisAddress, *, gateway: str = "default") -> None:
        script, _ = _script()
        self._prefix = prefix = b"gatewaykit:{%b}:idempotency:" % gateway.encode()
        address = replace(address, client_name=f"{address.client_name}:{gateway}:idempotency")
        self._connections = RedisConnections(address, [command([b"SCRIPT", b"LOAD", script])], key=prefix)

    async def begin(self, key: bytes, request: bytes, holder: bytes, hold_s: float) -> Begun:
        return self._begun(await self._call(key, b"begin", request, holder, _milliseconds(hold_s)))

    async def look(self, key: bytes, request: bytes) -> Begun:
        return self._begun(await self._call(key, b"look", request))

    async def finish(self, key: bytes, holder: bytes, answer: bytes, keep_s: float) -> bool:
        return bool(await self._call(key, b"finish", holder, answer, _milliseconds(keep_s)) == 1)

    async def release(self, key: bytes, holder: bytes) -> None:
        await self._call(key, b"release", holder)

    async def aclose(self) -> None:
        """Close this loop's connection. It opens again when needed."""
        await self._connections.aclose()

    async def _call(self, key: bytes, *arguments: bytes) -> Any:
        script, digest = _script()
        rest = [b"1", self._prefix + key.hex().encode(), *arguments]
        return await self._connections.call(command([b"EVALSHA", digest, *rest]), script)

    def _begun(self, reply: Any) -> Begun:
        match reply:
            case [b"START"]:
                return NEW
            case [b"BUSY", int(left)]:
                return Begun(Verdict.BUSY, retry_after_s=left / 1000)
            case [b"MISMATCH"]:
                return Begun(Verdict.MISMATCH)
            case [b"REPLAY", bytes(answer)]:
                return Begun(Verdict.REPLAY, answer)
        why = "an answer that is none of the script's"
        self._connections.here().drop(why)
        raise StoreError(why)


def _milliseconds(seconds: float) -> bytes:
    return b"%d" % max(1, round(seconds * 1000))


@lru_cache(maxsize=1)
def _script() -> tuple[bytes, bytes]:
    """The script and its name on a server."""
    script = files("gatewaykit.stores").joinpath("idempotency.lua").read_bytes()
    return script, sha1(script, usedforsecurity=False).hexdigest().encode()
