"""API keys as plain data, the way stores keep them: a record for each key, with digests and never with a value.

    {"id": "a1b2c3d4e5", "name": "acme", "sha256": "cc0d…", "enabled": true, "created": "2026-01-01T00:00:00Z",
     "expires": "…", "previous": {"sha256": "…", "expires": "…"}, "stages": ["prod"], "description": "…"}

Only `id` and `sha256` are required. Instants are ISO 8601.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gatewaykit.core.identity.api_key import HASHED, ApiKey, KeyTable, compile_keys
from gatewaykit.errors import Problem
from gatewaykit.units import instant_text, parse_instant

__all__ = ["VERSION", "document_of", "read_document", "read_record", "record_of"]

VERSION: Final = 1
"""Of the document; a reader refuses one that it does not know."""

_TEXTS: Final = ("id", "name", "sha256", "description")
_INSTANTS: Final = ("created", "expires")
_KNOWN: Final = (*_TEXTS, *_INSTANTS, "enabled", "previous", "stages")


def document_of(keys: Iterable[ApiKey]) -> dict[str, Any]:
    """All keys as one document."""
    return {"version": VERSION, "keys": [record_of(key) for key in keys]}


def read_document(data: object) -> KeyTable | tuple[Problem, ...]:
    """The table of a document, or everything wrong with it."""
    if not isinstance(data, Mapping) or not isinstance(data.get("keys"), list):
        return (Problem(where="", what="is no list of keys", mend="Write {version: 1, keys: [{id: …, sha256: …}]}"),)
    if data.get("version") != VERSION or isinstance(data["version"], bool):
        what = f"has version {data.get('version')!r:.50}; this gatewaykit reads version {VERSION}"
        return (Problem(where="version", what=what),)
    keys: list[ApiKey] = []
    problems: list[Problem] = []
    for position, record in enumerate(data["keys"]):
        read = read_record(record, f"keys[{position}]")
        if isinstance(read, ApiKey):
            keys.append(read)
        else:
            problems += read
    found = compile_keys(keys)
    if isinstance(found, tuple):
        problems += found
    return found if isinstance(found, KeyTable) and not problems else tuple(problems)


def record_of(key: ApiKey) -> dict[str, Any]:
    """The record of a key. Raises ValueError for one that is not hashed: values are never written down."""
    if not key.value.startswith(HASHED) or (key.previous and not key.previous.startswith(HASHED)):
        raise ValueError(f"key {key.id} holds a value that is not hashed")
    previous: dict[str, Any] = {"sha256": key.previous.removeprefix(HASHED)}
    if key.previous_expires_s is not None:
        previous["expires"] = instant_text(key.previous_expires_s)
    record: dict[str, Any] = {
        "id": key.id,
        "name": key.name,
        "sha256": key.value.removeprefix(HASHED),
        "enabled": key.enabled,
        "description": key.description or None,
        "created": None if key.created_s is None else instant_text(key.created_s),
        "expires": None if key.expires_s is None else instant_text(key.expires_s),
        "previous": previous if key.previous else None,
        "stages": None if key.stages is None else sorted(key.stages),
    }
    return {name: value for name, value in record.items() if value is not None}


def read_record(record: object, where: str) -> ApiKey | tuple[Problem, ...]:
    """The key of a record, or everything wrong with it."""
    if not isinstance(record, Mapping):
        return (Problem(where=where, what="is no record of a key", mend="Write {id: …, sha256: …}"),)
    reading = _Reading(where)
    previous = record.get("previous") or {}
    if not isinstance(previous, Mapping):
        reading.wrong("previous", "is no mapping with sha256 and expires")
        previous = {}
    stages, enabled = record.get("stages"), record.get("enabled", True)
    if stages is not None and not (isinstance(stages, list) and all(isinstance(stage, str) for stage in stages)):
        reading.wrong("stages", "is no list of texts")
        stages = []
    if not isinstance(enabled, bool):
        reading.wrong("enabled", f"is {enabled!r:.50}, not true or false")
    for name in record:
        if name == "value":
            why = "a store of keys holds digests only"
            reading.wrong(name, "stands here in the clear", why, "Write its SHA-256 as sha256, or use keys import")
        elif name not in _KNOWN:
            reading.wrong(str(name), "is no part of a key")
    made = ApiKey(
        id=reading.text(record, "id"),
        name=reading.text(record, "name"),
        value=HASHED + reading.text(record, "sha256"),
        enabled=enabled is True,
        stages=None if stages is None else frozenset(stages),
        description=reading.text(record, "description"),
        created_s=reading.instant(record, "created"),
        expires_s=reading.instant(record, "expires"),
        previous=HASHED + reading.text(previous, "sha256") if previous else "",
        previous_expires_s=reading.instant(previous, "expires"),
    )
    return tuple(reading.problems) if reading.problems else made


class _Reading:
    def __init__(self, where: str) -> None:
        self._where = where
        self.problems: list[Problem] = []

    def wrong(self, name: str, what: str, why: str = "", mend: str = "") -> None:
        self.problems.append(Problem(where=f"{self._where}.{name}", what=what, why=why, mend=mend))

    def text(self, record: Mapping[Any, Any], name: str) -> str:
        value = record.get(name, "")
        if isinstance(value, str):
            return value
        self.wrong(name, f"is {value!r:.50}, not a text", mend="Write it in quotes")
        return ""

    def instant(self, record: Mapping[Any, Any], name: str) -> float | None:
        value = record.get(name)
        if value is None:
            return None
        try:
            return parse_instant(value)
        except (TypeError, ValueError, OverflowError):
            self.wrong(name, f"is {value!r:.50}, no instant", mend="Write it as '2026-01-01T00:00:00Z', in quotes")
            return None
