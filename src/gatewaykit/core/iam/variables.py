"""Policy variables: `${aws:username}`, with a default `${aws:username, 'x'}`, and the literals `${*}`, `${?}`, `${$}`.

IAM user guide, "IAM policy elements: Variables and tags". What a variable gives is literal: no wildcard comes in by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from gatewaykit.core.iam.patterns import Atom, read_pattern

if TYPE_CHECKING:
    from gatewaykit.core.iam.access import Keys

__all__ = ["Part", "Variable", "filled", "read_text"]


@dataclass(frozen=True, slots=True)
class Variable:
    """A condition key (lower case) whose value is put in, and what stands in where it is absent; None: nothing does."""

    key: str
    default: str | None = None


Part: TypeAlias = "Atom | Variable"

_VARIABLE: Final = re.compile(r"\$\{([^}$]*|\$)\}")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9:/_.@=+\-]+)\s*(?:,\s*'([^']*)'\s*)?")


def read_text(text: str, *, wildcards: bool, variables: bool) -> tuple[Part, ...]:
    """The parts of a text. Raises ValueError for a `${` that begins no variable."""
    if not variables or "${" not in text:
        return read_pattern(text) if wildcards else (text,)
    return tuple(_parts(text, wildcards))


def _parts(text: str, wildcards: bool) -> Iterator[Part]:
    at = 0
    while (begin := text.find("${", at)) >= 0:
        yield from _plain(text[at:begin], wildcards)
        match = _VARIABLE.match(text, begin)
        if match is None:
            raise ValueError(f"'${{' at character {begin + 1} begins no variable: its '}}' is missing")
        if match[1] in ("*", "?", "$"):
            yield match[1]
        elif (key := _KEY.fullmatch(match[1])) is not None:
            yield Variable(key[1].lower(), key[2])
        else:
            raise ValueError(f"{match[0][:100]} is no variable; write ${{key}} or ${{key, 'default'}}")
        at = match.end()
    yield from _plain(text[at:], wildcards)


def _plain(text: str, wildcards: bool) -> tuple[Atom, ...]:
    if wildcards:
        return read_pattern(text)
    return (text,) if text else ()


def filled(parts: Sequence[Part], keys: Keys) -> tuple[Atom, ...] | None:
    """The parts with every variable replaced; None where one has no value and no default."""
    atoms: list[Atom] = []
    for part in parts:
        if isinstance(part, Variable):
            values = keys[part.key]
            value = values[0] if len(values) == 1 else part.default
            if value is None:
                return None
            atoms.append(value)
        else:
            atoms.append(part)
    return tuple(atoms)
