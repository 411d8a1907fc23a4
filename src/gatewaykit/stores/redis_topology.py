"""Which server of a cluster, or of those that sentinels watch, has the keys of a gateway.

Redis documentation, "Redis cluster specification" (redirection and resharding) and "Guidelines for Redis clients with
support for Redis Sentinel".

Rules
* The keys of a gateway are one hash slot, so what is looked for is one server. A node of a cluster is asked for such a
  key: it is there, or the answer MOVED says where. A node that answers CLUSTERDOWN, or nothing, has no vote.
* All seeds are asked at once. What more than half of them say is taken at once, else what most say: one that is cut off
  from the others, and still names the old master, is outvoted.
* Nodes that a cluster named are asked where no seed answers.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from gatewaykit.errors import StoreError
from gatewaykit.stores.redis_address import Place, RedisAddress, tls_context
from gatewaykit.stores.resp import NOTHING, ReplyError, command, new_parser
from gatewaykit.waiting import TimeUp, within

__all__ = ["RedisTopology", "connect_problem", "login", "redirected"]

_MOST_NODES = 64


class RedisTopology:
    """Finds the server that has `key`. What it learns of a cluster is kept for when no seed answers."""

    __slots__ = ("_address", "_key", "_nodes")

    def __init__(self, address: RedisAddress, key: bytes) -> None:
        self._address, self._key = address, key
        self._nodes: tuple[Place, ...] = ()

    async def find(self) -> Place:
        """Where the server is. Raises StoreError where nobody knows."""
        address = self._address
        if address.topology == "server":
            return address.host, address.port
        try:
            return await self._elected(address.seeds)
        except StoreError:
            nodes = [node for node in self._nodes if node not in address.seeds]
            if not nodes:
                raise
        return await self._elected(nodes)

    async def _elected(self, seeds: Sequence[Place]) -> Place:
        asking = [asyncio.ensure_future(self._vote(seed)) for seed in seeds]
        votes, silent = Counter[Place](), []
        try:
            for answer in asyncio.as_completed(asking):
                match await answer:
                    case str(why):
                        silent.append(why)
                    case place:
                        votes[place] += 1
                        if votes[place] > len(seeds) // 2:
                            break
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        if not votes:
            raise StoreError("; ".join(silent))
        return votes.most_common(1)[0][0]

    async def _vote(self, seed: Place) -> Place | str:
        """The server, as one node or sentinel sees it, or why it does not say."""
        address, who = self._address, f"{seed[0]}:{seed[1]}"
        try:
            answer = await within(address.connect_timeout_s / 2, self._ask(seed))
        except (OSError, TimeUp, StoreError, ValueError) as error:  # ValueError: a name that cannot be looked up
            return f"{who}: {connect_problem(error)}"
        if address.topology == "sentinel":
            match answer[0]:
                case [bytes(host), bytes(port)] if port.isdigit():
                    return host.decode("ascii", "replace"), int(port)
                case None:
                    return f"{who} knows no master {address.master!r}"
            return f"{who}: {answer[0]}"
        owner, slots = answer
        if isinstance(slots, list) and (nodes := list(dict.fromkeys(_nodes(slots)))):
            self._nodes = tuple(nodes[:_MOST_NODES])
        if not isinstance(owner, ReplyError) or str(owner).startswith("ASK "):
            return seed
        return redirected(owner, seed) or f"{who}: {owner}"

    async def _ask(self, seed: Place) -> list[Any]:
        address = self._address
        if address.topology == "sentinel":
            words = login(address.sentinel_user, address.sentinel_password)
            asked = [command([b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", address.master.encode()])]
        else:
            words = login(address.user, address.password)
            asked = [command([b"EXISTS", self._key]), command([b"CLUSTER", b"SLOTS"])]
        reader, writer = await asyncio.open_connection(*seed, ssl=tls_context(address))
        try:
            writer.write(b"".join([*words, *asked]))
            parser, replies = new_parser(), list[Any]()
            while len(replies) < len(words) + len(asked):
                if not (some := await reader.read(65536)):
                    raise StoreError("the server closed the connection")
                parser.feed(some)
                while (reply := parser.gets()) is not NOTHING:
                    replies.append(reply)
        finally:
            writer.transport.abort()
        if words and isinstance(replies[0], ReplyError):
            raise replies[0]
        return replies[len(words) :]


def redirected(error: ReplyError, asked: Place) -> Place | None:
    """Where MOVED or ASK points. A node that does not know the host means its own."""
    kind, _, rest = str(error).partition(" ")
    host, colon, port = rest.rpartition(" ")[2].rpartition(":")
    if kind not in ("MOVED", "ASK") or not colon or not (port.isascii() and port.isdigit()):
        return None
    return host or asked[0], int(port)


def login(user: str, password: str) -> list[bytes]:
    """The command that says who asks, where somebody does."""
    if not user and not password:
        return []
    return [command([b"AUTH", *([user.encode()] if user else []), password.encode()])]


def connect_problem(error: Exception) -> str:
    """Why a connection could not be made, in words that say what to look at."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message} (see ca_file)"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    return str(error) or type(error).__name__


def _nodes(slots: Sequence[Any]) -> Iterable[Place]:
    """The nodes in an answer to CLUSTER SLOTS."""
    for entry in slots:
        for node in entry[2:] if isinstance(entry, list) else ():
            match node:
                case [bytes(host), int(port), *_] if host:
                    yield host.decode("ascii", "replace"), port
