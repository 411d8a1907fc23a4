"""Fenced code blocks of a Markdown text, each with what the HTML comment just above it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Block", "Command", "blocks", "commands", "matches"]

_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})\s*(?P<language>[\w+-]*)")
_COMMENT = re.compile(r"^\s*<!--\s*(?P<text>.*?)\s*-->\s*$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, text, the line its text starts at, and the comment above it ("" for none)."""

    language: str
    text: str
    line: int
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """One `$ …` line of a console block and the output shown below it."""

    command: str
    output: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    """Every fenced block, in order. An unclosed fence ends with the text, as in CommonMark."""
    lines = text.splitlines()
    comment, number = "", 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if opening := _FENCE.match(line):
            closing = re.compile(rf" {{0,3}}{re.escape(opening['fence'][0])}{{{len(opening['fence'])},}}\s*$")
            start = number
            while number < len(lines) and not closing.match(lines[number]):
                number += 1
            inside = [row.removeprefix(opening["indent"]) for row in lines[start:number]]
            yield Block(opening["language"], "\n".join(inside) + "\n", start + 1, comment)
            comment, number = "", number + 1
        elif line.strip():
            found = _COMMENT.match(line)
            comment = found["text"] if found else ""


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block; a line that ends in a backslash goes on in the next one."""
    lines = block.text.splitlines()
    number = 0
    while number < len(lines):
        start = number
        command = lines[number].removeprefix("$ ")
        if command == lines[number]:
            raise ValueError(f"line {block.line + number}: output without a command above it: {command!r}")
        while command.endswith("\\") and number + 1 < len(lines):
            number += 1
            command = command[:-1] + lines[number].removeprefix(">").strip()
        number += 1
        output = []
        while number < len(lines) and not lines[number].startswith("$ "):
            output.append(lines[number])
            number += 1
        yield Command(command, "\n".join(output).strip(), block.line + start)


def matches(expected: str, actual: str) -> bool:
    """Whether `actual` is what the page shows; `…` stands for any text within a line, alone on a line for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else ".*?".join(map(re.escape, line.rstrip().split("…"))) + r"[ \t]*\n"
        for line in expected.strip().splitlines()
    )
    return re.fullmatch(pattern, actual.strip() + "\n" if actual.strip() else "") is not None
