"""Schemas of the document to models: each a schema of its own, with whatever it refers to under `definitions`.

A reference is `#/…` into this document, or the address of a model as API Gateway exports it (recorded row 21): one of
the document, or `Empty` or `Error`, which every API has. To API Gateway a model is a document of its own; so
`#/definitions/…` may also name what stands under a model's own `definitions`, or another model. Models may be recursive
(row 22), as long as every turn of the recursion goes one level down into the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from gatewaykit.definition.model import Model, Origin, Place
from gatewaykit.openapi.document import Node
from gatewaykit.openapi.reading import BESIDE_REFERENCE, Known, Reader

__all__ = ["Models"]

_MODEL_ADDRESS: Final = re.compile(r"https://apigateway\.amazonaws\.com/restapis/[^/#?]+/models/([^/#?]+)")
_DEFINITION: Final = re.compile(r"#/definitions/([^/]+)")
_DEFAULT_MODELS: Final[dict[str, Any]] = {
    "Empty": {"title": "Empty Schema", "type": "object"},
    "Error": {"title": "Error Schema", "type": "object", "properties": {"message": {"type": "string"}}},
}
"""What every API has from the start (developer guide, "Data models for REST APIs")."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]")
_SAME_VALUE: Final = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else"})
_ONE: Final = frozenset(
    {"additionalItems", "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"}
    | {"unevaluatedItems", "unevaluatedProperties"}
)
_MANY: Final = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_NAMED: Final = frozenset({"dependencies", "dependentSchemas", "patternProperties", "properties"})
_DROPPED: Final = frozenset({"$anchor", "$defs", "$id", "$schema", "definitions", "id"})
"""Resolved away, or rebasing `$ref`, which API Gateway does not."""
_NOT_APPLIED: Final = frozenset({"discriminator", "nullable", "readOnly", "writeOnly"})
_MODEL: Final = Known("no request validator checks a body against it")
_UNUSED: Final = Known("no method checks a body against it", harmless=True)
_MAX_DEFINITIONS: Final = 1_000_000  # in all models together: each holds what it refers to, so chains are quadratic


class _Fragment(NamedTuple):
    """A schema with its references rewritten. `same` are the targets that are checked against the same value."""

    name: str
    place: Place
    schema: Any
    targets: dict[str, None]
    same: dict[str, None]


class Models:
    """The models of one document. Fragments are shared between models; nobody may change them."""

    def __init__(self, reader: Reader, section: Node | None) -> None:
        self._reader = reader
        self._section = section
        self._named: dict[str, Node] = reader.mapping(section, "the schemas") if section else {}
        self._names: dict[int, str] = {}
        self._taken: set[str] = set()
        self._fragments: dict[str, _Fragment] = {}
        self._models: dict[str, Model] = {}
        self._inline: set[str] = set()
        self._defaults: dict[str, Node] = {}
        self._definitions = 0
        for name, node in self._named.items():
            reader.note(node, _MODEL)
            self._name(node, name)

    def of(self, node: Node, name: str) -> Model | None:
        """The model of a body's schema; `name` is what an inline one is called. None after a problem."""
        if isinstance(node.value, dict) and (reference := node.value.get("$ref")) is not None:
            target = self._target(reference)
            return None if target is None else self._model(target)
        if not isinstance(node.value, dict):
            self._reader.mapping(node, "a schema")
            return None
        if id(node) not in self._names:
            self._name(node, name)
            self._inline.add(self._names[id(node)])
        return self._model(node)

    def finish(self) -> dict[str, Model]:
        """All models by name, once every method has been read: the document's own, and the inline ones in use."""
        used = {place for model in self._models.values() for place in model.origin.fields["schema"]}
        models = {}
        for node in self._named.values():
            if model := self._model(node):
                models[model.name] = model
            if node.place not in used:
                self._reader.note(node, _UNUSED)
        models |= {name: model for name, model in self._models.items() if name in self._inline}
        self._refuse_loops()
        return models

    def _name(self, node: Node, wanted: str) -> None:
        name = stem = _UNSAFE.sub("_", wanted) or "_"
        number = 2
        while name in self._taken:
            name, number = f"{stem}_{number}", number + 1
        self._taken.add(name)
        self._names[id(node)] = name

    def _model(self, node: Node) -> Model | None:
        name = self._fragment(node)
        if name in self._models:
            return self._models[name]
        closure = self._closure(name)
        root = self._fragments[name].schema
        if not isinstance(root, dict):
            self._reader.mapping(node, "a schema")
            return None
        draft = "draft-07" if self._reader.dialect == "3.1" else "draft-04"
        schema: dict[str, Any] = {"$schema": self._own_draft(node) or f"http://json-schema.org/{draft}/schema#"}
        schema |= root
        if closure:
            schema["definitions"] = {key: self._fragments[key].schema for key in closure}
        places = (node.place, *(self._fragments[key].place for key in closure if key != name))
        model = Model(name=name, schema=schema, origin=Origin(node.place, {"schema": places}))
        self._models[name] = model
        return model

    def _own_draft(self, node: Node) -> str:
        own = node.value.get("$schema") if isinstance(node.value, dict) else None
        return self._reader.text(own, "$schema") if own else ""

    def _closure(self, name: str) -> list[str]:
        """The names of everything a fragment refers to, itself included only where something refers to it."""
        if self._definitions > _MAX_DEFINITIONS:
            return []
        found: dict[str, None] = {}
        waiting = list(self._fragments[name].targets)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found[key] = None
                waiting.extend(self._fragments[key].targets)
        self._definitions += len(found)
        if self._definitions > _MAX_DEFINITIONS:
            what = f"the models refer to one another more than {_MAX_DEFINITIONS} times"
            self._reader.problem(self._section or self._reader.root, what)
        return sorted(found)

    def _fragment(self, node: Node) -> str:
        """Rewrite a schema, and every schema it leads to; gives its name."""
        waiting = [node]
        while waiting:
            current = waiting.pop()
            if id(current) not in self._names:
                self._name(current, current.place.pointer.strip("/").replace("/", "."))
            name = self._names[id(current)]
            if name not in self._fragments:
                rewriting = _Rewriting(self._reader, self._target)
                schema = rewriting.schema(current, True)
                for target in rewriting.targets:
                    if id(target) not in self._names:
                        self._name(target, target.place.pointer.strip("/").replace("/", "."))
                names = {self._names[id(target)]: None for target in rewriting.targets}
                same = {self._names[id(target)]: None for target in rewriting.same}
                rewriting.fill(self._names)
                self._fragments[name] = _Fragment(name, current.place, schema, names, same)
                waiting.extend(rewriting.targets)
        return self._names[id(node)]

    def _target(self, reference: Node) -> Node | None:
        """The schema a `$ref` names."""
        text = reference.value
        target: Node | None
        if isinstance(text, str) and (match := _MODEL_ADDRESS.fullmatch(text)):
            target = self._named.get(match[1]) or self._default(match[1], reference)
            if target is None:
                near = self._reader.near(match[1], self._named)
                self._reader.problem(reference, f"there is no model {match[1]!r}", near=near)
        else:
            target = self._definition(reference) or self._reader.resolve(reference)
        if target is not None and not isinstance(target.value, (dict, bool)):
            self._reader.problem(reference, f"the reference {text!r} leads to something that is no schema")
            return None
        return target

    def _definition(self, reference: Node) -> Node | None:
        """What `#/definitions/…` names where the document itself has nothing there."""
        text = reference.value
        match = _DEFINITION.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            return None
        name = unquote(match[1]).replace("~1", "/").replace("~0", "~")
        around = reference.parent
        while around is not None:
            own = around.value.get("definitions") if isinstance(around.value, dict) else None
            if own is not None and isinstance(own.value, dict) and name in own.value:
                return own.value[name]
            around = around.parent
        return self._named.get(name)

    def _default(self, name: str, reference: Node) -> Node | None:
        """A model that every API has. It stands where it is first referred to."""
        if name in _DEFAULT_MODELS and name not in self._defaults:
            node = self._defaults[name] = _stand_in(_DEFAULT_MODELS[name], reference)
            self._name(node, name)
            self._inline.add(self._names[id(node)])
        return self._defaults.get(name)

    def _refuse_loops(self) -> None:
        graph = {name: fragment.same for name, fragment in self._fragments.items()}
        while True:
            try:
                TopologicalSorter(graph).prepare()
            except CycleError as error:
                loop = error.args[1]
                chain = " -> ".join(reversed(loop))
                self._reader.problem(
                    self._fragments[loop[0]].place,
                    f"the schema refers to itself without going into a property or an item: {chain}",
                )
                for name in loop:
                    graph.pop(name, None)
            else:
                return


def _stand_in(value: Any, at: Node) -> Node:
    if isinstance(value, dict):
        value = {key: _stand_in(item, at) for key, item in value.items()}
    return Node(value, at.file, at.line, at.column, at.parent, at.key)


class _Rewriting:
    """One schema in plain values. References stay empty until the targets have names."""

    def __init__(self, reader: Reader, target: Any) -> None:
        self._reader, self._target_of = reader, target
        self._holes: list[tuple[dict[str, Any], Node]] = []
        self.targets: list[Node] = []
        self.same: list[Node] = []

    def fill(self, names: dict[int, str]) -> None:
        for hole, target in self._holes:
            hole["$ref"] = f"#/definitions/{names[id(target)]}"

    def schema(self, node: Node, same: bool) -> Any:
        """`same`: this schema is checked against the very value that the whole one is."""
        if isinstance(node.value, bool):
            return node.value
        entries = self._reader.mapping(node, "a schema")
        if (reference := entries.get("$ref")) is not None:
            hole = self._reference(reference, same)
            rest = {key: child for key, child in entries.items() if key != "$ref" and key not in _DROPPED}
            if self._reader.dialect != "3.1":  # until 3.1 what stands beside a `$ref` has no meaning
                for child in rest.values():
                    self._reader.note(child, BESIDE_REFERENCE)
                return hole
            if not rest:
                return hole
            return {"allOf": [hole, dict(self._keywords(rest, same))]}
        return dict(self._keywords(entries, same))

    def _keywords(self, entries: dict[str, Node], same: bool) -> Iterator[tuple[str, Any]]:
        for key, child in entries.items():
            if key in _DROPPED:
                continue
            if key in _NOT_APPLIED:
                note = "API Gateway does not apply it when it validates"
                self._reader.ledger.key(child.place, key, note=note)
            inside = same and key in _SAME_VALUE
            if isinstance(child.value, dict) and key in _NAMED:
                yield key, {name: self._value(schema, False) for name, schema in child.value.items()}
            elif isinstance(child.value, list) and key in _MANY:
                yield key, [self.schema(schema, inside) for schema in child.value]
            elif isinstance(child.value, (dict, bool)) and key in _ONE:
                yield key, self.schema(child, inside)
            elif key in _NAMED or key in _MANY or key in _ONE:
                self._reader.problem(child, f"{key!r} of a schema holds no schemas", why=f"it is {child.plain()!r:.60}")
            else:
                yield key, child.plain()

    def _value(self, node: Node, same: bool) -> Any:
        """A schema under a name; `dependencies` may hold lists of names instead."""
        return node.plain() if isinstance(node.value, list) else self.schema(node, same)

    def _reference(self, reference: Node, same: bool) -> dict[str, Any]:
        hole: dict[str, Any] = {}
        target = self._target_of(reference)
        if target is not None:
            self._holes.append((hole, target))
            self.targets.append(target)
            self._reader.followed.add(id(target))
            if same:
                self.same.append(target)
        return hole
