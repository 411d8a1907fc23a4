"""The parser of all commands, and what becomes of a user's mistakes: one line each, never a traceback."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from gatewaykit import __version__
from gatewaykit.cli import (
    advise,
    cache,
    check,
    completion,
    explain,
    init,
    invoke,
    keys,
    policy,
    render,
    routes,
    serve,
    usage,
)
from gatewaykit.cli.output import Output, discard_stdout, ensure_streams
from gatewaykit.cli.usage_error import UsageError
from gatewaykit.errors import ConfigError

__all__ = ["COMMANDS", "make_parser", "run"]

COMMANDS = (init, serve, check, routes, invoke, explain, advise, usage, cache, policy, render, keys, completion)
"""In the order that the help lists them. Each has `add(commands)` and `run(arguments, output)`."""


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        near = ""
        if (choice := re.match(r"argument (\S+): invalid choice: '(.*?)' \(choose from (.*)\)", message)) is not None:
            from gatewaykit.definition.near import near_miss

            choices = re.findall(r"[\w.-]+", choice[3])
            near = near_miss(choice[2], choices)
            message = f"there is no {choice[1]} {choice[2]!r}"
            message += "" if near else f" (choose from {', '.join(choices)})"
        raise UsageError(message, where=self.prog, near=near, mend=f"Try: {self.prog} --help")


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="gatewaykit", description="Run API Gateway definitions anywhere.")
    parser.add_argument("--version", action="version", version=f"gatewaykit {__version__}")
    commands = parser.add_subparsers(metavar="command", dest="command")
    for command in COMMANDS:
        command.add(commands)
    return parser


def run(argv: Sequence[str] | None = None) -> int:
    ensure_streams()
    words = sys.argv[1:] if argv is None else argv
    output = Output("--json" in words)  # a mistake that the parser finds is said in the form that was asked for, too
    try:
        parser = make_parser()
        try:
            arguments, unknown = parser.parse_known_args(words)
        except SystemExit as error:  # argparse has printed what was asked for
            output.flush()
            return 0 if error.code is None else int(error.code)
        if unknown:
            raise _unknown(parser, arguments.command, getattr(arguments, "verb", ""), unknown)
        if arguments.command is None:
            parser.print_help()
            output.flush()
            return 2
        code: int = arguments.run(arguments, output)
        output.flush()
    except UsageError as error:
        output.problems([error.problem])
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


def _unknown(parser: argparse.ArgumentParser, command: str | None, verb: str, words: Sequence[str]) -> UsageError:
    """Arguments that nothing takes, with the option that the first of them was probably meant to be."""
    from gatewaykit.definition.near import near_miss

    if command is not None:
        (commands,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
        parser = commands.choices[command]
        for inner in [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]:
            parser = inner.choices[verb]
    option = words[0].partition("=")[0]
    near = near_miss(option, parser._option_string_actions) if option.startswith("--") else ""
    what = f"unrecognized arguments: {' '.join(words)}"
    return UsageError(what, where=parser.prog, near=near, mend=f"Try: {parser.prog} --help")
