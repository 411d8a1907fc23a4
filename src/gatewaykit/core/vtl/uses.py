"""What a template uses, anywhere in it: the generator leaves out what nobody asks for."""

from __future__ import annotations

from typing import Final

from gatewaykit.core.vtl.nodes import (
    Accessor,
    Binary,
    Break,
    Call,
    Define,
    Evaluate,
    Expression,
    Foreach,
    If,
    Index,
    Interpolation,
    ListLiteral,
    MacroCall,
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
from gatewaykit.core.vtl.parser import Parsed

__all__ = ["COUNTERS", "Uses"]

COUNTERS: Final = frozenset(("index", "count", "hasNext", "first", "last"))
"""Properties of `$foreach` that need no object."""

_KEPT_BY_LOOPS: Final = ("foreach", "velocityCount", "velocityHasNext")

_OVERRIDES: Final = (Property("requestOverride"), Property("responseOverride"))
_IDENTITY: Final = Property("identity")
_READING: Final = frozenset(("containsKey", "entrySet", "get", "isEmpty", "keySet", "size", "values"))

MAX_LOOP_DEPTH: Final = 8
"""Loops inside one another in one Python function, which takes 20 blocks at most."""


class Uses:
    """What a template uses, anywhere in it.

    `assigned`: variables that it or its loops set. `printed_in_loops` counts texts and references. `places`: it
    asks for the place of a loop. `scoped`: it needs variables by name, because code runs elsewhere than it stands
    (macros, blocks, strings with directives, #evaluate), or because it does with a loop what local variables cannot.
    `only_reads`: it does no more with `$context` and `$stageVariables` than read what is in them by name, or set it.
    `context_names`: the names of what it reads of `$context`. `sets_context`: it sets something there.
    """

    def __init__(self, parsed: Parsed) -> None:
        self.names: set[str] = set()
        self.assigned: set[str] = {*_KEPT_BY_LOOPS}
        self.outputs = self.references = self.printed_in_loops = 0
        self.loops = self.loop_objects = self.places = self.breaks = self.scoped = False
        self.only_reads, self.sets_context = True, False
        self.context_names: set[str] = set()
        self._macros = parsed.macros
        self._variables: list[str] = []  # of the loops around
        self._body(parsed.statements)
        self.only_reads &= not self.scoped  # what runs elsewhere has not been looked into

    def _body(self, statements: list[Statement]) -> None:
        for statement in statements:
            if self._variables and isinstance(statement, (Output, Text)):
                self.printed_in_loops += 1
            if isinstance(statement, Output):
                self.outputs += 1
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
                self._loop(statement)
            elif isinstance(statement, Stop):
                self._expressions([] if statement.message is None else [statement.message])
            else:
                self.breaks |= isinstance(statement, Break)
                self.scoped |= (
                    isinstance(statement, (Define, Evaluate))
                    or (isinstance(statement, MacroCall) and statement.name in self._macros)
                    or (isinstance(statement, Break) and statement.loop is not None)
                )

    def _loop(self, loop: Foreach) -> None:
        self.loops = True
        self.scoped |= loop.variable in (*self._variables, *_KEPT_BY_LOOPS) or len(self._variables) == MAX_LOOP_DEPTH
        self.names.add(loop.variable)
        self.assigned.add(loop.variable)
        self._expression(loop.iterable)
        self._variables.append(loop.variable)
        self._body(loop.body)
        self._variables.pop()

    def _target(self, target: Reference) -> None:
        self.scoped |= not target.accessors and target.name_as_written in (*self._variables, *_KEPT_BY_LOOPS)
        self.assigned.add(target.root)
        self.loop_objects |= target.root == "foreach"
        self.only_reads &= target.root != "stageVariables"
        self.sets_context |= target.root == "context"
        self._name(target)
        self._accessors(target.accessors)

    def _name(self, reference: Reference) -> None:
        self.names.add(reference.root)
        first, second = [*reference.accessors, None, None][:2]
        if reference.root == "context":
            is_identity = first == _IDENTITY and not isinstance(second, Property)  # which prints in its own way
            self.only_reads &= isinstance(first, Property) and first not in _OVERRIDES and not is_identity
            if isinstance(first, Property):
                self.context_names.add(first.name)
        elif reference.root == "stageVariables":
            is_reading = isinstance(first, Call) and first.name in _READING
            self.only_reads &= isinstance(first, (Property, Index)) or is_reading

    def _expressions(self, nodes: list[Expression]) -> None:
        for node in nodes:
            self._expression(node)

    def _expression(self, node: Expression) -> None:
        while isinstance(node, Binary):  # sums may be long, to the left
            self._expression(node.right)
            node = node.left
        if isinstance(node, Reference):
            self.references += 1 + len(node.accessors)
            self._name(node)
            if node.root == "foreach":
                self.places = True
                first = node.accessors[0] if node.accessors else None
                counter = isinstance(first, Property) and first.name in COUNTERS and bool(self._variables)
                self.loop_objects |= not counter
            self._accessors(node.accessors)
        elif isinstance(node, Interpolation):
            self.scoped |= not node.is_plain
            self._body(node.body)
        elif isinstance(node, ListLiteral):
            self._expressions(node.items)
        elif isinstance(node, MapLiteral):
            for key, value in node.items:
                self._expressions([key, value])
        elif isinstance(node, Range):
            self._expressions([node.first, node.last])
        elif isinstance(node, Not):
            self._expression(node.operand)

    def _accessors(self, accessors: list[Accessor]) -> None:
        for accessor in accessors:
            if isinstance(accessor, Index):
                self._expression(accessor.key)
            elif isinstance(accessor, Call):
                self._expressions(accessor.arguments)
