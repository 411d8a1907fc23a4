"""One connection to Redis or Valkey for all callers of an event loop, for small commands that are answered at once.

Rules
* Commands of one turn of the loop leave in one write. Replies come in the order of the commands: each takes the oldest
  waiting caller. A caller that was cancelled keeps its place, so no reply reaches another one.
* Nothing waits for ever. The oldest command has a deadline; when it passes, the connection is dropped with all that
  waits on it, because replies can no longer be matched in time.
* After a failure the next attempt waits, twice as long each time. Until then a call fails at once.
* A command whose fate is not known is never sent twice: the first one may have counted. One that a server refused to
  begin (MOVED, ASK, TRYAGAIN, NOSCRIPT, READONLY) is made again where it is carried out.
* In a cluster, or with sentinels, the server is looked for whenever a connection is made. Where it has moved, calls go
  over a new connection; those on their way over the old one are answered there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Any, Final
from weakref import WeakKeyDictionary

from gatewaykit.errors import StoreError
from gatewaykit.stores.redis_address import Place, RedisAddress, tls_context
from gatewaykit.stores.redis_link import RedisLink, greeting
from gatewaykit.stores.redis_topology import RedisTopology, connect_problem, redirected
from gatewaykit.stores.resp import ReplyError, command
from gatewaykit.waiting import SingleFlight, TimeUp, within

__all__ = ["RedisAddress", "RedisConnection", "RedisConnections"]

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 2.0
_MOST_TURNS: Final = 8
_BESIDE_S: Final = 10.0
_LOOK_AGAIN_S: Final = 0.5
"""How long what was found holds, where a server says that it is the wrong one and not which is the right one."""

_ASKING: Final = command([b"ASKING"])


class RedisConnections:
    """A connection for each event loop that asks, to the server that has `key`; and to others while one moves.

    Each purpose (verdicts, idempotency keys, usage) has its own: a large reply delays nobody else.
    """

    __slots__ = ("_address", "_key", "_last", "_of", "_others", "_prepare", "_topology")

    def __init__(self, address: RedisAddress, prepare: Sequence[bytes] = (), *, key: bytes = b"") -> None:
        self._address, self._prepare, self._key = address, tuple(prepare), key
        self._topology = RedisTopology(address, key)
        self._of: WeakKeyDictionary[asyncio.AbstractEventLoop, RedisConnection] = WeakKeyDictionary()
        self._others: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[RedisConnection, float]] = WeakKeyDictionary()
        self._last: RedisConnection | None = None

    def here(self) -> RedisConnection:
        """The connection of the running loop."""
        loop, last = asyncio.get_running_loop(), self._last
        if last is not None and last.loop is loop:
            return last
        connection = self._of.get(loop)
        if connection is None:
            connection = self._of[loop] = self._new(loop)
        self._last = connection
        return connection

    async def call(self, wire: bytes, script: bytes = b"") -> Any:
        """The reply to a command; `script` is the text of the one it calls by its digest."""
        connection = self.here()
        try:
            return await connection.call(wire)
        except ReplyError as error:
            return await self.again(error, connection, wire, script)

    async def again(self, error: ReplyError, connection: RedisConnection, wire: bytes, script: bytes = b"") -> Any:
        """The reply to a command that a server refused to carry out, from where it is. Else the error is raised.

        What is made again here has changed nothing: the refusals are those of a server that did not begin.
        """
        clustered, loop = self._address.topology == "cluster", connection.loop
        until, pause_s, turns = loop.time() + self._address.timeout_s, _FIRST_PAUSE_S / 10, 0
        while True:
            kind, asked = str(error).partition(" ")[0], connection
            place = redirected(error, connection.at) if clustered else None
            turns += 1
            if turns > _MOST_TURNS:
                raise error
            if kind == "NOSCRIPT" and script:
                wire, script = _with_text(wire, script), b""
            elif place is not None and kind == "MOVED":
                asked = connection = self._turned(connection, place)
            elif place is not None:
                asked = self._beside(loop, place)
                asked.call(_ASKING).add_done_callback(lambda done: done.cancelled() or done.exception())
            elif kind == "TRYAGAIN" and loop.time() + pause_s < until:  # half of the keys have moved
                await asyncio.sleep(pause_s)
                pause_s, turns = min(2 * pause_s, _FIRST_PAUSE_S), 0
            elif "READONLY" in str(error)[:200] and turns == 1:
                asked = connection = self._turned(connection, None)
            else:
                if kind == "CLUSTERDOWN":  # this node is cut off; another may not be
                    self._turned(connection, None)
                if kind == "MOVED" and not clustered:
                    raise StoreError(f"{self._address} is a node of a cluster. Write redis+cluster://") from None
                raise error
            try:
                return await asked.call(wire)
            except ReplyError as refused:
                error = refused

    async def aclose(self) -> None:
        """Close the connections of the running loop. They open again when needed."""
        loop = asyncio.get_running_loop()
        closing = [*self._others.pop(loop, ())]
        if (connection := self._of.pop(loop, None)) is not None:
            closing.append(connection)
        for connection in closing:
            connection.drop("closed", pause=False)
        if closing:
            await asyncio.sleep(0)  # a transport closes its socket in the loop's next turn
        self._last = None

    # ------------------------------------------------------------------ inside

    def _new(self, loop: asyncio.AbstractEventLoop, place: Place | None = None) -> RedisConnection:
        """A connection. Where no place is said, or it cannot be reached there, the topology is asked."""
        said = [place] if place is not None else []

        async def where() -> Place:
            return said.pop() if said else await self._topology.find()

        connection = RedisConnection(self._address, loop, self._prepare, where)
        connection.at = place or connection.at
        return connection

    def _turned(self, connection: RedisConnection, place: Place | None) -> RedisConnection:
        """The connection to use instead of one whose server has the keys no longer. What waits there is answered."""
        current, loop = self.here(), connection.loop
        if current is not connection:
            return current  # another caller had the same answer
        if place is None and loop.time() < connection.looked_at + _LOOK_AGAIN_S:
            return connection  # the server was looked for a moment ago, and this is the one
        others = self._others.get(loop, {})
        current = next((other for other in others if other.at == place), None) or self._new(loop, place)
        others.pop(current, None)
        if place is None:
            current.looked_at = loop.time()
        self._of[loop] = self._last = current
        self._retire(connection)
        return current

    def _beside(self, loop: asyncio.AbstractEventLoop, place: Place) -> RedisConnection:
        """A connection to a node that has some keys already, while the slot moves there."""
        others = self._others.get(loop, {})
        other = next((other for other in others if other.at == place), None) or self._new(loop, place)
        self._retire(other, _BESIDE_S)
        return other

    def _retire(self, connection: RedisConnection, after_s: float = 0.0) -> None:
        """Close it when all that waits has been answered, which takes no longer than a command may."""
        loop = connection.loop
        others, wait_s = self._others.setdefault(loop, {}), self._address.timeout_s + self._address.connect_timeout_s
        others[connection] = close_at = loop.time() + wait_s + after_s

        def close() -> None:
            if others.get(connection) == close_at:  # it was not needed again since
                del others[connection]
                connection.drop("its server has the keys no longer", pause=False)

        loop.call_at(close_at, close)


class RedisConnection:
    """Commands of one event loop, to the server that `where` names whenever a connection is made.

    `prepare` are commands sent on every new connection; their errors do not matter.
    """

    __slots__ = (
        "_address", "_connecting", "_deadline", "_link", "_link_is_ready", "_may_connect_at", "_most", "_new_future",
        "_opening", "_out", "_pause_s", "_prepare", "_timer", "_waiting", "_where", "_will_flush", "at", "loop",
        "looked_at",
    )  # fmt: skip

    def __init__(
        self, address: RedisAddress, loop: asyncio.AbstractEventLoop, prepare: Sequence[bytes],
        where: Callable[[], Awaitable[Place]],
    ) -> None:  # fmt: skip
        self.loop, self.looked_at = loop, -inf
        self.at: Place = (address.host, address.port)
        self._address, self._prepare, self._where = address, tuple(prepare), where
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._out: list[bytes] = []
        self._link: RedisLink | None = None
        self._link_is_ready = self._connecting = self._will_flush = False
        self._opening: SingleFlight[None] = SingleFlight()
        self._may_connect_at = self._deadline = 0.0
        self._most, self._new_future = address.max_waiting, loop.create_future
        self._pause_s = _FIRST_PAUSE_S
        self._timer: asyncio.TimerHandle | None = None

    def call(self, wire: bytes) -> asyncio.Future[Any]:
        """Send a command. The future gives its reply, ReplyError for an error, StoreError where none came."""
        waiting = self._waiting
        if len(waiting) >= self._most:
            raise StoreError(f"{self._address}: {len(waiting)} commands wait already")
        if not self._will_flush:  # the first command of this turn: all of a turn have one deadline
            self._begin()
        future = self._new_future()
        waiting.append((future, self._deadline))
        self._out.append(wire)
        return future

    def drop(self, why: str, *, pause: bool = True) -> None:
        """Close the connection; all that waits fails."""
        link, self._link, self._link_is_ready, self._will_flush = self._link, None, False, False
        if link is not None:
            link.abort()
        if pause:
            self._may_connect_at = self.loop.time() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._fail_all(why)

    # ------------------------------------------------------------------ what a link says

    def ready(self) -> None:
        """The link has greeted; what waits can go."""
        self._link_is_ready = True
        self._flush()

    def lost(self, link: RedisLink, why: str) -> None:
        """A link broke."""
        if link is self._link:
            self.drop(why)

    def reply(self, value: Any) -> None:
        """The answer of the oldest command."""
        if not self._waiting:
            self.drop("a reply that nobody waits for")
            return
        self._pause_s = _FIRST_PAUSE_S
        future, _ = self._waiting.popleft()
        if future.done():
            return  # cancelled: its place kept the order
        if isinstance(value, ReplyError):
            future.set_exception(value)
        else:
            future.set_result(value)

    # ------------------------------------------------------------------ inside

    def _begin(self) -> None:
        """Connect where that is needed, and have the commands of this turn sent at its end."""
        loop, timeout_s = self.loop, self._address.timeout_s
        now = loop.time()
        if self._link is None and not self._connecting:
            if now < self._may_connect_at:
                raise StoreError(f"{self._address}: not connected; the next attempt waits")
            self._connecting = True
            self._opening.start(None, self._open)
        if self._link_is_ready:
            self._will_flush = True
            loop.call_soon(self._flush)
        self._deadline = now + timeout_s
        if self._timer is None:
            self._timer = loop.call_later(timeout_s, self._look_at_the_oldest)

    def _flush(self) -> None:
        self._will_flush = False
        if self._out and self._link is not None and self._link_is_ready:
            wire = b"".join(self._out)
            self._out.clear()
            self._link.write(wire)

    def _fail_all(self, why: str) -> None:
        waiting = list(self._waiting)
        self._waiting.clear()
        self._out.clear()
        for future, _ in waiting:
            if not future.done():
                future.set_exception(StoreError(f"{self._address}: {why}"))

    def _look_at_the_oldest(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        now, deadline = self.loop.time(), self._waiting[0][1]
        if now < deadline:
            self._timer = self.loop.call_later(deadline - now, self._look_at_the_oldest)
            return
        why = f"no answer in {self._address.timeout_s:g} s"
        if self._connecting:  # which has a limit of its own
            self._fail_all(why)
        else:
            self.drop(why)

    async def _open(self) -> None:
        address = self._address
        self._link = link = RedisLink(self, greeting(address, self._prepare))
        try:
            await within(address.connect_timeout_s, self._connected(link))
        except (OSError, TimeUp, StoreError, ValueError) as error:  # ValueError: a name that cannot be looked up
            if self._link is link:
                self.drop(f"cannot connect: {connect_problem(error)}")
        except asyncio.CancelledError:
            self.drop("cancelled while connecting", pause=False)
            raise
        finally:
            self._connecting = False
            if self._link is not link:
                link.abort()

    async def _connected(self, link: RedisLink) -> None:
        address, loop = self._address, self.loop
        if address.path:
            await loop.create_unix_connection(lambda: link, address.path)
            return
        self.at = await self._where()
        if self._link is link:  # not closed meanwhile
            await loop.create_connection(lambda: link, *self.at, ssl=tls_context(address))


def _with_text(wire: bytes, script: bytes) -> bytes:
    """A call of a script by its digest (EVALSHA), as one that brings it along (EVAL)."""
    parts, _, _, _, _, rest = wire.split(b"\r\n", 5)
    return b"%b\r\n$4\r\nEVAL\r\n$%d\r\n%b\r\n%b" % (parts, len(script), script, rest)
