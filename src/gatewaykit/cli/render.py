"""`gatewaykit render TEMPLATE`: what a mapping template makes of a body, and how."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.cli.sources import add_json
from gatewaykit.cli.usage_error import UsageError
from gatewaykit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from gatewaykit.cli.output import Output
    from gatewaykit.core.template_variables import Params
    from gatewaykit.core.vtl.generator import Generated
    from gatewaykit.core.vtl.tracing import Trace

__all__ = ["add", "run"]

_MAPPING: Final = "JSON|FILE"
_SHOWN: Final = 60  # characters of a line on either side of the place that is wrong in it, and of a value
_OVERRIDES: Final = {False: "requestOverride", True: "responseOverride"}


def add(commands: Any) -> None:
    parser = commands.add_parser("render", help="render a mapping template, and show how")
    parser.add_argument("template", metavar="TEMPLATE", help="a file with a mapping template; - reads it from stdin")
    group = parser.add_argument_group("what the template sees")
    group.add_argument("--body", metavar="FILE", help="the body, for $input; - reads it from stdin")
    group.add_argument(
        "--params", metavar=_MAPPING, help="$input.params(): an object with path, querystring and header"
    )
    group.add_argument("--context", metavar=_MAPPING, help="what $context has besides, or otherwise")
    group.add_argument("--stage-variables", metavar=_MAPPING, help="$stageVariables")
    group.add_argument("--response", action="store_true", help="it maps a response: the body is the integration's")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--code", action="store_true", help="print the Python code that the template becomes")
    shown.add_argument("--trace", action="store_true", help="print each reference that was read, with its value")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from gatewaykit.core.template_variables import variables
    from gatewaykit.core.vtl.template import TemplateFailure, TemplateProblem, compile_template, generate_template
    from gatewaykit.core.vtl.tracing import Trace, compile_traced

    name = arguments.template
    if name == "-" and arguments.body == "-":
        raise UsageError("TEMPLATE and --body cannot both be read from stdin")
    text = _text_of(name, "TEMPLATE")
    if arguments.code:
        generated = generate_template(text)
        if isinstance(generated, TemplateProblem):
            return _problem(output, name, text, generated)
        _print_code(output, generated)
        return 0
    given = _given(arguments)
    context = given["context"]
    trace = Trace()
    template = compile_traced(text, trace) if arguments.trace else compile_template(text)
    if isinstance(template, TemplateProblem):
        return _problem(output, name, text, template)
    result = template.render(variables(**given, only_reads=template.only_reads))
    failure = result if isinstance(result, TemplateFailure) else None
    if output.as_json:
        output.json(_as_json(result, context, arguments, trace))
        return 0 if failure is None else 1
    if not isinstance(result, TemplateFailure):
        _print_result(output, result)
    if arguments.trace:
        _print_trace(output, trace, _written(context, arguments.response))
    if failure is not None:
        _complain(f"{name}:{failure.line}:{failure.column}: {failure.reason}", text, failure.line, failure.column)
    return 0 if failure is None else 1


# ---------------------------------------------------------------------------------------------------- what it sees


def _text_of(name: str, what: str) -> str:
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return content.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{what} {name} is not UTF-8 text") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(f"{what} {name}: {getattr(error, 'strerror', None) or error}") from None


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the variables of the template are made of."""
    problems: list[Problem] = []
    given = _mapping("--params", arguments.params, problems)
    params = _params(given, problems)
    context = _context(_mapping("--context", arguments.context, problems), problems)
    stage_variables = _texts(
        "--stage-variables", _mapping("--stage-variables", arguments.stage_variables, problems), problems
    )
    body = "" if arguments.body is None else _text_of(arguments.body, "--body")
    if problems:
        raise ConfigError(problems)
    return {"body": body, "params": params, "context": context, "stage_variables": stage_variables}


def _mapping(option: str, given: str | None, problems: list[Problem]) -> dict[str, Any]:
    """A JSON object that stands on the command line, or in a file."""
    if given is None:
        return {}
    inline = given.lstrip().startswith(("{", "["))
    try:
        value = json.loads(given if inline else _text_of(given, option))
    except json.JSONDecodeError as error:
        where = option if inline else given
        problems.append(Problem(where=f"{where}:{error.lineno}:{error.colno}", what=f"no JSON: {error.msg}"))
        return {}
    except (ValueError, RecursionError) as error:  # a number of too many digits; too much nesting
        problems.append(Problem(where=option, what=f"no JSON that can be read: {error}"))
        return {}
    if not isinstance(value, dict):
        problems.append(Problem(where=option, what="the JSON is no object", mend='Write {"name": …}'))
        return {}
    return value


def _params(given: Mapping[str, Any], problems: list[Problem]) -> Params:
    from gatewaykit.core.template_variables import Params
    from gatewaykit.definition.near import near_miss

    kinds = ("path", "querystring", "header")
    read: dict[str, dict[str, str]] = {}
    for kind, values in given.items():
        if kind not in kinds:
            near, mend = near_miss(kind, kinds), f"Known are {', '.join(kinds)}"
            what = f"there are no parameters of the kind {kind!r}"
            problems.append(Problem(where="--params", what=what, near=near, mend="" if near else mend))
        elif not isinstance(values, dict):
            what = f"{kind} is no object"
            problems.append(Problem(where="--params", what=what, mend='Write {"path": {"id": "7"}}'))
        else:
            read[kind] = _texts(f"--params {kind}", values, problems)
    return Params(**read)


def _texts(where: str, values: Mapping[str, Any], problems: list[Problem]) -> dict[str, str]:
    for name, value in values.items():
        if not isinstance(value, str):
            what = f"the value of {name!r} is {json.dumps(value):.40}"
            problems.append(Problem(where=where, what=what, mend="Write a text, in quotes"))
    return {name: value for name, value in values.items() if isinstance(value, str)}


def _context(given: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """A request's context, the same at every call, with what was given in its place."""
    from gatewaykit.core.context import ApiFacts, context_of
    from gatewaykit.core.http import Request

    for name in _OVERRIDES.values():
        if name in given:
            problems.append(
                Problem(where="--context", what=f"{name!r} is what a template writes, not what it is given")
            )
    request = Request("GET", "/", headers=[(b"host", b"localhost")])
    request.id, request.extended_id, request.resource = "00000000-0000-0000-0000-000000000000", "A" * 15 + "=", "/"
    context = context_of(request, ApiFacts())
    for name, value in given.items():
        own = context.get(name)
        context[name] = {**own, **value} if isinstance(own, dict) and isinstance(value, dict) else value
    return context


# ---------------------------------------------------------------------------------------------------- what it prints


def _as_json(result: Any, context: Mapping[str, Any], arguments: argparse.Namespace, trace: Trace) -> dict[str, Any]:
    shown: dict[str, Any] = {"result": result, "override": _written(context, arguments.response), "failure": None}
    if not isinstance(result, str):
        place = {"line": result.line, "column": result.column, "reason": result.reason}
        shown |= {"result": None, "failure": place}
    if arguments.trace:
        keys = ("line", "column", "reference", "value", "evaluated")
        shown["trace"] = [{key: getattr(read, key) for key in keys} for read in trace.reads]
        shown["more"] = trace.more
    return shown


def _written(context: Mapping[str, Any], response: bool) -> dict[str, Any]:
    """What the template wrote to `$context.requestOverride` or `.responseOverride`."""
    written = context.get(_OVERRIDES[response])  # there is none where the template could not reach it
    return (
        {str(name): _plain(value) for name, value in written.items() if value != {}}
        if isinstance(written, dict)
        else {}
    )


def _plain(value: Any) -> Any:
    from gatewaykit.core.vtl.values import text

    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if isinstance(value, int | float | str) or value is None else text(value)


def _print_result(output: Output, result: str) -> None:
    if sys.stdout.isatty():
        output.line(result)
    else:
        print(result.encode("utf-8", "replace").decode())  # as it is: no terminal could be steered by it


def _print_code(output: Output, generated: Generated) -> None:
    if output.as_json:
        constants = {name: repr(value) for name, value in generated.constants.items()}
        output.json({"code": generated.source, "constants": constants})
        return
    for name, value in generated.constants.items():
        output.line(f"{name} = {value!r}")
    output.line(f"\n{generated.source}" if generated.constants else generated.source)


def _print_trace(output: Output, trace: Trace, written: Mapping[str, Any]) -> None:
    rows = [
        (
            f"{read.line}:{read.column}{' of #evaluate' if read.evaluated else ''}",
            read.reference,
            "undefined" if read.value is None else _cut(json.dumps(read.value)),
        )
        for read in trace.reads
    ]
    output.line()
    output.table(rows or [("no reference was read",)])
    if trace.more:
        output.line(f"  and {trace.more} more")
    for name, value in written.items():
        output.line(f"  override {name} = {_cut(json.dumps(value))}")


def _cut(text: str) -> str:
    return text if len(text) <= 2 * _SHOWN else f"{text[: 2 * _SHOWN]}…"


def _problem(output: Output, name: str, text: str, problem: Any) -> int:
    where = f"{name}:{problem.line}:{problem.column}"
    if output.as_json:
        output.problems([Problem(where=where, what=problem.message)])
    else:
        _complain(f"{where}: {problem.message}", text, problem.line, problem.column)
    return 2


def _complain(what: str, text: str, line: int, column: int) -> None:
    """What is wrong, the line of the template it is in, and a caret below the place."""
    from gatewaykit.cli.output import printable

    written = text.split("\n")[line - 1].rstrip("\r") if line <= text.count("\n") + 1 else ""
    begin = max(0, column - 1 - _SHOWN)
    shown = written[begin : column - 1 + _SHOWN].replace("\t", " ")
    print(printable(what), file=sys.stderr)
    if shown.strip():
        before = printable(shown[: column - 1 - begin])
        print(f"  {printable(shown)}\n  {' ' * len(before)}^", file=sys.stderr)
