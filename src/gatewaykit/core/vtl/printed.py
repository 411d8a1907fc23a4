"""What a template prints in a row: references, and between them all that is text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gatewaykit.core.vtl.nodes import Expression, If, Output, Statement, Text

__all__ = ["Words", "cut", "pieces_of"]


@dataclass(slots=True)
class Words:
    """Texts between references, with `otherwise` in their place where there is a `flag` and it does not hold."""

    texts: list[str] = field(default_factory=list)
    otherwise: list[str] = field(default_factory=list)
    flag: Expression | None = None


def pieces_of(run: Iterable[Statement]) -> list[Output | Words]:
    """References, and between them all that is text."""
    pieces: list[Output | Words] = []
    words = Words()
    for statement in run:
        if isinstance(statement, Output):
            pieces.append(statement)
            words = Words()
            continue
        if isinstance(statement, If):
            ((flag, body),) = statement.branches
            if words.flag not in (None, flag):
                words = Words()
            words.flag = flag
            words.texts += [each.text for each in body if isinstance(each, Text)]
        elif isinstance(statement, Text) and statement.text:
            words.texts.append(statement.text)
            words.otherwise.append(statement.text)
        if words.texts and not (pieces and pieces[-1] is words):
            pieces.append(words)
    return pieces


def cut(run: list[Text | Output | If], most: int) -> Iterator[list[Text | Output | If]]:
    """Runs with at most so many references each."""
    some: list[Text | Output | If] = []
    references = 0
    for statement in run:
        if isinstance(statement, Output):
            if references == most:
                yield some
                some, references = [], 0
            references += 1
        some.append(statement)
    if some:
        yield some
