"""`import gatewaykit` costs next to nothing, and its names are what they say whatever was imported before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = ("asyncio", "cryptography", "limits", "yaml", "aiohttp", "logging", "fastjsonschema", "joserfc", "typing")


def fresh(code: str) -> str:
    """What `code` prints in an interpreter of its own."""
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTHON"))}
    result = subprocess.run([sys.executable, "-c", code], env=quiet, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        f"import sys; before = set(sys.modules); import gatewaykit; print({{*{HEAVY}}} & (set(sys.modules) - before))"
    )

    assert fresh(code) == "set()"


def test_importing_the_package_loads_no_module_of_its_own() -> None:
    code = "import sys, gatewaykit; print(sorted(name for name in sys.modules if name.startswith('gatewaykit')))"

    assert fresh(code) == "['gatewaykit']"


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("", id="nothing"),
        pytest.param("import gatewaykit.policies.throttle", id="the policy's module"),
        pytest.param("import gatewaykit.core.throttle", id="the core module of the same name"),
        pytest.param("from gatewaykit.policies import throttle as module", id="the module from its package"),
        pytest.param("import gatewaykit; gatewaykit.throttle", id="the name itself"),
        pytest.param("from gatewaykit import Gateway, cors, api_key", id="other names"),
        pytest.param("import gatewaykit.testing, gatewaykit.cli", id="the layers on top"),
        pytest.param("import importlib, gatewaykit; importlib.reload(gatewaykit)", id="the package, twice"),
    ],
)
def test_throttle_is_the_function_whatever_was_imported_before(before: str) -> None:
    code = f"{before}\nfrom gatewaykit import throttle; print(type(throttle).__name__, throttle.__module__)"

    assert fresh(code) == "function gatewaykit.policies.throttle"


def test_every_public_name_can_be_imported_first() -> None:
    code = """
import gatewaykit, subprocess, sys
for name in gatewaykit.__all__:
    for module in [module for module in sys.modules if module.startswith("gatewaykit")]:
        del sys.modules[module]
    exec(f"from gatewaykit import {name}")
print("all")
"""

    assert fresh(code) == "all"


def test_the_stub_types_exactly_the_public_names() -> None:
    code = """
import ast, gatewaykit, pathlib
tree = ast.parse(pathlib.Path(gatewaykit.__file__).with_suffix(".pyi").read_text("utf-8"))
typed = {alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
typed |= {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign)}
print(sorted(set(gatewaykit.__all__) ^ typed - {"__all__"}))
"""

    assert fresh(code) == "[]"


def test_an_unknown_name_is_an_import_error() -> None:
    code = """
try:
    from gatewaykit import throtle
except ImportError as error:
    print(error.name)
"""

    assert fresh(code) == "gatewaykit"
