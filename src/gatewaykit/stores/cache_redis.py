"""Cached responses of many processes and machines, in Redis or Valkey.

Rules
* A hit is one GET, or one MGET of the key and the variant where one is asked for. All that changes something is one
  call of a script (`cache.lua`), on the server's clock. Times to live are the server's.
* A body over 512 KiB is written in pieces, before the entry that names them; one that misses is a miss.
* The cache has a connection of its own: a large response delays no limit. Without the server a call fails at once.
* An entry that cannot be read is a miss, and is dropped.
* All keys begin with `gatewaykit:{GATEWAY}:cache:SPACE:`, so that in a cluster one node has them.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b, sha1
from importlib.resources import files
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.caching.packing import pack, unpack
from gatewaykit.errors import StoreError
from gatewaykit.ports import CacheUse
from gatewaykit.stores.redis_connection import RedisAddress, RedisConnections
from gatewaykit.stores.resp import command

if TYPE_CHECKING:
    from gatewaykit.core.caching.entry import Entry

__all__ = ["RedisCacheSpace", "RedisCacheStore"]

_LOG: Final = logging.getLogger(__name__)
_PIECE: Final = 512 * 1024
_MOST_PIECES: Final = 1000
_PIECES_LONGER_MS: Final = 10_000  # than the entry that names them: who reads that finds them
_WHOLE, _IN_PIECES = b"\x00", b"\x01"
_HEAD_OF_PIECES: Final = 21  # the mark, how many, whose


class RedisCacheStore:
    """Responses on a server."""

    shared: Final = True

    def __init__(self, address: RedisAddress, *, gateway: str = "default") -> None:
        script, _ = _script()
        self._prefix = prefix = b"gatewaykit:{%b}:cache:" % gateway.encode()
        self.channel = prefix + b"gone"  # where it is told what is gone
        address = replace(address, client_name=f"{address.client_name}:{gateway}:cache")
        self._connections = RedisConnections(address, [command([b"SCRIPT", b"LOAD", script])], key=prefix)
        self._spaces: dict[str, RedisCacheSpace] = {}

    def space(self, name: str) -> RedisCacheSpace:
        """The responses of one cache."""
        if name not in self._spaces:
            self._spaces[name] = RedisCacheSpace(self._connections, self._prefix, name)
        return self._spaces[name]

    async def aclose(self) -> None:
        """Close this loop's connection. It opens again when needed."""
        await self._connections.aclose()


class RedisCacheSpace:
    """The responses of one cache, on a server."""

    def __init__(self, connections: RedisConnections, prefix: bytes, name: str) -> None:
        self._connections = connections
        self.prefix = prefix + blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest().encode() + b":"
        self._entry = self.prefix + b"e"
        self.hits = self.misses = self.stored = self.refused = 0

    def get(self, key: bytes, variant: bytes = b"", *, again: bool = False) -> Awaitable[Sequence[Entry | None]]:
        return self._get(key, variant, again)

    async def _get(self, key: bytes, variant: bytes, again: bool) -> Sequence[Entry | None]:
        name = key.hex().encode()
        names = [name]
        if not variant:
            wire = b"*2\r\n$3\r\nGET\r\n$%d\r\n%b%b\r\n" % (len(self._entry) + len(name), self._entry, name)
            values = [await self._connections.call(wire)]
        else:
            names.append(b"%b:%b" % (name, variant.hex().encode()))
            values = await self._connections.call(command([b"MGET", *(self._entry + each for each in names)]))
            if not isinstance(values, list) or len(values) != 2:
                raise self._nonsense()
        found: list[Entry | None] = []
        for name, value in zip(names, values):
            entry: Entry | None = None
            if value is not None:
                if not isinstance(value, bytes):
                    raise self._nonsense()
                entry = unpack(value, 1) if value[:1] == _WHOLE else None
                if entry is None:
                    entry = await self._pieced(value, name)
            found.append(entry)
        if (last := found[-1]) is None:
            self.misses += not again
        elif last.status and not again:
            self.hits += 1
        return found

    async def put(self, key: bytes, entry: Entry, keep_s: float, *, variant: bytes = b"", claim: int = 0) -> bool:
        if not keep_s > 0:
            return False
        packed, keep = pack(entry), b"%d" % max(1, round(keep_s * 1000))
        value, pieces, id = _WHOLE + packed, 0, b""
        if len(packed) > _PIECE:
            pieces, id = -(-len(packed) // _PIECE), token_bytes(16)
            if pieces > _MOST_PIECES:
                self.refused += 1
                return False
            longer = b"%d" % (int(keep) + _PIECES_LONGER_MS)
            for piece in range(pieces):
                part = packed[piece * _PIECE : (piece + 1) * _PIECE]
                await self._connections.call(command([b"SET", self._piece(id, piece), part, b"PX", longer]))
            value = _IN_PIECES + pieces.to_bytes(4, "big") + id
        mark = b"e" if entry.status else b"m"
        url = entry.url.replace("\0", "").encode("utf-8", "surrogatepass")
        tags = [tag.replace("\0", "").encode("utf-8", "surrogatepass") for tag in entry.tags if tag]
        taken = await self._script(
            b"put", key.hex().encode(), variant.hex().encode(), b"%d" % claim, keep, mark, url, value, *tags
        )
        if taken == 1:
            self.stored += 1
        else:
            self.refused += 1
            if pieces:
                await self._connections.call(command([b"UNLINK", *(self._piece(id, piece) for piece in range(pieces))]))
        return bool(taken == 1)

    async def drop(self, key: bytes) -> None:
        await self._script(b"drop", key.hex().encode())

    async def purge(self, *, prefix: str | None = None, tag: str | None = None) -> int:
        wanted = (b"prefix", prefix) if prefix is not None else (b"tag", tag or "")
        return await self._all(b"purge", wanted[0], str(wanted[1]).encode("utf-8", "surrogatepass"))

    async def flush(self) -> None:
        await self._all(b"flush")

    async def claim(self, key: bytes, hold_s: float) -> int:
        claim = await self._script(b"claim", key.hex().encode(), b"%d" % max(1, round(hold_s * 1000)))
        if not isinstance(claim, int):
            raise self._nonsense()
        return claim

    async def release(self, key: bytes, claim: int) -> None:
        await self._script(b"release", key.hex().encode(), b"%d" % claim)

    async def use(self) -> CacheUse:
        entries = size = at = 0
        while True:
            match await self._script(b"use", b"%d" % at):
                case [int(some), int(bytes_), int(many)]:
                    entries, size, at = entries + some, size + bytes_, at + many
                    if many < 1000:
                        break
                case _:
                    raise self._nonsense()
        return CacheUse(
            entries=entries, bytes=size, hits=self.hits, misses=self.misses, stored=self.stored, refused=self.refused
        )

    # ------------------------------------------------------------------ inside

    async def _pieced(self, value: bytes, name: bytes) -> Entry | None:
        """An entry whose body is in pieces; what is neither whole nor that is dropped."""
        entry: Entry | None = None
        if value[:1] == _IN_PIECES and len(value) == _HEAD_OF_PIECES:
            pieces, id = int.from_bytes(value[1:5], "big"), value[5:]
            if 0 < pieces <= _MOST_PIECES:
                names = [self._piece(id, piece) for piece in range(pieces)]
                parts = await self._connections.call(command([b"MGET", *names]))
                if isinstance(parts, list) and all(isinstance(part, bytes) for part in parts):
                    entry = unpack(b"".join(parts))
        if entry is None:
            _LOG.warning("a cached response cannot be read: it is dropped")
            await self._script(b"spoilt", name, sha1(value, usedforsecurity=False).hexdigest().encode())
        return entry

    def _piece(self, id: bytes, piece: int) -> bytes:
        return b"%bc%b:%d" % (self.prefix, id, piece)

    async def _all(self, *arguments: bytes) -> int:
        """A verb that goes on until there is no more to do: a server is not held up for long."""
        total = 0
        while True:
            match await self._script(*arguments):
                case [int(many), int(seen)]:
                    total += many
                    if seen < 1000:
                        return total
                case _:
                    raise self._nonsense()

    async def _script(self, *arguments: bytes) -> Any:
        script, digest = _script()
        return await self._connections.call(command([b"EVALSHA", digest, b"1", self.prefix, *arguments]), script)

    def _nonsense(self) -> StoreError:
        why = "an answer that is none of the script's"
        self._connections.here().drop(why)
        return StoreError(why)


@lru_cache(maxsize=1)
def _script() -> tuple[bytes, bytes]:
    """The script and its name on a server."""
    script = files("gatewaykit.stores").joinpath("cache.lua").read_bytes()
    return script, sha1(script, usedforsecurity=False).hexdigest().encode()
