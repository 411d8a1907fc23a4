"""Requests in flight over many processes and machines, in Redis or Valkey (`permits.lua`).

A process that dies gives nothing back, so each permit ends by itself, by the server's clock, after as long as a request
may take. Two more rules are those of `stores.redis`: one round trip a verb, and a time to live for every key.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b, sha1
from importlib.resources import files
from typing import Any

from gatewaykit.core.permits import Entered
from gatewaykit.errors import StoreError
from gatewaykit.stores.redis_connection import RedisConnections
from gatewaykit.stores.resp import command

__all__ = ["RedisPermits"]


class RedisPermits:
    """The permits of one limit."""

    def __init__(
        self, connections: RedisConnections, prefix: bytes, name: str, most: int, hold_s: float, *, look_only: bool
    ) -> None:
        self._connections, self._verb = connections, b"look" if look_only else b"enter"
        self._head = b"%bpermits:" % prefix
        self._name = name.encode("utf-8", "surrogatepass")
        self._rest = (b"%d" % most, b"%d" % round(hold_s * 1e6))

    async def enter(self, key: str, holder: bytes) -> Entered:
        reply = await self._call(self._verb, key, holder)
        match reply:
            case [int(allowed), int(in_flight)]:
                return Entered(allowed == 1, in_flight)
        why = "an answer that is none of the script's"
        self._connections.here().drop(why)
        raise StoreError(why)

    async def leave(self, key: str, holder: bytes) -> None:
        await self._call(b"leave", key, holder)

    async def _call(self, verb: bytes, key: str, holder: bytes) -> Any:
        script, digest = _script()
        place = blake2b(
            b"%d:%b:" % (len(self._name), self._name) + key.encode("utf-8", "surrogatepass"), digest_size=32
        )
        parts = [b"EVALSHA", digest, b"1", self._head + place.hexdigest().encode(), verb, holder, *self._rest]
        return await self._connections.call(command(parts), script)


@lru_cache(maxsize=1)
def _script() -> tuple[bytes, bytes]:
    """The script and its name on a server."""
    script = files("gatewaykit.stores").joinpath("permits.lua").read_bytes()
    return script, sha1(script, usedforsecurity=False).hexdigest().encode()
