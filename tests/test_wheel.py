"""What is published: every file of the package, and an import that needs nothing that is not declared."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(directory.glob("*.whl"))


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    files = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert packed == files
    assert {"gatewaykit/py.typed", "gatewaykit/__init__.pyi"} <= packed


def test_the_wheel_carries_the_licence_and_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        parts = {
            name.split(".dist-info/")[1]: archive.read(name).decode() for name in archive.namelist() if "-info/" in name
        }

    assert parts["licenses/LICENSE"] == (ROOT / "LICENSE").read_text("utf-8")
    assert "gatewaykit = gatewaykit.cli:main" in parts["entry_points.txt"]


def test_the_package_can_be_imported_where_nothing_else_is_installed(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import gatewaykit; print(gatewaykit.__version__)"
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COV")}

    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], env=bare, capture_output=True, text=True, check=False
    )

    assert (result.stdout.strip(), result.stderr) == (wheel.name.split("-")[1], "")
