"""The way back of a response: which hooks it passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewaykit.core.http import Head, Request
    from gatewaykit.ports import Policy

__all__ = ["Way"]


class Way:
    """The way back of a response: the hooks of the policies that were reached, innermost first."""

    __slots__ = ("amend", "bodies", "wraps")

    amend: Callable[[Request, Head], None] | None
    """All `on_head` hooks; None where there is none."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        inward = tuple(reversed(policies))
        self.amend = _amending([policy.on_head for policy in inward if policy.on_head is not None])
        self.bodies = tuple(policy.on_body for policy in inward if policy.on_body is not None)
        self.wraps = tuple(policy.wrap_body for policy in inward if policy.wrap_body is not None)

    def of_heads(self) -> Way:
        """The same way for a response whose body is not for the policies: it replaces one that they did not get."""
        way = Way(())
        way.amend = self.amend
        return way


def _amending(hooks: Sequence[Callable[[Request, Head], None]]) -> Callable[[Request, Head], None] | None:
    if len(hooks) < 2:
        return hooks[0] if hooks else None
    hooks = tuple(hooks)

    def amend(request: Request, head: Head) -> None:
        for hook in hooks:
            hook(request, head)

    return amend
