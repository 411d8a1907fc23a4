"""The tree of a parsed template: what the parser makes and the generator reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = [
    "Accessor", "Binary", "Break", "Call", "Constant", "Define", "Evaluate", "Expression", "Foreach", "If", "Index",
    "Interpolation", "ListLiteral", "Macro", "MacroCall", "MapLiteral", "Not", "Output", "Property", "Range",
    "Reference", "Set", "Statement", "Stop", "Text",
]  # fmt: skip


@dataclass(slots=True)
class Node:
    line: int
    column: int


# ------------------------------------------------------------------------------------------------ expressions


@dataclass(slots=True)
class Constant(Node):
    """A string, number or boolean; None is what has no value at all (a bare word as argument)."""

    value: str | int | float | bool | None


@dataclass(slots=True)
class Property:
    name: str


@dataclass(slots=True)
class Index:
    key: Expression


@dataclass(slots=True)
class Call:
    name: str
    arguments: list[Expression]


Accessor: TypeAlias = Property | Index | Call


@dataclass(slots=True)
class Reference(Node):
    """`$root.a[0].b()`. `prefix` is text that was read as part of its first token, `literal` how it was written.

    `escaped`: only `prefix` and `literal` are printed. `name_as_written` is what `#set` and `#define` assign to: the
    first token without its first character, which is not the root in the `${…}` and `$!…` forms.
    """

    root: str
    accessors: list[Accessor]
    prefix: str
    literal: str
    escaped: bool
    name_as_written: str


@dataclass(slots=True)
class Interpolation(Node):
    """A double-quoted string with references or directives in it. `trim`: its last character is not part of it.

    `body` is filled in when what surrounds the string has been read to its end.
    """

    body: list[Statement]
    trim: bool

    @property
    def is_plain(self) -> bool:
        """Whether there are only texts and references in it."""
        return all(isinstance(statement, (Text, Output)) for statement in self.body)


@dataclass(slots=True)
class ListLiteral(Node):
    items: list[Expression]


@dataclass(slots=True)
class MapLiteral(Node):
    items: list[tuple[Expression, Expression]]


@dataclass(slots=True)
class Range(Node):
    first: Expression
    last: Expression


@dataclass(slots=True)
class Binary(Node):
    """`operator` is one of + - * / % && || == != < <= > >=. The literals stand in where `+` meets a null."""

    operator: str
    left: Expression
    right: Expression
    left_literal: str = ""
    right_literal: str = ""


@dataclass(slots=True)
class Not(Node):
    operand: Expression


Expression: TypeAlias = Constant | Reference | Interpolation | ListLiteral | MapLiteral | Range | Binary | Not


# ------------------------------------------------------------------------------------------------- statements


@dataclass(slots=True)
class Text(Node):
    text: str


@dataclass(slots=True)
class Output(Node):
    reference: Reference


@dataclass(slots=True)
class Set(Node):
    target: Reference
    value: Expression


@dataclass(slots=True)
class If(Node):
    """Branches in order; an `#else` is a branch whose condition is None."""

    branches: list[tuple[Expression | None, list[Statement]]]


@dataclass(slots=True)
class Foreach(Node):
    variable: str
    iterable: Expression
    body: list[Statement] = field(default_factory=list)


@dataclass(slots=True)
class Define(Node):
    name: str
    body: list[Statement]


@dataclass(slots=True)
class Macro(Node):
    """A definition: it puts out nothing. A parameter that no reference can name is there for its position only."""

    name: str
    parameters: list[str]
    body: list[Statement]


@dataclass(slots=True)
class MacroCall(Node):
    """`#name(…)`, or `#@name(…)…#end` with a body. Text, if no macro has this name: `literal` is how it was written.

    Arguments come with how they were written; a bare word is a token that is no argument of any macro.
    """

    name: str
    arguments: list[tuple[Expression, str]]
    word: str
    literal: str
    body: list[Statement] | None


@dataclass(slots=True)
class Evaluate(Node):
    source: Expression


@dataclass(slots=True)
class Break(Node):
    """Of the loop that `loop` refers to, else of the innermost thing that runs."""

    loop: Expression | None = None


@dataclass(slots=True)
class Stop(Node):
    """The message is for a log that there is not, but it is evaluated."""

    message: Expression | None = None


Statement: TypeAlias = Text | Output | Set | If | Foreach | Define | Macro | MacroCall | Evaluate | Break | Stop
