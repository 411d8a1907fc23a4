"""A parsed template to the source of one Python function, `render(variables)`.

Variables of the template become locals (`v0`, …), everything that was written in the template a named constant
(`k0`, …): no text of a template ever stands in the source. Neighbouring texts and references become one f-string;
`#foreach` becomes a `for`, with loop state only where the template asks for it; `#define` and strings that hold
directives become inner functions. Each line of the source knows the place in the template that it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import dropwhile
from typing import Final, TypeGuard

from gatewaykit.core.vtl import runtime
from gatewaykit.core.vtl.expression_code import (
    FLAGS,
    ExpressionGenerator,
    Function,
    TooComplex,
    formatted,
    is_rooted,
    may_be_null,
    may_fail,
)
from gatewaykit.core.vtl.nodes import (
    Break,
    Call,
    Define,
    Foreach,
    If,
    Index,
    Output,
    Reference,
    Set,
    Statement,
    Stop,
    Text,
)

__all__ = ["Generated", "Generator", "TooComplex", "generate"]

MAX_LOOP_DEPTH: Final = 10
MAX_BRANCHES: Final = 200


@dataclass(frozen=True, slots=True)
class Generated:
    """`places[n]` is the line and column in the template of line `n + 1` of the source."""

    source: str
    constants: dict[str, object]
    places: list[tuple[int, int]]


def generate(statements: list[Statement], generator: type[Generator] | None = None) -> Generated:
    """Raises TooComplex. `generator` is a kind of Generator that writes more than is needed to render."""
    return (generator or Generator)(statements).generated()


class Generator(ExpressionGenerator):
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
        constants = dict(self._constants.values())
        return Generated(
            "\n".join("    " * indent + line for indent, line, _ in lines), constants, [place for _, _, place in lines]
        )

    def _single_piece(self) -> bool:
        """A template that only prints after its first assignments returns one string, without a list of pieces."""
        printed = [*dropwhile(lambda statement: isinstance(statement, Set), self._statements)]
        if self._stops_inside or not all(isinstance(statement, (Text, Output)) for statement in printed):
            return False
        for statement in self._statements[: len(self._statements) - len(printed)]:
            self._function.place = (statement.line, statement.column)
            self._statement(statement)
        self._function.emit(f"return {self._joined(printed)}")
        return True

    def _opening(self) -> list[str]:
        return ["pieces = new_pieces()", "append = pieces.append"]

    def _inner_function(self, name: str, function: Function) -> Iterator[tuple[int, str, tuple[int, int]]]:
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
        outer, self._function = self._function, Function(kind)
        self._function.place = outer.place
        self._body(body)
        self._inner.append((name, self._function))
        self._function = outer

    # ---------------------------------------------------------------------------------------------- statements

    def _body(self, statements: list[Statement]) -> None:
        """At least one line. Runs of texts and references are put together."""
        start = len(self._function.lines)
        run: list[Text | Output | If] = []
        for statement in statements:
            if isinstance(statement, (Text, Output)) or self._is_separator(statement):
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

    def _is_separator(self, statement: Statement) -> TypeGuard[If]:
        """Whether it is text between items, `#if($foreach.hasNext),#end`, which may be part of a string."""
        if not isinstance(statement, If) or len(statement.branches) > 1:
            return False
        ((condition, body),) = statement.branches
        is_flag = isinstance(condition, Reference) and self._is_counter(condition) and condition.accessors[0] in FLAGS
        return is_flag and all(isinstance(each, Text) for each in body)

    def _separator(self, node: If) -> str:
        ((condition, body),) = node.branches
        text = "".join([each.text for each in body if isinstance(each, Text)])
        return f"({self._constant(text)} if {self._truth(condition)} else empty)" if condition else "empty"

    def _append(self, run: list[Text | Output | If]) -> None:
        joined = self._joined(run)
        if joined != "empty":
            self._function.emit(f"append({joined})")

    def _joined(self, run: Iterable[Statement]) -> str:
        """One expression for texts and references; what may fail is evaluated on a line of its own, in order."""
        pieces: list[str | Output | If] = []
        for statement in run:
            if isinstance(statement, (Output, If)):
                pieces.append(statement)
            elif isinstance(statement, Text) and statement.text:
                if pieces and isinstance(pieces[-1], str):
                    pieces[-1] += statement.text
                else:
                    pieces.append(statement.text)
        alone = sum(isinstance(piece, Output) for piece in pieces) < 2
        fallible = any(isinstance(piece, Output) and may_fail(piece.reference) for piece in pieces)
        shown: list[str] = []
        self._held.clear()
        for piece in pieces:
            if isinstance(piece, str):
                shown.append(self._constant(piece))
                continue
            if isinstance(piece, If):
                shown.append(self._separator(piece))
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
        return shown[0] if only_text else formatted(shown, '"')

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
            elif may_be_null(node.value):
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
        function.emit(f"if {temporary} is not None: {call}" if may_be_null(node.value) else call)

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
        if is_rooted(iterable) and iterable.accessors and iterable.accessors[-1] == Call("keySet", []):
            over = f"keys_of({self._chain(iterable.root, iterable.accessors[:-1])})"
        elif is_rooted(iterable):
            over = f"items({self._chain(iterable.root, iterable.accessors)})"
        else:
            over = f"items({self._value(iterable)})"
        function.emit(f"{items} = {over}")
        function.emit(f"if {items}:")
        function.indent += 1
        function.emit(f"{last} = pieces.enter({items})")
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
        function.emit(f"if {counter} & {runtime.TURN - 1} == {runtime.TURN - 1}: pieces.look()")
        for line in each:
            function.emit(line)
        function.loops.append((counter, last))
        self._body(node.body)
        function.loops.pop()
        function.indent -= 1
        for name, kept in saved.items():
            function.emit(f"{name} = {kept}")
        function.indent -= 1
