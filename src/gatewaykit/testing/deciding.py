"""Policies alone: what do they say to a request? No app, no server, no event loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gatewaykit.core.body import MAX_BODY_BYTES
from gatewaykit.core.gateway_response import compile_renderer
from gatewaykit.deploy.rules import Rule, RuleChains, bind_listed
from gatewaykit.deploy.runtime import make_runtime
from gatewaykit.pipeline.chain import Chain
from gatewaykit.pipeline.decision import Decision
from gatewaykit.pipeline.decision import decide as decide_chain
from gatewaykit.policies.preauth_throttle import guarded

if TYPE_CHECKING:
    from gatewaykit.clock import Clock
    from gatewaykit.core.http import Request
    from gatewaykit.ports import Policy, ThrottleStore, Transport

__all__ = ["decide", "decider"]


def decide(
    policies: Policy | Rule | Sequence[Policy | Rule],
    request: Request,
    *,
    clock: Clock | None = None,
    store: str | ThrottleStore = "memory://",
    transport: Transport | None = None,
    profile: str = "web",
    max_body_bytes: int = MAX_BODY_BYTES,
) -> Decision:
    """What policies say to one request. Limits start afresh with each call; `decider` keeps them.

    Raises ConfigError when the policies are misconfigured, or when one of them has to wait.
    """
    return decider(
        policies, clock=clock, store=store, transport=transport, profile=profile, max_body_bytes=max_body_bytes
    )(request)


def decider(
    policies: Policy | Rule | Sequence[Policy | Rule],
    *,
    clock: Clock | None = None,
    store: str | ThrottleStore = "memory://",
    transport: Transport | None = None,
    profile: str = "web",
    max_body_bytes: int = MAX_BODY_BYTES,
) -> Callable[[Request], Decision]:
    """A function that gives the decision on one request after another, over limits of their own that stay."""
    runtime = make_runtime(
        store=store, transport=transport, clock=clock, profile=profile, max_body_bytes=max_body_bytes
    )
    listed = bind_listed(list(policies) if isinstance(policies, Sequence) else [policies], runtime)
    render = compile_renderer(profile=profile)
    chains = RuleChains(listed, lambda chosen: Chain(guarded(chosen, None), None, render, max_body_bytes))

    def decide_next(request: Request) -> Decision:
        return decide_chain(chains.chain(request), request)

    return decide_next
