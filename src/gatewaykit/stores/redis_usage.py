"""What the keys of one quota in Redis used on each day, and extending what is left. How it is kept: `decide.lua`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.resources import files
from math import ceil
from typing import Any, Final

from gatewaykit.core.quota import Quota, window
from gatewaykit.core.usage import DAY_S, KEPT_DAYS, Day, daily
from gatewaykit.errors import StoreError
from gatewaykit.stores.redis_connection import RedisConnections
from gatewaykit.stores.resp import command

__all__ = ["RedisUsage"]

_AT_ONCE: Final = 500
"""Keys read in one go, over a connection that no verdict waits for."""

_SPARE_MS: Final = 1000


class RedisUsage:
    """`key_of` gives where a key is kept, `first` is that of the window the quota began in."""

    __slots__ = ("_connections", "_first", "_key_of", "_keeps_days", "_quota", "_time_us")

    def __init__(
        self, connections: RedisConnections, quota: Quota, key_of: Callable[[str], bytes], first: Sequence[bytes],
        time_us: Callable[[], int] | None, *, keeps_days: bool,
    ) -> None:  # fmt: skip
        self._connections, self._quota, self._key_of, self._first = connections, quota, key_of, tuple(first)
        self._time_us, self._keeps_days = time_us, keeps_days

    async def read(self, keys: Sequence[str], first_s: float, last_s: float) -> dict[str, list[tuple[int, int]]]:
        """For each key and day of a span: what it used, and had left."""
        began = -1.0
        for name in self._first:
            began = float(await self._connections.call(command([b"GET", name])) or -1)
        found = {}
        for at in range(0, len(keys), _AT_ONCE):
            some, call = keys[at : at + _AT_ONCE], self._connections.call
            replies = await asyncio.gather(*(call(command([b"HGETALL", self._key_of(key)])) for key in some))
            for key, reply in zip(some, replies):
                found[key] = daily(_days(reply), self._quota, began, first_s, last_s)
        return found

    async def extend(self, key: str, remaining: int) -> None:
        """Leave a key so many requests."""
        now_s = await self._now_s()
        start, end = window(self._quota.period, now_s)
        day, _ = window("DAY", now_s)
        settings = (
            start, day / DAY_S, self._quota.limit, self._quota.offset, remaining,
            ceil((end - now_s) * 1000) + _SPARE_MS, KEPT_DAYS * DAY_S * 1000 if self._keeps_days else 0,
        )  # fmt: skip
        names = [self._key_of(key), *self._first]
        words = [b"EVAL", _script(), b"%d" % len(names), *names, *(b"%d" % number for number in settings)]
        await self._connections.call(command(words))

    async def _now_s(self) -> float:
        if self._time_us is not None:
            return self._time_us() / 1e6
        seconds, micros = await self._connections.call(command([b"TIME"]))
        return int(seconds) + int(micros) / 1e6


def _days(reply: Any) -> dict[float, Day]:
    """The days in what is kept of a key. Raises StoreError for anything else."""
    try:
        fields = dict(zip(reply[::2], map(bytes.split, reply[1::2]), strict=True))
        if b"now" in fields:
            _, charged, last, granted = fields.pop(b"now")
            fields[last] = [charged, granted]
        return {int(day) * DAY_S: Day(int(charged), int(granted)) for day, (charged, granted) in fields.items()}
    except (TypeError, ValueError, AttributeError):
        raise StoreError("what is kept of a quota is no usage") from None


@lru_cache(maxsize=1)
def _script() -> bytes:
    return files("gatewaykit.stores").joinpath("extend.lua").read_bytes()
