"""A user's mistake is a line or two and exit code 2; never a traceback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import POLICY, Run

MISTAKES: dict[str, tuple[list[str], str]] = {
    "no command": ([], ""),
    "an unknown command": (["chek"], "there is no command 'chek' (did you mean 'check'?)"),
    "a command nothing is near": (["xyz"], "choose from init, serve, check, routes, invoke, explain, advise, usage, "),
    "an unknown option": (["check", "shop.yaml", "--bogus"], "unrecognized arguments: --bogus"),
    "an option cut short": (
        ["check", "shop.yaml", "--stag", "x"],
        "gatewaykit check: unrecognized arguments: --stag x (did you mean '--stage'?)",
    ),
    "an option of another command": (["check", "shop.yaml", "--port=1"], "gatewaykit check: unrecognized arguments"),
    "an option before any command": (["--json"], ""),
    "no FILE": (["check"], "the following arguments are required: FILE"),
    "no FILE to serve": (["serve"], "give either a FILE or --upstream URL"),
    "FILE and upstream": (["serve", "shop.yaml", "--upstream", "http://h"], "give either a FILE or --upstream URL"),
    "a missing file": (["check", "nothing.yaml"], "nothing.yaml: the file cannot be read: No such file or directory"),
    "a directory": (["routes", "."], ".: the file cannot be read: Is a directory"),
    "a NUL in a name": (["check", "a\0b"], "the file cannot be read"),
    "bad YAML": (["check", "bad.yaml"], "bad.yaml:2:1: the document is not YAML"),
    "bad JSON": (["check", "bad.json"], "bad.json:1:2: the document is not JSON"),
    "no UTF-8": (["check", "latin.yaml"], "latin.yaml:1:1: the file is not UTF-8 text"),
    "an empty file": (["check", "empty.yaml"], "the document is empty"),
    "a document of another kind": (["check", "other.yaml"], "the document says neither 'openapi' nor 'swagger'"),
    "a variable without a value": (["explain", "shop.yaml", "GET", "/", "--var", "x"], "--var: 'x' is no NAME=VALUE"),
    "a key without a name": (["explain", "shop.yaml", "GET", "/", "--key", "=x"], "--key: '=x' is no NAME=VALUE"),
    "a function without a module": (["check", "shop.yaml", "--function", "a=b"], "'b' names no function"),
    "a module that is not there": (["check", "shop.yaml", "--function", "a=nothing:b"], "there is no module 'nothing'"),
    "a module in a missing package": (["check", "shop.yaml", "--function", "a=no.such:b"], "there is no module 'no'"),
    "a callable that is not there": (
        ["check", "shop.yaml", "--function", "a=shop_handlers:order"],
        "'shop_handlers' has no 'order' (did you mean 'orders'?)",
    ),
    "a module that raises": (["check", "shop.yaml", "--function", "a=broken:b"], "raised ZeroDivisionError"),
    "a module that exits": (["check", "shop.yaml", "--function", "a=leaving:b"], "raised SystemExit: 5"),
    "several at once": (["check", "shop.yaml", "--function", "a", "--var", "b", "--key", "c"], "3 problems"),
    "what protects is not enforced": (
        ["serve", "shop.yaml"], "shop.yaml:3:1: 'x-amazon-apigateway-security-policy' protects",
    ),
    "a short key": (["serve", "--upstream", "http://h", "--key", "demo=abc"], "16 are the least"),
    "a key that nothing asks for": (
        ["explain", "open.yaml", "GET", "/", "--key", "demo=0123456789abcdef"], "no method of this API asks for a key",
    ),
    "credentials that nothing asks for": (
        ["check", "open.yaml", "--credentials", "users.json"], "no method of this API asks for a signature",
    ),
    "a certificate that is none": (
        ["explain", "open.yaml", "GET", "/", "--client-cert", "open.yaml"], "there is no certificate in PEM in it",
    ),
    "a function that nothing calls": (
        ["routes", "shop.yaml", "--function", "ordrs=shop_handlers:orders"], "(did you mean 'orders'?)",
    ),
    "an app that nothing names": (
        ["routes", "shop.yaml", "--app", "catalog=shop_handlers:orders"], "--app: no operation names an app 'catalog'",
    ),
    "an unknown profile": (["check", "shop.yaml", "--profile", "awz"], "no --profile 'awz' (did you mean 'aws'?)"),
    "a port out of range": (["serve", "open.yaml", "--port", "70000"], "'70000' is no port from 0 to 65535"),
    "a host of nobody": (["serve", "open.yaml", "--host", "no.such.host.invalid"], "cannot listen on no.such.host"),
    "a host that no name can be": (["serve", "open.yaml", "--host", "x" * 70, "--port", "0"], "no name of a host"),
    "a port in digits of another script": (["serve", "open.yaml", "--port", "٣"], "'٣' is no port"),
    "an empty log format": (["serve", "open.yaml", "--log", ""], "neither a format's name nor"),
    "plans and an upstream": (
        ["serve", "--upstream", "http://h", "--config", "plans.yaml"], "--upstream has none"
    ),
    "no address": (["serve", "--upstream", "localhost:9000"], "'localhost:9000' is no address of a service"),
    "a stage for an upstream": (["serve", "--upstream", "http://h", "--stage", "x"], "--stage means nothing"),
    "a log format of nobody": (["serve", "open.yaml", "--log", "clff"], "neither a format's name nor"),
    "a definition as configuration": (["serve", "--upstream", "http://h", "--config", "shop.yaml"], "give it as FILE"),
    "a configuration with APIs": (["serve", "open.yaml", "--config", "gateway.yaml"], "has APIs of its own"),
    "an option that a gateway.yaml has itself": (["check", "gateway.yaml", "--stage", "x"], "write it there"),
    "a configuration whose definition is gone": (["check", "gone.yaml"], "nothing.yaml: the file cannot be read"),
    "a configuration without APIs": (["check", "bare.yaml"], "there is no API"),
    "a header without a colon": (["explain", "open.yaml", "GET", "/", "-H", "x"], "-H 'x' is no header"),
    "a path without a slash": (["explain", "open.yaml", "GET", "hello"], "did you mean '/hello'?"),
    "an address for a path": (["invoke", "open.yaml", "GET", "http://h/hello"], "Write it without scheme and host"),
    "a body that is not there": (["explain", "open.yaml", "GET", "/", "-d", "@gone"], "-d @gone: No such file"),
    "an unknown shell": (["completion", "bsh"], "did you mean 'bash'?"),
    "a file in the way": (["init"], "api.yaml is there already; nothing was written"),
    "a file for a directory": (["init", "shop.yaml"], "shop.yaml"),
}  # fmt: skip


@pytest.fixture
def mess(here: Path) -> None:
    """Files to make mistakes with."""
    (here / "open.yaml").write_text(
        (here / "shop.yaml").read_text().replace("x-amazon-apigateway-security-policy", "x-other")
    )
    (here / "bad.yaml").write_text("a: [\n")
    (here / "bad.json").write_text("{'a': 1}")
    (here / "latin.yaml").write_bytes(b"\xff: 1")
    (here / "empty.yaml").write_text("")
    (here / "other.yaml").write_text("hello: world\n")
    (here / "broken.py").write_text("1 / 0\n")
    (here / "leaving.py").write_text("raise SystemExit(5)\n")
    (here / "plans.yaml").write_text("usage_plans: {free: {throttle: {rate: 1, burst: 1}}}\n")
    (here / "gateway.yaml").write_text("apis: {a: {definition: open.yaml}}\n")
    (here / "gone.yaml").write_text("apis: {a: {definition: nothing.yaml}}\n")
    (here / "bare.yaml").write_text("store: memory://\n")
    (here / "api.yaml").write_text("")


@pytest.mark.usefixtures("mess")
@pytest.mark.parametrize(("words", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_said_in_a_line_and_exits_with_2(run: Run, words: list[str], expected: str) -> None:
    ran = run(*words)

    assert ran.code == 2
    assert expected in ran.err
    assert "Traceback" not in ran.err + ran.out


@pytest.mark.usefixtures("mess")
@pytest.mark.parametrize("words", [words for words, _ in MISTAKES.values() if words], ids=[*MISTAKES][1:])
def test_every_mistake_is_one_json_value_where_json_was_asked_for(run: Run, words: list[str]) -> None:
    ran = run(*words, "--json")

    assert (ran.code, ran.err) == (2, "")
    assert all(problem["what"] for problem in json.loads(ran.out)["problems"])


@pytest.mark.usefixtures("mess")
def test_problems_are_json_where_json_was_asked_for(run: Run) -> None:
    ran = run("check", "bad.yaml", "--json")

    assert (ran.code, ran.err) == (2, "")
    assert '"where": "bad.yaml:2:1"' in ran.out


def test_a_port_in_use_is_said_in_a_line(run: Run, here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("serve", "--upstream", "http://127.0.0.1:9000", "--port", str(port))

    told = "Address already in use. Give another with --port, or 0 for a free one"
    assert (ran.code, ran.err) == (2, f"cannot listen on 127.0.0.1 port {port}: {told}\n")


def test_a_missing_uvicorn_is_one_line_that_names_the_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    ran = run("serve", "--upstream", "http://127.0.0.1:9000", "--port", "0")

    assert (ran.code, ran.err) == (2, 'serving needs uvicorn; run: pip install "gatewaykit[serve]"\n')


def test_a_missing_yaml_is_one_line_that_names_the_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)

    ran = run("check", "shop.yaml")

    assert (ran.code, ran.err) == (
        2, 'shop.yaml: reading YAML needs PyYAML. Run: pip install "gatewaykit[yaml]"\n',
    )  # fmt: skip


def test_a_reader_that_has_gone_is_no_reason_to_complain(here: Path) -> None:
    command = [sys.executable, "-m", "gatewaykit", "check", "--schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()

        assert process.stderr.read() == b""
        assert process.wait() == 1


COMMANDS = pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["check", "--schema"], 0, id="schema"),
        pytest.param(["completion", "bash"], 0, id="completion"),
        pytest.param(["routes", "shop.yaml"], 0, id="routes"),
        pytest.param(["invoke", "shop.yaml", "GET", "/hello", "-d", "@-", "--accept", POLICY[1]], 0, id="invoke"),
        pytest.param(["check", "nothing.yaml"], 2, id="a mistake"),
        pytest.param(["--help"], 0, id="help"),
    ],
)


@COMMANDS
def test_streams_that_the_shell_has_closed_are_no_reason_to_fail(here: Path, words: list[str], code: int) -> None:
    command = 'exec "$0" -m gatewaykit "$@" <&- >&- 2>&-'

    assert subprocess.run(["sh", "-c", command, sys.executable, *words], check=False).returncode == code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full: Linux has it")
@COMMANDS
def test_a_full_disk_is_said_in_a_line(here: Path, words: list[str], code: int) -> None:
    command = [sys.executable, "-m", "gatewaykit", *words]
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, check=False)

    if code == 0 and words != ["--help"]:  # argparse itself says nothing where its help cannot be written
        assert (ran.returncode, ran.stderr) == (2, b"standard output cannot be written: No space left on device\n")
    else:
        assert (ran.returncode, b"Traceback" in ran.stderr) == (code, False)


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["text", "json"])
def test_what_an_encoding_cannot_say_is_escaped(here: Path, words: list[str]) -> None:
    command: list[str | bytes] = [sys.executable, "-m", "gatewaykit", "check", b"\xff\xe2\x98\x83.yaml", *words]
    ran = subprocess.run(command, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, check=False)

    assert (ran.returncode, b"Traceback" in ran.stderr) == (2, False)
    assert b"\\udcff\\u2603.yaml" in ran.stdout + ran.stderr
