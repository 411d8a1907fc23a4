"""Which idle connection to use, and which to close. Pure steps: no socket, no timer, no event loop.

Rules:

* Per origin the connection that was used last is used next (LIFO), so that a falling load lets the rest expire.
* Idle connections are bounded per origin and in total; over the bound the one idle longest goes.
* A step returns the connections to close. The caller closes them; nothing here does.
* `open` counts every connection of an origin: connecting, in use, idle, or just promised to a waiting request.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["IdlePool", "Lane", "PoolLimits"]

C = TypeVar("C")  # a connection
W = TypeVar("W")  # a request that waits for one


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """How many connections, and for how long.

    `max_open` bounds the connections of one origin, in use or idle; a request over it waits its turn, within its own
    timeout. The default of 1000 only stops a run-away: it stays under the usual limit of 1024 file descriptors.
    `idle_s` defaults to just under the five seconds after which Node, uvicorn and Apache close an idle connection, so
    that a request rarely meets one that is being closed.
    """

    max_open: int = 1000
    max_idle_per_origin: int = 256
    max_idle: int = 1024
    idle_s: float = 4.0

    def __post_init__(self) -> None:
        if self.max_open < 1:
            raise ValueError(f"max_open is {self.max_open}; at least 1 connection is needed")
        for name in ("max_idle_per_origin", "max_idle", "idle_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it cannot be negative")


class Lane(Generic[C, W]):
    """The connections of one origin, and the requests that wait for one."""

    __slots__ = ("host_field", "idle", "open", "origin", "waiting")

    def __init__(self, origin: tuple[str, str, int], host_field: bytes) -> None:
        self.origin, self.host_field = origin, host_field
        self.idle: dict[C, float] = {}  # connection -> idle since; a dict is a stack with O(1) removal of any entry
        self.open = 0
        self.waiting: deque[W] = deque()


class IdlePool(Generic[C, W]):
    """The idle connections of all origins."""

    __slots__ = ("_idle_s", "_max_idle", "_max_idle_per_origin", "_oldest_first")

    def __init__(self, limits: PoolLimits) -> None:
        self._max_idle, self._max_idle_per_origin = limits.max_idle, limits.max_idle_per_origin
        self._idle_s = limits.idle_s
        self._oldest_first: dict[C, Lane[C, W]] = {}

    def take(self, lane: Lane[C, W]) -> C | None:
        """The idle connection that was used last."""
        if not lane.idle:
            return None
        connection, _ = lane.idle.popitem()
        del self._oldest_first[connection]
        return connection

    def put(self, lane: Lane[C, W], connection: C, now: float) -> list[C]:
        """Keep a connection that became idle."""
        lane.idle[connection] = now
        self._oldest_first[connection] = lane
        surplus = []
        if len(lane.idle) > self._max_idle_per_origin:
            surplus.append(self._drop_first(lane.idle))
        if len(self._oldest_first) > self._max_idle:
            surplus.append(self._drop_first(self._oldest_first))
        return surplus

    def drop(self, connection: C) -> None:
        """Forget a connection that closed, idle or not."""
        if (lane := self._oldest_first.pop(connection, None)) is not None:
            del lane.idle[connection]

    def expire(self, now: float) -> list[C]:
        """The connections that have been idle for too long, given up."""
        expired = []
        while (due := self.next_expiry()) is not None and due <= now:
            expired.append(self._drop_first(self._oldest_first))
        return expired

    def next_expiry(self) -> float | None:
        """When `expire` has something to do again, if nothing else happens."""
        for connection, lane in self._oldest_first.items():
            return lane.idle[connection] + self._idle_s
        return None

    def _drop_first(self, of: dict[C, float] | dict[C, Lane[C, W]]) -> C:
        connection = next(iter(of))
        self.drop(connection)
        return connection
