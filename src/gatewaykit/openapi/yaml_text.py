"""YAML text to nodes, with the line and column of every key.

PyYAML splits the text; what plain words mean is YAML 1.2's core schema, because 1.1 (PyYAML's own) turns `on` into
true, `012` into 10, `12:30:45` into a number and `200:` into an integer key. Keys are always text. `<<` merges, as
people use it; aliases are copied, within the cap on values.
"""

from __future__ import annotations

import re
from typing import Any, Final

from gatewaykit.errors import ConfigError, Problem
from gatewaykit.openapi.document import MAX_DEPTH, Builder, Node, Value

__all__ = ["parse_yaml"]

_WORDS: Final[dict[str, bool | None]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_BASED: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_UNREAL: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NUMERIC: Final = frozenset("+-.0123456789")
_MAX_DIGITS: Final = 400  # more is no number anybody means, and costs quadratic time
_TAG: Final = "tag:yaml.org,2002:"


def parse_yaml(text: str, builder: Builder) -> Node:
    """The root node. Raises ConfigError where the text is no YAML, or PyYAML is not installed."""
    try:
        import yaml
    except ImportError:
        what, mend = "reading YAML needs PyYAML", 'Run: pip install "gatewaykit[yaml]"'
        raise ConfigError(Problem(where=builder.file, what=what, mend=mend)) from None
    composer = _Composer(builder)
    steps = {
        yaml.ScalarEvent: composer.scalar,
        yaml.MappingStartEvent: composer.open_mapping,
        yaml.SequenceStartEvent: composer.open_sequence,
        yaml.MappingEndEvent: composer.close,
        yaml.SequenceEndEvent: composer.close,
        yaml.AliasEvent: composer.alias,
        yaml.DocumentStartEvent: composer.document,
        yaml.DocumentEndEvent: composer.nothing,
        yaml.StreamStartEvent: composer.nothing,
        yaml.StreamEndEvent: composer.nothing,
    }
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            steps[type(event)](event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise builder.failure(line, column, "the document is not YAML", str(error.problem or error.context)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise builder.failure(line, column, "the document is not YAML", str(error.reason)) from None
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise builder.failure(line, 1, "the document holds half of a surrogate pair, which is no character") from None
    if composer.root is None:
        raise builder.failure(1, 1, "the document is empty")
    return composer.root


class _Open:
    """A mapping or list whose end has not come yet, and the key that waits for its value."""

    __slots__ = ("anchor", "key", "merges", "node")

    def __init__(self, node: Node, anchor: str | None) -> None:
        self.node, self.anchor = node, anchor
        self.key: tuple[str, int, int, bool] | None = None  # text, line, column, is a merge
        self.merges: list[Node] = []


class _Composer:
    """Builds nodes from parse events."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self.root: Node | None = None

    def document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise self._failure(event, "the file holds more than one YAML document")

    def nothing(self, event: Any) -> None:
        pass

    def scalar(self, event: Any) -> None:
        if self._wants_key():
            merge = event.value == "<<" and event.implicit[0]
            self._open[-1].key = (event.value, event.start_mark.line + 1, event.start_mark.column + 1, merge)
            return
        node = self._add(self._resolve(event), event)
        if event.anchor:
            self._anchors[event.anchor] = node

    def open_mapping(self, event: Any) -> None:
        self._push({}, event)

    def open_sequence(self, event: Any) -> None:
        self._push([], event)

    def close(self, event: Any) -> None:
        closed = self._open.pop()
        if closed.anchor:
            self._anchors[closed.anchor] = closed.node
        for merged in closed.merges:
            self._merge(merged, closed.node, event)

    def alias(self, event: Any) -> None:
        node = self._anchors.get(event.anchor)
        if node is None:  # unknown, or an alias inside its own anchor
            raise self._failure(event, f"the alias *{event.anchor} stands for nothing that is complete before it")
        if self._wants_key():
            raise self._failure(event, "a key has to be plain text")
        self._copy(node, self._add({} if isinstance(node.value, dict) else [], event), len(self._open))

    def _push(self, value: Value, event: Any) -> None:
        if self._wants_key():
            raise self._failure(event, "a key has to be plain text", mend="Quote a key that starts with { or [")
        if len(self._open) == MAX_DEPTH:
            raise self._builder.too_deep(event.start_mark.line + 1, event.start_mark.column + 1)
        if event.tag not in (None, "!", _TAG + ("map" if isinstance(value, dict) else "seq")):
            self._unknown_tag(event)
        self._open.append(_Open(self._add(value, event), event.anchor))

    def _wants_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].node.value, dict) and self._open[-1].key is None

    def _add(self, value: Value, event: Any) -> Node:
        """Put a value where the document stands: at the root, under the waiting key, or at the end of the list."""
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if not self._open:
            self.root = self._builder.node(value, line, column, None, "")
            return self.root
        top = self._open[-1]
        if isinstance(top.node.value, list):
            return self._builder.node(value, line, column, top.node, str(len(top.node.value)))
        assert top.key is not None  # a value never comes before its key
        (key, line, column, merge), top.key = top.key, None
        if merge:
            top.merges.append(Node(value, self._builder.file, line, column, top.node, key))
            return top.merges[-1]
        return self._builder.node(value, line, column, top.node, key)

    def _copy(self, node: Node, into: Node, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._builder.too_deep(into.line, into.column)
        if isinstance(node.value, (dict, list)):
            for child in node.value.values() if isinstance(node.value, dict) else node.value:
                self._copy_child(child, into, depth)
        else:
            into.value = node.value

    def _copy_child(self, child: Node, into: Node, depth: int) -> None:
        empty: Value = {} if isinstance(child.value, dict) else [] if isinstance(child.value, list) else child.value
        copied = self._builder.node(empty, child.line, child.column, into, child.key)
        if isinstance(child.value, (dict, list)):
            self._copy(child, copied, depth + 1)

    def _merge(self, merged: Node, into: Node, event: Any) -> None:
        """What `<<` brings in; a key that is written out, or came in earlier, stays."""
        sources = merged.value if isinstance(merged.value, list) else [merged]
        for source in sources:
            if not isinstance(source.value, dict):
                self._builder.problem(merged, "<< merges mappings only")
                continue
            assert isinstance(into.value, dict)  # a merge is only ever collected in a mapping
            for key, child in source.value.items():
                if key not in into.value:
                    self._copy_child(child, into, len(self._open) + 1)

    def _resolve(self, event: Any) -> Value:
        text: str = event.value
        tag = event.tag
        if tag is None:
            return self._plain(text, event) if event.implicit[0] else text
        if tag in ("!", _TAG + "str"):
            return text
        value = self._plain(text, event)
        kinds: dict[str, Any] = {"null": type(None), "bool": bool, "int": int, "float": (int, float)}
        kind = kinds.get(tag.removeprefix(_TAG)) if tag.startswith(_TAG) else None
        if kind is None:
            self._unknown_tag(event)
        elif not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._failure(event, f"{text!r} is not of the kind that its tag !!{tag.removeprefix(_TAG)} says")
        return value

    def _plain(self, text: str, event: Any) -> Value:
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _NUMERIC:
            return text
        if len(text) <= _MAX_DIGITS:
            if _INTEGER.fullmatch(text):
                return int(text)
            if _FLOAT.fullmatch(text):
                return float(text)
            if _BASED.fullmatch(text):
                return int(text, 0)
            if _UNREAL.fullmatch(text):
                return float(text.replace(".", ""))
        elif _INTEGER.fullmatch(text) or _FLOAT.fullmatch(text):
            raise self._failure(event, f"the number has more than {_MAX_DIGITS} digits")
        return text

    def _unknown_tag(self, event: Any) -> None:
        tag = event.tag
        mend = "Render the template first: functions of CloudFormation are not evaluated" if tag[0] == "!" else ""
        raise self._failure(event, f"the YAML tag {tag!r} is not understood", mend=mend)

    def _failure(self, event: Any, what: str, mend: str = "") -> ConfigError:
        return self._builder.failure(event.start_mark.line + 1, event.start_mark.column + 1, what, mend=mend)
