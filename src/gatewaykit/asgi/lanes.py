"""Short cuts of middlewares that are one policy and nothing else: what most requests are, without a Request.

A lane looks at a scope, and gives both messages of a response, or the way of the request to the app and back. None: it
has changed nothing, and the request goes the way of every other chain, which says the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from gatewaykit.asgi.types import Message, Scope, Send
    from gatewaykit.ports import Policy

__all__ = ["Lane", "Way", "lane_of"]


class Way(Protocol):
    """One request on its way: what `send` is to the app."""

    @property
    def started(self) -> bool:
        """Has the response begun?"""

    def send(self, message: Message, /) -> Awaitable[None]: ...


Lane: TypeAlias = "Callable[[Scope, Send], Way | tuple[Message, Message] | None]"


def lane_of(policy: Policy) -> tuple[Lane | None, bool]:
    """The short cut of a policy; None where it has none. And whether ways put a view into the scope's state."""
    from gatewaykit.asgi.cache_lane import cache_lane
    from gatewaykit.asgi.cors_lane import cors_lane
    from gatewaykit.asgi.limit_lane import limit_lane

    limit = limit_lane(policy)
    return limit or cors_lane(policy) or cache_lane(policy), limit is not None
