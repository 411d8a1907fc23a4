"""Every example in README.md and docs/ is executed, so that no page can say what is not so.

* A ```python block runs; all blocks of a page share one namespace, in order, in a directory of the page's own. `await`
  is allowed at the top.
* `<!-- file: NAME -->` above a block of any language: it is written to that file. A Python file is also run, alone, in
  a process of its own.
* `<!-- run -->` above a ```console block: each `$ command` runs and must print what stands below it (`…` for what
  varies). A command that ends in ` &` goes on in the background once it has printed that. Port 8080 on a page stands
  for a free port, so `gatewaykit serve` listens there; port 9000 stands for another, in commands and files.
* `<!-- not run: reason -->` above a block: it does not run, for that reason.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from _pytest.mark import ParameterSet  # what pytest.param gives; it has no public name

from tests.markdown import Block, Command, blocks, commands, matches

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)]
LONGEST_WAIT_S = 60


def page_cases() -> list[ParameterSet]:
    """The pages, and what they call from the shell."""
    called = ("curl", "openssl", "redis-server")
    programs = [(f"$ {program} ", pytest.mark.needs(program)) for program in called]
    return [
        pytest.param(
            page,
            id=str(page.relative_to(ROOT)),
            marks=[mark for call, mark in programs if call in page.read_text("utf-8")],
        )
        for page in PAGES
    ]


@pytest.mark.parametrize("page", page_cases())
def test_every_example_on_the_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    run_page(page, tmp_path, free_port, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_comment_above_a_block_says_what_it_must(page: Path) -> None:
    wrong = [
        f"{page.relative_to(ROOT)}:{block.line - 1}: <!-- {block.comment} -->"
        for block in blocks(page.read_text("utf-8"))
        if not re.fullmatch(r"|run|file: [\w./-]+|not run: \S.{8,}", block.comment)
        or (block.comment == "run" and block.language != "console")
    ]

    assert wrong == []


def test_the_pages_build_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "dummy", "-d", str(tmp_path / "trees")]

    result = subprocess.run([*command, str(ROOT / "docs"), str(tmp_path)], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stderr) == (0, "")


SAMPLE = """
<!-- file: greeting.py -->
```python
def greet(name): return f"hello {name}"
```
```python
import asyncio
from greeting import greet
```
```python
await asyncio.sleep(0)
assert greet("you") == "hello you"
```
<!-- run -->
```console
$ python -c "print(8080); import sys; sys.stdout.flush(); sys.stdin.read()" &
8080
$ python -c "from greeting import greet; print(greet('me'))"
hello …
```
<!-- not run: shows what a mistake looks like -->
```python
1 / 0
```
"""


def test_a_page_whose_examples_are_right_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    page = tmp_path / "page.md"
    page.write_text(SAMPLE, "utf-8")

    run_page(page, tmp_path, free_port, monkeypatch)


@pytest.mark.parametrize(
    ("right", "wrong", "error", "message"),
    [
        pytest.param("hello …", "goodbye …", AssertionError, r"page.md:18: \$ python", id="another output"),
        pytest.param('"hello you"', '"hello"', AssertionError, None, id="a failing assertion"),
        pytest.param(
            "not run: shows what a mistake looks like", "", ZeroDivisionError, None, id="an example that fails"
        ),
    ],
)
def test_a_page_with_a_wrong_example_fails(
    right: str,
    wrong: str,
    error: type[Exception],
    message: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free_port: int,
) -> None:
    page = tmp_path / "page.md"
    page.write_text(SAMPLE.replace(right, wrong), "utf-8")

    with pytest.raises(error, match=message):
        run_page(page, tmp_path, free_port, monkeypatch)


def run_page(
    page: Path, directory: Path, port: int, monkeypatch: pytest.MonkeyPatch, back_end_port: int | None = None
) -> None:
    """Run every example of a page in `directory`. The ports are those that 8080 and 9000 stand for."""
    monkeypatch.chdir(directory)
    monkeypatch.syspath_prepend(str(directory))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # a reader's pytest has none of our own plugins
    ports = {"8080": str(port), "9000": str(back_end_port or another_port(port))}
    known = set(sys.modules)
    try:
        with namespace(page) as module, asyncio.Runner() as runner, Shell(ports) as shell:
            for block in blocks(page.read_text("utf-8")):
                run_block(block, page, directory, module, runner, shell)
    finally:
        for name in set(sys.modules) - known:  # the page's own files, so that two pages may use the same names
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(directory)):
                del sys.modules[name]


def run_block(
    block: Block, page: Path, directory: Path, module: ModuleType, runner: asyncio.Runner, shell: Shell
) -> None:
    kind, _, argument = block.comment.partition(":")
    if kind == "file":
        write(directory / argument.strip(), shell.real(block.text))
    elif kind == "run":
        for command in commands(block):
            shell.run(command, page)
    elif kind != "not run" and block.language == "python":
        execute(block, page, module, runner)


@contextmanager
def namespace(page: Path) -> Iterator[ModuleType]:
    """A module for the page: annotations and dataclasses look names up in `sys.modules`."""
    module = ModuleType(re.sub(r"\W", "_", page.stem) + "_examples")
    module.__file__ = str(page)
    sys.modules[module.__name__] = module
    try:
        yield module
    finally:
        del sys.modules[module.__name__]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    if path.suffix == ".py":
        env = {**os.environ, "PYTHONPATH": str(Path.cwd())}  # it may import the page's other files
        result = subprocess.run(
            [sys.executable, str(path)], capture_output=True, text=True, timeout=LONGEST_WAIT_S, check=False, env=env
        )
        assert result.returncode == 0, f"{path.name} raised\n{result.stderr}"


def another_port(port: int) -> int:
    """A free port that is not `port`."""
    with socket.socket() as taken, socket.socket() as probe:
        taken.bind(("127.0.0.1", port))
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def execute(block: Block, page: Path, module: ModuleType, runner: asyncio.Runner) -> None:
    padded = "\n" * (block.line - 1) + block.text  # so that a traceback names the page's own line
    code = compile(padded, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if code.co_flags & inspect.CO_COROUTINE:
        runner.run(eval(code, module.__dict__))  # noqa: S307 - as below
    else:
        exec(code, module.__dict__)  # noqa: S102 - running the page's example is the test


class Shell:
    """Runs the console commands of one page; stops at the end what they left in the background."""

    def __init__(self, ports: dict[str, str]) -> None:
        self._ports = ports
        self._background: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._background:
            process.terminate()
            process.communicate(timeout=LONGEST_WAIT_S)

    def real(self, text: str) -> str:
        """Text of the page with the ports that are used in place of those it shows."""
        for shown, used in self._ports.items():
            text = re.sub(rf"\b{shown}\b", used, text)
        return text

    def _shown(self, text: str) -> str:
        for shown, used in self._ports.items():
            text = text.replace(used, shown)
        return text

    def run(self, command: Command, page: Path) -> None:
        line = self.real(command.command)
        if "gatewaykit serve" in line and "--port" not in line:
            line = line.replace("gatewaykit serve", f"gatewaykit serve --port {self._ports['8080']}")
        background = line.endswith(" &")
        process = subprocess.Popen(
            ["bash", "-c", f"exec {line[:-2]}" if background else line],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        watchdog = threading.Timer(LONGEST_WAIT_S, process.kill)
        watchdog.start()
        try:
            if background:
                self._background.append(process)
                output = self._until(process, command.output)
            else:
                output = process.communicate()[0]
        finally:
            watchdog.cancel()
        shown = self._shown(output)
        assert matches(command.output, shown), (
            f"{page.name}:{command.line}: $ {command.command}\nprinted\n{shown}\nand the page shows\n{command.output}"
        )

    def _until(self, process: subprocess.Popen[str], expected: str) -> str:
        """What a background process prints, up to the last line that the page shows."""
        assert process.stdout is not None
        output = ""
        while not matches(expected, self._shown(output)) and (line := process.stdout.readline()):
            output += line
        return output
