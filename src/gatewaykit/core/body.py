"""Limits on bodies. 10 MB is API Gateway's payload quota (developer guide, "Quotas"; reference 01 section 2)."""

from __future__ import annotations

__all__ = ["MAX_BODY_BYTES", "BodyTooLarge", "ClientGone"]

MAX_BODY_BYTES = 10 * 1024 * 1024


class BodyTooLarge(Exception):
    """A streamed body went over its limit."""


class ClientGone(Exception):
    """The client closed the connection before its body was whole."""
