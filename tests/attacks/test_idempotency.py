"""Idempotency keys that are guessed, stolen or used twice at once."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from gatewaykit import PolicyMiddleware, idempotency
from gatewaykit.testing import Client

CALLERS = [
    {"authorization": "Bearer alice"}, {"authorization": "Bearer bob"}, {"x-api-key": "Bearer alice"},
    {"cookie": "session=alice"}, {"cookie": "session=bob"}, {"cookie": "Bearer alice"},
    {"authorization": "Bearer alice", "x-api-key": "bob"}, {},
]  # fmt: skip
KEYS = ["a", "b", "identity", "sent"]


class Bank:
    """Pays once for each call, and says to whom. Every call waits for its turn."""

    def __init__(self) -> None:
        self.paid: list[tuple[str, str, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        body = (await receive())["body"]
        who = repr([headers.get(name, b"") for name in (b"authorization", b"x-api-key", b"cookie")])
        self.paid.append((who, headers[b"idempotency-key"].decode(), body))
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": who.encode()})


async def test_in_any_order_nobody_gets_the_answer_of_another_and_nothing_is_paid_twice() -> None:
    bank = Bank()
    client = Client(PolicyMiddleware(bank, policies=[idempotency()]))
    picked = random.Random(7)

    async def pay() -> None:
        caller, key = picked.choice(CALLERS), picked.choice(KEYS)
        answer = await client.post("/pay", headers={**caller, "idempotency-key": key}, body=b"1")
        who = repr([caller.get(name, "").encode() for name in ("authorization", "x-api-key", "cookie")])
        assert answer.status == 409 or answer.body == who.encode()

    for _ in range(100):
        await asyncio.gather(*(pay() for _ in range(10)))

    assert len(bank.paid) == len(set(bank.paid)) == len(CALLERS) * len(KEYS)
    refused = await client.post("/pay", headers={**CALLERS[0], "idempotency-key": "a"}, body=b"1000000")
    assert refused.status == 422


async def test_a_flood_of_keys_takes_bounded_memory_and_no_key_that_is_under_way() -> None:
    began, may_go_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            began.set()
            await may_go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 200_000})

    client = Client(PolicyMiddleware(app, policies=[idempotency()]))
    slow = asyncio.create_task(client.post("/slow", headers={"idempotency-key": "slow"}))
    await began.wait()

    for number in range(400):  # 80 MB of answers
        await client.post("/", headers={"idempotency-key": f"k{number}"})
    again = await client.post("/slow", headers={"idempotency-key": "slow"})
    may_go_on.set()

    assert (again.status, again.json()["message"]) == (409, "A request with this Idempotency-Key is in progress")
    assert (await slow).status == 200
