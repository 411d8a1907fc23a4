"""Golden documents: what each of them means, and what the report says of each of its keys.

Run `python -m tests.openapi.golden_documents` after a change that is meant to change them, and read the difference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from gatewaykit.openapi import Reading, read_definition

FOLDER = Path(__file__).parent.parent / "golden" / "openapi"
DOCUMENTS = sorted(path for path in FOLDER.iterdir() if not path.name.endswith(".expected.json"))


def expected_path(document: Path) -> Path:
    return document.with_name(f"{document.stem}.expected.json")


def read(document: Path) -> Reading:
    """With the bare file name in every place, wherever the project stands."""
    return read_definition(document.name, text=document.read_text(encoding="utf-8"))


def outcome(reading: Reading) -> Any:
    """A reading as JSON values: fields that hold their defaults are left out."""
    report = [
        " ".join(
            filter(None, [entry.status, str(entry.place), entry.place.pointer, "SECURITY" * entry.security, entry.note])
        )
        for entry in reading.ledger.report()
    ]
    warnings = [str(warning) for warning in reading.warnings]
    return json.loads(json.dumps({"definition": _plain(reading.definition), "warnings": warnings, "report": report}))


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        names = (field.name for field in fields(value) if field.name != "origin")
        return {name: _plain(item) for name in names if (item := getattr(value, name)) not in (None, "", (), {})}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


if __name__ == "__main__":
    for path in DOCUMENTS:
        text = json.dumps(outcome(read(path)), indent=2, ensure_ascii=False)
        expected_path(path).write_text(text + "\n", encoding="utf-8")
