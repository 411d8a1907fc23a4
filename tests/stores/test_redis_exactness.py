"""Many processes and the same limits: never one over, and at least 99 % of what they allow. `make exact` runs longer.

With leases too, the whole is never one over (a token is taken before it is spent), and what has a quota is exact; at
the end each process may hold a slice, and have left an empty bucket alone for half a lease.

GATEWAYKIT_EXACT_RUNS and GATEWAYKIT_EXACT_SECONDS say how often and how long.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.peers.limit_callers import Demand
from tests.peers.redis import running

ROOT = Path(__file__).parent.parent.parent
RUNS = int(os.environ.get("GATEWAYKIT_EXACT_RUNS", "2"))
SECONDS = float(os.environ.get("GATEWAYKIT_EXACT_SECONDS", "1.5"))
PROCESSES = 3


@pytest.mark.needs("redis-server")
@pytest.mark.timeout(120 + 4 * SECONDS)
@pytest.mark.parametrize("lease_s", [pytest.param(0.0, id="exact"), pytest.param(0.01, id="leases of 10 ms")])
@pytest.mark.parametrize("seed", range(RUNS))
def test_processes_together_get_what_the_limits_allow_and_never_one_more(seed: int, lease_s: float) -> None:
    chance = random.Random(seed)
    rate, burst = chance.choice([0.0, 20.0, 100.0, 333.3]), chance.randint(1, 100)
    rate *= 3 if lease_s else 1  # slices of several tokens
    quota, once, tasks = chance.randint(1, 300), chance.randint(0, 200), chance.randint(2, 24)
    with running() as server:
        callers = [
            subprocess.Popen([sys.executable, "-m", "tests.peers.limit_callers", json.dumps(asdict(demand))],
                             cwd=ROOT, stdout=subprocess.PIPE, text=True)
            for demand in (
                Demand(port=server.port, gateway="exact", seed=1000 * seed + number, rate=rate, burst=burst,
                       quota=quota, once=once, tasks=tasks, seconds=SECONDS, lease_s=lease_s)
                for number in range(PROCESSES)
            )
        ]  # fmt: skip
        said = [json.loads(caller.communicate()[0]) for caller in callers]

    began, ended = [one["began_us"] for one in said], [one["ended_us"] for one in said]
    whole_s, crowded_s = (max(ended) - min(began)) / 1e6, max(0.0, (min(ended) - max(began)) / 1e6)
    admitted = sum((Counter(one["admitted"]) for one in said), Counter[str]())
    at_most, at_least = burst + rate * whole_s + 0.01, 0.99 * (burst + rate * crowded_s) - 1
    at_least -= PROCESSES * max(1.0, rate * lease_s) if lease_s else 0.0
    cold = {key: admitted[f"bucket {key}"] for key in (f"cold-{number}" for number in range(10))}
    print(f"seed {seed}: lease {lease_s:g} rate {rate} burst {burst} quota {quota} once {once} tasks {tasks} in",
          f"{crowded_s:.2f} s: {admitted['bucket hot']} of {at_most:.1f}, asked {admitted['asked hot']}")  # fmt: skip
    assert admitted["asked hot"] > 2 * admitted["bucket hot"]  # demand was over the limit
    assert at_least <= admitted["bucket hot"] <= at_most  # a token that is not whole yet is nobody's
    assert all(count <= at_most for count in cold.values())
    assert lease_s or all(count >= min(admitted[f"asked {key}"], burst) for key, count in cold.items())
    assert admitted["quota"] == quota
    assert admitted["once"] == once
    assert over_in_an_interval([span for one in said for span in one["hot"]], rate, lease_s) <= burst + 0.1
    assert min(at_least, quota, once) <= admitted["several"] <= min(at_most, quota, once)


def over_in_an_interval(spans: list[list[float]], rate: float, lease_s: float) -> float:
    """The most that any interval has over rate x its length.

    What was admitted at the end of a span was taken in the span, or one lease before its end. So an interval is longer
    by a lease, or by the longest span.
    """
    longer_s = max((lease_s, *(ended - began for began, ended in spans)))
    least = most = 0.0
    for number, at in enumerate(sorted(ended for _, ended in spans)):
        least = min(least, number - rate * at) if number else -rate * at
        most = max(most, number + 1 - rate * at - least)
    return most - rate * longer_s
