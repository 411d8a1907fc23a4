"""Every example runs as its README says, with what its README shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_docs import another_port, run_page

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/README.md"))


@pytest.fixture
def copied(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the example that the test is about, so that nothing is written into the original."""
    return Path(shutil.copytree(EXAMPLES / request.param, tmp_path / request.param, ignore=_caches))


def _caches(directory: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]


def test_every_example_has_a_readme() -> None:
    assert [path.name for path in sorted(EXAMPLES.iterdir()) if path.is_dir() and path.name != "__pycache__"] == NAMES
    assert {"petstore", "fastapi_app", "django_app", "flask_app", "sidecar"} <= set(NAMES)


@pytest.mark.needs("curl")
@pytest.mark.parametrize("copied", NAMES, indirect=True)
def test_the_example_does_what_its_readme_shows(copied: Path, monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    back_end_port = another_port(free_port)
    for settings in copied.glob("gateway.yaml"):  # where the back end's address is written
        settings.write_text(re.sub(r"\b9000\b", str(back_end_port), settings.read_text("utf-8")), "utf-8")

    run_page(copied / "README.md", copied, free_port, monkeypatch, back_end_port)


@pytest.mark.parametrize("copied", ["fastapi_app"], indirect=True)
def test_the_tests_of_an_example_pass(copied: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(copied)]

    result = subprocess.run(command, cwd=copied, capture_output=True, text=True, timeout=60, check=False)

    assert result.returncode == 0, result.stdout
