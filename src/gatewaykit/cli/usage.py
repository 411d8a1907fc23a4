"""A mistake on the command line that the parser cannot see."""

from __future__ import annotations

__all__ = ["UsageError"]


class UsageError(Exception):
    """The text is for the user: one line that says what is wrong and what to do."""
