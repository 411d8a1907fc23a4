"""A body that cannot be transformed. The policy makes a refusal of it: the client's fault, or the back end's."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TooLarge", "Unusable"]


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a body cannot be transformed, for the operator."""

    detail: str


@dataclass(frozen=True, slots=True)
class TooLarge(Unusable):
    """More than the bound on what is held in memory."""

    limit: int
