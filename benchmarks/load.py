"""The whole gateway at the default account limit, 10 000 requests a second, beside a bare server: one process per core.

    python -m benchmarks.load [--rounds N] [--seconds N] [--quick]

The gateway is a definition of forty methods. The one that is called is a mock that asks for an API key; it stands
under the account's limit, a usage plan's throttle and its quota. The bare server is the smallest ASGI app there is. All
run in the same server (`gatewaykit.server.run`): one process with limits in memory, or one on each core with limits in
Redis, which share a port by SO_REUSEPORT. wrk keeps 64 requests in flight and never waits, so a server reaches all it
can; what the account's limit refuses is a 429, and counted apart.

With one process, wrk has the other core to itself. With one on each core, wrk and Redis share the cores with them: that
is why their own CPU time is shown. Rounds are interleaved; ratios are taken inside a round.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

from benchmarks import e2e
from benchmarks.report import RESULTS, machine, say

__all__ = ["main"]

_ACCOUNT_RATE: Final = 10_000
_ACCOUNT_BURST: Final = 5_000
_KEY: Final = "Uo9mBo4tZt0H2gGZBZSSW8pEdCl5yTMj"
_PATH: Final = "/pets/7"
_BODY: Final = b'{"id": "7", "kind": "cat"}'
_CPUS: Final = sorted(os.sched_getaffinity(0))


@dataclass(slots=True)
class Measured:
    """What one server reached, round by round."""

    rps: list[float] = field(default_factory=list)
    allowed: list[float] = field(default_factory=list)  # of them, those that were not answered 429
    p50_ms: list[float] = field(default_factory=list)
    p90_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    server_us: list[float] = field(default_factory=list)  # CPU of a request
    redis_us: list[float] = field(default_factory=list)
    load_us: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Case:
    """A server: `app` is `bare` or `gateway`, on so many processes, with its limits at `store`."""

    name: str
    app: str
    processes: int
    store: str = ""

    def server(self) -> e2e.Server:
        port = e2e.free_port()
        command = [sys.executable, "-m", "benchmarks.load", "--serve", self.app, "--port", str(port)]
        command += ["--processes", str(self.processes), "--store", self.store or "memory://"]
        cpus = e2e.SERVER_CPU if self.processes == 1 else ",".join(map(str, _CPUS))
        environment = {"PYTHONPATH": str(Path(__file__).parent.parent)}
        return e2e.Server(
            self.name, command, port, cpu=cpus, path=_PATH, environment=environment, wrk=["-H", f"x-api-key: {_KEY}"]
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one short round, and no results file")
    parser.add_argument("--note", default="", help="what else ran on the machine; it is written down")
    parser.add_argument("--serve", choices=["bare", "gateway"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--processes", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--store", default="memory://", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        _serve(arguments.serve, arguments.port, arguments.processes, arguments.store)
        return
    rounds, seconds = (1, 1) if arguments.quick else (arguments.rounds, arguments.seconds)
    from tests.peers.redis import running

    with running() as redis:
        many = len(_CPUS)
        cases = [
            Case("bare server, 1 process", "bare", 1),
            Case("gateway, 1 process, limits in memory", "gateway", 1),
            Case(f"bare server, {many} processes", "bare", many),
            Case(f"gateway, {many} processes, limits in Redis", "gateway", many, f"redis://127.0.0.1:{redis.port}"),
        ]
        before = os.getloadavg()[0]
        measured = _measure(cases, redis.port, rounds, seconds)
    page = _page(cases, measured, rounds, seconds, before, arguments.note)
    say(page)
    if not arguments.quick:
        (RESULTS / "load.md").write_text(page)
        say(f"written: {RESULTS / 'load.md'}")


def _measure(cases: Sequence[Case], redis_port: int, rounds: int, seconds: int) -> dict[str, Measured]:
    found = {case.name: Measured() for case in cases}
    redis_pid = _listener(redis_port)
    with ExitStack() as running:
        servers = {case.name: running.enter_context(case.server()) for case in cases}
        for case in cases:
            _answers(servers[case.name])
            _drive(servers[case.name], case, 1)
        for number in range(rounds):
            turn = number % len(cases)
            for case in [*cases[turn:], *cases[:turn]]:
                say(f"  round {number + 1}: {case.name}")
                _round(found[case.name], servers[case.name], case, redis_pid, seconds)
    return found


def _round(into: Measured, server: e2e.Server, case: Case, redis_pid: int, seconds: int) -> None:
    server_s, redis_s, load_s = server.cpu_s(), e2e.cpu_of(redis_pid), _children_s()
    output, took_s = _drive(server, case, seconds)
    load_s, redis_s, server_s = _children_s() - load_s, e2e.cpu_of(redis_pid) - redis_s, server.cpu_s() - server_s
    requests = int(e2e.found(r"(\d+) requests in", output))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    if "Socket errors" in output:
        raise RuntimeError(f"{case.name}: {output}")
    into.rps.append(requests / took_s)
    into.allowed.append((requests - (int(refused[1]) if refused else 0)) / took_s)
    for values, share in ((into.p50_ms, "50"), (into.p90_ms, "90"), (into.p99_ms, "99")):
        values.append(e2e.milliseconds(e2e.found(rf"\n\s+{share}%\s+(\S+)", output)))
    for values, cpu_s in ((into.server_us, server_s), (into.redis_us, redis_s), (into.load_us, load_s)):
        values.append(cpu_s / requests * 1e6)


def _drive(server: e2e.Server, case: Case, seconds: int) -> tuple[str, float]:
    cpus = e2e.LOAD_CPU if case.processes == 1 else ",".join(map(str, _CPUS))
    load = ["wrk", "-t1", f"-c{e2e.CONNECTIONS}", f"-d{seconds}s", "--latency", *server.wrk, server.url]
    started = monotonic()
    done = subprocess.run(["taskset", "-c", cpus, *load], capture_output=True, text=True, check=True)
    return done.stdout, monotonic() - started


def _answers(server: e2e.Server) -> None:
    """Raises RuntimeError where a server does not answer what all do."""
    command = ["curl", "-s", *server.wrk, server.url]
    body = subprocess.run(command, capture_output=True, check=True).stdout
    if body != _BODY:
        raise RuntimeError(f"{server.name} answers {body!r}")


def _children_s() -> float:
    """CPU time of the children that have ended: the load generators."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _listener(port: int) -> int:
    """The process that listens on a port."""
    found = subprocess.run(["pgrep", "-f", f"redis-server.*:{port}"], capture_output=True, text=True, check=True).stdout
    return int(found.split()[0])


# ---------------------------------------------------------------------------------------------------- the page


def _page(
    cases: Sequence[Case], measured: dict[str, Measured], rounds: int, seconds: int, load: float, note: str
) -> str:
    rows = [
        "# The gateway at the account limit", "",
        "Written by `make load`. The account's limit is "
        f"{_ACCOUNT_RATE:,} requests a second with a burst of {_ACCOUNT_BURST:,}; the gateway also has a usage plan's "
        "throttle and quota, an API key, and a mock integration with a template. The bare server is the smallest ASGI "
        "app in the same server. wrk keeps 64 requests in flight on one thread, and never waits: what it asks for "
        "above the limit is a 429. What is allowed may be above the limit by the burst that filled up between two "
        "rounds.", "",
        f"* {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}; {rounds} interleaved rounds of {seconds} s each; "
        "medians, and in brackets the least and the greatest",
        *[f"* {each}" for each in machine()],
        f"* load average before: {load:.1f}" + (f"; {note}" if note else ""), "",
        "| server | requests/s | allowed/s | p50 ms | p90 ms | p99 ms | CPU of the server, us a request "
        "| of Redis | of wrk |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]  # fmt: skip
    for case in cases:
        one = measured[case.name]
        cells = [_spread(one.rps, ",.0f"), f"{statistics.median(one.allowed):,.0f}"]
        cells += [f"{statistics.median(values):.2f}" for values in (one.p50_ms, one.p90_ms, one.p99_ms)]
        cells += [_spread(one.server_us, ".1f")]
        cells += [
            f"{statistics.median(one.redis_us):.1f}" if case.store else "",
            f"{statistics.median(one.load_us):.1f}",
        ]
        rows.append(f"| {case.name} | {' | '.join(cells)} |")
    rows += ["", "| ratio, taken round by round | requests/s | CPU of a request |", "|---|--:|--:|"]
    for bare, gateway in zip(cases[::2], cases[1::2]):
        ours, theirs = measured[gateway.name], measured[bare.name]
        rates = [a / b for a, b in zip(ours.rps, theirs.rps)]
        costs = [a / b for a, b in zip(ours.server_us, theirs.server_us)]
        rows.append(f"| {gateway.name} / {bare.name} | {_spread(rates, '.2f')} | {_spread(costs, '.2f')} |")
    return "\n".join(rows) + "\n"


def _spread(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


# ---------------------------------------------------------------------------------------------------- the servers


def _serve(app: str, port: int, processes: int, store: str) -> None:
    """Serve in this process, and in as many more as it takes; each on a core of its own."""
    for number in range(1, processes):
        if not os.fork():
            _serve_one(app, port, store, _CPUS[number])
            return
    _serve_one(app, port, store, _CPUS[0] if processes > 1 else None)


def _serve_one(app: str, port: int, store: str, cpu: int | None) -> None:
    from gatewaykit.server.run import serve

    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(2048)
    made: dict[str, Callable[[str], Any]] = {"bare": lambda store: _bare, "gateway": _gateway}
    serve(made[app](store), listener)


async def _bare(scope: Any, receive: Any, send: Any) -> None:
    """The smallest ASGI app."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _BODY})


def _gateway(store: str) -> Any:
    from gatewaykit import Gateway

    plan = {
        "throttle": {"rate": 2 * _ACCOUNT_RATE, "burst": _ACCOUNT_BURST},
        "quota": {"limit": 10**9, "period": "MONTH"},
        "keys": ["partner"],
        "stages": [{}],
    }
    return Gateway.from_openapi(
        _document(),
        api_keys={"partner": _KEY},
        usage_plans={"gold": plan},
        account_limit={"rate": _ACCOUNT_RATE, "burst": _ACCOUNT_BURST},
        store=store,
    )


def _document() -> dict[str, Any]:
    def mock(template: str) -> dict[str, Any]:
        return {
            "security": [{"api_key": []}],
            "responses": {"200": {"description": "fine"}},
            "x-amazon-apigateway-integration": {
                "type": "mock",
                "requestTemplates": {"application/json": '{"statusCode": 200}'},
                "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": template}}},
            },
        }

    pet = {
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "get": mock('{"id": "$input.params(\'id\')", "kind": "cat"}'),
    }
    paths: dict[str, Any] = {"/pets/{id}": pet}
    for name in ("owners", "visits", "vets", "shops", "foods", "toys", "orders", "bills", "cages", "races"):
        for tail in ("", "/new", "/old", "/all"):
            paths[f"/{name}{tail}"] = {"get": mock(json.dumps({"name": name}))}
    schemes = {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}
    info = {"title": "petstore", "version": "1"}
    return {"openapi": "3.0.3", "info": info, "paths": paths, "components": {"securitySchemes": schemes}}


if __name__ == "__main__":
    main()
