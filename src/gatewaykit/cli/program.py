"""The parser of all commands, and what becomes of a user's mistakes: one line each, never a traceback."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from gatewaykit import __version__
from gatewaykit.cli import check, completion, explain, init, invoke, render, routes, serve
from gatewaykit.cli.output import Output, discard_stdout
from gatewaykit.cli.usage import UsageError
from gatewaykit.errors import ConfigError, Problem

__all__ = ["COMMANDS", "make_parser", "run"]

COMMANDS = (init, serve, check, routes, invoke, explain, render, completion)
"""In the order that the help lists them. Each has `add(commands)` and `run(arguments, output)`."""


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        if (choice := re.match(r"argument (\S+): invalid choice: '(.*?)' \(choose from (.*)\)", message)) is not None:
            from gatewaykit.definition.near import near_miss

            choices = re.findall(r"[\w.-]+", choice[3])
            near = near_miss(choice[2], choices)
            hint = f"did you mean {near!r}?" if near else f"choose from {', '.join(choices)}"
            message = f"there is no {choice[1]} {choice[2]!r} ({hint})"
        self.exit(2, f"{self.prog}: {message}\nTry: {self.prog} --help\n")


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="gatewaykit", description="Run API Gateway definitions anywhere.")
    parser.add_argument("--version", action="version", version=f"gatewaykit {__version__}")
    commands = parser.add_subparsers(metavar="command", dest="command")
    for command in COMMANDS:
        command.add(commands)
    return parser


def run(argv: Sequence[str] | None = None) -> int:
    output = Output(False)
    try:
        parser = make_parser()
        try:
            arguments = parser.parse_args(argv)
        except SystemExit as error:  # argparse has said what is wrong, or printed the help
            return 0 if error.code is None else int(error.code)
        if arguments.command is None:
            parser.print_help()
            return 2
        output = Output(arguments.json)
        code: int = arguments.run(arguments, output)
        sys.stdout.flush()
    except UsageError as error:
        output.problems([Problem(where="", what=str(error))])
        return 2
    except ConfigError as error:
        output.problems(error.problems)
        return 2
    except BrokenPipeError:
        discard_stdout()
        return 1
    except KeyboardInterrupt:
        return 130
    return code
