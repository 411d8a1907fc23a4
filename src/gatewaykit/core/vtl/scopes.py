"""What templates with macros, blocks or #evaluate run on: variables by name, in the scopes of Velocity 1.7.

A macro gets its arguments by name: each is evaluated where it is used, in the scope of the call. What a macro sets is
set everywhere: in its own scope, in those of its callers and for the template. A block sees the variables of the place
that prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatewaykit.core.vtl.growth import TURN, Counted, Part
from gatewaykit.core.vtl.runtime import Loop, items
from gatewaykit.core.vtl.values import Failure, HostObject, text

__all__ = ["SCOPED", "Body", "MacroBody", "Program", "Scope", "run", "run_inside"]

MAX_MACRO_DEPTH: Final = 20
"""Calls of macros inside one another, as in Velocity (velocimacro.max.depth)."""

MAX_EVALUATE_DEPTH: Final = 20
MAX_EVALUATED: Final = 300 * 1024
"""How much text all #evaluate of one rendering may compile."""


class Stopped(Exception):
    """#stop: up to the innermost #evaluate, or the end of the template."""


class Broken(Exception):
    """#break: of the innermost loop, macro, block or #evaluate that runs, or of the loop that `site` names."""

    def __init__(self, site: object = None) -> None:
        super().__init__()
        self.site = site


Body = Callable[["Scope", Part], None]
"""Statements as a function."""


@dataclass(slots=True)
class MacroBody:
    parameters: tuple[str, ...]
    body: Body


@dataclass(slots=True)
class Program:
    """A compiled template whose variables are looked up by name."""

    body: Body
    macros: Mapping[str, MacroBody]


class Rendering(Counted):
    """One rendering: its macros, and how much it has done."""

    __slots__ = ("depth", "evaluated", "evaluations", "macros")

    def __init__(self, macros: Mapping[str, MacroBody]) -> None:
        super().__init__()
        self.macros = {**macros}
        self.depth = 0  # of macros; one that #break or #stop ends is never counted out, as in Velocity
        self.evaluations = 0  # inside one another
        self.evaluated = 0  # characters

    def pieces(self) -> Part:
        return Part(self)


class Scope:
    """The variables of a template, over the ones that it was given."""

    __slots__ = ("_given", "_set", "rendering")

    def __init__(self, given: Mapping[str, object], rendering: Rendering) -> None:
        self._given = given
        self._set: dict[str, object] = {}
        self.rendering = rendering

    def get(self, name: str) -> object:
        return self._set[name] if name in self._set else self._given.get(name)

    def put(self, name: str, value: object) -> None:
        self._set[name] = value

    def remove(self, name: str) -> None:
        self._set[name] = None

    def literal(self, written: str) -> str:
        """How a reference prints that is escaped: in a macro, a parameter as the argument was written."""
        return written


class _Inner(Scope):
    __slots__ = ("_outer",)

    def __init__(self, outer: Scope) -> None:
        self._outer = outer
        self.rendering = outer.rendering

    def put(self, name: str, value: object) -> None:
        self._outer.put(name, value)

    def literal(self, written: str) -> str:
        return self._outer.literal(written)


class _Frame(_Inner):
    """A macro at work. What is set in it hides an argument; null hides nothing."""

    __slots__ = ("_arguments", "_literals", "_own")

    def __init__(self, outer: Scope) -> None:
        super().__init__(outer)
        self._own: dict[str, object] = {}
        self._arguments: dict[str, Callable[[Scope], object]] = {}
        self._literals: dict[str, str] = {}

    def bind(self, name: str, argument: Callable[[Scope], object], literal: str) -> None:
        self._arguments[name] = argument
        self._literals[f"${name}"] = literal

    def keep(self, name: str, value: object) -> None:
        self._own[name] = value

    def get(self, name: str) -> object:
        value = self._own.get(name)
        if value is not None:
            return value
        argument = self._arguments.get(name)
        if argument is None:
            return self._outer.get(name)
        self.rendering.step()
        return argument(self._outer)

    def put(self, name: str, value: object) -> None:
        self._own[name] = value
        self._outer.put(name, value)

    def remove(self, name: str) -> None:
        self._own.pop(name, None)
        self._arguments.pop(name, None)
        self._outer.remove(name)

    def literal(self, written: str) -> str:
        literal = self._literals.get(written)
        return self._outer.literal(written) if literal is None else literal


class _NullItem(_Inner):
    """The scope of a loop whose item is null: the item stays null, whatever is assigned to it."""

    __slots__ = ("_active", "_name")

    def __init__(self, outer: Scope, name: str) -> None:
        super().__init__(outer)
        self._name = name
        self._active = True

    def get(self, name: str) -> object:
        return None if self._active and name == self._name else self._outer.get(name)

    def remove(self, name: str) -> None:
        if name == self._name:
            self._active = False
        self._outer.remove(name)


class Block(HostObject):
    """What `#define` makes, and the body of a macro call: rendered anew each time, not endlessly inside itself."""

    __slots__ = ("_body", "_depth", "_max_depth", "_scope")

    def __init__(self, body: Body, scope: Scope, max_depth: int = 2) -> None:
        self._body = body
        self._scope = scope
        self._depth = 0
        self._max_depth = max_depth

    def write(self, pieces: Part, scope: Scope) -> bool:
        """False when the block is inside itself too often."""
        if self._depth >= self._max_depth:
            return False
        self._depth += 1  # stays when #stop ends the block, as in Velocity
        scope.rendering.step()
        try:
            self._body(scope, pieces)
        except Broken as broken:
            if broken.site is not None:
                raise
        pieces.check()
        self._depth -= 1
        return True

    def rendered(self) -> str | None:
        """As a string, in the scope in which the block was made."""
        pieces = self._scope.rendering.pieces()
        return "".join(pieces) if self.write(pieces, self._scope) else None

    def template_text(self) -> str:
        return self.rendered() or ""


def put(pieces: Part, scope: Scope, value: object, prefix: str, literal: str) -> None:
    """Print a reference, `prefix` being what was read along with it."""
    if type(value) is Block:
        if not value.write(pieces, scope):
            pieces.put(prefix + scope.literal(literal))
    else:
        pieces.put(prefix + text(value))


def holds(value: object) -> bool:
    """Whether a reference holds as a condition: a block is rendered for that, and what it does is done."""
    return value.rendered() is not None if type(value) is Block else value is not False


def shown(scope: Scope, value: object, prefix: str, literal: str) -> str:
    """The same as a string."""
    if type(value) is not Block:
        return prefix + text(value)
    pieces = scope.rendering.pieces()
    return "".join(pieces) if value.write(pieces, scope) else prefix + scope.literal(literal)


# ------------------------------------------------------------------------------------------------------- macros


def call_macro(
    pieces: Part,
    scope: Scope,
    name: str,
    written: str,
    arguments: tuple[tuple[Callable[[Scope], object] | None, Any], ...],
    word: str = "",
    body: Body | None = None,
) -> None:
    """`#name(…)`: text when there is no such macro. An argument is a constant, or a function and how it was written."""
    rendering = scope.rendering
    macro = rendering.macros.get(name)
    if macro is None:
        pieces.append(written)
        return
    if word:
        raise Failure(f"{word!r} is no argument of a macro")
    frame = _Frame(scope)
    for parameter, (argument, what) in zip(macro.parameters, arguments):
        if argument is None:
            frame.keep(parameter, what)
        else:
            frame.bind(parameter, argument, what)
    if body:
        frame.keep("bodyContent", Block(body, scope, MAX_MACRO_DEPTH))
    if rendering.depth >= MAX_MACRO_DEPTH:
        raise Failure(f"more than {MAX_MACRO_DEPTH} macros inside one another")
    rendering.depth += 1
    rendering.step()
    try:
        macro.body(frame, pieces)
    except Broken as broken:
        if broken.site is not None:
            raise
    else:
        rendering.depth -= 1
    pieces.check()


# -------------------------------------------------------------------------------------------------------- loops


class Looping:
    """One #foreach at work: gives the scope of each iteration."""

    __slots__ = ("_items", "_loop", "_name", "_saved", "_scope", "_site")

    def __init__(self, scope: Scope, name: str, over: object, site: object) -> None:
        self._scope = scope
        self._name = name
        self._site = site
        self._items = items(over)
        if self._items is not None:
            self._saved = [(saved, scope.get(saved)) for saved in (name, "velocityCount", "velocityHasNext")]
            self._loop = Loop(scope.get("foreach"), len(self._items) - 1, site)
            scope.put("foreach", self._loop)

    def scopes(self, pieces: Part) -> Iterator[Scope]:
        scope = self._scope
        null_item: Scope | None = None
        pieces.enter(len(self._items or ()))
        for index, item in enumerate(self._items or ()):
            if index & TURN - 1 == TURN - 1:
                pieces.turn()
            scope.put("velocityCount", index + 1)
            scope.put("velocityHasNext", index < self._loop.last)
            scope.put(self._name, item)
            self._loop.index = index
            if item is None:
                null_item = null_item or _NullItem(scope, self._name)
                yield null_item
            else:
                yield scope

    def end(self, stop: Exception | None = None) -> None:
        """Put back what the loop has hidden; go on with a stop that is not for this loop."""
        if self._items is None:
            return
        scope = self._scope
        for name, value in self._saved:
            if value is None:
                scope.remove(name)
            else:
                scope.put(name, value)
        loop = scope.get("foreach")
        if loop is None:
            raise Failure("the loop has lost $foreach, which is the name of its own variable")
        if isinstance(loop, Loop):
            before = loop.parent or loop.replaced()
            if before is None:
                scope.remove("foreach")
            else:
                scope.put("foreach", before)
        if stop is not None and not (isinstance(stop, Broken) and stop.site in (None, self._site)):
            raise stop


def break_loop(loop: object) -> None:
    """`#break($foreach)`, or of an outer loop."""
    if not isinstance(loop, Loop):
        raise Failure("#break of what is no loop")
    raise Broken(loop.site)


# ----------------------------------------------------------------------------------------------------- programs


def run(program: Program, given: Mapping[str, object]) -> str:
    rendering = Rendering(program.macros)
    pieces = rendering.pieces()
    try:
        program.body(Scope(given, rendering), pieces)
    except (Stopped, Broken):
        pass
    pieces.check()
    return "".join(pieces)


def run_inside(
    compiled: Callable[[str, frozenset[str]], Program | str], pieces: Part, scope: Scope, value: object
) -> None:
    """`#evaluate`: what `compiled` makes of a text, or why it makes nothing, in a scope of the template around it."""
    rendering = scope.rendering
    source = text(value)
    rendering.evaluated += len(source)
    if rendering.evaluated > MAX_EVALUATED:
        raise Failure(f"#evaluate of more than {MAX_EVALUATED} characters")
    if rendering.evaluations >= MAX_EVALUATE_DEPTH:
        raise Failure(f"more than {MAX_EVALUATE_DEPTH} #evaluate inside one another")
    program = compiled(source, frozenset(rendering.macros))
    if isinstance(program, str):
        raise Failure(f"#evaluate: {program}")
    rendering.macros = {**program.macros, **rendering.macros}
    rendering.evaluations += 1
    rendering.step()
    try:
        program.body(scope, pieces)
    except Stopped:
        pass
    except Broken as broken:
        if broken.site is not None:
            raise
    pieces.check()
    rendering.evaluations -= 1


SCOPED: Final[dict[str, object]] = {
    "Block": Block,
    "Broken": Broken,
    "Looping": Looping,
    "Stopped": Stopped,
    "break_loop": break_loop,
    "call_macro": call_macro,
    "holds": holds,
    "put": put,
    "shown": shown,
}
"""The globals of generated code that looks variables up by name, with those that all generated code has."""
