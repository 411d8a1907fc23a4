"""What `bind` gives: the hooks alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Head, Request
    from gatewaykit.ports import Answer

__all__ = ["Bound"]


class Bound(Policy):
    """A policy whose hooks are closures made at start-up."""

    def __init__(
        self,
        name: str,
        *,
        on_request: Callable[[Request], Answer | Awaitable[Answer]] | None = None,
        on_head: Callable[[Request, Head], None] | None = None,
        on_end: Callable[[Request], None] | None = None,
        reads_body: bool | int = False,
    ) -> None:
        self.name, self.reads_body = name, reads_body
        self.on_request, self.on_head, self.on_end = on_request, on_head, on_end
