"""Policies around an app: against the same decisions fused by hand, and against the stack a user assembles today.

    python -m benchmarks --only chain

In process, and under uvicorn with wrk: what is left on the scope costs more under a server than any frame, and only the
second sees it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import e2e
from benchmarks.inproc import answer_of, http_scope, measure, request_to
from benchmarks.report import Line, at_least, at_most, line, say
from benchmarks.stacks import facts, fastapi_stack, fused, ours

__all__ = ["on_uvicorn", "run"]

_FIELDS: Final = [(b"origin", facts.ORIGIN.encode()), (b"x-api-key", facts.API_KEY.encode())]
_GET: Final = http_scope(headers=_FIELDS)
_POST: Final = http_scope(
    "POST", "/orders",
    [*_FIELDS, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(facts.ORDER))],
)  # fmt: skip
_FOUR: Final = "four policies on a GET"
_SIX: Final = "six policies on a 1 kB POST"


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    _answers_alike()
    return [*_in_process(quick), *_served(quick)]


def _answers_alike() -> None:
    """Raises RuntimeError where two stacks decide differently."""
    allowed = facts.ORIGIN.encode()
    for scope, body, stacks in (
        (_GET, b"", (ours.four(), fused.four(), fastapi_stack.four())),
        (_POST, facts.ORDER, (ours.six_on_core(), fused.six(), fastapi_stack.six())),
        (_POST, facts.ORDER, (ours.six(), fused.six(), fastapi_stack.six())),
    ):
        facts.LINES.clear()
        mine, floor, peer = (answer_of(stack, scope, body) for stack in stacks)
        lines = list(facts.LINES)
        if mine != floor or lines[0] != lines[1]:
            raise RuntimeError(f"not the same as fused by hand: {mine} {floor} {lines}")
        if mine[0] != 200 or mine[2] != peer[2] or lines[0] != lines[2]:
            raise RuntimeError(f"not the same as the FastAPI stack: {mine} {peer} {lines}")
        if dict(peer[1])[b"access-control-allow-origin"] != allowed:
            raise RuntimeError(f"the FastAPI stack does not allow the origin: {peer}")
        without = {**scope, "headers": [each for each in scope["headers"] if each[0] != b"x-api-key"]}
        for what, changed, sent in (
            ("no key", without, body),
            ("another key", {**without, "headers": [*without["headers"], (b"x-api-key", b"x" * 32)]}, body),
            *([("an invalid body", scope, b'{"id": 7}')] if body else []),
        ):
            statuses = {answer_of(stack, changed, sent)[0] for stack in stacks}
            if statuses not in ({400}, {403}):
                raise RuntimeError(f"{what}: {statuses}")
    preflight = http_scope("OPTIONS", headers=[(b"origin", allowed), (b"access-control-request-method", b"POST")])
    if answer_of(ours.four(), preflight) != answer_of(fused.four(), preflight):
        raise RuntimeError("not the same preflight as fused by hand")


def _in_process(quick: bool) -> list[Line]:
    rounds = 21 if quick else 61
    say("  in process: four policies")
    four = measure(
        {
            "bare": request_to(facts.bare, _GET),
            "none": request_to(ours.none(), _GET),
            "one": request_to(ours.one(), _GET),
            "one fused": request_to(fused.one(), _GET),
            "four": request_to(ours.four(), _GET),
            "fused": request_to(fused.four(), _GET),
            "fastapi": request_to(fastapi_stack.plain(), _GET),
            "fastapi stack": request_to(fastapi_stack.four(), _GET),
        },
        rounds=rounds,
    )
    say("  in process: six policies")
    six = measure(
        {
            "bare": request_to(facts.echo, _POST, facts.ORDER),
            "six": request_to(ours.six_on_core(), _POST, facts.ORDER),
            "six fast": request_to(ours.six(), _POST, facts.ORDER),
            "fused": request_to(fused.six(), _POST, facts.ORDER),
            "fastapi": request_to(fastapi_stack.plain_post(), _POST, facts.ORDER),
            "fastapi stack": request_to(fastapi_stack.six(), _POST, facts.ORDER),
        },
        rounds=rounds,
    )
    stack = "CORSMiddleware + API-key dependency + slowapi"
    return [
        line("chain", "PolicyMiddleware without policies, added", four.added_us("none", "bare"), unit="us"),
        line("chain", "cors alone, added", four.added_us("one", "bare"), unit="us"),
        line("chain", "cors alone / by hand, in all", four.ratios("one", "one fused")),
        line("chain", f"{_FOUR}, added", four.added_us("four", "bare"), unit="us"),
        line("chain", f"{_FOUR} / fused by hand, in all", four.ratios("four", "fused"), at_most(1.4)),
        line("chain", f"{_FOUR} / fused by hand, added", four.added_ratios("four", "fused", "bare")),
        line("chain", f"{stack} / {_FOUR}, added", four.added_ratios("fastapi stack", "four", "fastapi", "bare")),
        line("chain", f"{_SIX}, added", six.added_us("six", "bare"), unit="us"),
        line("chain", f"{_SIX} / fused by hand, in all", six.ratios("six", "fused"), at_most(1.2)),
        line("chain", f"{_SIX} / fused by hand, added", six.added_ratios("six", "fused", "bare")),
        line(
            "chain", f"{stack} + fastjsonschema + airspeed / {_SIX}, added",
            six.added_ratios("fastapi stack", "six fast", "fastapi", "bare"), at_least(8),
            note="each over its own empty app; ours with the extra fast",
        ),
        line(
            "chain", f"the same stack / {_SIX} on core dependencies, added",
            six.added_ratios("fastapi stack", "six", "fastapi", "bare"),
        ),
        line(
            "chain", f"the same stack / {_SIX} fused by hand, added",
            six.added_ratios("fastapi stack", "fused", "fastapi", "bare"), note="what code in Python can reach",
        ),
    ]  # fmt: skip


def _served(quick: bool) -> list[Line]:
    with tempfile.TemporaryDirectory() as home:
        script = Path(home) / "order.lua"
        script.write_text(f'wrk.method, wrk.body = "POST", [[{facts.ORDER.decode()}]]')
        return _under_uvicorn(*((3, 1) if quick else (11, 2)), script)


def _under_uvicorn(rounds: int, seconds: int, script: Path) -> list[Line]:
    get = [f"-H{name.decode()}: {value.decode()}" for name, value in _FIELDS]
    post = [*get, "-Hcontent-type: application/json", "-s", str(script)]
    say("  under uvicorn: four policies")
    four = e2e.cpu_per_request(
        [on_uvicorn(name, target, "/hello", get) for name, target in (
            ("bare", "facts:bare"), ("four", "ours:four()"), ("fused", "fused:four()"),
            ("fastapi stack", "fastapi_stack:four()"),
        )], rounds=rounds, seconds=seconds,
    )  # fmt: skip
    say("  under uvicorn: six policies")
    six = e2e.cpu_per_request(
        [on_uvicorn(name, target, "/orders", post) for name, target in (
            ("bare", "facts:echo"), ("six", "ours:six_on_core()"), ("six fast", "ours:six()"), ("fused", "fused:six()"),
            ("fastapi", "fastapi_stack:plain_post()"), ("fastapi stack", "fastapi_stack:six()"),
        )], rounds=rounds, seconds=seconds,
    )  # fmt: skip
    where = "under uvicorn, CPU"
    return [
        line("chain", f"{_FOUR} / fused by hand, {where}", four.ratios("four", "fused"), at_most(1.15)),
        line("chain", f"{_FOUR} / the bare app, {where}", four.ratios("four", "bare")),
        line("chain", f"FastAPI stack / {_FOUR}, {where}", four.ratios("fastapi stack", "four")),
        line("chain", f"{_SIX} / fused by hand, {where}", six.ratios("six", "fused"), at_most(1.2)),
        line("chain", f"{_SIX} / the bare app, {where}", six.ratios("six", "bare")),
        line("chain", f"FastAPI stack / {_SIX}, {where}", six.ratios("fastapi stack", "six")),
        line(
            "chain", f"FastAPI stack / {_SIX}, {where}, added",
            six.added_ratios("fastapi stack", "six fast", "fastapi", "bare"), at_least(8),
            note="each over its own empty app; ours with the extra fast",
        ),
        line(
            "chain", f"FastAPI stack / {_SIX} fused by hand, {where}, added",
            six.added_ratios("fastapi stack", "fused", "fastapi", "bare"), note="what code in Python can reach",
        ),
    ]  # fmt: skip


def on_uvicorn(name: str, target: str, path: str, wrk: list[str]) -> e2e.Server:
    port = e2e.free_port()
    root = Path(__file__).parent.parent
    command = [
        sys.executable, "-m", "uvicorn", "--http", "httptools", "--loop", "uvloop", "--log-level", "warning",
        "--no-access-log", "--port", str(port), *(["--factory"] if target.endswith("()") else []),
        f"benchmarks.stacks.{target.removesuffix('()')}",
    ]  # fmt: skip
    return e2e.Server(name, command, port, path=path, environment={"PYTHONPATH": str(root)}, wrk=wrk)
