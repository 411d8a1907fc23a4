"""The reference says what the code says: tables are made from it, and lists of names are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gatewaykit.testing
from gatewaykit.asgi.scope import View
from gatewaykit.openapi.extensions import EXTENSIONS
from tools.reference_tables import PAGES, filled, options_of

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
POLICIES = (
    "access_log", "address_filter", "api_key", "authenticate", "cors", "forward_auth", "introspection",
    "lambda_authorizer", "mtls", "preauth_throttle", "quota", "saml_bearer", "throttle", "transform", "validate",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_those_of_the_code(page: Path) -> None:
    text = page.read_text("utf-8")

    assert text == filled(text), "run: python tools/reference_tables.py"


@pytest.mark.parametrize("policy", POLICIES)
def test_every_option_of_a_policy_has_its_row(policy: str) -> None:
    assert first_cells("policies.md", policy) == options_of(policy)


def test_every_extension_key_has_its_row() -> None:
    rows = [cell for cell in first_cells("openapi-keys.md") if cell.startswith("x-")]

    assert sorted(rows) == sorted(EXTENSIONS)


def test_every_part_of_the_state_view_has_its_row() -> None:
    parts = [name for name in vars(View) if not name.startswith("_")]

    assert first_cells("state-view.md", "The view") == parts


def test_every_name_of_the_testing_kit_has_its_section() -> None:
    text = (REFERENCE / "testing.md").read_text("utf-8")

    assert [name for name in dir(gatewaykit.testing) if not re.search(rf"^## .*`{name}`", text, re.MULTILINE)] == []


def first_cells(page: str, heading: str = "") -> list[str]:
    """The first cells of the tables under a heading, or of the whole page, without their backticks."""
    text = (REFERENCE / page).read_text("utf-8")
    if heading:
        (text,) = (part for part in re.split("^## ", text, flags=re.MULTILINE) if part.startswith(f"{heading}\n"))
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)
