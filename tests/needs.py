"""Real programs that tests are run against: how each is found, and which Debian package brings it.

The one table behind the `needs` marker (`conftest.py`), `make` and `.ci/run`. Run as a script it prints the packages
that are missing on this machine, for the programs named, or for all that the tests under `tests/` ask for:

    python tests/needs.py [PROGRAM ...]
"""

from __future__ import annotations

import ast
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PROGRAMS", "SCHEMA_SUITE", "Program", "declared", "missing"]

JARS = Path("/usr/share/java")
SCHEMA_SUITE = Path("/usr/share/json-schema-test-suite/tests")


@dataclass(frozen=True, slots=True)
class Program:
    """Debian packages that bring a program, and how to tell that it is there (default: it is on PATH)."""

    packages: tuple[str, ...]
    is_present: Callable[[], bool] | None = None


PROGRAMS: dict[str, Program] = {
    "caddy": Program(("caddy",)),
    "chromium": Program(("chromium",), lambda: any(map(shutil.which, ("chromium", "chromium-browser")))),
    "curl": Program(("curl",)),
    "java": Program(("default-jre-headless",)),
    "javac": Program(("default-jdk-headless",)),
    "json-schema-test-suite": Program(("json-schema-test-suite",), SCHEMA_SUITE.is_dir),
    "haproxy": Program(("haproxy",)),
    "openssl": Program(("openssl",)),
    "nginx": Program(("nginx",), lambda: bool(shutil.which("nginx") or Path("/usr/sbin/nginx").exists())),
    "node": Program(("nodejs",)),
    "npm": Program(("npm",)),
    "redis-server": Program(("redis-server",)),
    "velocity": Program(  # the engine behind mapping templates, the oracle of ours; its jar names no class path
        ("velocity", "libcommons-lang-java", "libcommons-collections3-java"),
        lambda: all((JARS / f"{jar}.jar").exists() for jar in ("velocity", "commons-lang", "commons-collections3")),
    ),
    "wrk": Program(("wrk",)),
    "xmlsec1": Program(("xmlsec1",)),  # signs XML: another implementation than ours
}


def missing(programs: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Those of `programs` that this machine lacks, with the packages that bring them. KeyError for an unknown name."""
    absent = {}
    for name in programs:
        program = PROGRAMS[name]
        if not (program.is_present() if program.is_present else shutil.which(name)):
            absent[name] = program.packages
    return absent


def declared(root: Path) -> set[str]:
    """Every program that a `needs(...)` marker in the test files under `root` names."""
    names: set[str] = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "needs":
                names |= {str(part.value) for part in node.args if isinstance(part, ast.Constant)}
    return names


if __name__ == "__main__":
    wanted = sys.argv[1:] or sorted(declared(Path(__file__).parent))
    print(*sorted({package for packages in missing(wanted).values() for package in packages}))
