"""When a request came, for the policies of IAM that ask for the time of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewaykit.clock import Clock
    from gatewaykit.core.http import Request

__all__ = ["note_arrival"]


def note_arrival(request: Request, clock: Clock) -> None:
    """Set the request's time where nothing has yet: gateways do, and access logs; a middleware does without."""
    if not request.received_s:
        request.received_s = clock.wall()
