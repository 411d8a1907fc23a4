"""What every reader works with: the document, the problems so far, the ledger, and sections of known keys.

A section is a mapping whose keys are looked up in a table. Every key of it goes into the ledger, known or not; what a
reader takes for a field of the definition is remembered as that field's origin.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from gatewaykit.definition.ledger import ENFORCED, IGNORED, UNKNOWN, Ledger
from gatewaykit.definition.model import Origin, Place
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import Problem
from gatewaykit.openapi.document import Node

__all__ = [
    "BESIDE_REFERENCE", "CONTAINER", "DESCRIBES", "EXTENSION_PREFIX", "HTTP_API", "Known", "OWN", "READ", "Reader",
    "Section", "Table",
]  # fmt: skip

EXTENSION_PREFIX: Final = "x-amazon-apigateway-"
OWN: Final = "x-gatewaykit"
_NEAR_BUDGET: Final = 200_000  # comparisons for near misses in one document; a comparison takes some microseconds


class Known(NamedTuple):
    """What a table says of a key. `note` is the reason the report gives while nobody enforces the key."""

    note: str = "nothing reads it in this configuration"
    security: bool = False
    harmless: bool = False
    container: bool = False  # not an entry of the report: the keys inside it are
    consumed: bool = False  # the reader itself acts on it
    http_api: bool = False  # a key of HTTP APIs: a problem in a REST API


READ: Final = Known()
DESCRIBES: Final = Known("describes, does nothing", harmless=True)
BESIDE_REFERENCE: Final = Known("nothing counts beside a $ref")
CONTAINER: Final = Known(container=True)
HTTP_API: Final = Known(http_api=True)

Table = Mapping[str, Known]


class Reader:
    """One reading of one document."""

    def __init__(self, root: Node, problems: list[Problem], known_extensions: Mapping[str, Known]) -> None:
        self.root = root
        self.dialect = ""  # "2.0", "3.0" or "3.1"
        self.ledger = Ledger()
        self.problems = problems
        self.warnings: list[Problem] = []
        self.followed: set[int] = set()  # ids of the nodes that a reference led to
        self.met: set[int] = set()  # ids of the nodes of keys that some reader has come by
        self._extensions = known_extensions
        self._resolved: dict[str, Node | None] = {}
        self._near: dict[str, str] = {}
        self._near_budget = _NEAR_BUDGET

    def problem(self, node: Node | Place, what: str, *, why: str = "", mend: str = "", near: str = "") -> None:
        where = node.place if isinstance(node, Node) else node
        self.problems.append(Problem(where=str(where), what=what, why=why, mend=mend, near=near))

    def warn(self, node: Node, what: str) -> None:
        self.warnings.append(Problem(where=str(node.place), what=what))

    # ------------------------------------------------------------------------------------------ shapes

    def mapping(self, node: Node, what: str) -> dict[str, Node]:
        return node.value if isinstance(node.value, dict) else self._misshapen(node, what, "a mapping", {})

    def items(self, node: Node, what: str) -> list[Node]:
        return node.value if isinstance(node.value, list) else self._misshapen(node, what, "a list", [])

    def text(self, node: Node, what: str) -> str:
        return node.value if isinstance(node.value, str) else self._misshapen(node, what, "text", "")

    def flag(self, node: Node, what: str) -> bool:
        return node.value if isinstance(node.value, bool) else self._misshapen(node, what, "true or false", False)

    def texts(self, node: Node, what: str) -> tuple[str, ...]:
        return tuple(self.text(item, f"an entry of {what}") for item in self.items(node, what))

    def _misshapen(self, node: Node, what: str, wanted: str, instead: Any) -> Any:
        mend = ""
        if isinstance(node.value, dict) and any(key == "Ref" or key.startswith("Fn::") for key in node.value):
            mend = "Render the template first: functions of CloudFormation are not evaluated"
        self.problem(node, f"{what} has to be {wanted}", why=f"it is {_shape(node.value)}", mend=mend)
        return instead

    # ------------------------------------------------------------------------------------------ references

    def follow(self, node: Node, what: str) -> tuple[Node, tuple[Place, ...]] | None:
        """The node that `node` means, through its `$ref`s, and the places of those. None after a problem."""
        places: list[Place] = []
        seen = {id(node)}
        while isinstance(node.value, dict) and (reference := node.value.get("$ref")) is not None:
            target = self.resolve(reference)
            if target is None:
                return None
            if id(target) in seen:
                self.problem(reference, f"the reference of {what} leads back to itself")
                return None
            self.ledger.key(reference.place, "$ref", status=ENFORCED)
            for beside in node.value.values():
                if beside is not reference:
                    self.note(beside, BESIDE_REFERENCE)
            places.append(reference.place)
            seen.add(id(target))
            self.followed.add(id(target))
            node = target
        return node, tuple(places)

    def resolve(self, reference: Node) -> Node | None:
        """The node a `$ref` value names; only inside this document. None after a problem."""
        text = self.text(reference, "$ref")
        if not text.startswith("#"):
            if isinstance(reference.value, str):
                why = "references to files and addresses are never opened"
                self.problem(reference, f"the reference {text!r} leaves the document", why=why)
            return None
        if text not in self._resolved:
            self._resolved[text] = self._walk(text, reference)
        elif self._resolved[text] is None:
            self.problem(reference, f"the reference {text!r} leads nowhere")
        return self._resolved[text]

    def _walk(self, text: str, reference: Node) -> Node | None:
        if not text.startswith("#/"):
            self.problem(reference, f"the reference {text!r} is no JSON pointer", mend="Write it as '#/path/to/value'")
            return None
        node, so_far = self.root, "#"
        for token in text[2:].split("/"):
            key = unquote(token).replace("~1", "/").replace("~0", "~")
            inside = node.value
            if isinstance(inside, dict) and key in inside:
                node = inside[key]
            elif isinstance(inside, list) and key.isdecimal() and key.isascii() and int(key[:9]) < len(inside):
                node = inside[int(key[:9])]
            else:
                near = self.near(key, inside) if isinstance(inside, dict) else ""
                near = f"{so_far}/{near.replace('~', '~0').replace('/', '~1')}" if near else ""
                why = f"{so_far} has no {key!r}"
                self.problem(reference, f"the reference {text!r} leads nowhere", why=why, near=near)
                return None
            so_far += f"/{token}"
        return node

    # ------------------------------------------------------------------------------------------ sections

    def section(self, node: Node, what: str, table: Table) -> Section:
        """The keys of a mapping, each written down in the ledger by the table."""
        entries = self.mapping(node, what)
        for key, child in entries.items():
            self.met.add(id(child))
            known = table.get(key)
            if known is None:
                self.unknown(child, what, table)
            elif known.http_api:
                self.http_api_only(child)
            elif not known.container:
                self.note(child, known)
        return Section(self, node, what, entries)

    def note(self, node: Node, known: Known) -> None:
        """Write the key of a node down as the table describes it."""
        self.met.add(id(node))
        status = ENFORCED if known.consumed else IGNORED
        note = "" if known.consumed else known.note
        self.ledger.key(
            node.place, node.key, status=status, note=note, security=known.security, harmless=known.harmless
        )

    def http_api_only(self, node: Node) -> None:
        self.problem(node, f"{node.key!r} belongs to HTTP APIs", why="this document is read as a REST API")

    def unknown(self, node: Node, what: str, table: Table) -> None:
        """Write down a key no table knows. A typing mistake of a security key is as grave as the key unenforced."""
        self.met.add(id(node))
        key = node.key
        if elsewhere := self._extensions.get(key):
            note = f"this key is not read in {what}"
            holds_policies = isinstance(node.value, dict) and "policies" in node.value
            security = elsewhere.security or (key == OWN and holds_policies)
            self.ledger.key(node.place, key, status=UNKNOWN, note=note, security=security)
            return
        near = self._near_extension(key) if key.lower().startswith("x-") else self.near(key, table)
        known = self._extensions.get(near) or table.get(near) or READ
        if key.startswith("x-") and not key.startswith(EXTENSION_PREFIX) and not near:
            self.ledger.key(node.place, key, status=IGNORED, note="an extension of another tool", harmless=True)
            return
        protects = key.startswith(EXTENSION_PREFIX) and any(word in key for word in ("auth", "policy", "security"))
        note = f"not a known key of {what}"
        self.ledger.key(node.place, key, status=UNKNOWN, note=note, security=known.security or protects, near=near)

    def near(self, word: str, choices: Collection[str]) -> str:
        """`near_miss`, until the document has used up what may be spent on comparing."""
        if self._near_budget < len(choices):
            return ""
        self._near_budget -= len(choices)
        return near_miss(word, choices)

    def _near_extension(self, key: str) -> str:
        """Extension keys share a long prefix, so what follows it is compared."""
        if key not in self._near:
            if key.lower().startswith(EXTENSION_PREFIX):
                stems = {name.removeprefix(EXTENSION_PREFIX) for name in self._extensions}
                stem = self.near(key[len(EXTENSION_PREFIX) :], stems)
                self._near[key] = (
                    f"{EXTENSION_PREFIX}{stem}" if f"{EXTENSION_PREFIX}{stem}" in self._extensions else stem
                )
            else:
                self._near[key] = self.near(key, self._extensions)
        return self._near[key]


class Section:
    """One mapping of the document while it is read into an object: takes values, and remembers their origins."""

    __slots__ = ("entries", "fields", "inner", "node", "reader", "what")

    def __init__(self, reader: Reader, node: Node, what: str, entries: dict[str, Node]) -> None:
        self.reader, self.node, self.what, self.entries = reader, node, what, entries
        self.fields: dict[str, tuple[Place, ...]] = {}
        self.inner: dict[str, Place] = {}

    def take(self, key: str, field: str) -> Node | None:
        """The value of a key, which feeds this field."""
        node = self.entries.get(key)
        if node is not None:
            self.feeds(field, node.place)
        return node

    def take_places(self, *keys: str) -> tuple[Place, ...]:
        """Where these keys stand, those that are there."""
        return tuple(self.entries[key].place for key in keys if key in self.entries)

    def keep_places(self, node: Node) -> None:
        """Remember where everything inside this value stands: it is checked when it is compiled."""
        start, waiting = len(node.place.pointer), [node]
        while waiting:
            each = waiting.pop()
            self.inner[each.place.pointer[start:]] = each.place
            if isinstance(each.value, (dict, list)):
                waiting.extend(each.value.values() if isinstance(each.value, dict) else each.value)

    def feeds(self, field: str, *places: Place) -> None:
        self.fields[field] = (*self.fields.get(field, ()), *places)

    def withdraw(self, field: str, place: Place) -> None:
        """This place does not feed the field after all."""
        self.fields[field] = tuple(each for each in self.fields.get(field, ()) if each != place)

    def text(self, key: str, field: str, default: str = "") -> str:
        node = self.take(key, field)
        return default if node is None else self.reader.text(node, key)

    def flag(self, key: str, field: str) -> bool:
        node = self.take(key, field)
        return node is not None and self.reader.flag(node, key)

    def texts(self, key: str, field: str) -> tuple[str, ...]:
        node = self.take(key, field)
        return () if node is None else self.reader.texts(node, key)

    def text_map(self, key: str, field: str) -> dict[str, str]:
        """A mapping of texts, none where it is left empty. Its keys are entries of the report, and feed the field."""
        node = self.take(key, field)
        if node is None or node.value is None:
            return {}
        values: dict[str, str] = {}
        for name, child in self.reader.mapping(node, key).items():
            self.reader.note(child, READ)
            self.feeds(field, child.place)
            values[name] = self.reader.text(child, f"{key} {name!r}")
        return values

    def origin(self) -> Origin:
        return Origin(self.node.place, self.fields, self.inner)


def _shape(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return f"the number {value}" if isinstance(value, (int, float)) else f"the text {value!r:.60}"
