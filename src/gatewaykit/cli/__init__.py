"""The command line. Importing it costs next to nothing; each command loads what it needs."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. 0: fine; 1: a negative finding; 2: a usage or configuration error."""
    from gatewaykit.cli.program import run

    return run(argv)
