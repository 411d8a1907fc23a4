"""The routing tree of a REST API: path and verb matched together, best candidate first, with backtracking.

Per segment a literal beats `{param}` beats `{proxy+}`; on one resource the verb beats ANY; a branch that has no such
verb is left and the next best tried. A trailing slash and slashes before the path do not count; slashes inside a greedy
value do. Reference 01 section 1; recorded rows 1-5, 53-57.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Generic, TypeVar

__all__ = ["ANY_VERBS", "NearMiss", "RouteConflict", "Router", "split_path"]

ANY_VERBS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""What ANY stands for (developer guide, "Set up a method using the console")."""

T = TypeVar("T")


class RouteConflict(Exception):
    """Two resources cannot stand side by side; the message is API Gateway's (row 134)."""


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A resource that almost matched: the verbs it has, and on what it failed. `other_verb`: only the verb is wrong."""

    verbs: tuple[str, ...]
    resource: str
    failed_on: str
    other_verb: bool = False


class _Node(Generic[T]):
    __slots__ = ("depth", "greedy", "literals", "name", "parameter", "resource", "verbs")

    def __init__(self, resource: str, name: str = "") -> None:
        self.resource = resource
        self.depth = len(split_path(resource))
        self.name = name  # of the path parameter that this node binds
        self.literals: dict[str, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.greedy: _Node[T] | None = None
        self.verbs: dict[str, T] = {}

    def children(self) -> Iterator[_Node[T]]:
        yield from self.literals.values()
        if self.parameter is not None:
            yield self.parameter
        if self.greedy is not None:
            yield self.greedy


class Router(Generic[T]):
    """A tree of resources. A look-up costs the length of the path, whatever the number of routes."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: _Node[T] = _Node("/")

    def add(self, verb: str, resource: str, leaf: T) -> None:
        """Put `leaf` at a verb (or ANY) of a resource such as `/pets/{id}`. Raises RouteConflict."""
        node = self._root
        for part in split_path(resource):
            if node.name.endswith("+"):
                raise RouteConflict(f"Cannot create a child of a resource with a greedy path variable: {{{node.name}}}")
            if part.startswith("{") and part.endswith("}"):
                node = _variable(node, part)
            else:
                node = node.literals.setdefault(part, _Node(_join(node.resource, part)))
        if verb == "ANY":
            for each in ANY_VERBS:
                node.verbs.setdefault(each, leaf)
        else:
            node.verbs[verb] = leaf

    def match(self, verb: str, path: str) -> tuple[T, dict[str, str] | None] | None:
        """The leaf for a verb and a path as sent (still percent-encoded), with the path parameters if it has any."""
        # The preferred child at every step is also what the search would try first; only a dead end needs the search,
        # and a path with slashes to spare.
        node, values = self._root, None
        parts = path.split("/")
        if not parts.pop(0):
            for part in parts:
                child = node.literals.get(part)
                if child is None:
                    child = node.parameter
                    if child is None or not part:
                        greedy = node.greedy
                        if greedy is not None and part and (leaf := greedy.verbs.get(verb)) is not None:
                            value = "/".join(parts[node.depth :]).strip("/")
                            return leaf, {**(values or {}), greedy.name[:-1]: value}
                        break
                    if values is None:
                        values = {child.name: part}
                    else:
                        values[child.name] = part
                node = child
            else:
                if (leaf := node.verbs.get(verb)) is not None:
                    return leaf, values
        found = _search(self._root, verb, split_path(path), 0)
        if found is None or found[0] is None:  # a search without a verb, which a header can ask for, has no leaf
            return None
        return found[0], dict(found[1]) if found[1] else None

    def verbs(self, path: str) -> tuple[str, ...]:
        """The verbs of the resource that a path fits best; empty when it fits none. As cheap as `match`."""
        found = _search(self._root, "", split_path(path), 0)
        return () if found is None else tuple(sorted(found[2].verbs))

    def leaves(self) -> Iterator[T]:
        """Every leaf, as often as there are verbs that lead to it."""
        for node in _walk(self._root):
            yield from node.verbs.values()

    def near_misses(self, verb: str, path: str, most: int = 3) -> list[NearMiss]:
        """Resources that nearly fit, best first: another verb on this path, then those that share its beginning."""
        parts = split_path(path)
        ranked: list[tuple[int, int, NearMiss]] = []
        for node in _walk(self._root):
            if not node.verbs:
                continue
            resource = split_path(node.resource)
            verbs = tuple(sorted(node.verbs))
            same = _shared(resource, parts)
            if _fits(resource, parts):
                ranked.append((0, 0, NearMiss(verbs, node.resource, f"it has {', '.join(verbs)} but no {verb}", True)))
            elif same:
                failed = _difference(resource, parts, same)
                ranked.append((1, -same, NearMiss(verbs, node.resource, failed)))
        if not ranked:
            return self._look_alikes(path, most)
        ranked.sort(key=lambda each: (each[0], each[1], len(each[2].resource)))
        return [miss for _, _, miss in ranked[:most]]

    def _look_alikes(self, path: str, most: int) -> list[NearMiss]:
        nodes = {node.resource: node for node in _walk(self._root) if node.verbs}
        spelt = get_close_matches(path[:256], nodes, n=most)
        return [NearMiss(tuple(sorted(nodes[each].verbs)), each, "it is spelt otherwise") for each in spelt]


def split_path(path: str) -> list[str]:
    """The segments of a path; slashes before it and one after it do not count."""
    trimmed = path.lstrip("/")
    if trimmed.endswith("/"):
        trimmed = trimmed[:-1]
    return trimmed.split("/") if trimmed else []


def _variable(node: _Node[T], part: str) -> _Node[T]:
    name = part[1:-1]
    present = node.parameter or node.greedy
    if present is not None and present.name != name:
        raise RouteConflict(
            f"A sibling ({{{present.name}}}) of this resource already has a variable path part -- only one is allowed"
        )
    if present is None:
        present = _Node(_join(node.resource, part), name)
        if name.endswith("+"):
            node.greedy = present
        else:
            node.parameter = present
    return present


def _join(resource: str, part: str) -> str:
    return f"{resource.rstrip('/')}/{part}"


_Found = tuple[T | None, tuple[tuple[str, str], ...], _Node[T]]


def _search(node: _Node[T], verb: str, parts: list[str], at: int) -> _Found[T] | None:
    """Depth first in order of preference; without a verb, any will do. A node is met at one depth only."""
    if at == len(parts):
        return _leaf(node, verb, ())
    part = parts[at]
    if (child := node.literals.get(part)) is not None and (found := _search(child, verb, parts, at + 1)) is not None:
        return found
    if (child := node.parameter) is not None and part and (found := _search(child, verb, parts, at + 1)) is not None:
        return found[0], ((child.name, part), *found[1]), found[2]
    if (child := node.greedy) is not None and (value := "/".join(parts[at:]).strip("/")):
        return _leaf(child, verb, ((child.name[:-1], value),))
    return None


def _leaf(node: _Node[T], verb: str, parameters: tuple[tuple[str, str], ...]) -> _Found[T] | None:
    leaf = node.verbs.get(verb)
    return (leaf, parameters, node) if leaf is not None or (not verb and node.verbs) else None


def _walk(node: _Node[T]) -> Iterator[_Node[T]]:
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.children())


def _fits(resource: list[str], parts: list[str]) -> bool:
    if resource and resource[-1].endswith("+}"):
        return len(parts) >= len(resource) and _shared(resource[:-1], parts) == len(resource) - 1
    return len(resource) == len(parts) and _shared(resource, parts) == len(parts)


def _shared(resource: list[str], parts: list[str]) -> int:
    count = 0
    for wanted, part in zip(resource, parts, strict=False):
        if wanted != part and not (wanted.startswith("{") and part):
            break
        count += 1
    return count


def _difference(resource: list[str], parts: list[str], same: int) -> str:
    if same == len(parts):
        return f"the path ends before {'/'.join(resource[same:])!r}"
    if same == len(resource):
        return f"the path goes on with {'/'.join(parts[same:])!r}"
    return f"segment {same + 1} is {parts[same]!r}, not {resource[same]!r}"
