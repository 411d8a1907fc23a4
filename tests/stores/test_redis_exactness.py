"""Many processes and one limit: never one over, and at least 99 % of what it allows. `make exact` runs it for longer.

GATEWAYKIT_EXACT_RUNS and GATEWAYKIT_EXACT_SECONDS say how often and how long.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.peers.redis import running

ROOT = Path(__file__).parent.parent.parent
RUNS = int(os.environ.get("GATEWAYKIT_EXACT_RUNS", "2"))
SECONDS = float(os.environ.get("GATEWAYKIT_EXACT_SECONDS", "1.5"))
PROCESSES = 3


@pytest.mark.needs("redis-server")
@pytest.mark.timeout(120 + 4 * SECONDS)
@pytest.mark.parametrize("seed", range(RUNS))
def test_processes_together_get_what_the_limit_allows_and_never_one_more(seed: int) -> None:
    chance = random.Random(seed)
    rate, burst, limit = chance.choice([20.0, 100.0, 333.3]), chance.randint(1, 100), chance.randint(1, 300)
    tasks = chance.randint(2, 24)
    with running() as server:
        command = [sys.executable, "-m", "tests.peers.limit_callers", str(server.port), f"seed-{seed}"]
        options = [str(value) for value in (rate, burst, limit, tasks, SECONDS)]
        callers = [
            subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        said = [json.loads(caller.communicate()[0]) for caller in callers]

    whole_s = (max(_each(said, "ended_us")) - min(_each(said, "began_us"))) / 1e6
    crowded_s = max(0.0, (min(_each(said, "ended_us")) - max(_each(said, "began_us"))) / 1e6)
    admitted = sum(_each(said, "bucket"))
    assert sum(_each(said, "asked")) > 2 * admitted  # demand was over the limit
    assert admitted <= burst + rate * whole_s + 0.01
    assert admitted >= 0.99 * (burst + rate * crowded_s) - 1  # a token that is not whole yet is nobody's
    assert sum(_each(said, "quota")) == limit


def _each(said: list[dict[str, Any]], name: str) -> list[int]:
    return [int(one[name]) for one in said]
