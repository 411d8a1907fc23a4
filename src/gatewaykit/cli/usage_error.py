"""A mistake on the command line."""

from __future__ import annotations

from gatewaykit.errors import Problem

__all__ = ["UsageError"]


class UsageError(Exception):
    """The text is for the user: one line that says what is wrong and what to do."""

    def __init__(self, what: str, *, where: str = "", near: str = "", mend: str = "") -> None:
        self.problem = Problem(where=where, what=what, near=near, mend=mend)
        super().__init__(str(self.problem))
