"""The playground of mapping templates."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from gatewaykit.core.vtl import tracing
from tests.cli.conftest import Run

TEMPLATE = """\
#set($root = $input.path('$'))
{"id": "$input.params('id')", "n": $root.size(), "stage": "$context.stage", "to": "$stageVariables.to"}"""


@pytest.fixture
def template(here: Path) -> str:
    (here / "order.vtl").write_text(TEMPLATE)
    (here / "body.json").write_text('[{"a": 1}, {"a": 2}]')
    (here / "params.json").write_text('{"path": {"id": "7"}, "header": {"X-A": "1"}}')
    (here / "broken.vtl").write_text("fine\n\t#if($x")
    (here / "fails.vtl").write_text("$context.stage\n  $util.parseJson('x')")
    (here / "override.vtl").write_text(
        "#set($context.responseOverride.status = 404)#set($context.requestOverride.header.X-A = ['1', '2'])$input.body"
    )
    (here / "latin.vtl").write_bytes(b"\xfc")
    return "order.vtl"


def stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_it_prints_what_the_template_makes(run: Run, template: str) -> None:
    ran = run("render", template, "--body", "body.json", "--params", "params.json", "--stage-variables", '{"to": "x"}')

    assert (ran.code, ran.err) == (0, "")
    assert ran.out == '{"id": "7", "n": 2, "stage": "prod", "to": "x"}\n'


def test_the_context_is_that_of_a_request_with_what_is_given_in_its_place(run: Run, here: Path) -> None:
    (here / "t.vtl").write_text(
        "$context.stage $context.httpMethod $context.identity.sourceIp $context.identity.user $context.own.a"
    )
    given = {"stage": "test", "identity": {"user": "ann"}, "own": {"a": 1}}

    ran = run("render", "t.vtl", "--context", json.dumps(given))

    assert ran.out == "test GET 127.0.0.1 ann 1\n"


def test_the_result_is_the_same_at_every_call(run: Run, here: Path) -> None:
    (here / "t.vtl").write_text("$context.requestId $context.requestTimeEpoch $context.extendedRequestId")

    assert run("render", "t.vtl").out == run("render", "t.vtl").out != "\n"


@pytest.mark.parametrize("what", ["template", "body"])
def test_either_may_come_from_stdin(run: Run, template: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b"<$input.body>" if what == "template" else b'["x"]')

    ran = (
        run("render", "-", "--body", "body.json")
        if what == "template"
        else run("render", "override.vtl", "--body", "-")
    )

    assert ran.out == ('<[{"a": 1}, {"a": 2}]>\n' if what == "template" else '["x"]\n')


def test_trace_lists_what_was_read_with_its_place_and_value(run: Run, template: str) -> None:
    ran = run("render", template, "--body", "body.json", "--trace")

    lines = ran.out.splitlines()
    assert lines[0] == '{"id": "", "n": 2, "stage": "prod", "to": ""}'
    assert [line.split() for line in lines[2:]] == [
        ["1:1", "$input.path('$')", '"[{\\"a\\":1},{\\"a\\":2}]"'], ["2:9", "$input.params('id')", '""'],
        ["2:36", "$root.size()", '"2"'], ["2:60", "$context.stage", '"prod"'], 
        ["2:84", "$stageVariables.to", "undefined"],
    ]  # fmt: skip


def test_trace_of_a_template_without_references_says_so(run: Run, here: Path) -> None:
    (here / "t.vtl").write_text("text")

    assert run("render", "t.vtl", "--trace").out == "text\n\n  no reference was read\n"


def test_trace_cuts_what_is_long_and_counts_what_is_too_many(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "MAX_READS", 1)
    (here / "t.vtl").write_text("$input.body$input.body")
    (here / "long").write_text("x" * 500)

    ran = run("render", "t.vtl", "--body", "long", "--trace")

    assert ran.out.splitlines()[2:] == [f'  1:1  $input.body  "{"x" * 119}…', "  and 1 more"]


@pytest.mark.parametrize(
    ("words", "override"),
    [([], {"header": {"X-A": ["1", "2"]}}), (["--response"], {"status": 404})], ids=["request", "response"],
)  # fmt: skip
def test_overrides_are_those_of_the_side(run: Run, template: str, words: list[str], override: dict[str, Any]) -> None:
    as_json = run("render", "override.vtl", *words, "--json")
    traced = run("render", "override.vtl", *words, "--trace")

    assert json.loads(as_json.out) == {"result": "{}", "override": override, "failure": None}
    ((name, value),) = override.items()
    assert traced.out.splitlines()[-1] == f"  override {name} = {json.dumps(value)}"


def test_code_is_the_python_that_the_template_becomes(run: Run, template: str) -> None:
    text = run("render", template, "--code")
    as_json = json.loads(run("render", template, "--code", "--json").out)

    constants = [line.split(" = ")[1] for line in text.out.splitlines() if line.startswith("k")]
    assert (text.code, {"'path'", "'$'", "'stage'"} - {*constants}) == (0, set())
    assert "def render(variables):" in text.out
    assert text.out.endswith(as_json["code"] + "\n")
    compile(text.out, "shown", "exec")
    assert list(as_json["constants"].values()) == constants


def test_code_of_a_template_with_macros_is_that_of_each_macro_and_the_rest(run: Run, here: Path) -> None:
    (here / "t.vtl").write_text("#macro(greet $who)hello $who#end\n#greet('ada')")

    ran = run("render", "t.vtl", "--code")

    assert run("render", "t.vtl").out == "hello ada\n"
    assert ran.out.count("def ") == 2
    assert "call_macro(" in ran.out


def test_trace_tells_what_was_read_by_a_text_that_is_evaluated(run: Run, here: Path) -> None:
    (here / "t.vtl").write_text("#evaluate(' $context.stage')")

    traced = run("render", "t.vtl", "--trace")
    as_json = json.loads(run("render", "t.vtl", "--trace", "--json").out)

    assert traced.out.splitlines()[2].split() == ["1:2", "of", "#evaluate", "$context.stage", '"prod"']
    assert as_json["trace"] == [
        {"line": 1, "column": 2, "reference": "$context.stage", "value": "prod", "evaluated": True}
    ]


def test_code_of_an_empty_template_is_code_too(run: Run, here: Path) -> None:
    (here / "t.vtl").write_text("")

    assert run("render", "t.vtl", "--code").out.startswith("def render(variables):")


def test_a_template_that_fails_is_a_finding_with_its_place(run: Run, template: str) -> None:
    ran = run("render", "fails.vtl")

    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "fails.vtl:2:3: parseJson() of what is not JSON\n    $util.parseJson('x')\n    ^\n"


def test_a_trace_shows_how_far_a_template_came_that_fails(run: Run, template: str) -> None:
    ran = run("render", "fails.vtl", "--trace")
    as_json = json.loads(run("render", "fails.vtl", "--trace", "--json").out)

    assert (ran.code, ran.out) == (1, '\n  1:1  $context.stage  "prod"\n')
    assert as_json == {
        "result": None, "override": {},
        "failure": {"line": 2, "column": 3, "reason": "parseJson() of what is not JSON"},
        "trace": [{"line": 1, "column": 1, "reference": "$context.stage", "value": "prod", "evaluated": False}],
        "more": 0,
    }  # fmt: skip


@pytest.mark.parametrize("words", [[], ["--code"], ["--trace"]], ids=["render", "code", "trace"])
def test_a_template_that_cannot_be_read_is_a_mistake_with_its_place(run: Run, template: str, words: list[str]) -> None:
    ran = run("render", "broken.vtl", *words)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "broken.vtl:2:8: unexpected end of the template, expected ')'\n   #if($x\n         ^\n"


def test_problems_are_json_where_json_was_asked_for(run: Run, template: str) -> None:
    ran = run("render", "broken.vtl", "--json")

    (problem,) = json.loads(ran.out)["problems"]
    assert (ran.code, ran.err, problem["where"]) == (2, "", "broken.vtl:2:8")


def test_a_long_line_is_cut_around_the_place(run: Run, here: Path) -> None:
    (here / "t.vtl").write_text("a" * 1000 + "$util.urlDecode('%')" + "b" * 1000)

    said = run("render", "t.vtl").err.splitlines()

    assert said[0].startswith("t.vtl:1:1001: ")
    assert said[1][said[2].index("^")] == "$"
    assert len(said[1]) < 130


def test_a_template_cannot_steer_the_terminal(run: Run, here: Path) -> None:
    (here / "t.vtl").write_text("\x1b[2J$util.parseJson('\x1b]0;x\x07')")

    ran = run("render", "t.vtl")

    assert ran.code == 1
    assert "\x1b" not in ran.out + ran.err


def test_a_result_is_not_changed_where_no_terminal_reads_it(run: Run, here: Path) -> None:
    (here / "t.vtl").write_text("a\x1b\r$util.base64Decode('7aCA')")

    assert run("render", "t.vtl").out.startswith("a\x1b\r")


def test_on_a_terminal_a_result_is_printable(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "t.vtl").write_text("a\x1b")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    assert run("render", "t.vtl").out == "a\\x1b\n"


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no template": (["nothing.vtl"], "TEMPLATE nothing.vtl: No such file or directory"),
    "no UTF-8": (["latin.vtl"], "TEMPLATE latin.vtl is not UTF-8 text"),
    "no body": (["order.vtl", "--body", "gone"], "--body gone: No such file or directory"),
    "a NUL in a name": (["a\0b"], "TEMPLATE a\\x00b: embedded null byte"),
    "stdin twice": (["-", "--body", "-"], "TEMPLATE and --body cannot both be read from stdin"),
    "no JSON": (["order.vtl", "--params", "{x"], "--params:1:2: no JSON: Expecting property name"),
    "no JSON in a file": (["order.vtl", "--context", "order.vtl"], "order.vtl:1:1: no JSON: Expecting value"),
    "JSON that is too much": (["order.vtl", "--context", '{"a":' * 100000], "--context: no JSON that can be read"),
    "a list": (["order.vtl", "--context", "body.json"], "--context: the JSON is no object"),
    "a list in place": (["order.vtl", "--params", "[1]"], "--params: the JSON is no object"),
    "no kind of parameters": (["order.vtl", "--params", '{"query": {}}'], "no parameters of the kind 'query'"),
    "a kind of nobody": (["order.vtl", "--params", '{"xyz": {}}'], "Known are path, querystring, header"),
    "parameters by name": (["order.vtl", "--params", '{"path": "7"}'], "--params: path is no object"),
    "a number": (["order.vtl", "--params", '{"path": {"id": 7}}'], "--params path: the value of 'id' is 7. Write"),
    "a number for a stage": (["order.vtl", "--stage-variables", '{"a": 1}'], "-variables: the value of 'a' is 1"),
    "an override": (["order.vtl", "--context", '{"requestOverride": {}}'], "'requestOverride' is what a template"),
    "several": (["order.vtl", "--context", "{", "--params", '{"query": {}}'], "2 problems"),
    "code and trace": (["order.vtl", "--code", "--trace"], "argument --trace: not allowed with argument --code"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_said_in_a_line_and_exits_with_2(run: Run, template: str, words: list[str], expected: str) -> None:
    ran = run("render", *words)

    assert (ran.code, ran.out) == (2, "")
    assert expected in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_it(run: Run, shell: str) -> None:
    out = run("completion", shell).out

    assert "render" in out
    assert "stage-variables" in out
