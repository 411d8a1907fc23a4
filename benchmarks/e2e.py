"""Compare HTTP servers by what a request costs them: requests per second of their own CPU time, under wrk.

The method, for a machine that is shared and noisy:

* All servers of a comparison are up at once; an idle one costs nothing. Each is pinned to the first CPU, wrk and the
  back ends to the last, so that a server cannot use the load generator's CPU.
* Rounds are interleaved and start with another server each time. A ratio is taken inside a round, between neighbours
  in time; of these the least, the median and the greatest are shown.
* The CPU time is that of the server's process tree, from /proc. It is steadier than requests per second.
* Answers are compared before anything is timed. An answer that is not 200 spoils its row, and the row says so.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from benchmarks.inproc import Timings

__all__ = [
    "Row",
    "Server",
    "compare",
    "cpu_per_request",
    "cpu_of",
    "found",
    "free_port",
    "milliseconds",
    "program",
    "table",
]

_CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, LOAD_CPU = str(_CPUS[0]), str(_CPUS[-1])
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 64


@dataclass
class Server:
    """A program that listens on `port`. As a context it runs: started, waited for, and stopped with its children."""

    name: str
    command: Sequence[str]
    port: int
    cpu: str = SERVER_CPU
    path: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    log: Path | None = None
    wrk: Sequence[str] = ()  # what its requests have beyond the URL

    def __enter__(self) -> Server:
        output = self.log.open("wb") if self.log else subprocess.DEVNULL
        self._process = subprocess.Popen(
            ["taskset", "-c", self.cpu, *self.command],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=os.environ | self.environment,
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        self.__exit__(None, None, None)
        raise RuntimeError(f"{self.name} did not start" + (f", see {self.log}" if self.log else ""))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def cpu_s(self) -> float:
        """User and system time of the process and its descendants so far."""
        return sum(map(cpu_of, _tree(self._process.pid)))


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw."""

    requests: int
    rps: float
    p50_ms: float
    p99_ms: float
    failures: str


@dataclass(frozen=True, slots=True)
class Row:
    """One server's medians, and its requests per CPU second as ratios to the base's, round by round."""

    name: str
    least: float
    median: float
    greatest: float
    cpu_us: float
    rps: float
    p50_ms: float
    p99_ms: float
    failures: str


def compare(servers: Sequence[Server], *, base: str, rounds: int, seconds: int) -> list[Row]:
    """Run the servers and put the same load on each in turn. `base` names the one that the others are held against."""
    loads, cpu_s = _interleaved(servers, rounds, seconds)
    per_cpu_s = {name: [load.requests / took for load, took in zip(loads[name], cpu_s[name])] for name in loads}
    rows = []
    for server in servers:
        own, mine = loads[server.name], per_cpu_s[server.name]
        ratios = [each / against for each, against in zip(mine, per_cpu_s[base], strict=True)]
        rows.append(
            Row(
                name=server.name,
                least=min(ratios),
                median=statistics.median(ratios),
                greatest=max(ratios),
                cpu_us=1e6 / statistics.median(mine),
                rps=statistics.median(load.rps for load in own),
                p50_ms=statistics.median(load.p50_ms for load in own),
                p99_ms=statistics.median(load.p99_ms for load in own),
                failures="; ".join(sorted({load.failures for load in own if load.failures})),
            )
        )
    return rows


def cpu_per_request(servers: Sequence[Server], *, rounds: int, seconds: int) -> Timings:
    """CPU time of each server for one request, round by round. Raises RuntimeError where a request failed."""
    loads, cpu_s = _interleaved(servers, rounds, seconds)
    for server in servers:
        if failures := {load.failures for load in loads[server.name] if load.failures}:
            raise RuntimeError(f"{server.name}: {failures}")
    return Timings(
        {name: [took / load.requests * 1e9 for load, took in zip(loads[name], cpu_s[name])] for name in loads}
    )


def _interleaved(
    servers: Sequence[Server], rounds: int, seconds: int
) -> tuple[dict[str, list[Load]], dict[str, list[float]]]:
    """What wrk saw, and the CPU seconds it cost, by server and round."""
    loads: dict[str, list[Load]] = {server.name: [] for server in servers}
    cpu_s: dict[str, list[float]] = {server.name: [] for server in servers}
    with ExitStack() as running:
        for server in servers:
            running.enter_context(server)
        if not any(server.wrk for server in servers):
            _answers_alike(servers)
        for server in servers:
            put_load(server, 1)
        for number in range(rounds):
            turn = number % len(servers)
            for server in [*servers[turn:], *servers[:turn]]:
                before = server.cpu_s()
                loads[server.name].append(put_load(server, seconds))
                cpu_s[server.name].append(max(server.cpu_s() - before, 1 / TICKS_PER_S))
    return loads, cpu_s


def table(title: str, rows: Sequence[Row]) -> str:
    """The rows as text."""
    lines = [
        title,
        f"{'':<28} {'min':>6} {'median':>6} {'max':>6} {'CPU us/req':>11} {'req/s':>8} {'p50 ms':>7} {'p99 ms':>7}",
    ]
    for row in rows:
        lines.append(
            f"{row.name:<28} {row.least:6.2f} {row.median:6.2f} {row.greatest:6.2f} {row.cpu_us:11.1f} {row.rps:8.0f}"
            f" {row.p50_ms:7.2f} {row.p99_ms:7.2f}  {row.failures}".rstrip()
        )
    return "\n".join(lines)


def put_load(server: Server, seconds: int, connections: int = CONNECTIONS) -> Load:
    """One run of wrk."""
    load = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *server.wrk, server.url]
    command = ["taskset", "-c", LOAD_CPU, *load]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    failures = re.findall(r"(Non-2xx or 3xx responses: \d+|Socket errors: .*)", output)
    return Load(
        requests=int(found(r"(\d+) requests in", output)),
        rps=float(found(r"Requests/sec:\s+([\d.]+)", output)),
        p50_ms=milliseconds(found(r"\n\s+50%\s+(\S+)", output)),
        p99_ms=milliseconds(found(r"\n\s+99%\s+(\S+)", output)),
        failures=", ".join(failures),
    )


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str) -> str:
    """The path of an installed program. Raises RuntimeError where it is missing."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError(f"this benchmark needs {name}: apt-get install {name}")
    return found


def _answers_alike(servers: Sequence[Server]) -> None:
    bodies = {}
    for server in servers:
        with urllib.request.urlopen(server.url, timeout=10) as response:
            bodies[server.name] = (response.status, response.read())
    if len(set(bodies.values())) != 1:
        raise RuntimeError(f"the servers do not give the same answer: {bodies!r:.500}")


def found(pattern: str, text: str) -> str:
    """What a pattern's group is in wrk's report. Raises RuntimeError where it is not there."""
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk did not report {pattern!r}: {text[-500:]}")
    return match[1]


def milliseconds(text: str) -> float:
    """A time as wrk writes it."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]  # wrk's own format
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]


def _tree(pid: int) -> list[int]:
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _tree(int(child))
    except OSError:
        pass  # it has just ended
    return found


def cpu_of(pid: int) -> float:
    """User and system time of one process so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0  # it has just ended
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
