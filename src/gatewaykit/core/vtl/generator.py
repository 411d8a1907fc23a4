"""A parsed template to the source of one Python function, `render(variables)`.

Variables of the template become locals (`v0`, …), everything that was written in the template a named constant
(`k0`, …): no text of a template ever stands in the source. Neighbouring texts and references become one f-string;
`#foreach` becomes a `for`, with loop state only where the template asks for it. Each line of the source knows the place
in the template that it came from. A template whose code runs elsewhere than it stands is for `scoped_code` instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Final, TypeGuard

from gatewaykit.core.vtl.cases import Branch, Cases, cases_of
from gatewaykit.core.vtl.expression_code import (
    FLAGS,
    MAX_FORMATTED,
    ExpressionGenerator,
    TooComplex,
    formatted,
    is_rooted,
    may_be_null,
    may_fail,
)
from gatewaykit.core.vtl.growth import LARGE, MAX_ITERATIONS, MAX_STEPS, MAX_UNSEEN
from gatewaykit.core.vtl.nodes import (
    Break,
    Call,
    Expression,
    Foreach,
    If,
    Index,
    MacroCall,
    Output,
    Reference,
    Set,
    Statement,
    Stop,
    Text,
)
from gatewaykit.core.vtl.printed import Words, cut, pieces_of
from gatewaykit.core.vtl.uses import Uses

__all__ = ["Generated", "Generator", "TooComplex"]

BRANCHES: Final = 50
"""Branches in one Python statement, which nests them: a long #if becomes several."""

MAX_WRITTEN: Final = 512
"""References in one call of `Pieces.write`."""

MAX_OF_LOOP: Final = 32 * 1024 * 1024
"""Characters of one loop's output that nobody has looked at, at most."""


def may_change(statement: Text | Output | If) -> bool:
    """Whether putting this out may fail or change what is put out after it."""
    return isinstance(statement, Output) and may_fail(statement.reference)


@dataclass(frozen=True, slots=True)
class Generated:
    """`places[n]` is the line and column in the template of line `n + 1` of the source."""

    source: str
    constants: dict[str, object]
    places: list[tuple[int, int]]
    uses: Uses
    macros: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """Function and parameters of each macro."""


class Generator(ExpressionGenerator):
    def __init__(self, uses: Uses) -> None:
        super().__init__(uses)
        self._uses = uses
        self._own: set[str] = set()  # variables that the template sets before it reads them, whatever happens
        self._counts = uses.names & {"velocityCount", "velocityHasNext"}
        self._large = min(LARGE, MAX_OF_LOOP // (MAX_ITERATIONS * (uses.printed_in_loops + 1)))
        self._is_placed = uses.places or uses.breaks or uses.loop_objects or bool(self._counts)
        self._watched = uses.loops or uses.outputs > MAX_FORMATTED or self._is_large

    # -------------------------------------------------------------------------------------------- the function

    def generated(self, statements: list[Statement]) -> Generated:
        single = self._single_piece(statements)
        if not single:
            self._body(statements)
        lines: list[tuple[int, str, tuple[int, int]]] = [(0, "def render(variables):", (1, 1))]
        for name, variable in self._variables.items():
            if name not in self._own:
                lines.append((1, f"{variable} = variables.get({self._constant(name)})", (1, 1)))
        for (variable, name), method in self._methods.items():
            lines.append((1, f"{method} = one_argument({variable}, {name})", (1, 1)))
        if not single:
            lines.append((1, f"pieces = {'Pieces()' if self._watched else '[]'}", (1, 1)))
            lines.append((1, "append = pieces.append", (1, 1)))
            if self._uses.loops:
                lines.append((1, f"steps, look = 0, {MAX_UNSEEN}", (1, 1)))
        lines += self._function.lines
        if not single:
            lines.append((1, "return join(pieces)", (1, 1)))
        return self._finished(lines)

    def _single_piece(self, statements: list[Statement]) -> bool:
        """A template that only prints after its first assignments returns one string, without a list of pieces."""
        printed = [*dropwhile(lambda statement: isinstance(statement, Set), statements)]
        if self._watched or not all(isinstance(statement, (Text, Output)) for statement in printed):
            return False
        for statement in statements[: len(statements) - len(printed)]:
            self._begin(statement)
            self._statement(statement)
        self._function.temporaries = 0
        self._function.emit(f"return {self._joined(printed)}")
        return True

    def _finished(self, lines: list[tuple[int, str, tuple[int, int]]]) -> Generated:
        return Generated(
            "\n".join("    " * indent + line for indent, line, _ in lines),
            dict(self._constants.values()),
            [place for _, _, place in lines],
            self._uses,
        )

    # ---------------------------------------------------------------------------------------------- statements

    def _body(self, statements: list[Statement]) -> None:
        """At least one line. Runs of texts and references are put together."""
        start = len(self._function.lines)
        run: list[Text | Output | If] = []
        for statement in statements:
            if isinstance(statement, MacroCall) and not self._is_macro(statement):
                run.append(Text(statement.line, statement.column, statement.literal))
            elif isinstance(statement, (Text, Output)) or self._is_separator(statement):
                run.append(statement)
            else:
                self._append(run)
                run = []
                self._begin(statement)
                self._statement(statement)
        self._append(run)
        if len(self._function.lines) == start:
            self._function.emit("pass")

    def _begin(self, statement: Statement) -> None:
        self._function.place = (statement.line, statement.column)
        self._function.temporaries = 0

    def _is_macro(self, call: MacroCall) -> bool:
        return False

    def _is_separator(self, statement: Statement) -> TypeGuard[If]:
        """Whether it is text between items, `#if($foreach.hasNext),#end`, which may be part of a string."""
        if not isinstance(statement, If) or len(statement.branches) > 1 or self._is_large:
            return False
        ((condition, body),) = statement.branches
        is_flag = isinstance(condition, Reference) and self._is_counter(condition) and condition.accessors[0] in FLAGS
        return is_flag and all(isinstance(each, Text) for each in body)

    def _append(self, run: list[Text | Output | If]) -> None:
        function = self._function
        written = self._is_large and not any(may_change(statement) for statement in run)
        for some in cut(run, MAX_WRITTEN if written else MAX_FORMATTED):
            function.temporaries = 0
            if written:
                values = [self._piece(piece, is_inlined=False) for piece in some]
                function.emit(f"pieces.write(({', '.join(values)},))")
                continue
            joined = self._joined(some)
            if joined == "empty":
                continue
            if self._watched and any(isinstance(statement, Output) for statement in some):
                function.emit(f"append(piece := {joined})")
                function.emit(f"if len(piece) > {self._large}: pieces.check()")
                continue
            function.emit(f"append({joined})")
            texts = [text for words in pieces_of(some) if isinstance(words, Words) for text in words.texts]
            if function.loops and sum(map(len, texts)) > self._large:
                function.emit("pieces.check()")

    def _joined(self, run: Iterable[Statement]) -> str:
        """One expression for texts and references; what may fail is evaluated on a line of its own, in order."""
        pieces = pieces_of(run)
        alone = sum(isinstance(piece, Output) for piece in pieces) < 2
        fallible = [at for at, piece in enumerate(pieces) if isinstance(piece, Output) and may_fail(piece.reference)]
        shown: list[str] = []
        self._held.clear()
        for at, piece in enumerate(pieces):
            if isinstance(piece, Words):
                shown.append(self._words(piece))
                continue
            self._function.place = (piece.line, piece.column)
            expression = self._printed(piece.reference, is_next=True)
            if fallible and at <= fallible[-1] and not alone:
                temporary = self._temporary()
                self._function.emit(f"{temporary} = {expression}")
                expression = temporary
            shown.append(expression)
        if not shown:
            return "empty"
        only_text = len(shown) == 1 and isinstance(pieces[0], Words)
        return shown[0] if only_text else formatted(shown, '"')

    def _words(self, words: Words) -> str:
        texts = self._constant("".join(words.texts))
        if words.flag is None:
            return texts
        return f"({texts} if {self._truth(words.flag)} else {self._constant(''.join(words.otherwise))})"

    def _statement(self, statement: Statement) -> None:
        if isinstance(statement, Set):
            self._set(statement)
        elif isinstance(statement, If):
            self._if(statement)
        elif isinstance(statement, Foreach):
            self._foreach(statement)
        elif isinstance(statement, Break) and self._function.loops:
            self._function.emit("break")
        elif isinstance(statement, (Break, Stop)):  # a #break outside of loops ends the template as #stop does
            self._message(statement)
            self._function.emit("return join(pieces)")

    def _message(self, statement: Break | Stop) -> None:
        if isinstance(statement, Stop) and statement.message is not None:
            self._function.emit(self._value(statement.message))

    def _assign(self, name: str, value: str) -> None:
        if name not in self._variables and self._function.indent == 1:
            self._own.add(name)
        self._function.emit(f"{self._variable(name)} = {value}")

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
                self._assign(target.name_as_written, temporary)
                function.indent -= 1
            else:
                self._assign(target.name_as_written, value)
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
        cases = cases_of(node.branches)
        if cases is None:
            self._branches(node.branches)
            return
        number = self._unique("c")
        value = self._chain(cases.reference.root, cases.reference.accessors)
        count = len(cases.bodies)
        self._function.emit(f"{number} = {self._constant(cases.numbers)}.get(text({value}), {count})")
        self._search(number, cases, 0, count)

    def _search(self, number: str, cases: Cases, first: int, last: int) -> None:
        """Of the branches from `first` to `last`, the one of this number; the last of all stands for all others."""
        function = self._function
        if first < last:
            middle = (first + last) // 2
            function.emit(f"if {number} <= {middle}:")
            function.indent += 1
            self._search(number, cases, first, middle)
            function.indent -= 1
            function.emit("else:")
            function.indent += 1
            self._search(number, cases, middle + 1, last)
            function.indent -= 1
        elif first < len(cases.bodies):
            self._body(cases.bodies[first])
        elif cases.others:
            self._branches(cases.others)
        else:
            function.emit("pass")

    def _branches(self, branches: list[Branch]) -> None:
        if len(branches) <= BRANCHES:
            self._few_branches(branches)
            return
        function = self._function
        none = self._unique("e")  # whether no branch was taken so far
        function.emit(f"{none} = True")
        for start in range(0, len(branches), BRANCHES):
            function.emit(f"if {none}:")
            function.indent += 1
            function.emit(f"{none} = False")
            self._few_branches(branches[start : start + BRANCHES])
            if start + BRANCHES < len(branches):
                function.emit(f"else: {none} = True")
            function.indent -= 1

    def _few_branches(self, branches: list[Branch]) -> None:
        function = self._function
        word = "if"
        for condition, body in branches:
            otherwise = "else:" if word == "elif" else "if True:"  # an #else may begin a new statement
            function.emit(f"{word} {self._truth(condition)}:" if condition is not None else otherwise)
            function.indent += 1
            self._body(body)
            function.indent -= 1
            word = "elif"

    def _over(self, iterable: Expression) -> str:
        """What a #foreach goes over: a reference that leads nowhere is nothing, nor is an empty string."""
        return self._chain(iterable.root, iterable.accessors) if is_rooted(iterable) else self._value(iterable)

    def _items(self, iterable: Expression) -> str:
        if self._is_large or not is_rooted(iterable) or iterable.accessors[-1:] != [Call("keySet", [])]:
            return f"items({self._over(iterable)})"
        owner, value = self._hold(self._chain(iterable.root, iterable.accessors[:-1]))
        is_plain = f"type({value}) is dict and not odd_keys and len({owner}) <= {MAX_ITERATIONS}"
        return f"[*{owner}] if {is_plain} else items(call_bare({owner}, {self._constant('keySet')}))"

    def _foreach(self, node: Foreach) -> None:
        function = self._function
        items, counter, last = self._unique("i"), self._unique("n"), self._unique("l")
        function.emit(f"{items} = {self._items(node.iterable)}")
        function.emit(f"if {items}:")
        function.indent += 1
        too_many = f"(steps := steps + len({items})) > {MAX_STEPS} or len(pieces) > look"
        function.emit(f"if {too_many}: look = pieces.look(steps)")
        if self._is_placed:
            function.emit(f"{last} = len({items}) - 1")
        variable = self._variable(node.variable)
        saved = {variable: self._unique("o")}
        each = []
        if "velocityCount" in self._counts:
            saved[self._variable("velocityCount")] = self._unique("o")
            each.append(f"{self._variable('velocityCount')} = {counter} + 1")
        if "velocityHasNext" in self._counts:
            saved[self._variable("velocityHasNext")] = self._unique("o")
            each.append(f"{self._variable('velocityHasNext')} = {counter} < {last}")
        for name, kept in saved.items():
            function.emit(f"{kept} = {name}")
        if self._loop_objects:
            scope, loop, outer = self._variable("foreach"), self._unique("s"), self._unique("o")
            saved[scope] = outer
            function.emit(f"{outer} = {scope}")
            function.emit(f"{scope} = {loop} = Loop({outer}, {last})")
            each.append(f"{loop}.index = {counter}")
        each_item = f"{counter}, {variable} in enumerate({items})" if self._is_placed else f"{variable} in {items}"
        function.emit(f"for {each_item}:")
        function.indent += 1
        for line in each:
            function.emit(line)
        function.loops.append((counter, last))
        self._body(node.body)
        function.loops.pop()
        function.indent -= 1
        if self._uses.breaks:
            function.emit(f"steps -= {last} - {counter}")
        for name, kept in saved.items():
            function.emit(f"{name} = {kept}")
        function.indent -= 1
