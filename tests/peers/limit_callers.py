"""One process of many that ask one limit at once, as fast as they are answered: run by the exactness tests.

    python -m tests.peers.limit_callers PORT GATEWAY RATE BURST QUOTA TASKS SECONDS

It prints one JSON object: what was admitted by the bucket and by the quota, and when, on the server's clock.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket
from gatewaykit.stores.redis import RedisThrottleStore
from gatewaykit.stores.redis_connection import RedisAddress, RedisConnections
from gatewaykit.stores.resp import command


async def main(port: int, gateway: str, rate: float, burst: int, limit: int, tasks: int, seconds: float) -> None:
    address = RedisAddress(port=port, timeout_s=30)
    store, clock = RedisThrottleStore(address, gateway=gateway), RedisConnections(address)
    bucket, quota = store.bucket("exact", Bucket(rate, burst)), store.quota("exact", Quota(limit, "MONTH"))
    admitted = {"bucket": 0, "quota": 0, "asked": 0}

    async def server_us() -> int:
        time: Any = await clock.here().call(command([b"TIME"]))
        return int(time[0]) * 10**6 + int(time[1])

    began = await server_us()
    end = asyncio.get_running_loop().time() + seconds

    async def ask() -> None:
        while asyncio.get_running_loop().time() < end:
            one, other = await bucket("key"), await quota("key")
            admitted["bucket"] += one.allowed
            admitted["quota"] += other.allowed
            admitted["asked"] += 1

    await asyncio.gather(*(ask() for _ in range(tasks)))
    print(json.dumps({"began_us": began, "ended_us": await server_us(), **admitted}))
    await store.aclose()
    await clock.aclose()


if __name__ == "__main__":
    port, gateway, rate, burst, limit, tasks, seconds = sys.argv[1:]
    asyncio.run(main(int(port), gateway, float(rate), int(burst), int(limit), int(tasks), float(seconds)))
