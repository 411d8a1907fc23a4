"""A file of users, groups, roles and policies: YAML or JSON, every problem with its line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.iam.directory import Path
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.credentials import static_credentials

if TYPE_CHECKING:
    from gatewaykit.ports import CredentialsProvider

__all__ = ["credentials_file"]

_MOST_DEEP: Final = 64
_MOST_VALUES: Final = 1_000_000


def credentials_file(path: str | FilePath) -> CredentialsProvider:
    """The credentials in a file. Raises ConfigError with every problem and its place; secrets are in none of them.

    YAML is read as text throughout: `2012-10-17` is no date and `0123` no number. It is read once, at the start.
    """
    name = str(path)
    try:
        text = FilePath(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror or "") if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(Problem(where=name, what="the credentials cannot be read", why=why)) from None
    lines: dict[Path, int] = {}
    data = _json(text, name) if name.endswith(".json") else _yaml(text, name, lines)
    if not isinstance(data, Mapping):
        raise ConfigError(Problem(where=name, what="the file holds no mapping", mend="Write users: and their keys"))

    def locate(path: Path) -> str:
        at = path
        while at and at not in lines:
            at = at[:-1]
        line = f":{lines[at]}" if at in lines else ""
        spelt = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        return f"{name}{line}: {spelt}" if spelt else f"{name}{line}"

    return static_credentials(data, name, locate)


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{name}:{error.lineno}:{error.colno}"
        raise ConfigError(Problem(where=where, what="the file is no JSON", why=error.msg)) from None
    except RecursionError:
        raise ConfigError(Problem(where=name, what="the file is too deep")) from None


def _yaml(text: str, name: str, lines: dict[Path, int]) -> Any:
    try:
        import yaml
    except ImportError:
        what, mend = "reading YAML needs PyYAML", 'Run: pip install "gatewaykit[yaml]"'
        raise ConfigError(Problem(where=name, what=what, mend=mend)) from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(Problem(where=where, what="the file is no YAML", why=str(error.problem))) from None
    except (yaml.YAMLError, RecursionError):
        raise ConfigError(Problem(where=name, what="the file is no YAML")) from None
    problems: list[Problem] = []

    def read(node: Any, path: Path) -> Any:
        lines[path] = node.start_mark.line + 1
        if len(path) > _MOST_DEEP or len(lines) > _MOST_VALUES:  # aliases can make much of little
            raise ConfigError(Problem(where=f"{name}:{lines[path]}", what="the file is too deep, or holds too much"))
        if isinstance(node, yaml.SequenceNode):
            return [read(each, (*path, index)) for index, each in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return node.value
        found: dict[str, Any] = {}
        for key, value in node.value:
            spelt = str(key.value)
            if spelt in found:
                problems.append(Problem(where=f"{name}:{key.start_mark.line + 1}", what=f"{spelt!r} is there twice"))
            found[spelt] = read(value, (*path, spelt))
        return found

    data = {} if root is None else read(root, ())
    if problems:
        raise ConfigError(problems)
    return data
