"""What commands print: text with aligned tables, in colour on a terminal only; or one JSON value."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final, TextIO

from gatewaykit.cli.usage_error import UsageError
from gatewaykit.errors import Problem

__all__ = ["Output", "discard_stdout", "ensure_streams", "printable"]

_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_ESCAPE: Final = "\x1b["


class Output:
    """Where a command writes. Findings go to stdout, complaints to stderr; with `--json` both are JSON on stdout."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def line(self, text: str = "") -> None:
        _say(printable(text))

    def json(self, value: Any) -> None:
        any_text = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        _say(json.dumps(value, indent=2, ensure_ascii=not any_text))

    def flush(self) -> None:
        """What was said is written now. Raises BrokenPipeError where the reader has gone, UsageError where it fails."""
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _unwritable(error) from None

    def table(self, rows: Iterable[Sequence[str]], indent: int = 2) -> None:
        """Rows with their columns aligned; the last column may be of any width."""
        listed = [list(row) for row in rows]
        widths = [max(_width(cell) for cell in column) for column in zip(*listed, strict=True)]
        for row in listed:
            cells = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
            self.line(" " * indent + "  ".join(cells).rstrip())

    def problems(self, problems: Sequence[Problem]) -> None:
        """What is wrong with a configuration or a command line."""
        if self.as_json:
            keys = ("where", "what", "why", "mend", "near")
            self.json({"problems": [{key: getattr(problem, key) for key in keys} for problem in problems]})
            return
        try:
            for problem in problems:
                text = str(problem)
                if problem.where and _is_coloured(sys.stderr):
                    text = text.replace(problem.where, f"{_ESCAPE}1m{problem.where}{_ESCAPE}0m", 1)
                print(printable(text), file=sys.stderr)
            if len(problems) > 1:
                print(f"{len(problems)} problems", file=sys.stderr)
        except OSError:  # nobody can be told; the exit code says it
            _discard(sys.stderr)

    def style(self, name: str, text: str) -> str:
        return f"{_ESCAPE}{_STYLES[name]}m{text}{_ESCAPE}0m" if _is_coloured(sys.stdout) else text


def discard_stdout() -> None:
    """Whoever read our output has gone. Python would complain once more when it flushes stdout at its exit."""
    _discard(sys.stdout)


def ensure_streams() -> None:
    """There are streams to read and write, whatever the shell did with them, and they take any text.

    Python has None for a stream that was closed before it started (`>&-`). What the encoding of the terminal, or of a
    file name, cannot say is written as an escape.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - for as long as we run
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _say(text: str) -> None:
    try:
        print(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _unwritable(error) from None


def _unwritable(error: OSError) -> UsageError:
    discard_stdout()
    return UsageError(f"standard output cannot be written: {error.strerror or error}")


def _discard(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _is_coloured(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _width(text: str) -> int:
    while (start := text.find(_ESCAPE)) >= 0:
        text = text[:start] + text[text.index("m", start) + 1 :]
    return len(text)


def printable(text: str) -> str:
    """Nothing of a document or an upstream may steer the terminal: of control sequences only colours stay, if any."""
    if text.isprintable():
        return text
    coloured = _is_coloured(sys.stdout)

    def written(match: re.Match[str]) -> str:
        found = match[0]
        if (len(found) > 1 and coloured) or found in "\n\t" or found.isprintable():
            return found
        return "".join(each if each.isprintable() else _escaped(ord(each)) for each in found)

    return re.sub(r"\x1b\[[0-9]{1,2}m|[^ -~]", written, text)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
