"""The short cut of a middleware that is one limit in memory and nothing else: the same verdict, without a Request.

It is for limits that count by the client's address, or all requests as one: that stands in the scope. A request that
gets its token goes to the app with a view of what is left. Whatever is out of the ordinary (a refusal, a view of a
shell further out, a scope without a client or a state) has taken nothing here, and goes the way of every other chain.
`benchmarks/bench_limits.py` guards the speed, `tests/asgi/test_limit_lane.py` that both ways say the same.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from gatewaykit.asgi.ids import IDS
from gatewaykit.asgi.scope import STATE_KEY
from gatewaykit.core.http import LimitState
from gatewaykit.policies import by

if TYPE_CHECKING:
    from gatewaykit.asgi.lanes import Lane
    from gatewaykit.asgi.types import Message, Scope, Send
    from gatewaykit.core.throttle import Taken
    from gatewaykit.policies.limit import BoundLimit
    from gatewaykit.ports import Policy

__all__ = ["Admitted", "limit_lane"]


class Admitted:
    """A request that got its token: what `send` is to the app, and the view of what was learned.

    Each limit has a class of its own, so that a request stores what is its own, and no more.
    """

    __slots__ = ("_has_started", "_id", "_scope", "_taken", "_to")

    identity: Final = None
    client_cert: Final = None
    _limit: ClassVar[BoundLimit]

    _has_started: bool  # this and the id are unset until they are known
    _id: str
    _scope: Scope
    _taken: Taken
    _to: Send

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self._has_started = True
        send = self._to
        return send(message)

    @property
    def started(self) -> bool:
        """Has the response begun?"""
        return hasattr(self, "_has_started")

    @property
    def limits(self) -> list[LimitState]:
        return [LimitState(self._limit.name, self._limit.size, self._taken.remaining, self._taken.reset_s)]

    @property
    def request_id(self) -> str:
        if not hasattr(self, "_id"):
            self._id = IDS.request_id()
        return self._id

    @property
    def address(self) -> str:
        address: str = self._scope["client"][0]
        return address


def limit_lane(policy: Policy) -> Lane | None:
    """For a policy that can take the short cut, the function that lets a request in, or takes nothing and says None."""
    from gatewaykit.policies.limit import BoundLimit

    if not isinstance(policy, BoundLimit) or policy.key_of not in (by.address, by.everyone):
        return None
    take, address_key = policy.take, by.address_key
    own: type[Admitted] = type("Admitted", (Admitted,), {"__slots__": (), "_limit": policy})
    everyone = "everyone" if policy.key_of is by.everyone else ""

    def admit(scope: Scope, send: Send) -> Admitted | None:
        try:
            state: dict[str, Any] = scope["state"]
            if STATE_KEY in state:
                return None
            address = scope["client"][0]
            key = everyone or address
            if ":" in key:
                key = address_key(key)
            elif not key:
                return None
            taken = take(key)
        except Exception:  # noqa: BLE001 - no state, no client, a store that fails: the long way meets it again
            return None
        if not taken[0]:
            return None
        admitted = state[STATE_KEY] = own()
        admitted._taken, admitted._to, admitted._scope = taken, send, scope
        return admitted

    return admit
