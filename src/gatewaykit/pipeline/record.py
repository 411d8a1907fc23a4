"""The operator's log: one record per failure, with the request id and the reason."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.core.reasons import Refusal

__all__ = ["log_failure", "log_hook_failure"]

_LOG = logging.getLogger("gatewaykit")


def log_failure(request: Request, refusal: Refusal) -> None:
    """One record for a request that failed. A traceback goes with it where an exception was the cause."""
    _LOG.error(
        "%s %s %s %s: %s",
        request.id or "-",
        request.method,
        _printable(request.path),
        refusal.reason.name,
        _printable(refusal.detail or refusal.reason.text),
        exc_info=refusal.cause,
        extra={"request_id": request.id, "reason": refusal.reason.name, "detail": refusal.detail},
    )


def log_hook_failure(request: Request, hook: Callable[..., object], error: Exception) -> None:
    """One record for an `on_end` hook that raised; the response has gone out already."""
    name = getattr(hook, "__qualname__", repr(hook))
    _LOG.error("%s %s: %s failed after the response", request.id or "-", request.method, name, exc_info=error)


def _printable(text: str) -> str:
    """A path or a detail may hold what a client sent; a record stays one line."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
