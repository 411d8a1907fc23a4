"""Templates that tell which references they read, and what they found: for people who write them, never for traffic.

The same generator writes the code, with every reference inside a call that notes it. So what is noted is what happens,
in the order in which it happens; and a template that nobody traces pays nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Final

from gatewaykit.core.vtl.expression_code import ExpressionGenerator
from gatewaykit.core.vtl.generator import Generator
from gatewaykit.core.vtl.nodes import Accessor, Constant, Expression, Index, Property, Reference
from gatewaykit.core.vtl.scoped_code import ScopedGenerator
from gatewaykit.core.vtl.scopes import Block
from gatewaykit.core.vtl.template import Kind, Template, TemplateProblem, compile_template
from gatewaykit.core.vtl.values import Failure, HostObject, text

__all__ = ["Read", "Trace", "compile_traced", "spelled"]

MAX_READS: Final = 10_000
MAX_LOOKED_INTO: Final = 10_000


@dataclass(frozen=True, slots=True)
class Read:
    """A reference that was read by the directive or output at `line` and `column` (1-based).

    `value` is its text at that moment; None where it led nowhere. `evaluated`: the place is one in a text that
    #evaluate ran.
    """

    line: int
    column: int
    reference: str
    value: str | None
    evaluated: bool = False


class Trace:
    """What one rendering reads, in order; `more` counts what is over the bound on what is kept."""

    def __init__(self) -> None:
        self.reads: list[Read] = []
        self.more = 0

    def note(self, reference: str, line: int, column: int, value: object, *, evaluated: bool = False) -> object:
        if len(self.reads) < MAX_READS:
            self.reads.append(Read(line, column, reference, _shown(value), evaluated))
        else:
            self.more += 1
        return value


def compile_traced(template: str, trace: Trace) -> Template | TemplateProblem:
    """A template that notes in `trace` what it reads."""
    names = {"note": trace.note, "note_evaluated": partial(trace.note, evaluated=True)}
    return compile_template(template, Kind(_Noting, _NotingScoped, _NotingEvaluated, names))


class _Notes(ExpressionGenerator):
    """Writes the call that notes a reference round each one. A part of the kinds of generators below."""

    _note = "note"

    def _chain(self, root: str, accessors: list[Accessor]) -> str:
        line, column = self._function.place
        name = self._constant(spelled(root, accessors))
        return f"{self._note}({name}, {line}, {column}, {super()._chain(root, accessors)})"

    def _names(self, reference: Reference) -> str:
        return self._chain(reference.root, reference.accessors)  # nothing is held: each reference is one that is read


class _Noting(_Notes, Generator):
    pass


class _NotingScoped(_Notes, ScopedGenerator):
    pass


class _NotingEvaluated(_NotingScoped):
    _note = "note_evaluated"


def spelled(root: str, accessors: list[Accessor]) -> str:
    """A reference as it could have been written; what is computed inside it is `…`."""
    parts = [f"${root}"]
    for accessor in accessors:
        if isinstance(accessor, Property):
            parts.append(f".{accessor.name}")
        elif isinstance(accessor, Index):
            parts.append(f"[{_inside(accessor.key)}]")
        else:
            parts.append(f".{accessor.name}({', '.join(map(_inside, accessor.arguments))})")
    return "".join(parts)


def _inside(node: Expression) -> str:
    if isinstance(node, Constant):
        return f"'{node.value}'" if isinstance(node.value, str) else json.dumps(node.value)
    return spelled(node.root, node.accessors) if isinstance(node, Reference) and node.root else "…"


def _shown(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, HostObject):
        return ""
    if _may_run(value):
        return "…"
    try:
        return text(value)
    except (Failure, RecursionError):
        return "…"


def _may_run(value: object) -> bool:
    """Whether there is a block in a value, which would run once more to be shown, or so much that nobody knows."""
    containers = [value]
    for container in containers:  # which grows on the way
        inner = container.values() if isinstance(container, dict) else container if isinstance(container, list) else ()
        for item in inner:
            if type(item) is Block or len(containers) > MAX_LOOKED_INTO:
                return True
            if isinstance(item, (dict, list)):
                containers.append(item)
    return False
