"""A parsed template to the source of one Python function, `render(variables)`.

Variables of the template become locals (`v0`, …), everything that was written in the template a named constant
(`k0`, …): no text of a template ever stands in the source. Neighbouring texts and references become one f-string;
`#foreach` becomes a `for`, with loop state only where the template asks for it; `#define` and strings that hold
directives become inner functions. Each line of the source knows the place in the template that it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeGuard

from gatewaykit.core.vtl import runtime
from gatewaykit.core.vtl.nodes import (
    Accessor,
    Binary,
    Break,
    Constant,
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
)  # fmt: skip
from gatewaykit.core.vtl.uses import Uses

__all__ = ["Generated", "TooComplex", "generate"]

MAX_LOOP_DEPTH: Final = 10
MAX_BRANCHES: Final = 200
MAX_PARENTHESES: Final = 90

_COUNTERS: Final = {
    "index": "{n}",
    "count": "({n} + 1)",
    "hasNext": "({n} < {l})",
    "first": "({n} < 1)",
    "last": "({n} >= {l})",
}
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


@dataclass(frozen=True, slots=True)
class Generated:
    """`places[n]` is the line and column in the template of line `n + 1` of the source."""

    source: str
    constants: dict[str, object]
    places: list[tuple[int, int]]


def generate(statements: list[Statement]) -> Generated:
    """Raises TooComplex."""
    return _Generator(statements).generated()


class _Function:
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


class _Generator:
    def __init__(self, statements: list[Statement]) -> None:
        self._statements = statements
        self._constants: dict[tuple[type, object], str] = {}
        self._variables: dict[str, str] = {}
        self._inner: list[tuple[str, _Function]] = []
        self._temporaries = 0
        self._function = _Function("main")
        uses = Uses(statements)
        self._has_blocks = uses.blocks
        self._has_loops = uses.loops
        self._stops_inside = uses.stops_inside
        # `$foreach` needs no object where only counters of a loop in sight are read
        self._loop_objects = uses.foreach_as_object or (uses.foreach_counters and uses.inner_functions)
        self._counts = uses.names & {"velocityCount", "velocityHasNext"}

    # -------------------------------------------------------------------------------------------- the function

    def generated(self) -> Generated:
        main = self._function
        single = self._single_piece()
        if not single:
            main.indent += self._stops_inside
            self._body(self._statements)
        lines: list[tuple[int, str, tuple[int, int]]] = [(0, "def render(variables):", (1, 1))]
        if self._variables:
            lines.append((1, "get = variables.get", (1, 1)))
        for name, variable in self._variables.items():
            lines.append((1, f"{variable} = get({self._constant(name)})", (1, 1)))
        if self._inner or not single:
            new = "Counted().pieces" if self._has_loops else "list"
            lines.append((1, f"new_pieces = {new}", (1, 1)))
        for name, function in self._inner:
            lines += self._inner_function(name, function)
        if not single:
            lines += [(1, line, (1, 1)) for line in self._opening()]
        if self._stops_inside:
            lines.append((1, "try:", (1, 1)))
            lines += [
                *main.lines,
                (2, "pass", (1, 1)),
                (1, "except Stopped as stop:", (1, 1)),
                (2, "append(stop.printed)", (1, 1)),
            ]
        else:
            lines += main.lines
        if not single:
            lines.append((1, "return join(pieces)", (1, 1)))
        constants = {name: value for (_, value), name in self._constants.items()}
        return Generated(
            "\n".join("    " * indent + line for indent, line, _ in lines), constants, [place for _, _, place in lines]
        )

    def _single_piece(self) -> bool:
        """A template of texts and references only returns one string, without a list of pieces."""
        if not all(isinstance(statement, (Text, Output)) for statement in self._statements):
            return False
        self._function.emit(f"return {self._joined(self._statements)}")
        return True

    def _opening(self) -> list[str]:
        return ["pieces = new_pieces()", "append = pieces.append"]

    def _inner_function(self, name: str, function: _Function) -> Iterator[tuple[int, str, tuple[int, int]]]:
        yield 1, f"def {name}({'pieces' if function.kind == 'block' else ''}):", (1, 1)
        if function.assigned:
            yield 2, f"nonlocal {', '.join(sorted(function.assigned))}", (1, 1)
        if function.kind == "block":
            yield 2, "append = pieces.append", (1, 1)
        else:
            for line in self._opening():
                yield 2, line, (1, 1)
        for indent, line, place in function.lines:
            yield indent + 1, line, place
        if function.kind == "string":
            yield 2, "return join(pieces)", (1, 1)

    def _write_inner(self, name: str, kind: str, body: list[Statement]) -> None:
        outer, self._function = self._function, _Function(kind)
        self._function.place = outer.place
        self._body(body)
        self._inner.append((name, self._function))
        self._function = outer

    # --------------------------------------------------------------------------------------------------- names

    def _constant(self, value: object) -> str:
        return self._constants.setdefault((type(value), value), f"k{len(self._constants)}")

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

    # ---------------------------------------------------------------------------------------------- statements

    def _body(self, statements: list[Statement]) -> None:
        """At least one line. Runs of texts and references are put together."""
        start = len(self._function.lines)
        run: list[Text | Output] = []
        for statement in statements:
            if isinstance(statement, (Text, Output)):
                run.append(statement)
                if self._stops_inside:  # what comes before must be out when a block stops the template
                    self._append(run)
                    run = []
            else:
                self._append(run)
                run = []
                self._function.place = (statement.line, statement.column)
                self._statement(statement)
        self._append(run)
        if len(self._function.lines) == start:
            self._function.emit("pass")

    def _append(self, run: list[Text | Output]) -> None:
        joined = self._joined(run)
        if joined != "empty":
            self._function.emit(f"append({joined})")

    def _joined(self, run: Iterable[Statement]) -> str:
        """One expression for texts and references; what may fail is evaluated on a line of its own, in order."""
        pieces: list[str | Output] = []
        for statement in run:
            if isinstance(statement, Output):
                pieces.append(statement)
            elif isinstance(statement, Text) and statement.text:
                if pieces and isinstance(pieces[-1], str):
                    pieces[-1] += statement.text
                else:
                    pieces.append(statement.text)
        alone = sum(isinstance(piece, Output) for piece in pieces) < 2
        fallible = any(isinstance(piece, Output) and _may_fail(piece.reference) for piece in pieces)
        shown: list[str] = []
        for piece in pieces:
            if isinstance(piece, str):
                shown.append(self._constant(piece))
                continue
            self._function.place = (piece.line, piece.column)
            expression = self._printed(piece.reference)
            if fallible and not alone:
                temporary = self._temporary()
                self._function.emit(f"{temporary} = {expression}")
                expression = temporary
            shown.append(expression)
        if not shown:
            return "empty"
        only_text = len(shown) == 1 and isinstance(pieces[0], str)
        return shown[0] if only_text else _formatted(shown, '"')

    def _statement(self, statement: Statement) -> None:
        if isinstance(statement, Set):
            self._set(statement)
        elif isinstance(statement, If):
            self._if(statement)
        elif isinstance(statement, Foreach):
            self._foreach(statement)
        elif isinstance(statement, Define):
            name = self._temporary("b")
            self._write_inner(name, "block", statement.body)
            self._function.emit(f"{self._assigned(statement.name)} = Block({name}, new_pieces)")
        elif isinstance(statement, Break) and self._function.loops:
            self._function.emit("break")
        elif self._function.kind == "main":  # a #break outside of loops ends the template as #stop does
            self._function.emit("return join(pieces)")
        elif isinstance(statement, Stop):
            self._function.emit("raise Stopped")
        elif self._function.kind == "block":
            self._function.emit("return")
        else:
            raise TooComplex(statement.line, statement.column, "#break in a string is not supported")

    def _set(self, node: Set) -> None:
        target, function = node.target, self._function
        value = self._value(node.value)
        if not target.accessors:
            if not target.name_as_written.isidentifier() and "-" not in target.name_as_written:
                function.emit(value)  # `#set(${a} = …)` and `#set($!a = …)` assign to no variable that can be read
            elif _may_be_null(node.value):
                temporary = self._temporary()
                function.emit(f"if ({temporary} := {value}) is not None:")
                function.indent += 1
                function.emit(f"{self._assigned(target.name_as_written)} = {temporary}")
                function.indent -= 1
            else:
                function.emit(f"{self._assigned(target.name_as_written)} = {value}")
            return
        temporary = self._temporary()
        function.emit(f"{temporary} = {value}")
        owner = self._chain(target.root, target.accessors[:-1])
        last = target.accessors[-1]
        if isinstance(last, Index):
            call = f"assign_index({owner}, {self._value(last.key)}, {temporary})"
        else:
            call = f"assign_property({owner}, {self._constant(last.name)}, {temporary})"
        function.emit(f"if {temporary} is not None: {call}" if _may_be_null(node.value) else call)

    def _if(self, node: If) -> None:
        function = self._function
        if len(node.branches) > MAX_BRANCHES:
            raise TooComplex(node.line, node.column, f"more than {MAX_BRANCHES} branches")
        word = "if"
        for condition, body in node.branches:
            function.emit(f"{word} {self._truth(condition)}:" if condition is not None else "else:")
            function.indent += 1
            self._body(body)
            function.indent -= 1
            word = "elif"

    def _foreach(self, node: Foreach) -> None:
        function = self._function
        if len(function.loops) >= MAX_LOOP_DEPTH:
            raise TooComplex(node.line, node.column, f"more than {MAX_LOOP_DEPTH} loops inside one another")
        items, counter, last = self._temporary("i"), self._temporary("n"), self._temporary("l")
        iterable = node.iterable  # a reference that leads nowhere is nothing to go over, nor is an empty string
        over = self._chain(iterable.root, iterable.accessors) if _is_rooted(iterable) else self._value(iterable)
        function.emit(f"{items} = items({over})")
        function.emit(f"if {items}:")
        function.indent += 1
        function.emit(f"{last} = len({items}) - 1")
        variable = self._assigned(node.variable)
        saved = {variable: self._temporary("o")}
        each = []
        if "velocityCount" in self._counts:
            saved[self._assigned("velocityCount")] = self._temporary("o")
            each.append(f"{self._assigned('velocityCount')} = {counter} + 1")
        if "velocityHasNext" in self._counts:
            saved[self._assigned("velocityHasNext")] = self._temporary("o")
            each.append(f"{self._assigned('velocityHasNext')} = {counter} < {last}")
        for name, kept in saved.items():
            function.emit(f"{kept} = {name}")
        if self._loop_objects:
            scope, loop, outer = self._assigned("foreach"), self._temporary("s"), self._temporary("o")
            saved[scope] = outer
            function.emit(f"{outer} = {scope}")
            function.emit(f"{scope} = {loop} = Loop({outer}, {last})")
            each.append(f"{loop}.index = {counter}")
        function.emit(f"for {counter}, {variable} in enumerate({items}):")
        function.indent += 1
        function.emit(f"if not {counter} & {runtime.TURN - 1}: pieces.turn()")
        for line in each:
            function.emit(line)
        function.loops.append((counter, last))
        self._body(node.body)
        function.loops.pop()
        function.indent -= 1
        for name, kept in saved.items():
            function.emit(f"{name} = {kept}")
        function.indent -= 1

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

    def _access(self, owner: str, accessor: Accessor) -> str:
        temporary = self._temporary()
        if isinstance(accessor, Property):
            name = self._constant(accessor.name)
            return f"({temporary}.get({name}) if type({temporary} := {owner}) is dict else member({temporary}, {name}))"
        if isinstance(accessor, Index):
            key = self._value(accessor.key)
            return f"(None if ({temporary} := {owner}) is None else index({temporary}, {key}))"
        arguments = "".join([f", {self._value(argument)}" for argument in accessor.arguments])
        name = self._constant(accessor.name)
        return f"(None if ({temporary} := {owner}) is None else call({temporary}, {name}{arguments}))"

    def _printed(self, reference: Reference, *, in_string: bool = False) -> str:
        """What the reference prints, with the text that was read along with it: a string, or an integer to format."""
        if not reference.root:
            return self._constant(reference.prefix)
        raw = self._chain(reference.root, reference.accessors)
        if reference.escaped:
            written = self._constant(reference.prefix + reference.literal)
            return f"({raw}, {written})[1]" if _may_fail(reference) else written
        if self._has_blocks:
            printed = f"{'show_in_string' if in_string else 'show'}({raw}, {self._constant(reference.literal)})"
        elif self._is_counter(reference) and reference.accessors[0] in _PLAIN_COUNTERS:
            printed = raw
        else:
            name = raw if raw.isidentifier() else self._temporary()
            value = raw if name == raw else f"{name} := {raw}"
            printed = f"({name} if type({value}) is str or type({name}) is int else text({name}))"
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


def _may_fail(reference: Reference) -> bool:
    return any(not isinstance(accessor, Property) for accessor in reference.accessors)


def _may_be_null(node: Expression) -> bool:
    """Whether a value can be null: what is computed from numbers, and what is no reference after all."""
    if isinstance(node, Constant):
        return node.value is None
    if isinstance(node, Reference):
        return not node.root
    return isinstance(node, Range) or (isinstance(node, Binary) and node.operator in "+-*/%")


def _formatted(pieces: list[str], quote: str) -> str:
    return f"f{quote}{''.join([f'{{{piece}}}' for piece in pieces])}{quote}"


def _string_of(pieces: list[str]) -> str:
    """An expression for pieces put together. It may stand in an f-string, so its own has other quotes."""
    if not pieces:
        return "empty"
    if any("'" in piece for piece in pieces):
        return f"join(({', '.join([f'text({piece})' for piece in pieces])},))"
    return _formatted(pieces, "'")


def _is_rooted(node: Expression) -> TypeGuard[Reference]:
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
