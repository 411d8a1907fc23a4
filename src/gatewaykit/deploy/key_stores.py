"""Where API keys are kept, as people write it: `keys.json`, `keys.yaml`, `sqlite:///keys.db`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from gatewaykit.stores.keys_file import KeysFile
    from gatewaykit.stores.keys_sqlite import SqliteKeys

__all__ = ["key_store", "key_store_beside", "key_store_problem"]

_SQLITE: Final = "sqlite:///"
_FILES: Final = (".json", ".yaml", ".yml")
_FORMS: Final = f"Write a file such as 'keys.json' or 'keys.yaml', or a database such as '{_SQLITE}keys.db'"


def key_store(spec: str, clock: Clock = SYSTEM, *, create: bool = False) -> KeysFile | SqliteKeys:
    """The store at a path or address, opened; with `create`, one that is not there is made by the first key.

    `sqlite:///keys.db` is relative to the current directory, `sqlite:////var/keys.db` is absolute. Raises ConfigError.
    """
    if (problem := key_store_problem(spec)) is not None:
        raise ConfigError(problem)
    store: KeysFile | SqliteKeys
    if spec.startswith(_SQLITE):
        from gatewaykit.stores.keys_sqlite import SqliteKeys

        store = SqliteKeys(spec.removeprefix(_SQLITE), clock, create=create)
    else:
        from gatewaykit.stores.keys_file import KeysFile

        store = KeysFile(spec, clock, create=create)
    store.open()
    return store


def key_store_problem(spec: str) -> Problem | None:
    """What is wrong with the way a store is written; whether it is there is not looked at."""
    if spec.startswith(_SQLITE):
        return None if len(spec) > len(_SQLITE) else Problem(where="keys", what=f"{spec!r} names no file", mend=_FORMS)
    if "://" not in spec and spec.endswith(_FILES):
        return None
    scheme, _, rest = spec.partition("://")
    near = _SQLITE + rest.lstrip("/") if rest and near_miss(scheme, ["sqlite"]) else ""
    if not rest and spec.endswith((".db", ".sqlite", ".sqlite3")):
        near = _SQLITE + spec
    return Problem(where="keys", what=f"{spec!r:.200} is no store of keys", near=near, mend="" if near else _FORMS)


def key_store_beside(spec: str, directory: Path) -> str:
    """The same store where its path is relative to `directory`."""
    prefix = _SQLITE if spec.startswith(_SQLITE) else ""
    return prefix + str(directory / spec.removeprefix(prefix))
