"""The reference says what the code says: tables are made from it, and lists of names are complete."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import gatewaykit.testing
from benchmarks.__main__ import SUITES
from gatewaykit.asgi.scope import View
from gatewaykit.cli.program import COMMANDS
from gatewaykit.openapi.extensions import EXTENSIONS
from tools.reference_tables import PAGES, filled, options_of

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
POLICIES = [
    name
    for name in gatewaykit.__all__
    if f"{name.title().replace('_', '')}Middleware" in gatewaykit.__all__ or name == "vpc_endpoint"
    if name.islower()
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_those_of_the_code(page: Path) -> None:
    text = page.read_text("utf-8")

    assert text == filled(text), "run: python tools/reference_tables.py"


@pytest.mark.parametrize("policy", POLICIES)
def test_every_option_of_a_policy_has_its_row(policy: str) -> None:
    assert first_cells("policies.md", policy) == options_of(policy)


@pytest.mark.parametrize("door", ["from_openapi", "from_upstream"])
def test_every_argument_of_a_gateway_stands_on_its_page(door: str) -> None:
    (text,) = (part for part in _parts("gateway.md") if part.startswith(f"Gateway.{door}"))
    arguments = inspect.signature(getattr(gatewaykit.Gateway, door)).parameters

    assert [name for name in arguments if not re.search(rf"\b{name}\b", text)] == []


def test_what_a_gateway_and_its_decisions_have_stands_on_their_page() -> None:
    text = (REFERENCE / "gateway.md").read_text("utf-8")
    named = (gatewaykit.Gateway, gatewaykit.Decision)
    names = [name for each in named for name in dir(each) if not name.startswith("_")]

    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_every_command_has_its_section() -> None:
    headings = {part.partition("\n")[0] for part in _parts("command-line.md")}

    assert [each.__name__ for each in COMMANDS if each.__name__.rpartition(".")[2] not in headings] == []


def test_every_suite_of_benchmarks_has_its_row() -> None:
    assert set(first_cells("benchmarks.md", "The suites")) == set(SUITES)


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
        (text,) = (part for part in _parts(page) if part.startswith(f"{heading}\n"))
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


def _parts(page: str) -> list[str]:
    """The sections of a page, each from its heading on."""
    return re.split("^## ", (REFERENCE / page).read_text("utf-8"), flags=re.MULTILINE)
