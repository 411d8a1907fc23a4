"""The expressions of templates as Python expressions, and what they share: constants, variables, temporaries."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeGuard

from gatewaykit.core.vtl.nodes import (
    Accessor,
    Binary,
    Call,
    Constant,
    Expression,
    Index,
    Interpolation,
    ListLiteral,
    MapLiteral,
    Not,
    Output,
    Property,
    Range,
    Reference,
    Statement,
    Text,
)
from gatewaykit.core.vtl.uses import Uses
from gatewaykit.core.vtl.values import PLAIN_LEAST, PLAIN_MOST

__all__ = [
    "FLAGS", "MAX_FORMATTED", "ExpressionGenerator", "Function", "TooComplex", "formatted", "is_rooted", "may_be_null",
    "may_fail",
]  # fmt: skip

MAX_PARENTHESES: Final = 90
MAX_INDENT: Final = 95
"""Blocks in one another in Python, which takes less than a hundred."""

MAX_NESTED: Final = 12
"""Accesses or operations in a row that are written inside one another."""

MAX_INLINED: Final = 2000
"""References of a template for each of which there is code that is fast; in larger ones that code must be short."""

MAX_FORMATTED: Final = 16
"""References in one f-string: each may be as long as a text may be, and nobody looks in between."""

_COUNTERS: Final = {
    "index": "{n}",
    "count": "({n} + 1)",
    "hasNext": "({n} < {l})",
    "first": "({n} < 1)",
    "last": "({n} >= {l})",
}
FLAGS: Final = (Property("hasNext"), Property("first"), Property("last"))
_PLAIN_COUNTERS: Final = (Property("index"), Property("count"))
_CALLS: Final = {0: "call_bare", 1: "call_one"}
_FUNCTIONS: Final = {
    "+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "modulo", "==": "equal", "!=": "not equal",
    "<": "less", "<=": "less_or_equal", ">": "greater", ">=": "greater_or_equal",
}  # fmt: skip


class TooComplex(Exception):
    """A template that is beyond what the generator takes."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.message = message


class Function:
    """The lines of one function that is being written."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str, tuple[int, int]]] = []
        self.indent = 1
        self.place = (1, 1)
        self.loops: list[tuple[str, str]] = []  # counter and last index of the loops around this point
        self.temporaries = 0  # of the present statement

    def emit(self, line: str) -> None:
        if self.indent > MAX_INDENT:
            raise TooComplex(*self.place, "directives are nested too deeply")
        if _depth(line) > MAX_PARENTHESES:
            raise TooComplex(*self.place, "an expression is too deeply nested")
        self.lines.append((self.indent, line, self.place))


class ExpressionGenerator:
    def __init__(self, uses: Uses) -> None:
        self._constants: dict[str, tuple[str, object]] = {}  # by `repr`, in which 1, 1.0 and -0.0 differ
        self._variables: dict[str, str] = {}
        self._serial = 0
        # what chains of names lead to: where it is held, and what tells whether it is a map
        self._held: dict[tuple[str, ...], tuple[str, str]] = {}
        self._assigned = uses.assigned
        self._given: set[str] = set()  # variables that are never assigned
        self._methods: dict[tuple[str, str], str] = {}  # by variable and name: what loops call again and again
        self._function = Function()
        self._loop_objects = uses.loop_objects
        self._is_large = uses.references > MAX_INLINED

    # --------------------------------------------------------------------------------------------------- names

    def _constant(self, value: object) -> str:
        return self._constants.setdefault(repr(value), (f"k{len(self._constants)}", value))[0]

    def _variable(self, name: str) -> str:
        return self._variables.setdefault(name, f"v{len(self._variables)}")

    def _temporary(self) -> str:
        """A variable for the present statement."""
        self._function.temporaries += 1
        return f"t{self._function.temporaries}"

    def _hold(self, code: str) -> tuple[str, str]:
        """A variable for what is used more than once, and the code that gives it its value, at the first use."""
        if code.isidentifier():
            return code, code
        temporary = self._temporary()
        return temporary, f"({temporary} := {code})"

    def _unique(self, letter: str) -> str:
        self._serial += 1
        return f"{letter}{self._serial}"

    # ---------------------------------------------------------------------------------------------- references

    def _chain(self, root: str, accessors: list[Accessor]) -> str:
        """The raw value of a reference: None where it leads nowhere."""
        if root == "foreach" and self._function.loops and not self._loop_objects:
            counter, last = self._function.loops[-1]
            name = accessors[0].name if isinstance(accessors[0], Property) else ""
            code, accessors = _COUNTERS[name].format(n=counter, l=last), accessors[1:]
        else:
            code = self._variable(root)
            if root not in self._assigned and code.isidentifier():
                self._given.add(code)
        return self._one_by_one(code, [partial(self._access, accessor) for accessor in accessors])

    def _names(self, reference: Reference) -> str:
        """`_chain` of names, where everything before it in one expression has been evaluated.

        Reading changes nothing, so that what is read often, such as `$context.identity`, is held, and whether it is a
        plain map.
        """
        names = [accessor.name for accessor in reference.accessors if isinstance(accessor, Property)]
        is_counter = reference.root == "foreach" and bool(self._function.loops)
        is_short = len(names) <= MAX_NESTED and not self._is_large
        if len(names) < len(reference.accessors) or reference.escaped or is_counter or not is_short:
            self._held.clear()  # a method may change what is held
            return self._chain(reference.root, reference.accessors)
        code = self._variable(reference.root)
        for at, written in enumerate(names):
            name, prefix = self._constant(written), (reference.root, *names[:at])
            if prefix in self._held:
                holder, is_map = self._held[prefix]
            else:
                (holder, value), flag = self._hold(code), self._temporary()
                self._held[prefix] = holder, flag
                is_map = f"({flag} := type({value}) is dict)"
            code = f"({holder}.get({name}) if {is_map} else member({holder}, {name}))"
        return code

    def _one_by_one(self, first: str, steps: list[Callable[[str], str]]) -> str:
        """Each step takes what the one before it gave. Long chains are not nested, which Python limits."""
        if len(steps) <= MAX_NESTED:
            for step in steps:
                first = step(first)
            return first
        temporary = self._temporary()
        codes = [first, *[step(temporary) for step in steps]]
        # each assignment "is" what it assigned, so that `and` goes on to the next; nothing in between is kept
        return f"({' and '.join([f'({temporary} := {code}) is {temporary}' for code in codes])} and {temporary})"

    def _access(self, accessor: Accessor, owner: str) -> str:
        if isinstance(accessor, Property):
            name = self._constant(accessor.name)
            if self._is_large:
                return f"member({owner}, {name})"
            holder, value = self._hold(owner)
            return f"({holder}.get({name}) if type({value}) is dict else member({holder}, {name}))"
        arguments = [accessor.key] if isinstance(accessor, Index) else accessor.arguments
        shown = [self._value(argument) for argument in arguments]
        if isinstance(accessor, Index):
            function = "index"
        else:
            function = _CALLS.get(len(arguments), "call")
            shown.insert(0, self._constant(accessor.name))
        if self._is_large and all(is_harmless(argument) for argument in arguments):
            return f"{function}({owner}, {', '.join(shown)})"
        holder, value = self._hold(owner)  # what null is asked for is not evaluated
        found = f"{function}({holder}, {', '.join(shown)})"
        if function == "call_one" and not self._is_large:
            if accessor == Call("get", arguments):  # of a map by name, which most are
                key = self._temporary()
                is_name = f"type({key} := {shown[1]}) is str and type({holder}) is dict"
                found = f"{holder}.get({key}) if {is_name} else call_one({holder}, {shown[0]}, {key})"
            elif owner in self._given and self._function.loops:
                method = self._methods.setdefault((owner, shown[0]), f"m{len(self._methods)}")
                found = f"{method}({holder}, {shown[1]})"
        return f"(None if {value} is None else {found})"

    def _printed(self, reference: Reference, *, is_next: bool = False) -> str:
        """What the reference prints, with the text that was read along with it: a string, or an integer to format.

        `is_next`: everything before it in one expression has been evaluated.
        """
        if not reference.root:
            return self._constant(reference.prefix)
        raw = self._names(reference) if is_next else self._chain(reference.root, reference.accessors)
        if reference.escaped:
            written = self._constant(reference.prefix + reference.literal)
            return f"({raw}, {written})[1]" if may_fail(reference) else written
        if self._is_counter(reference) and reference.accessors[0] in _PLAIN_COUNTERS:
            printed = raw
        elif self._is_large:
            printed = f"text({raw})"
        else:
            name, value = self._hold(raw)
            kind = self._temporary()
            printed = (
                f"({name} if ({kind} := type({value})) is str or {kind} is int"
                f" else empty if {name} is None"
                f" else str({name}) if {kind} is float and {PLAIN_LEAST} <= {name} < {PLAIN_MOST} else text({name}))"
            )
        return f"({self._constant(reference.prefix)} + text({printed}))" if reference.prefix else printed

    def _is_counter(self, reference: Reference) -> bool:
        """Whether a reference is `$foreach.` and a counter of a loop in sight, kept in a local variable."""
        if reference.root != "foreach" or not self._function.loops or self._loop_objects:
            return False
        return len(reference.accessors) == 1

    # --------------------------------------------------------------------------------------------- expressions

    def _value(self, node: Expression) -> str:
        """The value of an expression. A reference that leads nowhere is the empty string."""
        if isinstance(node, Constant):
            return "None" if node.value is None else self._constant(node.value)
        if isinstance(node, Reference):
            return self._reference_value(node)
        if isinstance(node, Interpolation):
            return self._interpolation(node)
        if isinstance(node, ListLiteral):
            return f"JavaList(({''.join([self._value(item) + ', ' for item in node.items])}))"
        if isinstance(node, MapLiteral):
            return f"{{{', '.join([self._entry(key, value) for key, value in node.items])}}}"
        if isinstance(node, Range):
            return f"range_of({self._value(node.first)}, {self._value(node.last)})"
        if isinstance(node, Not) or node.operator in ("&&", "||"):
            return self._truth(node)
        return self._binary(node)

    def _entry(self, key: Expression, value: Expression) -> str:
        shown = self._value(key)
        if not (isinstance(key, Constant) and isinstance(key.value, str)):
            shown = f"key_of({shown})"
        return f"{shown}: {self._value(value)}"

    def _reference_value(self, node: Reference) -> str:
        if not node.root:
            return "None"
        raw = self._chain(node.root, node.accessors)
        if self._is_large:
            return f"given({raw})"
        holder, value = self._hold(raw)
        return f"(empty if {value} is None else {holder})"

    def _binary(self, node: Binary) -> str:
        operations: list[Binary] = []
        first: Expression = node
        while isinstance(first, Binary) and first.operator not in ("&&", "||"):
            operations.append(first)
            first = first.left
        operations.reverse()
        return self._one_by_one(self._value(first), [partial(self._operation, operation) for operation in operations])

    def _operation(self, node: Binary, left: str) -> str:
        right = self._value(node.right)
        if node.operator == "+":
            right += "".join([f", {self._constant(literal)}" for literal in (node.left_literal, node.right_literal)])
        return f"({_FUNCTIONS[node.operator]}({left}, {right}))"

    def _truth(self, node: Expression) -> str:
        """A condition: only a reference, `true`, a comparison or a combination of them can hold."""
        if isinstance(node, Reference):
            raw = self._chain(node.root, node.accessors) if node.root else "True"
            is_flag = self._is_counter(node) and node.accessors[0] in FLAGS
            return raw if raw == "True" or is_flag else f"({raw} is not False)"  # zero holds
        if isinstance(node, Not):
            return f"(not {self._truth(node.operand)})"
        if isinstance(node, Binary):
            if node.operator in ("&&", "||"):
                operands: list[Expression] = []
                first: Expression = node
                while isinstance(first, Binary) and first.operator == node.operator:
                    operands.append(first.right)
                    first = first.left
                operands.append(first)
                word = " and " if node.operator == "&&" else " or "
                return f"({word.join([self._truth(operand) for operand in reversed(operands)])})"
            if node.operator in ("==", "!=", "<", "<=", ">", ">="):
                return self._binary(node)
        return "True" if isinstance(node, Constant) and node.value is True else "False"

    def _interpolation(self, node: Interpolation) -> str:
        """A string with texts and references in it."""
        body = [*node.body]
        last = body[-1] if body else None
        trim = node.trim and isinstance(last, Text)
        if trim and isinstance(last, Text):
            body[-1] = Text(last.line, last.column, last.text[:-1])
        # what may fail is not moved to a line of its own: it may stand where it is not always evaluated
        pieces = [piece for piece in body if not isinstance(piece, Text) or piece.text]
        shown = [self._piece(piece, is_inlined=len(pieces) <= MAX_FORMATTED) for piece in pieces]
        if not shown:
            code = "empty"
        elif len(shown) > MAX_FORMATTED or any("'" in piece for piece in shown):
            code = f"joined(({', '.join(shown)},))"
        else:  # it may stand in an f-string, so its own has other quotes
            code = formatted(shown, "'") if len(shown) == 1 else f"bounded({formatted(shown, chr(39))})"
        return code if trim or not node.trim else f"{code}[:-1]"

    def _piece(self, piece: Statement, *, is_inlined: bool) -> str:
        """A text, or a reference as what prints it, or as a value that is yet to be printed."""
        if isinstance(piece, Text):
            return self._constant(piece.text)
        assert isinstance(piece, Output)
        reference = piece.reference
        if is_inlined or not reference.root or reference.prefix or reference.escaped:
            return self._printed(reference)
        return self._chain(reference.root, reference.accessors)


def may_fail(reference: Reference) -> bool:
    return any(not isinstance(accessor, Property) for accessor in reference.accessors)


def may_be_null(node: Expression) -> bool:
    """Whether a value can be null: what is computed from numbers, and what is no reference after all."""
    if isinstance(node, Constant):
        return node.value is None
    if isinstance(node, Reference):
        return not node.root
    return isinstance(node, Range) or (isinstance(node, Binary) and node.operator in "+-*/%")


def formatted(pieces: list[str], quote: str) -> str:
    return f"f{quote}{''.join([f'{{{piece}}}' for piece in pieces])}{quote}"


def is_harmless(node: Expression) -> bool:
    """Whether an expression may be evaluated although nobody asks for it."""
    return isinstance(node, Constant) or (isinstance(node, Reference) and not may_fail(node))


def is_rooted(node: Expression) -> TypeGuard[Reference]:
    return isinstance(node, Reference) and bool(node.root)


def _depth(line: str) -> int:
    """How deep the brackets of a line nest. No string in it holds brackets of its own."""
    depth = most = 0
    for character in line:
        if character in "([{":
            depth += 1
            most = max(most, depth)
        elif character in ")]}":
            depth -= 1
    return most
