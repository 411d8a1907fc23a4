"""What the cache of a server says is gone: a subscription, for what is kept in front of it.

It is listening, or it is not: what is kept in front may be used only while it listens. A connection that is silent for
`SILENCE_S` is over, so what was missed is at most so old. It is looked for again while somebody asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from gatewaykit.errors import StoreError
from gatewaykit.stores.redis_address import RedisAddress, tls_context
from gatewaykit.stores.redis_link import RedisLink, greeting
from gatewaykit.stores.redis_topology import RedisTopology, connect_problem
from gatewaykit.stores.resp import command
from gatewaykit.waiting import SingleFlight, TimeUp, within

__all__ = ["SILENCE_S", "Gone"]

_LOG: Final = logging.getLogger(__name__)

SILENCE_S: Final = 5.0
_PING_S: Final = 2.0
_PAUSE_S: Final = 1.0

_PING: Final = command([b"PING"])


class Gone:
    """A subscription of one event loop. `tell(space, key)` is called for what is gone; None stands for everything."""

    def __init__(self, address: RedisAddress, channel: bytes, tell: Callable[[bytes, bytes | None], None]) -> None:
        self._address, self._channel, self._tell = address, channel, tell
        self._topology = RedisTopology(address, channel)
        self._opening: SingleFlight[None] = SingleFlight()
        self._link: RedisLink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard_s = self._again_s = 0.0
        self._why = ""
        self.listens = False

    def look(self) -> bool:
        """Whether it listens, in this loop. Where it does not, it is connected for those who come later."""
        loop = asyncio.get_running_loop()
        if self.listens and self._loop is loop:
            return True
        if self._loop is not loop or (self._link is None and loop.time() >= self._again_s):
            if self._loop is not loop:
                self.close()
                self._loop = loop
            self._again_s = loop.time() + _PAUSE_S
            self._opening.start(id(loop), self._open)
        return False

    def close(self) -> None:
        """Stop listening. It begins again when somebody looks."""
        link, self._link, self.listens = self._link, None, False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if link is not None:
            link.abort()

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        link = self._link = RedisLink(
            self, [*greeting(self._address, []), (command([b"SUBSCRIBE", self._channel]), _not_subscribed)]
        )
        self._heard_s = loop.time()
        self._timer = loop.call_later(
            self._address.connect_timeout_s + SILENCE_S, self._ping
        )  # greeted by then, or lost
        try:
            await within(self._address.connect_timeout_s, self._connected(link, loop))
        except (OSError, TimeUp, StoreError, ValueError) as error:
            self.lost(link, f"cannot connect: {connect_problem(error)}")
        finally:
            if self._link is not link:  # closed meanwhile
                link.abort()

    async def _connected(self, link: RedisLink, loop: asyncio.AbstractEventLoop) -> None:
        if self._address.path:
            await loop.create_unix_connection(lambda: link, self._address.path)
        else:
            place = await self._topology.find()
            await loop.create_connection(lambda: link, *place, ssl=tls_context(self._address))

    # ------------------------------------------------------------------ what the link tells

    def ready(self) -> None:
        assert self._loop is not None  # it was looked for in one
        self._heard_s, self._why = self._loop.time(), ""
        self.listens = True
        self._tell(b"", None)  # what was said before is not known
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(_PING_S, self._ping)

    def reply(self, value: Any) -> None:
        if self._loop is not None:
            self._heard_s = self._loop.time()
        match value:
            case [b"message", bytes(), bytes(said)]:
                space, _, key = said.partition(b" ")
                self._tell(space, bytes.fromhex(key.decode("ascii", "replace")) if _is_hex(key) else None)
            case [b"pong" | b"subscribe", *_]:
                pass
            case _:
                self.close()

    def lost(self, link: RedisLink, why: str) -> None:
        if link is self._link:  # it is tried again; nothing is used in the meantime
            if why != self._why:
                self._why = why
                _LOG.warning("no response is kept in front of %s: %s", self._address, why)
            self.close()

    def _ping(self) -> None:
        assert self._loop is not None  # the timer is of one
        if self._link is None:
            return
        if self._loop.time() - self._heard_s > SILENCE_S - _PING_S:  # the next look would be too late
            self.lost(self._link, f"nothing was heard for {SILENCE_S:g} s")
            return
        self._link.write(_PING)
        self._timer = self._loop.call_later(_PING_S, self._ping)


def _not_subscribed(value: Any) -> str:
    """A user that may not listen is refused."""
    return "" if isinstance(value, list) and value[:1] == [b"subscribe"] else f"no subscription: {value}"


def _is_hex(text: bytes) -> bool:
    return len(text) % 2 == 0 and text != b"" and all(each in b"0123456789abcdef" for each in text)
