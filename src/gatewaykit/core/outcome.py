"""What a refusal says of the work behind it: not begun, or nobody knows."""

from __future__ import annotations

from typing import Final

from gatewaykit.core.reasons import Reason, Refusal

__all__ = ["may_have_run"]

_UNKNOWN: Final = frozenset(
    (
        Reason.INTEGRATION_TIMEOUT, Reason.INTEGRATION_BROKE_OFF, Reason.INTEGRATION_RESPONSE_INVALID,
        Reason.INTEGRATION_RESPONSE_TOO_LARGE, Reason.NO_INTEGRATION_RESPONSE, Reason.MAPPING_FAILED,
        Reason.CLIENT_GONE, Reason.INTERNAL_ERROR,
    )
)  # fmt: skip


def may_have_run(refusal: Refusal) -> bool:
    """Whether the back end may have done its work, or be at it still. Else a policy refused, or it was not reached."""
    return refusal.reason in _UNKNOWN
