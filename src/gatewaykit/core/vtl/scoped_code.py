"""A parsed template to Python functions of a scope and of the pieces of output: `body`, macros, blocks, strings.

For templates whose code runs elsewhere than it stands. What is written here runs on `scopes`, where variables are
looked up by name.
"""

from __future__ import annotations

from dataclasses import replace

from gatewaykit.core.vtl.expression_code import Function, is_rooted
from gatewaykit.core.vtl.generator import Generated, Generator
from gatewaykit.core.vtl.nodes import (
    Break,
    Constant,
    Define,
    Evaluate,
    Expression,
    Foreach,
    If,
    Interpolation,
    Macro,
    MacroCall,
    Output,
    Reference,
    Statement,
    Stop,
    Text,
)
from gatewaykit.core.vtl.parser import Parsed
from gatewaykit.core.vtl.uses import MAX_LOOP_DEPTH, Uses

__all__ = ["ScopedGenerator"]


class ScopedGenerator(Generator):
    """`is_open`: macros may be defined while the template runs, so that any call may be one."""

    def __init__(self, uses: Uses, parsed: Parsed, *, is_open: bool) -> None:
        super().__init__(uses)
        self._loop_objects = True
        self._parsed = parsed
        self._is_open = is_open
        self._scope = "scope"
        self._lines: list[tuple[int, str, tuple[int, int]]] = []  # of the functions that are finished

    def generated(self, statements: list[Statement]) -> Generated:
        macros = {
            name: (self._written(macro.body), tuple(macro.parameters)) for name, macro in self._parsed.macros.items()
        }
        body = self._written(statements)
        self._lines.append((0, f"body = {body}", (1, 1)))
        return replace(self._finished(self._lines), macros=macros)

    def _written(self, body: list[Statement] | Foreach, *, as_string: bool = False) -> str:
        """The name of a function with these statements, or with this loop."""
        name = self._unique("f")
        outer, outer_scope = self._function, self._scope
        self._function, self._scope = Function(), "scope"
        self._function.place = outer.place
        if isinstance(body, Foreach):
            self._loop(body)
        else:
            self._body(body)
        lines: list[tuple[int, str, tuple[int, int]]] = [
            (0, f"def {name}(scope{'' if as_string else ', pieces'}):", outer.place)
        ]
        if as_string:
            lines.append((1, "pieces = scope.rendering.pieces()", outer.place))
        lines.append((1, "append = pieces.append", outer.place))
        lines += self._function.lines
        if as_string:
            lines += [(1, "pieces.check()", outer.place), (1, "return join(pieces)", outer.place)]
        self._lines += lines
        self._function, self._scope = outer, outer_scope
        return name

    # ---------------------------------------------------------------------------------------------- expressions

    def _variable(self, name: str) -> str:
        return f"{self._scope}.get({self._constant(name)})"

    def _printed(self, reference: Reference, *, is_next: bool = False) -> str:
        """What the reference prints in a string."""
        return self._shown("shown", self._scope, reference)

    def _shown(self, function: str, target: str, reference: Reference) -> str:
        prefix, literal = self._constant(reference.prefix), self._constant(reference.literal)
        raw = self._chain(reference.root, reference.accessors) if reference.root else "None"
        if reference.escaped:
            raw = f"({raw}, {self._scope}.literal({literal}))[1]"
        return f"{function}({target}, {raw}, {prefix}, {literal})"

    def _truth(self, node: Expression) -> str:
        if is_rooted(node):
            return f"holds({self._chain(node.root, node.accessors)})"
        return super()._truth(node)

    def _interpolation(self, node: Interpolation) -> str:
        if node.is_plain:
            return super()._interpolation(node)
        name = self._written(node.body, as_string=True)
        return f"{name}({self._scope})[:-1]" if node.trim else f"{name}({self._scope})"

    # ----------------------------------------------------------------------------------------------- statements

    def _is_macro(self, call: MacroCall) -> bool:
        return self._is_open or call.name in self._parsed.macros

    def _append(self, run: list[Text | Output | If]) -> None:
        for statement in run:
            self._function.temporaries = 0
            if isinstance(statement, Output):
                self._function.place = (statement.line, statement.column)
                self._function.emit(self._shown("put", f"pieces, {self._scope}", statement.reference))
            elif isinstance(statement, Text) and statement.text:
                self._function.emit(f"append({self._constant(statement.text)})")

    def _statement(self, statement: Statement) -> None:
        function = self._function
        if isinstance(statement, Define):
            name = self._written(statement.body)
            self._assign(statement.name, f"Block({name}, {self._scope})")
        elif isinstance(statement, MacroCall):
            self._call_macro(statement)
        elif isinstance(statement, Evaluate):
            function.emit(f"evaluate(pieces, {self._scope}, {self._value(statement.source)})")
        elif isinstance(statement, Break) and statement.loop is not None:
            function.emit(f"break_loop({self._value(statement.loop)})")
        elif isinstance(statement, Break) and not function.loops:
            function.emit("raise Broken")
        elif isinstance(statement, Stop):
            self._message(statement)
            function.emit("raise Stopped")
        elif not isinstance(statement, Macro):
            super()._statement(statement)

    def _if(self, node: If) -> None:
        self._branches(node.branches)  # each asks anew: an argument or a block may change what it gives

    def _assign(self, name: str, value: str) -> None:
        self._function.emit(f"{self._scope}.put({self._constant(name)}, {value})")

    def _call_macro(self, call: MacroCall) -> None:
        arguments = "".join([f"{self._argument(value, literal)}, " for value, literal in call.arguments])
        name, literal = self._constant(call.name), self._constant(call.literal)
        more = f", {self._constant(call.word)}"
        if call.body is not None:
            more += f", {self._written(call.body)}"
        self._function.emit(f"call_macro(pieces, {self._scope}, {name}, {literal}, ({arguments}){more})")

    def _argument(self, value: Expression, literal: str) -> str:
        """Numbers and booleans are passed; anything else is evaluated where the macro uses it."""
        if isinstance(value, Constant) and not isinstance(value.value, str):
            return f"(None, {self._constant(value.value)})"
        outer, self._scope = self._scope, "scope"
        code = self._variable(value.root) if is_rooted(value) and not value.accessors else self._value(value)
        self._scope = outer
        return f"((lambda scope: {code}), {self._constant(literal)})"

    def _foreach(self, node: Foreach) -> None:
        if len(self._function.loops) < MAX_LOOP_DEPTH:
            self._loop(node)
        else:
            self._function.emit(f"{self._written(node)}({self._scope}, pieces)")

    def _loop(self, node: Foreach) -> None:
        function = self._function
        looping, scope = self._unique("i"), self._unique("s")
        over, name, site = self._over(node.iterable), self._constant(node.variable), self._constant(object())
        function.emit(f"{looping} = Looping({self._scope}, {name}, {over}, {site})")
        function.emit("try:")
        function.indent += 1
        function.emit(f"for {scope} in {looping}.scopes(pieces):")
        function.indent += 1
        outer, self._scope = self._scope, scope
        function.loops.append(("", ""))
        self._body(node.body)
        function.loops.pop()
        self._scope = outer
        function.indent -= 2
        function.emit("except (Broken, Stopped) as stop:")
        function.indent += 1
        function.emit(f"{looping}.end(stop)")
        function.indent -= 1
        function.emit("else:")
        function.indent += 1
        function.emit(f"{looping}.end()")
        function.indent -= 1
