"""What `import gatewaykit` costs, in interpreters of their own. `policies` are the middleware and three of them.

python -m benchmarks --only import
"""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter
from typing import Final

from benchmarks.inproc import Timings
from benchmarks.report import Line, at_most, line, say

__all__ = ["run"]

_CASES: Final = {
    "empty": "pass",
    "gatewaykit": "import gatewaykit",
    "policies": "from gatewaykit import PolicyMiddleware, api_key, by, cors, throttle",
    "asyncio": "import asyncio",
    "starlette": "import starlette.applications",
    "fastapi": "import fastapi",
}


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    say("  interpreters")
    rounds: dict[str, list[float]] = {name: [] for name in _CASES}
    names = list(_CASES)
    for number in range(-1, 7 if quick else 31):  # the first warms the file cache and the byte code
        turn = number % len(names)
        for name in (*names[turn:], *names[:turn]):
            started = perf_counter()
            subprocess.run([sys.executable, "-c", _CASES[name]], check=True)
            if number >= 0:
                rounds[name].append((perf_counter() - started) * 1e9)
    times = Timings(rounds)
    lines = [
        line("import", f"{name} / starlette.applications", times.added_ratios(name, "starlette", "empty"), target)
        for name, target in (("gatewaykit", at_most(0.1)), ("policies", None))
    ]
    for name in names[1:]:
        added_ms = [each / 1000 for each in times.added_us(name, "empty")]
        lines.append(line("import", f"{name}, over an empty interpreter", added_ms, unit="ms"))
    return lines
