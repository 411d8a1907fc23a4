"""Limits of many processes and machines, in Redis or Valkey: one script call a decision, on the server's clock.

Rules
* A decision is one round trip, whatever the number of its limits (`decide.lua`). It is atomic: the server runs one
  script at a time. The clocks of the processes do not matter.
* The keys of a gateway begin with `gatewaykit:{GATEWAY}:`, so a cluster keeps them together. What stands after it is
  unambiguous, whatever bytes a name or key has; long keys are kept as their digest.
* Every key has a time to live: a bucket's until it is full again, a window's until nothing of it counts, a quota's to
  the end of its period, or for as long as usage is kept where it is a usage plan's. The keys of others are anybody's,
  addresses for example, and come in floods.
* A bucket belongs to its name, rate and burst, a window to its name, kind, limit and length; a quota to its name and
  period, so that what was used stays counted when its limit is changed.
* The script is sent to the server on every new connection. Where it has gone since (SCRIPT FLUSH), the answer is
  NOSCRIPT, nothing was counted, and the call is made again with the script's text.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b, sha1
from importlib.resources import files
from math import inf
from typing import Any, Final

from gatewaykit.core.limits import Decided, Limit, decided, names_of
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket, Taken, allowed, interval_s, refused
from gatewaykit.core.usage import PLAN
from gatewaykit.core.window import Window, length_us
from gatewaykit.errors import StoreError
from gatewaykit.stores.redis_connection import RedisAddress, RedisConnections
from gatewaykit.stores.redis_permits import RedisPermits
from gatewaykit.stores.redis_usage import RedisUsage
from gatewaykit.stores.resp import ReplyError, command

__all__ = ["RedisThrottleStore"]

_LONGEST_KEY: Final = 128
_LARGEST: Final = 2**53  # the script counts in doubles
_LOOK, _TAKE, _CHARGE, _SLICE = b"0", b"1", b"2", b"3"
_GATEWAY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class RedisThrottleStore:
    """Token buckets, quotas and windows on a server. `time_us` replaces the server's clock, for tests only."""

    __slots__ = ("_connections", "_prefix", "_reading", "_taking", "_time_us")

    def __init__(
        self, address: RedisAddress, *, gateway: str = "default", time_us: Callable[[], int] | None = None
    ) -> None:
        if not _GATEWAY.fullmatch(gateway):
            raise ValueError(f"a gateway's name is up to 64 letters, digits and . _ -, not {gateway!r}")
        script, _ = _script()
        self._prefix = prefix = b"gatewaykit:{%b}:" % gateway.encode()
        load, named = [command([b"SCRIPT", b"LOAD", script])], f"{address.client_name}:{gateway}"
        self._connections = RedisConnections(replace(address, client_name=f"{named}:limits"), load, key=prefix)
        self._reading = RedisConnections(replace(address, client_name=f"{named}:usage"), key=prefix)
        self._time_us, self._taking = time_us, _TAKE

    def bucket(self, name: str, bucket: Bucket) -> Callable[[str], Awaitable[Taken]]:
        """The verb that takes one token from the bucket of a key."""
        return self._single(name, bucket)

    def quota(self, name: str, quota: Quota) -> Callable[[str], Awaitable[Taken]]:
        """The verb that counts one request of a key against its quota."""
        return self._single(name, quota)

    def window(self, name: str, window: Window) -> Callable[[str], Awaitable[Taken]]:
        """The verb that counts one request of a key in its window."""
        return self._single(name, window)

    def limits(self, name: str | Sequence[str], limits: Sequence[Limit]) -> Callable[..., Awaitable[Decided]]:
        """The verb that takes a number of tokens (one if not said) of each limit, or none of any: one round trip."""
        limits = tuple(limits)
        kept = [_Kept(self._prefix, each, limit) for each, limit in zip(names_of(name, limits), limits)]
        script, _ = _script()
        here, again, many, all_apply = self._connections.here, self._connections.again, len(kept), (True,) * len(kept)
        may_repeat = len({(each.head, each.settings) for each in kept}) < many
        time_us = self._time_us

        @lru_cache(maxsize=256)  # which of them apply depends on the route and on who asks
        def together(apply: tuple[bool, ...]) -> _Together:
            return _Together(kept, apply, self._taking)

        whole = together(all_apply)

        async def take(keys: Sequence[str | None], cost: int = 1) -> Decided:
            if may_repeat or len(keys) != many:
                return await apart(keys, cost)
            these = whole if None not in tuple(keys) else together(tuple([key is not None for key in keys]))
            if not these.answers:
                return decided([None] * many, limits, cost)
            now = _NOW if time_us is None else _bulk(b"%d" % time_us())
            wire, connection = these.wire(keys, now, cost), here()
            try:
                reply = await connection.call(wire)
            except ReplyError as error:
                reply = await again(error, connection, wire, script)
            if type(reply) is not list or len(reply) != these.answers or {*map(type, reply)} != _INTS:
                raise self._no_answer()
            if min(reply[::2]) >= 0:
                return Decided(None, these.numbers, reply)
            return decided(these.numbers(reply), limits, cost)

        async def apart(keys: Sequence[str | None], cost: int) -> Decided:
            names, arguments, at = _asked(kept, keys)
            reply = await self._ask(names, arguments, self._taking, cost) if names else []
            return decided(_answers(kept, at, reply), limits, cost)

        return take

    def charge(
        self, name: str | Sequence[str], limits: Sequence[Limit]
    ) -> Callable[[Sequence[str | None], int], Awaitable[None]]:
        """The verb that takes tokens of each limit that may not be there, or gives some back: one round trip."""
        kept = [_Kept(self._prefix, each, limit) for each, limit in zip(names_of(name, limits), limits)]

        async def charge(keys: Sequence[str | None], amount: int) -> None:
            names, arguments, _ = _asked(kept, keys)
            if names and self._taking != _LOOK:
                await self._ask(names, arguments, _CHARGE, amount)

        return charge

    def slices(
        self, names: Sequence[str], buckets: Sequence[Bucket]
    ) -> Callable[[Sequence[str | None], int], Awaitable[tuple[Decided, int]]]:
        """The verb that takes as many tokens of each bucket as all have, up to a number; else none: one round trip.

        It answers as for the last of them, and says how many they are. The buckets are without patience.
        """
        kept = [_Kept(self._prefix, each, bucket) for each, bucket in zip(names, buckets)]

        async def take(keys: Sequence[str | None], most: int) -> tuple[Decided, int]:
            asked, arguments, at = _asked(kept, keys)
            *reply, many = await self._ask(asked, arguments, _SLICE, most)
            answer = decided(_answers(kept, at, reply), buckets)
            return answer, many if answer.refused is None else 0

        return take

    async def usage(
        self, name: str, quota: Quota, keys: Sequence[str], first_s: float, last_s: float
    ) -> dict[str, list[tuple[int, int]]]:
        """What keys used on each day of a span, both ends included, and what they had left then."""
        return await self._usage(name, quota).read(keys, first_s, last_s)

    async def extend(self, name: str, quota: Quota, key: str, remaining: int) -> None:
        """Leave a key so many requests in the window that is running."""
        await self._usage(name, quota).extend(key, remaining)

    def permits(self, name: str, most: int, hold_s: float) -> RedisPermits:
        """The permits of a limit on requests in flight."""
        return RedisPermits(
            self._connections, self._prefix, name, most, hold_s, look_only=self._taking == _LOOK
        )  # fmt: skip

    def looking(self) -> RedisThrottleStore:
        """The same limits, with verbs that look and take nothing."""
        store = object.__new__(RedisThrottleStore)
        store._connections, store._reading, store._prefix = self._connections, self._reading, self._prefix
        store._time_us, store._taking = self._time_us, _LOOK
        return store

    async def ping(self) -> None:
        """Whether the server can write: one that is full, or a replica, answers and cannot. Raises StoreError."""
        await self._connections.call(command([b"SET", self._prefix + b"probe", b"", b"PX", b"1000"]))

    async def aclose(self) -> None:
        """Close this loop's connections. They open again when needed."""
        await self._connections.aclose()
        await self._reading.aclose()

    def _single(self, name: str, limit: Limit) -> Callable[[str], Awaitable[Taken]]:
        kept = _Kept(self._prefix, name, limit)
        script, digest = _script()
        again, parts = self._connections.again, 7 + len(kept.more) + len(kept.settings)
        head = b"*%d\r\n$7\r\nEVALSHA\r\n$40\r\n%b\r\n$1\r\n%d\r\n" % (parts, digest, 1 + len(kept.more))
        tail = command((*kept.more, self._taking, b"", b"1", *kept.settings)).split(b"\r\n", 1)[1]
        key_of, taken, here, timed = kept.key, kept.taken, self._connections.here, self._time_us is not None

        async def take(key: str) -> Taken:
            name = key_of(key)
            if timed:
                left, reset = await self._ask([name, *kept.more], list(kept.settings), self._taking)
                return taken(left, reset)
            connection = here()
            wire = b"%b$%d\r\n%b\r\n%b" % (head, len(name), name, tail)
            try:
                reply = await connection.call(wire)
            except ReplyError as error:
                reply = await again(error, connection, wire, script)
            if type(reply) is not list or len(reply) != 2 or type(reply[0]) is not int or type(reply[1]) is not int:
                raise self._no_answer()
            return taken(reply[0], reply[1])

        return take

    def _usage(self, name: str, quota: Quota) -> RedisUsage:
        kept = _Kept(self._prefix, name, quota)
        keeps_days = name.startswith(PLAN)
        return RedisUsage(self._reading, quota, kept.key, kept.more, self._time_us, keeps_days=keeps_days)

    async def _ask(self, keys: list[bytes], arguments: list[bytes], how: bytes, cost: int = 1) -> list[Any]:
        script, digest = _script()
        time = b"" if self._time_us is None else b"%d" % self._time_us()
        rest = [b"%d" % len(keys), *keys, how, time, _cost(cost), *arguments]
        reply = await self._connections.call(command([b"EVALSHA", digest, *rest]), script)
        numbers = 2 * len(arguments) // 3 + (how == _SLICE)
        if type(reply) is not list or len(reply) != numbers or {*map(type, reply)} != _INTS:
            raise self._no_answer()
        return reply

    def _no_answer(self) -> StoreError:
        """Whoever answers so is no Redis, or replies have gone astray."""
        why = "an answer that is none of the script's"
        self._connections.here().drop(why)
        return StoreError(why)


class _Kept:
    """How one limit is kept: its keys, what the script is told of it, and what the script's numbers mean."""

    __slots__ = ("head", "more", "settings", "taken")

    def __init__(self, prefix: bytes, name: str, limit: Limit) -> None:
        text = name.encode("utf-8", "surrogatepass")
        if isinstance(limit, Quota):
            kind = b"usage" if name.startswith(PLAN) else b"quota"
            self.head = b"%b%b:%b:%d:%b:" % (prefix, kind, limit.period.encode(), len(text), text)
            most, offset = min(limit.limit, _LARGEST), min(limit.offset, _LARGEST)
            self.settings: tuple[bytes, ...] = (limit.period.encode(), b"%d" % most, b"%d" % offset)
            self.more = (self.head.replace(b":{", b":first:{", 1),) if offset else ()
            self.taken: Callable[[int, int], Taken] = _quota_taken
        elif isinstance(limit, Window):
            kind, length, most = limit.kind.encode(), length_us(limit), min(limit.limit, _LARGEST)
            self.head = b"%bwindow:%b:%d:%d:%d:%b:" % (prefix, kind, length, limit.limit, len(text), text)
            self.settings = (kind, b"%d" % most, b"%d" % length)
            self.more = ()
            self.taken = _window_taken
        else:
            interval = repr(interval_s(limit) * 1e6).encode()
            self.head = b"%bbucket:%b:%d:%d:%b:" % (prefix, interval, limit.burst, len(text), text)
            burst = b"%d" % min(limit.burst, _LARGEST)
            if limit.patience_s:
                burst = b"%b %d" % (burst, round(limit.patience_s * 1e6))
            self.settings = (b"BUCKET", interval, burst)
            self.more = ()
            self.taken = _bucket_taken(limit)

    def key(self, key: str) -> bytes:
        """Where a key is kept."""
        text = _text(key)
        if len(text) <= _LONGEST_KEY:
            return self.head + b"=" + text
        return self.head + b"#" + blake2b(text, digest_size=32).hexdigest().encode()


class _Together:
    """A call for some limits, no two of which are the same, with all that is known before the keys are."""

    __slots__ = ("_head", "_how", "_of", "_tail", "_taken", "answers")

    def __init__(self, kept: Sequence[_Kept], apply: Sequence[bool], how: bytes) -> None:
        _, digest = _script()
        asked = [each for each, applies in zip(kept, apply) if applies]
        keys = sum(1 + len(each.more) for each in asked)
        self._head = command((b"EVALSHA", digest, b"%d" % keys)).replace(b"*3", b"*%d" % (6 + keys + 3 * len(asked)), 1)
        self._tail = b"".join([_bulk(part) for each in asked for part in each.settings])
        self._how = _bulk(how)
        self._of = [
            (each.head + b"=", len(each.head) + 1, b"".join(map(_bulk, each.more)), each) if applies else None
            for each, applies in zip(kept, apply)
        ]
        self._taken = [each.taken if applies else None for each, applies in zip(kept, apply)]
        self.answers = 2 * len(asked)

    def wire(self, keys: Sequence[str | None], now: bytes, cost: int) -> bytes:
        """The command for these keys."""
        parts, last, text = [self._head], "", b""
        for key, of in zip(keys, self._of):
            if of is None or key is None:
                continue
            if key is not last:  # the limits of a hierarchy often have one
                text, last = _text(key), key
            head, length, more, kept = of
            if len(text) <= _LONGEST_KEY:
                parts.append(b"$%d\r\n%b%b\r\n%b" % (length + len(text), head, text, more))
            else:
                parts.append(_bulk(kept.key(key)) + more)
        parts += (self._how, now, _ONE if cost == 1 else _bulk(_cost(cost)), self._tail)
        return b"".join(parts)

    def numbers(self, reply: Sequence[int]) -> tuple[Taken | None, ...]:
        """What each limit says; None where it does not apply."""
        pairs = zip(reply[::2], reply[1::2])
        return tuple([None if taken is None else taken(*next(pairs)) for taken in self._taken])


def _text(key: str) -> bytes:
    try:
        return key.encode()  # much faster than naming what is to be done with halves of a pair
    except UnicodeEncodeError:
        return key.encode("utf-8", "surrogatepass")


def _bulk(part: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(part), part)


def _cost(cost: int) -> bytes:
    return b"%d" % max(-_LARGEST, min(cost, _LARGEST))


_NOW, _ONE = _bulk(b""), _bulk(b"1")
_INTS: Final = {int}


def _asked(kept: Sequence[_Kept], keys: Sequence[str | None]) -> tuple[list[bytes], list[bytes], list[int | None]]:
    """What the script is given for some limits, and where the answer of each stands. What is the same is asked once."""
    places: dict[bytes, int] = {}
    names: list[bytes] = []
    arguments: list[bytes] = []
    at: list[int | None] = []
    for each, key in zip(kept, keys, strict=True):
        if key is None:
            at.append(None)
            continue
        name, settings = each.key(key), each.settings
        place = places.setdefault(name + b"\0" + b" ".join(settings), len(places))
        at.append(place)
        if place == len(places) - 1 and len(arguments) == 3 * place:
            names += (name, *each.more)
            arguments += settings
    return names, arguments, at


def _answers(kept: Sequence[_Kept], at: Sequence[int | None], reply: Sequence[int]) -> list[Taken | None]:
    """What each limit says, from the places of their answers."""
    return [
        None if place is None else each.taken(reply[2 * place], reply[2 * place + 1]) for each, place in zip(kept, at)
    ]


def _bucket_taken(bucket: Bucket) -> Callable[[int, int], Taken]:
    @lru_cache(maxsize=5000)
    def full_of(left: int) -> Taken:
        return allowed(left, bucket)

    def taken(left: int, wait: int) -> Taken:
        if left < 0:
            return refused(-left / 1e6 if left > -_LARGEST else inf, bucket)
        return full_of(left)._replace(retry_after_s=wait / 1e6) if wait else full_of(left)

    return taken


def _quota_taken(left: int, reset: int) -> Taken:
    reset_s = reset / 1e6
    if left >= 0:
        return Taken(True, left, 0.0, reset_s)
    return Taken(False, 0, reset_s if left > -_LARGEST else inf, reset_s)


def _window_taken(left: int, reset: int) -> Taken:
    if left >= 0:
        return Taken(True, left, 0.0, reset / 1e6)
    return Taken(False, 0, -left / 1e6 if left > -_LARGEST else inf, reset / 1e6)


@lru_cache(maxsize=1)
def _script() -> tuple[bytes, bytes]:
    """The script and its name on a server."""
    script = files("gatewaykit.stores").joinpath("decide.lua").read_bytes()
    return script, sha1(script, usedforsecurity=False).hexdigest().encode()
