"""The tables of docs/reference that repeat what the code says. `python tools/reference_tables.py` writes them anew.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. tests/test_reference.py fails where one is not so.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from textwrap import fill
from typing import Any, get_type_hints

import gatewaykit
from gatewaykit.cli.program import make_parser
from gatewaykit.core import access_log
from gatewaykit.core.reasons import Reason, ResponseType
from gatewaykit.core.vtl.methods import METHODS
from gatewaykit.core.vtl.values import JavaSet
from gatewaykit.deploy import configured_policies
from gatewaykit.deploy.config import ApiSettings, Config, ServerSettings, TlsSettings
from gatewaykit.deploy.configured_policies import KeySettings
from gatewaykit.deploy.settings import schema_of

__all__ = ["PAGES", "filled", "options_of"]

PAGES = sorted((Path(__file__).parent.parent / "docs" / "reference").glob("*.md"))
_TABLE = re.compile(r"(<!-- table: (?P<name>[\w -]+) -->\n)(?P<text>.*?)(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """A page with its tables as the code has them. Raises KeyError for a table that nobody makes."""
    return _TABLE.sub(lambda match: f"{match[1]}\n{_make(match['name'])}\n\n{match[4]}", text)


def options_of(policy: str) -> list[str]:
    """The options of a policy, as its function takes them."""
    return list(inspect.signature(getattr(gatewaykit, policy)).parameters)


def _make(name: str) -> str:
    kind, _, argument = name.partition(" ")
    makers = {
        "reasons": _reasons, "responses": _responses, "command": _command, "settings": _settings,
        "variables": _variables, "methods": _methods,
    }  # fmt: skip
    return makers[kind](argument)


def _reasons(_: str) -> str:
    rows = (
        (f"`{reason.name}`", reason.text, f"`{reason.response_type.type_name}`", _seen(reason)) for reason in Reason
    )
    return _table(("Reason", "Meaning", "Gateway response type", "The client sees"), rows)


def _seen(reason: Reason) -> str:
    """The status, and the message where it is not that of the type."""
    own = reason.message != reason.response_type.message
    return f"{reason.status} {reason.message}" if own else str(reason.status)


def _responses(_: str) -> str:
    rows = (
        (f"`{each.type_name}`", each.status, f"`{each.error_type}`", "`null`" if each.message is None else each.message)
        for each in ResponseType
    )
    return _table(("Type", "Status", "`x-amzn-ErrorType`", "Message"), rows)


def _command(name: str) -> str:
    parser = make_parser()
    for word in name.split():
        commands = next(each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
        parser = commands.choices[word]
    rows = []
    for action in parser._actions:
        words = " ".join(str(word) for word in action.choices or ())
        value = action.metavar or (f"{{{'|'.join(words.split())}}}" if words else "")
        spelt = [f"{option} {value}".strip() if action.nargs != 0 else option for option in action.option_strings]
        shown = ", ".join(f"`{option}`" for option in spelt or [value or action.dest])
        repeated = "; may be repeated" if isinstance(action, argparse._AppendAction) else ""
        rows.append((shown.replace("|", r"\|"), f"{action.help or ''}{repeated}".strip("; ")))
    return _table(("Argument", "Meaning"), rows)


_SETTINGS: dict[str, type] = {
    "file": Config, "api": ApiSettings, "server": ServerSettings, "tls": TlsSettings, "key": KeySettings,
    **configured_policies._SETTINGS,
}  # fmt: skip


def _settings(name: str) -> str:
    cls: Any = _SETTINGS[name]
    hints = get_type_hints(cls, include_extras=True)
    rows = []
    for each in fields(cls):
        rows.append((f"`{each.name}`", _type(schema_of(hints[each.name])), _default(each), each.metadata["doc"]))
    return _table(("Key", "Type", "Default", "Meaning"), rows)


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        names = {"policies": "a list of policies", "keys": "a mapping of keys", "json_schema": "a JSON schema"}
        names |= {"request_steps": "a list of steps", "response_steps": "a list of steps"}
        names |= {"authorizers": "a mapping of policies", "policy_document": "a policy document"}
        return names[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema["type"]
    if isinstance(kind, list):
        return "mapping or text" if "object" in kind else "number or text"
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"mapping to {_type(inner)}" if isinstance(inner, dict) and "properties" not in inner else "mapping"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}[kind]


def _default(each: Any) -> str:
    if each.default is MISSING:
        return "required" if each.default_factory is MISSING else "none"
    if each.default in ((), None, ""):
        return "none"
    return f"`{str(each.default).lower() if isinstance(each.default, bool) else each.default}`"


def _variables(which: str) -> str:
    known = [*access_log._FROM_CONTEXT] if which == "empty" else [*access_log._EXPRESSIONS, *access_log._READS]
    return fill(", ".join(f"`$context.{name}`" for name in sorted(known, key=str.lower)), 120, break_on_hyphens=False)


_KINDS = {str: "a text", list: "a list", JavaSet: "what `keySet()`, `values()` and `entrySet()` give", dict: "a map",
          int: "a whole number", float: "a double", bool: "`true` and `false`"}  # fmt: skip


def _methods(_: str) -> str:
    """What templates may call, by the kind of value; what an entry of a map has is its own."""
    rows = [(kind, sorted(METHODS[each])) for each, kind in _KINDS.items()]
    rows.append(("an entry of `entrySet()`", ["getKey", "getValue"]))
    return _table(("On", "Methods"), ((kind, ", ".join(f"`{name}`" for name in names)) for kind, names in rows))


def _table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    for page in PAGES:
        text = page.read_text("utf-8")
        if (anew := filled(text)) != text:
            page.write_text(anew, "utf-8")
            print(page)
