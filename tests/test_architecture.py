"""The rules of the house that a machine can check: which way imports point, and smells that must not come in."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "gatewaykit"
OURS = ("src", "tests", "examples", "benchmarks")

TASKS_ALLOWED = {
    "asgi/app_endpoint.py": "an app pushes its response; it runs beside the policy that reads it",
    "asgi/front.py": "the watcher that notices a client leaving while its request waits for an upstream",
    "asgi/lifespan.py": "the lifespan of an inner app stays open between start-up and shutdown",
    "upstream/functions.py": "an asynchronous invocation (type Event): nobody waits for it",
    "stores/redis_topology.py": "the seeds of a cluster are asked at once, when a connection is made",
    "testing/": "an app under test runs beside the test that feeds it",
    "waiting.py": "one call that many requests wait for belongs to none of them",
    "policies/flight.py": "one call that many requests wait for belongs to none of them",
    "policies/unawaited.py": "what is given back or settled when a request is over: nobody waits for it",
    "upstream/connection.py": "a request body that is streamed goes out while the response is awaited",
}
"""File or folder under src/gatewaykit -> why it may start a task. There is no task per request beyond these."""

SMELLS = {
    "starlette's BaseHTTPMiddleware": (r"BaseHTTPMiddleware", ()),
    "a task": (r"\b(create_task|ensure_future|TaskGroup)\b", tuple(TASKS_ALLOWED)),
    "a clock read outside clock.py": (
        r"\btime\.(time|monotonic|perf_counter)(_ns)?\b|from time import|datetime\.(utc)?now\(|date\.today\(",
        ("clock.py",),
    ),
    "a type ignore without its code and reason": (r"#\s*type:\s*ignore(?!\[[a-z, -]+\]\s+# \S)", ()),
    "a lint ignore without its code and reason": (r"#\s*noqa(?!: [A-Z]+\d+(, ?[A-Z]+\d+)*\s+(- |# )?\w)", ()),
    "a type ignore without its code": (r"#\s*type:\s*ignore(?!\[[a-z, -]+\])", ()),
    "a coverage pragma without its reason": (r"pragma: no (cover|branch)(?! - \S)", ()),
    "unfinished work": (r"\b(TODO|FIXME|XXX|HACK)\b", ()),
}


def hits(pattern: str, roots: tuple[str, ...], allowed: tuple[str, ...] = ()) -> str:
    """`file:line: text` of every line that matches, outside the allowed files; "" for none."""
    return "\n".join(
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files(*roots)
        if path != Path(__file__) and not str(path).startswith(tuple(str(SOURCE / name) for name in allowed))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(pattern, line)
    )


def files(*roots: str) -> Iterator[Path]:
    for root in roots:
        yield from sorted((ROOT / root).rglob("*.py"))


def test_imports_point_down_and_core_is_pure() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]

    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("pattern", "allowed"), SMELLS.values(), ids=SMELLS.keys())
def test_the_source_has_no(pattern: str, allowed: tuple[str, ...]) -> None:
    assert hits(pattern, ("src",), allowed) == ""


@pytest.mark.parametrize(
    "smell",
    [
        "a type ignore without its code",
        "a lint ignore without its code and reason",
        "a coverage pragma without its reason",
        "unfinished work",
    ],
)
def test_tests_examples_and_benchmarks_have_no(smell: str) -> None:
    assert hits(SMELLS[smell][0], ("tests", "examples", "benchmarks")) == ""


def test_whatever_may_start_a_task_does() -> None:
    starting = hits(SMELLS["a task"][0], ("src",))

    assert [name for name in TASKS_ALLOWED if f"src/gatewaykit/{name}" not in starting] == []


def test_no_await_in_core() -> None:
    waiting = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((SOURCE / "core").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith))
    ]

    assert waiting == []


def test_no_test_sleeps_but_to_poll_a_real_program_and_says_so() -> None:
    assert hits(r"\b(time\.sleep\(|asyncio\.sleep\((?!0\)))(?!.*\s# \w)", ("tests",)) == ""


def test_no_file_has_a_name_that_says_nothing() -> None:
    empty_words = {"utils", "util", "helpers", "helper", "manager", "data", "info", "common", "misc"}

    assert [str(path.relative_to(ROOT)) for path in files(*OURS) if path.stem in empty_words] == []


def test_only_deploy_and_gateway_name_concrete_stores_and_transports() -> None:
    allowed = ("deploy", "gateway", "stores", "upstream", "testing", "cli")
    naming = [
        hit
        for hit in hits(r"(from|import) gatewaykit\.(stores|upstream\.(http|scripted))\b", ("src",)).splitlines()
        if not hit.startswith(tuple(f"src/gatewaykit/{layer}/" for layer in allowed))
    ]

    assert naming == []
