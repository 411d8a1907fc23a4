"""The expressions of templates as Python expressions, and what they share: constants, variables, temporaries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, TypeGuard

from gatewaykit.core.vtl.nodes import (
    Accessor,
    Binary,
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

__all__ = [
    "FLAGS", "ExpressionGenerator", "Function", "TooComplex", "formatted", "is_rooted", "may_be_null", "may_fail",
]  # fmt: skip

MAX_PARENTHESES: Final = 90

_COUNTERS: Final = {
    "index": "{n}",
    "count": "({n} + 1)",
    "hasNext": "({n} < {l})",
    "first": "({n} < 1)",
    "last": "({n} >= {l})",
}
FLAGS: Final = (Property("hasNext"), Property("first"), Property("last"))
_PLAIN_COUNTERS: Final = (Property("index"), Property("count"))
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

    def __init__(self, kind: str) -> None:
        self.kind = kind  # "main", "block" or "string"
        self.lines: list[tuple[int, str, tuple[int, int]]] = []
        self.indent = 1
        self.place = (1, 1)
        self.loops: list[tuple[str, str]] = []  # counter and last index of the loops around this point
        self.assigned: set[str] = set()

    def emit(self, line: str) -> None:
        if _depth(line) > MAX_PARENTHESES:
            raise TooComplex(*self.place, "an expression is too deeply nested")
        self.lines.append((self.indent, line, self.place))


class ExpressionGenerator(ABC):
    def __init__(self, statements: list[Statement]) -> None:
        self._statements = statements
        self._constants: dict[str, tuple[str, object]] = {}  # by `repr`, in which 1, 1.0 and -0.0 differ
        self._variables: dict[str, str] = {}
        self._inner: list[tuple[str, Function]] = []
        self._temporaries = 0
        # what chains of names lead to: where it is held, and what tells whether it is a map
        self._held: dict[tuple[str, ...], tuple[str, str]] = {}
        self._function = Function("main")
        uses = Uses(statements)
        self._has_blocks = uses.blocks
        self._has_loops = uses.loops
        self._stops_inside = uses.stops_inside
        # `$foreach` needs no object where only counters of a loop in sight are read
        self._loop_objects = uses.foreach_as_object or (uses.foreach_counters and uses.inner_functions)
        self._counts = uses.names & {"velocityCount", "velocityHasNext"}

    @abstractmethod
    def _write_inner(self, name: str, kind: str, body: list[Statement]) -> None:
        """Write an inner function: the body of a block (`kind` is "block") or of a string ("string")."""

    # --------------------------------------------------------------------------------------------------- names

    def _constant(self, value: object) -> str:
        return self._constants.setdefault(repr(value), (f"k{len(self._constants)}", value))[0]

    def _variable(self, name: str) -> str:
        return self._variables.setdefault(name, f"v{len(self._variables)}")

    def _assigned(self, name: str) -> str:
        variable = self._variable(name)
        if self._function.kind != "main":
            self._function.assigned.add(variable)
        return variable

    def _temporary(self, letter: str = "t") -> str:
        self._temporaries += 1
        return f"{letter}{self._temporaries}"

    # ---------------------------------------------------------------------------------------------- references

    def _chain(self, root: str, accessors: list[Accessor]) -> str:
        """The raw value of a reference: None where it leads nowhere."""
        if root == "foreach" and self._function.loops and not self._loop_objects:
            counter, last = self._function.loops[-1]
            name = accessors[0].name if isinstance(accessors[0], Property) else ""
            code, accessors = _COUNTERS[name].format(n=counter, l=last), accessors[1:]
        else:
            code = self._variable(root)
        for accessor in accessors:
            code = self._access(code, accessor)
        return code

    def _names(self, root: str, names: list[str]) -> str:
        """`_chain` of names only, where everything before it in one expression has been evaluated.

        Reading changes nothing, so that what is read often, such as `$context.identity`, is held, and whether it is a
        plain map.
        """
        code = self._variable(root)
        for at, written in enumerate(names):
            name, prefix = self._constant(written), (root, *names[:at])
            if prefix in self._held:
                holder, is_map = self._held[prefix]
            else:
                holder, flag = code if code.isidentifier() else self._temporary(), self._temporary("d")
                value = code if code == holder else f"({holder} := {code})"
                self._held[prefix] = holder, flag
                is_map = f"({flag} := type({value}) is dict)"
            code = f"({holder}.get({name}) if {is_map} else member({holder}, {name}))"
        return code

    def _access(self, owner: str, accessor: Accessor) -> str:
        temporary = self._temporary()
        if isinstance(accessor, Property):
            name = self._constant(accessor.name)
            return f"({temporary}.get({name}) if type({temporary} := {owner}) is dict else member({temporary}, {name}))"
        if isinstance(accessor, Index):
            key = self._value(accessor.key)
            return f"(None if ({temporary} := {owner}) is None else index({temporary}, {key}))"
        name = self._constant(accessor.name)
        if accessor.name == "get" and len(accessor.arguments) == 1:  # of a map by name, which most are
            key = self._temporary("a")
            is_name = f"type({key} := {self._value(accessor.arguments[0])}) is str and type({temporary}) is dict"
            found = f"{temporary}.get({key}) if {is_name} else call_one({temporary}, {name}, {key})"
            return f"(None if ({temporary} := {owner}) is None else {found})"
        arguments = "".join([f", {self._value(argument)}" for argument in accessor.arguments])
        call = {0: "call_bare", 1: "call_one"}.get(len(accessor.arguments), "call")
        return f"(None if ({temporary} := {owner}) is None else {call}({temporary}, {name}{arguments}))"

    def _printed(self, reference: Reference, *, in_string: bool = False) -> str:
        """What the reference prints, with the text that was read along with it: a string, or an integer to format."""
        if not reference.root:
            return self._constant(reference.prefix)
        names = [accessor.name for accessor in reference.accessors if isinstance(accessor, Property)]
        if len(names) < len(reference.accessors) or in_string or reference.escaped or self._is_counter(reference):
            self._held.clear()
            raw = self._chain(reference.root, reference.accessors)
        else:
            raw = self._names(reference.root, names)
        if reference.escaped:
            written = self._constant(reference.prefix + reference.literal)
            return f"({raw}, {written})[1]" if may_fail(reference) else written
        if self._has_blocks:
            printed = f"{'show_in_string' if in_string else 'show'}({raw}, {self._constant(reference.literal)})"
        elif self._is_counter(reference) and reference.accessors[0] in _PLAIN_COUNTERS:
            printed = raw
        else:
            name = raw if raw.isidentifier() else self._temporary()
            value = raw if name == raw else f"{name} := {raw}"
            kind = self._temporary("c")
            printed = (
                f"({name} if ({kind} := type({value})) is str or {kind} is int"
                f" else empty if {name} is None"
                f" else repr({name}) if {kind} is float and 0.001 <= {name} < 10000000.0 else text({name}))"
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
        if raw.isidentifier():
            return f"(empty if {raw} is None else {raw})"
        temporary = self._temporary()
        return f"(empty if ({temporary} := {raw}) is None else {temporary})"

    def _binary(self, node: Binary) -> str:
        left, right = self._value(node.left), self._value(node.right)
        if node.operator == "+":
            right += "".join([f", {self._constant(literal)}" for literal in (node.left_literal, node.right_literal)])
        return f"({_FUNCTIONS[node.operator]}({left}, {right}))"

    def _truth(self, node: Expression) -> str:
        """A condition: only a reference, `true`, a comparison or a combination of them can hold."""
        if isinstance(node, Reference):
            raw = self._chain(node.root, node.accessors) if node.root else "True"
            return raw if raw == "True" or self._is_counter(node) else f"({raw} is not False)"
        if isinstance(node, Not):
            return f"(not {self._truth(node.operand)})"
        if isinstance(node, Binary):
            if node.operator in ("&&", "||"):
                word = "and" if node.operator == "&&" else "or"
                return f"({self._truth(node.left)} {word} {self._truth(node.right)})"
            if node.operator in ("==", "!=", "<", "<=", ">", ">="):
                return self._binary(node)
        return "True" if isinstance(node, Constant) and node.value is True else "False"

    def _interpolation(self, node: Interpolation) -> str:
        if all(isinstance(statement, (Text, Output)) for statement in node.body):
            body = [*node.body]
            last = body[-1] if body else None
            trim = node.trim and isinstance(last, Text)
            if trim and isinstance(last, Text):
                body[-1] = Text(last.line, last.column, last.text[:-1])
            # what may fail is not moved to a line of its own: it may stand where it is not always evaluated
            pieces = []
            for piece in body:
                if isinstance(piece, Output):
                    pieces.append(self._printed(piece.reference, in_string=True))
                elif isinstance(piece, Text) and piece.text:
                    pieces.append(self._constant(piece.text))
            code = _string_of(pieces)
            return code if trim or not node.trim else f"{code}[:-1]"
        name = self._temporary("x")
        self._write_inner(name, "string", node.body)
        return f"{name}()[:-1]" if node.trim else f"{name}()"


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


def _string_of(pieces: list[str]) -> str:
    """An expression for pieces put together. It may stand in an f-string, so its own has other quotes."""
    if not pieces:
        return "empty"
    if any("'" in piece for piece in pieces):
        return f"join(({', '.join([f'text({piece})' for piece in pieces])},))"
    return formatted(pieces, "'")


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
