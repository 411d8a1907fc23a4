"""Limits on bodies. 10 MB is API Gateway's payload quota (developer guide, "Quotas"; reference 01 section 2)."""

from __future__ import annotations

from typing import Final

__all__ = ["MAX_BODY_BYTES", "MAX_LENGTH_DIGITS", "BodyTooLarge", "ClientGone"]

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
MAX_LENGTH_DIGITS: Final = 18  # of a Content-Length; one with more is over any limit, and is not made a number


class BodyTooLarge(Exception):
    """A streamed body went over its limit."""


class ClientGone(Exception):
    """The client closed the connection before its body was whole."""
