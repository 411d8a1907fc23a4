"""The operator's log: one record per failure, with the request id and the reason."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from gatewaykit.errors import UpstreamError

if TYPE_CHECKING:
    from gatewaykit.core.http import Request
    from gatewaykit.core.reasons import Refusal

__all__ = ["is_logged", "log_failure", "log_hook_failure"]

_LOG = logging.getLogger("gatewaykit")
_MARK = "_gatewaykit_logged"


def log_failure(request: Request, refusal: Refusal, raised: Exception | None = None) -> None:
    """One record for a request that failed. A traceback goes with it where an exception was the cause.

    The exception goes on up, as what was `raised`, to break the connection: our own server makes no second record.
    """
    if (error := raised or refusal.cause) is not None:
        object.__setattr__(error, _MARK, True)  # whatever the class says of attributes
    detail = _printable(refusal.detail or refusal.reason.text)
    trace = _traceback(refusal.cause)
    _LOG.error(
        "%s %s %s %s: %s%s",
        request.id or "-",
        _printable(request.method),
        _printable(request.path),
        refusal.reason.name,
        detail,
        f"\n{trace}" if isinstance(trace, str) else "",
        exc_info=None if isinstance(trace, str) else trace,
        extra={"request_id": request.id, "reason": refusal.reason.name, "detail": detail},
    )


def is_logged(error: BaseException) -> bool:
    """Whether there is a record of this exception, with its request's id."""
    return hasattr(error, _MARK)


def log_hook_failure(request: Request, hook: Callable[..., object], error: Exception) -> None:
    """One record for an `on_end` hook that raised; the response has gone out already."""
    name = getattr(hook, "__qualname__", repr(hook))
    _LOG.error("%s %s: %s failed after the response", request.id or "-", request.method, name, exc_info=error)


def _traceback(cause: BaseException | None) -> BaseException | str | None:
    """The cause, for the handler to format; as text where its own has lone surrogates, which no handler can write.

    A party that could not be reached is no fault of the code: the detail says all there is.
    """
    if cause is None or isinstance(cause, UpstreamError):
        return None
    text = "".join(traceback.format_exception(cause))
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return cause


def _printable(text: str) -> str:
    """A path or a detail may hold what a client sent; a record stays one line."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
