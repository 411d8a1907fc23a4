"""One process of many that ask some limits at once, as fast as they are answered: run by the exactness tests.

    python -m tests.peers.limit_callers '{"port": 6379, "gateway": "g", "rate": 100, "burst": 5, …}'

It prints one JSON object: what was admitted by each limit, and when, on the server's clock; and for each request that
`hot` had admitted, when it asked and had its answer, on the monotonic clock of the machine. Four of five requests have
the key `hot`; the rest are spread over ten keys.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket
from gatewaykit.stores.leases import LeasedThrottleStore
from gatewaykit.stores.redis import RedisThrottleStore
from gatewaykit.stores.redis_connection import RedisAddress, RedisConnections
from gatewaykit.stores.resp import command

__all__ = ["Demand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one process asks for: `tasks` callers, for so many seconds, of limits with these settings."""

    port: int
    gateway: str
    seed: int
    rate: float
    burst: int
    quota: int
    once: int  # the burst of a bucket that never refills
    tasks: int
    seconds: float
    lease_s: float = 0.0


async def main(demand: Demand) -> None:
    address = RedisAddress(port=demand.port, timeout_s=30)
    store: Any = RedisThrottleStore(address, gateway=demand.gateway)
    if demand.lease_s:
        store = LeasedThrottleStore(store, demand.lease_s)
    clock = RedisConnections(address)
    rate = Bucket(demand.rate, demand.burst)
    bucket, quota = store.bucket("exact", rate), store.quota("exact", Quota(demand.quota, "MONTH"))
    once = store.bucket("once", Bucket(0.0, demand.once))
    several = store.limits("several", (rate, Quota(demand.quota, "MONTH"), Bucket(0.0, demand.once)))
    hot: list[tuple[float, float]] = []
    admitted, chance = Counter[str](), random.Random(demand.seed)

    async def server_us() -> int:
        said: Any = await clock.call(command([b"TIME"]))
        return int(said[0]) * 10**6 + int(said[1])

    loop, began = asyncio.get_running_loop(), await server_us()
    end = loop.time() + demand.seconds

    async def ask() -> None:
        while loop.time() < end:
            key = "hot" if chance.random() < 0.8 else f"cold-{chance.randrange(10)}"
            asked_s = time.monotonic()
            answer = await bucket(key)
            if answer.allowed and key == "hot":
                hot.append((asked_s, time.monotonic()))
            admitted[f"bucket {key}"] += answer.allowed
            admitted[f"asked {key}"] += 1
            answer = await quota("key")
            admitted["quota"] += answer.allowed
            answer = await once("key")
            admitted["once"] += answer.allowed
            decided = await several(("key", "key", "key"))
            admitted["several"] += decided.refused is None

    await asyncio.gather(*(ask() for _ in range(demand.tasks)))
    print(json.dumps({"began_us": began, "ended_us": await server_us(), "admitted": admitted, "hot": hot}))
    await store.aclose()
    await clock.aclose()


if __name__ == "__main__":
    asyncio.run(main(Demand(**json.loads(sys.argv[1]))))
