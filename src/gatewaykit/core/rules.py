"""Which rules apply to a request: every rule whose verb and path fit, in the order they were listed.

A rule is a condition for policies, not a route: where two rules fit, both apply. A rule must not be evaded by spelling,
so what an app or a service behind may take for the same path counts as the same: slashes are folded, a trailing one
does not count, verbs and paths count in any casing, and a rule for GET covers HEAD, which apps answer with the same
handler. Where services differ in how they read a path (dot segments, `;parameters`, backslashes, an encoded slash), a
rule applies if it fits by any of the readings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

__all__ = ["RuleSet", "parse_target"]

_VERBS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
_PART: Final = re.compile(r"\{(\w+)(\+?)\}")


@dataclass(frozen=True, slots=True)
class Target:
    """A verb ("" for any) and the parts of a path."""

    verb: str
    parts: tuple[str, ...]


def parse_target(text: str) -> Target:
    """`"POST /login"`, `"/items/{id}"` (any verb), `"/items/{proxy+}"`. Raises ValueError, saying what is wrong."""
    verb, _, path = text.strip().rpartition(" ")
    verb, path = verb.strip().upper(), path.strip()
    if not path.startswith("/"):
        raise ValueError(
            f"{text!r} has no path; write a path such as '/items/{{id}}', with a verb before it if need be"
        )
    if verb and verb not in _VERBS:
        raise ValueError(f"{text!r}: {verb!r} is no HTTP method")
    if mark := next((mark for mark in "?#" if mark in path), ""):
        raise ValueError(f"{text!r}: a rule is for a path, which ends before the {mark!r}")
    parts = tuple(part for part in path.split("/") if part)
    for position, part in enumerate(parts):
        match = _PART.fullmatch(part)
        if match is None and ("{" in part or "}" in part):
            raise ValueError(f"{text!r}: a path parameter is a whole segment, such as '{{id}}', not {part!r}")
        if match is not None and match[2] and position != len(parts) - 1:
            raise ValueError(f"{text!r}: {part!r} takes all that follows and so must be the last segment")
    return Target(verb, parts)


class _Node:
    __slots__ = ("greedy", "here", "literals", "parameter")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.here: list[tuple[int, str]] = []  # rules that end here: position in the list, verb
        self.greedy: list[tuple[int, str]] = []


class RuleSet:
    """A tree over the rules' paths that finds all that fit."""

    __slots__ = ("_root", "_targets")

    def __init__(self, targets: Sequence[Target]) -> None:
        self._root = _Node()
        self._targets = tuple(targets)
        for position, target in enumerate(targets):
            node = self._root
            for part in target.parts:
                match = _PART.fullmatch(part)
                if match is None:
                    node = node.literals.setdefault(part.lower(), _Node())
                elif match[2]:
                    break
                else:
                    node.parameter = node = node.parameter or _Node()
            ends = node.greedy if target.parts and target.parts[-1].endswith("+}") else node.here
            ends.append((position, target.verb))

    def applying(self, verb: str, path: str, raw_path: bytes = b"") -> tuple[int, ...]:
        """Positions of the rules that apply, ascending. `path` is decoded, `raw_path` is as it was sent."""
        lower = path.lower()
        found = self._fitting(verb, [part for part in lower.split("/") if part])
        if "/." in path or ";" in path or "\\" in path or b"%" in raw_path:
            for parts in _readings(lower, raw_path):
                found += self._fitting(verb, parts)
            found = sorted(set(found))
        return tuple(found)

    def _fitting(self, verb: str, parts: list[str]) -> list[int]:
        verb = verb.upper()
        asked = ("GET", "HEAD") if verb == "HEAD" else (verb,)
        found: list[int] = []
        nodes = [self._root]
        for part in parts:
            following: list[_Node] = []
            for node in nodes:
                found.extend(position for position, wanted in node.greedy if not wanted or wanted in asked)
                if (literal := node.literals.get(part)) is not None:
                    following.append(literal)
                if node.parameter is not None:
                    following.append(node.parameter)
            nodes = following
            if not nodes:
                break
        for node in nodes:
            found.extend(position for position, wanted in node.here if not wanted or wanted in asked)
        found.sort()
        return found

    def resource(self, applying: Sequence[int]) -> str:
        """The path of the longest rule that applies, as it is written: what `by.route` counts by around an app."""
        longest = max((self._targets[position] for position in applying), key=lambda target: len(target.parts))
        return "/" + "/".join(longest.parts)

    def parameters(self, applying: Sequence[int], path: str) -> dict[str, str]:
        """The path parameters that the applying rules name; a rule that fits by another reading only names none."""
        parts = [part for part in path.split("/") if part]
        values: dict[str, str] = {}
        for position in applying:
            wanted = self._targets[position].parts
            if len(wanted) != len(parts) and not (len(wanted) < len(parts) and wanted and wanted[-1].endswith("+}")):
                continue
            for at, part in enumerate(wanted):
                if (match := _PART.fullmatch(part)) is not None:
                    values[match[1]] = "/".join(parts[at:]) if match[2] else parts[at]
        return values


def _readings(path: str, raw_path: bytes) -> Iterator[list[str]]:
    """The parts of a path as services read it that resolve dots, drop `;parameters`, or take a backslash for a slash;
    and those that look for slashes before they decode. `path` is in lower case."""
    spellings = [path.split("/")]
    if b"%" in raw_path:
        segments = raw_path.lower().split(b"/")
        spellings.append([unquote_to_bytes(segment).decode("utf-8", "replace").lower() for segment in segments])
    for spelling in spellings:
        for slashes in (spelling, [piece for part in spelling for piece in part.split("\\")]):
            for parts in (slashes, [part.partition(";")[0] for part in slashes]):
                yield [part for part in parts if part]
                yield _resolved(parts)


def _resolved(parts: Sequence[str]) -> list[str]:
    """Without dot segments (RFC 3986 section 5.2.4)."""
    resolved: list[str] = []
    for part in parts:
        if part == "..":
            del resolved[-1:]
        elif part not in ("", "."):
            resolved.append(part)
    return resolved
