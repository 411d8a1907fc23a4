"""The JSON-Schema-Test-Suite's cases for drafts 4, 6 and 7, with jsonschema-rs as the second opinion."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest

from gatewaykit.core.http import Request
from gatewaykit.core.validation import CompiledSchema, compile_schema, compile_validator
from tests.needs import SCHEMA_SUITE

DRAFTS: Final = (4, 6, 7)

FETCHES: Final = frozenset((
    ("definitions", "valid definition"),
    ("definitions", "invalid definition"),
    ("ref", "remote ref, containing refs itself"),
    ("refRemote", "remote ref"),
    ("refRemote", "fragment within remote ref"),
    ("refRemote", "ref within remote ref"),
    ("refRemote", "base URI change"),
    ("refRemote", "base URI change - change folder"),
    ("refRemote", "base URI change - change folder in subschema"),
    ("refRemote", "root ref in remote ref"),
))  # fmt: skip
"""Their schemas refer to documents at http addresses. Nothing is ever fetched, so these are problems at load."""

NOT_ENFORCED: Final = {
    "content", "idn-email", "idn-hostname", "iri", "iri-reference", "relative-json-pointer", "uri-template",
}  # fmt: skip
"""Optional formats and keywords that are reported as such, and by `validate(...)` refused."""


def groups(draft: int, *, optional: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """Schemas with their cases, and the names of the files they stand in."""
    folder = SCHEMA_SUITE / f"draft{draft}"
    files: list[Path] = sorted((folder / "optional").rglob("*.json") if optional else folder.glob("*.json"))
    assert files
    for file in files:
        for group in json.loads(file.read_text("utf-8")):
            yield file.stem, group


def verdicts(schema: Any, draft: int, cases: list[dict[str, Any]]) -> list[tuple[str, bool, bool, bool]]:
    """Of each case: what it is about, what the validator says, what it says with the extra, what jsonschema-rs says."""
    exact = compile_schema(schema, draft=draft, fast=False)
    with_extra = compile_validator({}, {"$default": schema}, draft=draft, fast=True)
    assert isinstance(exact, CompiledSchema), exact
    assert not isinstance(with_extra, tuple)
    second = getattr(jsonschema_rs, f"Draft{draft}Validator")(schema, validate_formats=True)
    found = []
    for case in cases:
        request = Request("POST", "/", body=json.dumps(case["data"]).encode())
        at_once = with_extra.check(request) is request
        found.append((case["description"], exact.accepts(case["data"]), at_once, second.is_valid(case["data"])))
    return found


@pytest.mark.needs("json-schema-test-suite")
@pytest.mark.parametrize("draft", DRAFTS)
def test_all_required_cases_are_decided_as_the_suite_says(draft: int) -> None:
    decided = 0
    for file, group in groups(draft):
        if (file, group["description"]) not in FETCHES:
            cases = group["tests"]
            expected = [(case["description"], *[case["valid"]] * 3) for case in cases]

            assert verdicts(group["schema"], draft, cases) == expected, (file, group["description"])
            decided += len(cases)
    assert decided > 290


@pytest.mark.needs("json-schema-test-suite")
@pytest.mark.parametrize("draft", DRAFTS)
def test_schemas_that_would_have_to_be_fetched_are_problems_at_load(draft: int) -> None:
    refused = {
        (file, group["description"])
        for file, group in groups(draft)
        if isinstance(compile_schema(group["schema"], draft=draft), tuple)
    }

    assert refused == FETCHES


@pytest.mark.needs("json-schema-test-suite")
@pytest.mark.parametrize("draft", DRAFTS)
def test_optional_cases_of_what_is_enforced_are_decided_as_the_suite_says(draft: int) -> None:
    not_enforced = set()
    for file, group in groups(draft, optional=True):
        compiled = compile_schema(group["schema"], draft=draft)
        assert isinstance(compiled, CompiledSchema), compiled
        if compiled.ignored:
            not_enforced.add(group["schema"].get("format", file))
            continue
        for case in group["tests"]:
            assert compiled.accepts(case["data"]) == case["valid"], (file, case["description"])

    assert not_enforced <= NOT_ENFORCED
