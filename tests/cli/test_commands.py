"""What each command says, and its exit code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import gatewaykit
from tests.cli.conftest import POLICY, Run
from tests.test_import import fresh


def test_check_lists_what_is_not_enforced_with_its_place(run: Run) -> None:
    ran = run("check", "shop.yaml")

    first, second = ran.out.splitlines()[:2]
    assert " ".join(first.split()) == (
        "shop.yaml:3:1 ignored x-amazon-apigateway-security-policy protects: "
        "the TLS policy is that of the server in front"
    )
    assert second.startswith("shop.yaml:4:1  unknown  x-amazon-apigateway-tag-value")
    assert "2 of " in ran.out
    assert "1 of them protect the API" in ran.out
    assert ran.code == 1


def test_check_still_shows_what_was_accepted(run: Run) -> None:
    ran = run("check", "shop.yaml", *POLICY, "--json")

    keys = {key["key"]: key for key in json.loads(ran.out)["keys"]}
    assert keys["x-amazon-apigateway-security-policy"]["status"] == "ignored"
    assert json.loads(ran.out)["findings"] == 1


def test_check_of_a_definition_with_nothing_ignored_is_fine(run: Run, here: Path) -> None:
    lines = (here / "shop.yaml").read_text().splitlines()
    (here / "clean.yaml").write_text("\n".join(line for line in lines if not line.startswith("x-amazon")))

    ran = run("check", "clean.yaml")

    assert (ran.code, ran.out.splitlines()[-1]) == (0, "Nothing is ignored")


def test_check_of_a_sidecar_has_nothing_to_list(run: Run, here: Path) -> None:
    (here / "gateway.yaml").write_text("apis: {side: {upstream: 'http://127.0.0.1:9000'}}")

    ran = run("check", "gateway.yaml")

    assert (ran.code, ran.out) == (0, "gateway.yaml is fine; it has no definition to check\n")


def test_check_prints_the_schema_without_a_file(run: Run) -> None:
    assert json.loads(run("check", "--schema").out)["title"] == "gateway.yaml"


def test_routes_are_a_table(run: Run) -> None:
    ran = run("routes", "shop.yaml")

    assert ran.code == 0
    assert [line.split()[:3] for line in ran.out.splitlines()] == [
        ["METHOD", "PATH", "POLICIES"], ["GET", "/pets/{id}", "-"], ["GET", "/hello", "-"],
    ]  # fmt: skip


def test_routes_of_a_configuration_have_their_mount(run: Run, here: Path) -> None:
    (here / "gateway.yaml").write_text(
        "apis:\n  a: {definition: shop.yaml, path: /shop, accept: [x-amazon-apigateway-security-policy]}\n"
        "  b: {upstream: 'http://127.0.0.1:9000'}\npolicies: [{throttle: {rate: 1, burst: 1, key: address}}]\n"
    )

    routes = json.loads(run("routes", "gateway.yaml", "--json").out)

    assert [route["resource"] for route in routes][:2] == ["/shop/pets/{id}", "/shop/hello"]
    assert all(len(route["policies"]) == 1 for route in routes)


def test_explain_names_the_near_miss(run: Run) -> None:
    ran = run("explain", "shop.yaml", "GET", "/helo", *POLICY)

    assert (ran.code, ran.out) == (
        1, "no route: no resource fits /helo\n  near: /hello (GET): it is spelt otherwise\n",
    )  # fmt: skip


def test_explain_a_wrong_verb(run: Run) -> None:
    ran = run("explain", "shop.yaml", "DELETE", "/hello", *POLICY, "--json")

    said = json.loads(ran.out)
    assert (ran.code, said["reason"], said["status"], said["route"]) == (1, "METHOD_NOT_FOUND", 403, None)
    assert said["near_misses"][0]["verbs"] == ["GET"]


def test_explain_takes_nothing_from_a_limit(run: Run, here: Path) -> None:
    (here / "gateway.yaml").write_text("policies: [{throttle: {rate: 0, burst: 0, key: address}}]")

    refused = run("explain", "shop.yaml", "GET", "/hello", *POLICY, "--config", "gateway.yaml")

    assert refused.code == 1
    assert refused.out.startswith("denied: throttle")


def test_invoke_runs_a_function_and_logs_its_phases(run: Run) -> None:
    ran = run("invoke", "shop.yaml", "GET", "/pets/7?a=b", *POLICY, "--function", "orders=shop_handlers:orders")

    assert ran.code == 0
    assert "HTTP Method: GET, Resource Path: /pets/{id}" in ran.out
    assert "Method completed with status: 201" in ran.out
    assert ran.out.endswith("\n7\n")


@pytest.mark.parametrize(
    ("source", "expected"),
    [pytest.param("two words", "two words", id="text"), pytest.param("@body", "from a file", id="file")],
)
def test_invoke_sends_the_body_that_was_given(run: Run, here: Path, source: str, expected: str) -> None:
    (here / "body").write_text("from a file")

    ran = run(
        "invoke", "shop.yaml", "GET", "/pets/7", *POLICY, "--function", "orders=shop_handlers:orders",
        "-d", source, "-H", "Content-Type: text/plain", "--json",
    )  # fmt: skip

    assert json.loads(ran.out)["body"] == expected


APPS = """\
openapi: 3.0.1
info: {title: apps, version: "1"}
paths:
  /items:
    get: {x-gatewaykit: {app: catalog}}
"""
CATALOG = """\
from gatewaykit import Identity, Reason, Refusal

async def catalog(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"[]"})

def who(request):
    return Identity(principal="alice") if request.header("x-user") else Refusal(Reason.UNAUTHENTICATED)
"""


def test_an_app_is_bound_by_its_name(run: Run, here: Path) -> None:
    (here / "apps.yaml").write_text(APPS)
    (here / "catalog_app.py").write_text(CATALOG)

    ran = run("invoke", "apps.yaml", "GET", "/items", "--app", "catalog=catalog_app:catalog", "--json")

    assert (ran.code, json.loads(ran.out)["body"]) == (0, "[]")


@pytest.mark.parametrize("verb", [["check"], ["routes"], ["explain", "GET", "/items"]], ids=lambda verb: verb[0])
def test_what_calls_no_app_needs_none(run: Run, here: Path, verb: list[str]) -> None:
    (here / "apps.yaml").write_text(APPS)
    (here / "gateway.yaml").write_text("apis: {a: {definition: apps.yaml}}")

    assert [run(verb[0], file, *verb[1:]).code for file in ("apps.yaml", "gateway.yaml")] == [0, 0]


def test_a_configuration_names_code_that_stands_beside_it(run: Run, here: Path, tmp_path: Path) -> None:
    directory = here / "inner"
    directory.mkdir()
    (directory / "apps.yaml").write_text(APPS)
    (directory / "beside_it.py").write_text(CATALOG)
    (directory / "gateway.yaml").write_text(
        "apis: {a: {definition: apps.yaml}}\napps: {catalog: 'beside_it:catalog'}\n"
        "policies: [{authenticate: {authorizer: 'beside_it:who'}}]\n"
    )

    codes = [run("invoke", "inner/gateway.yaml", "GET", "/items", *user).code for user in ((), ("-H", "x-user: a"))]

    assert codes == [1, 0]


def test_invoke_of_a_stage_prefix(run: Run) -> None:
    ran = run("invoke", "shop.yaml", "GET", "/blue/hello", *POLICY, "--stage", "blue", "--stage-prefix", "--json")

    assert (ran.code, json.loads(ran.out)["body"]) == (0, '{"stage": "blue"}')


def test_invoke_of_a_failing_request_is_a_finding(run: Run) -> None:
    ran = run("invoke", "shop.yaml", "GET", "/pets/7", *POLICY)

    assert ran.code == 1
    assert "500 in " in ran.out
    assert "no function 'orders' is bound" in ran.out


@pytest.mark.parametrize("coloured", [True, False], ids=["a terminal", "a pipe"])
def test_a_body_cannot_steer_the_terminal(
    run: Run, here: Path, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatewaykit.cli.output._is_coloured", lambda stream: coloured)
    (here / "shop_handlers.py").write_text("def orders(event, context):\n    return {'body': 'é\\x1b[2Jb\\x9b1m'}\n")

    ran = run("invoke", "shop.yaml", "GET", "/pets/7", *POLICY, "--function", "orders=shop_handlers:orders")

    assert ran.out.endswith("é\\x1b[2Jb\\x9b1m\n")


def test_colour_is_for_terminals_that_want_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" not in run("check", "shop.yaml").out

    monkeypatch.setattr("gatewaykit.cli.output._is_coloured", lambda stream: True)

    assert "\x1b[31mignored\x1b[0m" in run("check", "shop.yaml").out


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    from gatewaykit.cli.output import _is_coloured

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert _is_coloured(Terminal())  # type: ignore[arg-type]  # isatty is all it asks

    monkeypatch.setenv("NO_COLOR", "1")

    assert not _is_coloured(Terminal())  # type: ignore[arg-type]  # isatty is all it asks


def test_init_writes_two_files_and_says_what_to_do(run: Run, here: Path) -> None:
    ran = run("init", "new/api", "--json")

    assert (ran.code, json.loads(ran.out)) == (0, {"files": ["new/api/api.yaml", "new/api/test_api.py"]})
    assert sorted(path.name for path in (here / "new" / "api").iterdir()) == ["api.yaml", "test_api.py"]


def test_init_says_where_to_go(run: Run) -> None:
    said = run("init", "new").out

    assert "  cd new\n  gatewaykit serve api.yaml\n  pytest -q\n" in said


def test_init_overwrites_nothing(run: Run, here: Path) -> None:
    (here / "test_api.py").write_text("mine")

    ran = run("init")

    assert ran.code == 2
    assert not (here / "api.yaml").exists()
    assert (here / "test_api.py").read_text() == "mine"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_and_option(run: Run, shell: str) -> None:
    script = run("completion", shell).out

    option = "-l stage-prefix" if shell == "fish" else "--stage-prefix"
    assert all(word in script for word in ("serve", "explain", "completion", option))


@pytest.mark.skipif(shutil.which("bash") is None, reason="completion of bash is tried in bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(["gatewaykit", "exp"], ["explain"], id="a command"),
        pytest.param(["gatewaykit", "serve", "--stage-"], ["--stage-prefix"], id="an option"),
        pytest.param(["gatewaykit", "completion", "z"], ["zsh"], id="a choice"),
        pytest.param(["gatewaykit", "check", "sho"], ["shop.yaml"], id="a file"),
    ],
)
def test_bash_completes(run: Run, here: Path, line: list[str], expected: list[str]) -> None:
    words = " ".join(line)
    script = (
        f"{run('completion', 'bash').out}\nCOMP_WORDS=({words}); COMP_CWORD={len(line) - 1}; _gatewaykit; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )

    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd=here)

    assert [word for word in said.stdout.split() if not word.endswith(".py")] == expected


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").out == f"gatewaykit {gatewaykit.__version__}\n"


def test_the_command_line_is_light_to_import() -> None:
    heavy = "{'asyncio', 'yaml', 'uvicorn', 'logging', 'argparse'}"

    assert fresh(f"import sys, gatewaykit.cli; print({heavy} & set(sys.modules))") == "set()"


def test_help_needs_nothing_heavy() -> None:
    heavy = "{'asyncio', 'yaml', 'uvicorn', 'cryptography'}"

    assert fresh(
        f"import sys; from gatewaykit.cli.program import make_parser; make_parser(); print({heavy} & set(sys.modules))"
    ) == "set()"  # fmt: skip


def test_python_dash_m_runs_it() -> None:
    said = subprocess.run([sys.executable, "-m", "gatewaykit", "--version"], capture_output=True, text=True, check=True)

    assert said.stdout.startswith("gatewaykit ")
