"""A test of a real component is never skipped without a reason, and never skipped in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import PROGRAMS, declared, missing

ROOT = Path(__file__).parent.parent

SUITE = """
import pytest

@pytest.mark.needs("caddy")
def test_of_a_real_component(): pass

@pytest.mark.skip(reason="not today")
def test_skipped_by_hand(): pass

@pytest.mark.xfail(reason="known", strict=True)
def test_expected_to_fail(): assert False

def test_plain(): pass
"""


def run(tmp_path: Path, files: dict[str, str], **environment: str) -> str:
    """The output of pytest on `files`, with this project's conftest, on a machine without any program."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = needs\n")
    variables = {name: value for name, value in os.environ.items() if name not in ("CI", "GATEWAYKIT_ALLOW_SKIPS")}
    variables |= {"PATH": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": "", **environment}
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-ra", "-p", "no:cacheprovider", str(tmp_path)]
    return subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False).stdout


def test_a_missing_program_skips_the_test_and_says_what_to_install(tmp_path: Path) -> None:
    output = run(tmp_path, {"test_suite.py": SUITE})

    assert "needs caddy: apt-get install caddy" in output
    assert "1 passed, 2 skipped, 1 xfailed" in output


def test_in_ci_every_skip_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    output = run(tmp_path, {"test_suite.py": SUITE}, CI="true")

    assert "skipped, which in CI is a failure: needs caddy: apt-get install caddy" in output
    assert "skipped, which in CI is a failure: not today" in output
    assert "skipped" not in output.splitlines()[-1]
    assert "1 passed" in output.splitlines()[-1]


def test_in_ci_a_module_that_skips_itself_is_a_failure(tmp_path: Path) -> None:
    output = run(tmp_path, {"test_module.py": "import pytest\npytest.importorskip('no_such_module')\n"}, CI="true")

    assert "1 error" in output.splitlines()[-1]
    assert "could not import 'no_such_module'" in output


def test_a_developer_may_allow_skips_though_ci_is_set(tmp_path: Path) -> None:
    output = run(tmp_path, {"test_suite.py": SUITE}, CI="true", GATEWAYKIT_ALLOW_SKIPS="1")

    assert "1 passed, 2 skipped, 1 xfailed" in output


def test_every_program_that_a_test_asks_for_is_in_the_table() -> None:
    assert declared(ROOT / "tests") <= PROGRAMS.keys()


def test_a_program_nobody_knows_is_an_error_and_not_a_skip() -> None:
    with pytest.raises(KeyError):
        missing(["no-such-program"])
