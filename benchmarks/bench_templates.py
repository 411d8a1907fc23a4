"""Mapping templates, against functions written by hand and airspeed.

    python -m benchmarks --only templates

Ours is what an integration calls for every request: `Template.render` with `variables(…)`. All sides are given the
parameters and a context that are ready. JSON is parsed on every side, and airspeed's template beforehand.

What is written by hand gives the template's bytes for any request (`tests/test_benchmarks.py`). A second function gives
them for bodies of this one's shape alone, as no gateway can trust that they have.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import airspeed  # type: ignore[import-untyped]  # it has no types

from benchmarks import e2e
from benchmarks.inproc import measure
from benchmarks.report import Line, at_least, at_most, line, say
from benchmarks.stacks import templates
from gatewaykit.core.template_variables import Params, escape_javascript, variables
from gatewaykit.core.vtl import Template, TemplateProblem, compile_template

__all__ = ["run"]

_LARGE: Final = 299 * 1024
_BRANCHES: Final = 1000
_PORT: Final = "BENCH_PORT"
_SERVED: Final = '{"statusCode": 200}', '{"hello": "$input.params(\'name\')", "stage": "$context.stage"}'
_ANSWER: Final = b'{"hello": "ada", "stage": "prod"}'
# CPU time of a GET on a mock integration with a template, as multiples of the hand-written mock under uvicorn that was
# measured beside them, with one table and one load: 45.8 us, 3075 us (LocalStack 2026.3) and 2621 us
_LOCALSTACK, _SERVERLESS_OFFLINE = 3075 / 45.8, 2621 / 45.8


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    rounds = 15 if quick else 61
    lines = []
    for subject in templates.SUBJECTS:
        say(f"  {subject.name}")
        lines += _subject(subject, rounds)
    say("  what is large")
    return [*lines, *_large(3 if quick else 9), *_branches(rounds), *_served(quick)]


def _subject(subject: templates.Subject, rounds: int) -> list[Line]:
    ours, theirs = _ours(subject.template, subject.body), _airspeed(subject.template, subject.body)
    hand, trusting = (_by_hand(function, subject.body) for function in (subject.by_hand, subject.trusting))
    ours()
    if not ours() == hand() == trusting():  # nor does a second rendering find another context
        raise RuntimeError(f"{subject.name}: {ours()!r} is not {hand()!r}, or not {trusting()!r}")
    if json.loads(ours()) != json.loads(theirs()):  # airspeed leaves other blanks
        raise RuntimeError(f"{subject.name}: {ours()!r} is not {theirs()!r}")
    times = measure({"ours": ours, "hand": hand, "trusting": trusting, "airspeed": theirs}, rounds=rounds)
    each = [nanoseconds / 1000 for nanoseconds in times.rounds["ours"]]
    return [
        line("templates", f"{subject.name}: one rendering", each, unit="us"),
        line("templates", f"{subject.name} / by hand", times.ratios("ours", "hand"), at_most(1.3)),
        line(
            "templates", f"{subject.name} / by hand, for bodies of this shape alone", times.ratios("ours", "trusting"),
        ),
        line(
            "templates", f"{subject.name}: airspeed, parsed before / ours", times.ratios("airspeed", "ours"),
            at_least(subject.of_airspeed),
        ),
    ]  # fmt: skip


def _ours(text: str, body: str) -> Callable[[], Any]:
    template = _compiled(text)
    params = Params(templates.PATH, templates.QUERY, templates.HEADERS)
    context, stage_variables = templates.fresh_context(), templates.STAGE_VARIABLES
    render, only_reads = template.render, template.only_reads

    def case() -> object:
        return render(variables(body, params, context, stage_variables, only_reads))

    return case


def _by_hand(function: templates.ByHand, body: str) -> Callable[[], str]:
    params = Params(templates.PATH, templates.QUERY, templates.HEADERS)
    context, stage_variables = templates.fresh_context(), templates.STAGE_VARIABLES
    return lambda: function(body, params, context, stage_variables)


def _compiled(text: str) -> Template:
    template = compile_template(text)
    if isinstance(template, TemplateProblem):
        raise RuntimeError(f"{template}")
    return template


class _Input:
    """The `$input` that somebody would write for airspeed; its paths are names only."""

    def __init__(self, body: str) -> None:
        self._document = json.loads(body)

    def path(self, text: str) -> Any:
        value = self._document
        for name in text.split(".")[1:]:
            value = value[name]
        return value

    def json(self, text: str) -> str:
        return json.dumps(self.path(text))

    def params(self, name: str | None = None) -> Any:
        if name is None:
            return {"path": templates.PATH, "querystring": templates.QUERY, "header": dict(templates.HEADERS)}
        return templates.PATH.get(name) or templates.QUERY.get(name) or templates.HEADERS.get(name, "")


class _Util:
    def escapeJavaScript(self, value: str) -> str:
        return escape_javascript(value)


def _airspeed(text: str, body: str) -> Callable[[], Any]:
    # undefined references are printed as written there, so it is given what API Gateway leaves undefined
    context = templates.fresh_context()
    context["authorizer"] = {"principalId": ""}
    context["identity"] = {name: "" if value is None else value for name, value in context["identity"].items()}
    context["identity"]["apiKey"] = ""
    template, util = airspeed.Template(text), _Util()
    template.merge({"input": _Input(body), "util": util, "context": context, "stageVariables": {}})  # it parses late

    def case() -> object:
        return template.merge(
            {"input": _Input(body), "util": util, "context": context, "stageVariables": templates.STAGE_VARIABLES}
        )

    return case


def _large(times: int) -> list[Line]:
    text = templates.long_text(_LARGE)
    took = []
    for _ in range(times):
        started = time.thread_time()
        _compiled(text)
        took.append(time.thread_time() - started)
    return [line("templates", f"compiling a template of {len(text) // 1024} kB", took, at_most(2), unit="s")]


def _branches(rounds: int) -> list[Line]:
    """The last of many branches, as a multiple of the first."""
    template = compile_template(templates.branches(_BRANCHES))
    if isinstance(template, TemplateProblem):
        say(f"    left out: a template of {_BRANCHES} branches does not compile: {template.message}")
        return []
    cases = {}
    for number in (0, _BRANCHES - 1):
        given: dict[str, object] = {"context": {"stage": str(number)}}
        if template.render(given) != f"branch {number}\n":
            raise RuntimeError(f"branch {number} gives {template.render(given)!r}")
        cases[str(number)] = _rendering(template, given)
    ratios = measure(cases, rounds=rounds).ratios(str(_BRANCHES - 1), "0")
    return [line("templates", f"the last of {_BRANCHES} branches / the first", ratios)]


def _rendering(template: Template, given: dict[str, object]) -> Callable[[], Any]:
    return lambda: template.render(given)


# ------------------------------------------------------------------------------------------------- under uvicorn


def _served(quick: bool) -> list[Line]:
    say("  a GET on a mock integration with a template, under uvicorn")
    rounds, seconds = (3, 1) if quick else (11, 2)
    servers = [_server("gateway"), _server("by hand")]
    times = e2e.cpu_per_request(servers, rounds=rounds, seconds=seconds)
    ratios = times.ratios("gateway", "by hand")
    derived = "derived: their multiple of a mock by hand, as recorded, over ours of this run"
    return [
        line(
            "templates", "a mock with a template, under uvicorn: requests a CPU second",
            [1e9 / each for each in times.rounds["gateway"]], unit="/s",
        ),
        line("templates", "a mock with a template / a mock by hand, under uvicorn, CPU", ratios),
        line(
            "templates", "LocalStack / a mock with a template, CPU", [_LOCALSTACK / ratio for ratio in ratios],
            at_least(40), note=derived,
        ),
        line(
            "templates", "serverless-offline / a mock with a template, CPU",
            [_SERVERLESS_OFFLINE / ratio for ratio in ratios], at_least(30), note=derived,
        ),
    ]  # fmt: skip


def _server(name: str) -> e2e.Server:
    port = e2e.free_port()
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent), _PORT: str(port), "BENCH_SIDE": name}
    command = [sys.executable, "-m", "benchmarks.bench_templates"]
    return e2e.Server(name, command, port, path="/hello/ada", environment=environment)


def document() -> dict[str, Any]:
    """One mock integration, with a template on either side."""
    request, response = _SERVED
    return {
        "openapi": "3.0.3",
        "info": {"title": "mock", "version": "1"},
        "paths": {
            "/hello/{name}": {
                "get": {
                    "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "responses": {"200": {"description": "a greeting"}},
                    "x-amazon-apigateway-integration": {
                        "type": "mock",
                        "requestTemplates": {"application/json": request},
                        "responses": {
                            "default": {"statusCode": "200", "responseTemplates": {"application/json": response}}
                        },
                    },
                }
            }
        },
    }


async def _mock(scope: Any, receive: Any, send: Any) -> None:
    """The mock by hand."""
    if scope["type"] == "http":
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_ANSWER))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": _ANSWER})


if __name__ == "__main__":
    from gatewaykit import Gateway
    from gatewaykit.server.run import serve

    if os.environ["BENCH_SIDE"] == "gateway":
        serve(Gateway.from_openapi(document(), stage="prod", account_limit=False), port=int(os.environ[_PORT]))
    else:
        import uvicorn

        uvicorn.run(_mock, port=int(os.environ[_PORT]), log_level="warning", access_log=False, lifespan="off")
