"""One TCP connection to Redis or Valkey: it greets, then passes replies on, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from gatewaykit import __version__
from gatewaykit.stores.redis_address import RedisAddress
from gatewaykit.stores.redis_topology import login
from gatewaykit.stores.resp import NOTHING, ProtocolError, ReplyError, command, new_parser

__all__ = ["LinkOwner", "RedisLink", "greeting"]

_Check = Callable[[Any], str]


class LinkOwner(Protocol):
    """Who is told what comes over a link."""

    def ready(self) -> None: ...
    def reply(self, value: Any) -> None: ...
    def lost(self, link: RedisLink, why: str) -> None: ...


class RedisLink(asyncio.Protocol):
    """One TCP connection (or Unix socket)."""

    __slots__ = ("_greeting", "_left", "_owner", "_parser", "_transport")

    def __init__(self, owner: LinkOwner, greeting: Sequence[tuple[bytes, _Check]]) -> None:
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
        _, check = self._greeting[-self._left]
        self._left -= 1
        if problem := check(value):
            self._owner.lost(self, problem)
        elif not self._left:
            if self._parser.gets() is NOTHING:
                self._owner.ready()
            else:
                self._owner.lost(self, "answers to commands that were not sent")


def greeting(address: RedisAddress, prepare: Sequence[bytes]) -> list[tuple[bytes, _Check]]:
    """What is sent first, and what is wrong with an answer, if something is."""
    words: list[tuple[bytes, _Check]] = [(wire, _refusal) for wire in login(address.user, address.password)]
    words.append((command([b"CLIENT", b"SETNAME", address.client_name.encode()]), _anything))
    words += [(command([b"CLIENT", b"SETINFO", *what]), _anything) for what in _LIBRARY]
    if address.topology == "sentinel":  # one that was master, and whose sentinels are slow to know
        words.append((command([b"ROLE"]), _not_master))
    if address.database or address.topology != "cluster":
        words.append((command([b"SELECT", b"%d" % address.database]), _refusal))
    return words + [(wire, _anything) for wire in prepare]


def _anything(value: Any) -> str:
    return ""


def _refusal(value: Any) -> str:
    return f"the server refused: {value}" if isinstance(value, ReplyError) else ""


def _not_master(value: Any) -> str:
    if isinstance(value, list) and value and value[0] != b"master":
        return "it is no master (any more)"
    return ""


_LIBRARY: Final = ((b"LIB-NAME", b"gatewaykit"), (b"LIB-VER", __version__.encode()))
