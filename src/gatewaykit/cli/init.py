"""`gatewaykit init [DIR]`: a small API to begin with, and tests of it."""

from __future__ import annotations

import argparse
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewaykit.cli.sources import add_json
from gatewaykit.cli.usage_error import UsageError

if TYPE_CHECKING:
    from gatewaykit.cli.output import Output

__all__ = ["add", "run"]

_FILES = ("api.yaml", "test_api.py")


def add(commands: Any) -> None:
    parser = commands.add_parser("init", help="write a small API and its tests, to begin with")
    parser.add_argument("directory", metavar="DIR", nargs="?", default=".", help="where to write; here by default")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, output: Output) -> int:
    directory = Path(arguments.directory)
    starter = files("gatewaykit.cli") / "starter"
    present = [name for name in _FILES if (directory / name).exists() or (directory / name).is_symlink()]
    if present:
        raise UsageError(f"{directory / present[0]} is there already; nothing was written")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            with (directory / name).open("x", encoding="utf-8") as file:
                file.write((starter / name).read_text("utf-8"))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"{directory}: cannot be written to: {getattr(error, 'strerror', None) or error}") from None
    paths = [str(directory / name) for name in _FILES]
    if output.as_json:
        output.json({"files": paths})
        return 0
    output.table([[paths[0], "an API with one route, an API key and a throttle"], [paths[1], "tests of its policies"]])
    output.line("\nNow try")
    if arguments.directory != ".":
        output.line(f"  cd {directory}")
    output.line("  gatewaykit serve api.yaml")
    output.line("  pytest -q" if find_spec("pytest") else "  pip install pytest && pytest -q")
    return 0
