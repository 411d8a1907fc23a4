"""What a template uses, anywhere in it: the generator leaves out what nobody asks for."""

from __future__ import annotations

from typing import Final

from gatewaykit.core.vtl.nodes import (
    Accessor,
    Binary,
    Call,
    Define,
    Expression,
    Foreach,
    If,
    Index,
    Interpolation,
    ListLiteral,
    MapLiteral,
    Not,
    Output,
    Property,
    Range,
    Reference,
    Set,
    Statement,
    Stop,
    Text,
)

__all__ = ["COUNTERS", "Uses"]

COUNTERS: Final = frozenset(("index", "count", "hasNext", "first", "last"))
"""Properties of `$foreach` that need no object."""


class Uses:
    """What a template uses, anywhere in it."""

    def __init__(self, statements: list[Statement]) -> None:
        self.names: set[str] = set()
        self.blocks = self.loops = self.inner_functions = self.stops_inside = False
        self.foreach_counters = self.foreach_as_object = False
        self._loops = 0
        self._inside = False
        self._body(statements)

    def _body(self, statements: list[Statement]) -> None:
        for statement in statements:
            if isinstance(statement, Output):
                self._expression(statement.reference)
            elif isinstance(statement, Set):
                self._target(statement.target)
                self._expression(statement.value)
            elif isinstance(statement, If):
                for condition, body in statement.branches:
                    if condition is not None:
                        self._expression(condition)
                    self._body(body)
            elif isinstance(statement, Foreach):
                self.loops = True
                self._name(statement.variable)
                self._expression(statement.iterable)
                self._loops += 1
                self._body(statement.body)
                self._loops -= 1
            elif isinstance(statement, Define):
                self.blocks = True
                self._name(statement.name)
                self._function(statement.body)
            elif isinstance(statement, Stop):
                self.stops_inside |= self._inside

    def _function(self, body: list[Statement]) -> None:
        self.inner_functions = True
        outer, self._inside = self._inside, True
        self._body(body)
        self._inside = outer

    def _name(self, name: str) -> None:
        self.names.add(name)
        self.foreach_as_object |= name == "foreach"

    def _target(self, target: Reference) -> None:
        self._name(target.root)
        self._accessors(target.accessors)

    def _expression(self, node: Expression) -> None:
        if isinstance(node, Reference):
            self.names.add(node.root)
            if node.root == "foreach":
                first = node.accessors[0] if node.accessors else None
                counter = isinstance(first, Property) and first.name in COUNTERS and self._loops > 0
                self.foreach_counters |= counter
                self.foreach_as_object |= not counter
            self._accessors(node.accessors)
        elif isinstance(node, Interpolation):
            if all(isinstance(statement, (Text, Output)) for statement in node.body):
                self._body(node.body)
            else:
                self._function(node.body)
        elif isinstance(node, ListLiteral):
            for item in node.items:
                self._expression(item)
        elif isinstance(node, MapLiteral):
            for key, value in node.items:
                self._expression(key)
                self._expression(value)
        elif isinstance(node, Range):
            self._expression(node.first)
            self._expression(node.last)
        elif isinstance(node, Binary):
            self._expression(node.left)
            self._expression(node.right)
        elif isinstance(node, Not):
            self._expression(node.operand)

    def _accessors(self, accessors: list[Accessor]) -> None:
        for accessor in accessors:
            if isinstance(accessor, Index):
                self._expression(accessor.key)
            elif isinstance(accessor, Call):
                for argument in accessor.arguments:
                    self._expression(argument)
