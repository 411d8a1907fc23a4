"""A policy that writes what it said into the request's trace: for `explain` and `invoke`, never for traffic."""

from __future__ import annotations

from collections.abc import Awaitable
from math import inf
from typing import TYPE_CHECKING

from gatewaykit.core.http import Response
from gatewaykit.core.reasons import Refusal
from gatewaykit.core.usage_plan import ACCOUNT
from gatewaykit.ports import Policy
from gatewaykit.units import duration_text

if TYPE_CHECKING:
    from gatewaykit.core.http import LimitState, Request
    from gatewaykit.ports import Answer, Hook

__all__ = ["Recorded"]


_ALWAYS_THERE = (
    "envelope",
    "decompress",
    "preauth",
    "preauth_passed",
)  # nobody configured them: they are told of only where they refuse


class Recorded(Policy):
    """The same hooks as `policy`; each answer becomes a line of the phase `policy`, as `name verdict: detail`."""

    def __init__(self, policy: Policy) -> None:
        self.name, self.phase, self.reads_body = policy.name, policy.phase, policy.reads_body
        self.answers_preflight, self.rewrites = policy.answers_preflight, policy.rewrites
        self.on_head, self.on_body, self.wrap_body, self.on_end = (
            policy.on_head,
            policy.on_body,
            policy.wrap_body,
            policy.on_end,
        )
        self._close = policy.aclose
        if policy.on_request is not None:
            self.on_request = _recorded(policy, policy.on_request)
        if (around := policy.around) is not None:
            self.around = lambda behind: _recorded(policy, around(behind))

    async def aclose(self) -> None:
        await self._close()


def _recorded(policy: Policy, decide: Hook) -> Hook:
    name, quiet = policy.name or type(policy).__name__, policy.phase in _ALWAYS_THERE or policy.name == ACCOUNT

    def on_request(request: Request) -> Answer | Awaitable[Answer]:
        before = len(request.limits)
        answer = decide(request)
        if answer is request and quiet:
            return request
        if answer is request or isinstance(answer, (Response, Refusal)):
            return _note(request, name, answer, before)
        return _noted(request, name, answer, before)

    return on_request


async def _noted(request: Request, name: str, answer: object, before: int) -> Answer:
    waited: Answer = await answer  # type: ignore[misc]  # the chain says what is wrong with an answer of another kind
    return _note(request, name, waited, before)


def _note(request: Request, name: str, answer: Answer, before: int) -> Answer:
    if isinstance(answer, Refusal):
        request.note("policy", f"{name} refused: {answer.detail or answer.reason.text}")
    elif isinstance(answer, Response):
        request.note("policy", f"{name} answered: status {answer.status}")
    else:
        request.note("policy", f"{name} passed: {'; '.join(map(_left, request.limits[before:]))}")
    return answer


def _left(limit: LimitState) -> str:
    """What a limit has left, and when it is whole again."""
    whole = f", all again in {duration_text(limit.reset_s)}" if 0 < limit.reset_s < inf else ""
    return f"{limit.name}: {limit.remaining} of {limit.limit} left{whole}"
