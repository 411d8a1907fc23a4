"""Limits on bodies. 10 MB is API Gateway's payload quota (developer guide, "Quotas"; reference 01 section 2)."""

from __future__ import annotations

from typing import Final

from gatewaykit.core.reasons import Reason, Refusal

__all__ = ["MAX_BODY_BYTES", "MAX_LENGTH_DIGITS", "BodyTooLarge", "ClientGone", "too_large"]

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
MAX_LENGTH_DIGITS: Final = 18  # of a Content-Length; one with more is over any limit, and is not made a number


def too_large(limit: int) -> Refusal:
    """The refusal of a body over `limit` bytes. The client reads the front end's own words (reference 01 section 2)."""
    message = f"HTTP content length exceeded {limit} bytes."
    return Refusal(Reason.BODY_TOO_LARGE, f"the body has more than {limit} bytes", message=message)


class BodyTooLarge(Exception):
    """A streamed body went over its limit, in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body has more than {limit} bytes")
        self.limit = limit


class ClientGone(Exception):
    """The client closed the connection before its body was whole."""
