"""An #if whose first branches ask one reference for one text after the other: it is asked once, and the text looked up.

So the thousandth branch is found as fast as the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gatewaykit.core.vtl.nodes import Accessor, Binary, Constant, Expression, Property, Reference, Statement

__all__ = ["Branch", "Cases", "cases_of"]

MIN_CASES: Final = 8
"""Fewer are asked one after the other: a text is compared faster than it is looked up."""

Branch = tuple[Expression | None, list[Statement]]


@dataclass(frozen=True, slots=True)
class Cases:
    """`numbers` has the branch of each text, `bodies` what each runs, `others` are the branches behind them."""

    reference: Reference
    numbers: dict[str, int]
    bodies: list[list[Statement]]
    others: list[Branch]


def cases_of(branches: list[Branch]) -> Cases | None:
    """None where too few branches ask for texts. Reading names changes nothing, so that once is as good as often."""
    numbers: dict[str, int] = {}
    bodies: list[list[Statement]] = []
    subject: Reference | None = None
    for condition, body in branches:
        asked = _asked(condition)
        if asked is None:
            break
        reference, text = asked
        if subject is not None and _path(subject) != _path(reference):
            break
        subject = reference
        numbers.setdefault(text, len(bodies))
        bodies.append(body)
    if subject is None or len(bodies) < MIN_CASES:
        return None
    return Cases(subject, numbers, bodies, branches[len(bodies) :])


def _asked(condition: Expression | None) -> tuple[Reference, str] | None:
    """The parts of `$a.b == "text"`."""
    if not isinstance(condition, Binary) or condition.operator != "==":
        return None
    left, right = condition.left, condition.right
    if not isinstance(left, Reference) or not left.root or not isinstance(right, Constant):
        return None
    is_named = all(isinstance(accessor, Property) for accessor in left.accessors)
    return (left, right.value) if is_named and isinstance(right.value, str) else None


def _path(reference: Reference) -> tuple[str, list[Accessor]]:
    return reference.root, reference.accessors
