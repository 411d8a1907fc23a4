"""Requests in flight: how many of a key may be under way at once."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Entered"]


class Entered(NamedTuple):
    """Whether a request may go on, and how many of its key are under way now, itself among them where it may."""

    allowed: bool
    in_flight: int
