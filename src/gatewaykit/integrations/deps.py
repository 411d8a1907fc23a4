"""What integrations are compiled against: the facts of a deployment and the world outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gatewaykit.core.body import MAX_BODY_BYTES
from gatewaykit.core.payload.trace import FRESH_BYTES, trace_header

if TYPE_CHECKING:
    from gatewaykit.clock import Clock
    from gatewaykit.core.context import ApiFacts
    from gatewaykit.core.http import Request
    from gatewaykit.ports import Transport
    from gatewaykit.upstream.functions import FunctionRunner

__all__ = ["IntegrationDeps"]


@dataclass(slots=True, kw_only=True)
class IntegrationDeps:
    """One of these serves every integration of a deployment: functions of the same name share their workers through it.

    `functions` maps function names to Python callables `(event, context)`. `workers_per_function` bounds the threads of
    each handler that is not async.
    """

    facts: ApiFacts
    clock: Clock
    entropy: Callable[[int], bytes]
    transport: Transport
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    binary_media_types: tuple[str, ...] = ()
    max_body_bytes: int = MAX_BODY_BYTES
    workers_per_function: int = 10
    runners: dict[str, FunctionRunner] = field(default_factory=dict)

    def trace(self, request: Request) -> str:
        """The trace of this request, fresh where the client sent none."""
        fresh = int(request.received_s).to_bytes(4, "big") + self.entropy(FRESH_BYTES - 4)
        return trace_header(request.header("x-amzn-trace-id"), fresh)
