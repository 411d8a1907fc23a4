"""One connection to Redis or Valkey for all callers of an event loop, for small commands that are answered at once.

Rules
* Commands of one turn of the loop leave in one write. Replies come in the order of the commands: each takes the oldest
  waiting caller. A caller that was cancelled keeps its place, so no reply reaches another one.
* Nothing waits for ever. The oldest command has a deadline; when it passes, the connection is dropped with all that
  waits on it, because replies can no longer be matched in time.
* After a failure the next attempt waits, twice as long each time. Until then a call fails at once.
* A command is never sent twice: whoever asked may not know whether the first one counted.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from gatewaykit.errors import StoreError
from gatewaykit.stores.resp import NOTHING, ProtocolError, ReplyError, command, new_parser
from gatewaykit.waiting import SingleFlight, TimeUp, within

__all__ = ["RedisAddress", "RedisConnection", "RedisConnections"]

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """Where a server is, who asks, and how long one waits. A `path` is a Unix socket, and goes before host and port."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    database: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    client_name: str = "gatewaykit"
    tls: bool = False
    ca_file: str = ""
    connect_timeout_s: float = 1.0
    timeout_s: float = 0.25
    max_waiting: int = 10_000

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


class RedisConnections:
    """A connection for each event loop that asks."""

    __slots__ = ("_address", "_last", "_of", "_prepare")

    def __init__(self, address: RedisAddress, prepare: Sequence[bytes] = ()) -> None:
        self._address, self._prepare = address, tuple(prepare)
        self._of: WeakKeyDictionary[asyncio.AbstractEventLoop, RedisConnection] = WeakKeyDictionary()
        self._last: RedisConnection | None = None

    def here(self) -> RedisConnection:
        """The connection of the running loop."""
        loop, last = asyncio.get_running_loop(), self._last
        if last is not None and last.loop is loop:
            return last
        connection = self._of.get(loop)
        if connection is None:
            connection = self._of[loop] = RedisConnection(self._address, loop, self._prepare)
        self._last = connection
        return connection

    async def aclose(self) -> None:
        """Close the connection of the running loop. It opens again when needed."""
        connection = self._of.pop(asyncio.get_running_loop(), None)
        if connection is not None:
            connection.drop("closed", pause=False)
            await asyncio.sleep(0)  # the transport closes its socket in the loop's next turn
        self._last = None


class RedisConnection:
    """Commands of one event loop. `prepare` are commands sent on every new connection; their errors do not matter."""

    __slots__ = (
        "_address", "_connecting", "_deadline", "_link", "_link_is_ready", "_may_connect_at", "_most", "_new_future",
        "_opening", "_out", "_pause_s", "_prepare", "_timer", "_waiting", "_will_flush", "loop",
    )  # fmt: skip

    def __init__(self, address: RedisAddress, loop: asyncio.AbstractEventLoop, prepare: Sequence[bytes] = ()) -> None:
        self.loop = loop
        self._address, self._prepare = address, tuple(prepare)
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._out: list[bytes] = []
        self._link: _Link | None = None
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

    def lost(self, link: _Link, why: str) -> None:
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
        link = _Link(self, _greeting(address, self._prepare))
        context = ssl.create_default_context(cafile=address.ca_file or None) if address.tls else None
        try:
            opening = (
                self.loop.create_unix_connection(lambda: link, address.path)
                if address.path
                else self.loop.create_connection(lambda: link, address.host, address.port, ssl=context)
            )
            self._link = link  # its greeting may be answered before this task runs again
            await within(address.connect_timeout_s, opening)
        except (OSError, TimeUp, ValueError) as error:  # ValueError: a name that cannot be looked up
            if self._link is link:
                self.drop(f"cannot connect: {error}")
        except asyncio.CancelledError:
            self.drop("cancelled while connecting", pause=False)
            raise
        finally:
            self._connecting = False
            if self._link is not link:
                link.abort()


class _Link(asyncio.Protocol):
    """One TCP connection: greets, then passes replies on."""

    __slots__ = ("_greeting", "_left", "_owner", "_parser", "_transport")

    def __init__(self, owner: RedisConnection, greeting: Sequence[tuple[bytes, bool]]) -> None:
        self._owner, self._greeting = owner, greeting
        self._left = len(greeting)
        self._parser = new_parser()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's is no subclass
        self.write(b"".join(wire for wire, _ in self._greeting))

    def data_received(self, data: bytes) -> None:
        parser, owner = self._parser, self._owner
        try:
            parser.feed(data)
            while self._transport is not None and (value := parser.gets()) is not NOTHING:
                if self._left:
                    self._greeted(value)
                else:
                    owner.reply(value)
        except ProtocolError as error:
            owner.lost(self, f"answers that are no RESP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._owner.lost(self, f"the connection broke: {exc}" if exc else "the server closed the connection")

    def write(self, wire: bytes) -> None:
        if self._transport is not None:
            self._transport.write(wire)

    def abort(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _greeted(self, value: Any) -> None:
        _, is_required = self._greeting[-self._left]
        self._left -= 1
        if is_required and isinstance(value, ReplyError):
            self._owner.lost(self, f"the server refused: {value}")
        elif not self._left:
            if self._parser.gets() is NOTHING:
                self._owner.ready()
            else:
                self._owner.lost(self, "answers to commands that were not sent")


def _greeting(address: RedisAddress, prepare: Sequence[bytes]) -> list[tuple[bytes, bool]]:
    """What is sent first, and whether it must succeed."""
    words: list[tuple[bytes, bool]] = []
    if address.password:
        who = [address.user.encode()] if address.user else []
        words.append((command([b"AUTH", *who, address.password.encode()]), True))
    words.append((command([b"CLIENT", b"SETNAME", address.client_name.encode()]), False))
    words.append((command([b"SELECT", b"%d" % address.database]), True))
    return words + [(wire, False) for wire in prepare]
