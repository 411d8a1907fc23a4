"""Waiting for a token instead of refusing: what `throttle(max_wait=…)` does.

The bucket itself says how long: a request that finds it empty takes its token in advance, and waits for the instant at
which that is there. So requests go on in the order they came, at the bucket's rate, in all processes that share it. One
that would wait for longer than `max_wait` is refused, as is one that finds `max_waiting` of this process waiting. One
that is given up while it waits gives its token back.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from gatewaykit.core.http import LimitState, Request
from gatewaykit.errors import StoreError
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.limit import WITHOUT_KEY, Answers, Limit
from gatewaykit.policies.unawaited import Unawaited
from gatewaykit.ports import Taken
from gatewaykit.waiting import pause

if TYPE_CHECKING:
    from gatewaykit.core.throttle import Bucket
    from gatewaykit.ports import Answer, Runtime

__all__ = ["shaping"]


def shaping(limit: Limit, bucket: Bucket, max_waiting: int, runtime: Runtime) -> Bound:
    """The hooks of a throttle whose requests wait."""
    return _Shaping(limit, bucket, max_waiting, runtime)


class _Shaping(Bound):
    def __init__(self, limit: Limit, bucket: Bucket, max_waiting: int, runtime: Runtime) -> None:
        self._limit, self._answers, self._max_waiting = limit, Answers(limit), max_waiting
        self._take = runtime.throttles.bucket(limit.name, bucket)
        self._give_back = runtime.throttles.charge(limit.name, (bucket,))
        self._clock, self._look_only = runtime.clock, runtime.look_only
        self._unawaited = Unawaited(f"{limit.name}: a token could not be given back")
        self._waiting = 0
        on_head = self._answers.on_head if limit.headers else None
        super().__init__(limit.name, on_request=self._asked, on_head=on_head)

    async def aclose(self) -> None:
        await self._unawaited.aclose()

    def _asked(self, request: Request) -> Answer | Awaitable[Answer]:
        key: object = self._limit.key(request)
        if not isinstance(key, str):
            if key is not None or self._limit.without_key != "share":
                return self._answers.no_key(key)
            key = WITHOUT_KEY
        taken = self._take(key)
        if isinstance(taken, Taken):
            return self._judge(request, taken, key)
        return self._judge_later(request, taken, key)

    async def _judge_later(self, request: Request, taking: Awaitable[Taken], key: str) -> Answer:
        answer = self._judge(request, await taking, key)
        return await answer if isinstance(answer, Awaitable) else answer

    def _judge(self, request: Request, taken: Taken, key: str) -> Answer | Awaitable[Answer]:
        limit, wait_s = self._limit, taken.retry_after_s
        request.limits.append(LimitState(limit.name, limit.size, taken.remaining, taken.reset_s))
        if not taken.allowed:
            return self._answers.refuse(taken)
        if not wait_s:
            return request
        if self._look_only:
            request.note("throttle", f"{limit.name}: it would wait {wait_s:.3g} s")
            return request
        if self._waiting >= self._max_waiting:
            self._back(key)
            return self._answers.refuse(taken._replace(allowed=False))
        return self._wait(request, key, wait_s)

    async def _wait(self, request: Request, key: str, wait_s: float) -> Answer:
        self._waiting += 1
        try:
            await pause(self._clock, wait_s)
        except BaseException:  # it was given up
            self._back(key)
            raise
        finally:
            self._waiting -= 1
        request.note("throttle", f"{self._limit.name}: waited {wait_s:.3g} s")
        return request

    def _back(self, key: str) -> None:
        try:
            self._unawaited.add(self._give_back((key,), -1))
        except StoreError as error:
            self._unawaited.failed(error)
