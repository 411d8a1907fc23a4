"""`concurrency(...)`: so many requests of a key at once.

A rate says how many may begin; this says how many may be under way. API Gateway has nothing of the kind for its
callers; Lambda's reserved concurrency is the same idea behind it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gatewaykit.core.http import Request
from gatewaykit.core.permits import Entered
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError, Problem, StoreError
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.limit import WITHOUT_KEY, new_name, option_problems
from gatewaykit.policies.unawaited import Unawaited
from gatewaykit.ports import Policy
from gatewaykit.units import parse_duration

if TYPE_CHECKING:
    from gatewaykit.policies.by import KeyFunction
    from gatewaykit.ports import Answer, Runtime

__all__ = ["Concurrency", "concurrency"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency(Policy):
    """Requests in flight for each key; made by `concurrency`. One object used in several rules is one limit."""

    phase = "throttle"

    limit: int
    key: KeyFunction
    name: str
    without_key: str
    max_duration_s: float

    def bind(self, runtime: Runtime) -> Policy:
        if not hasattr(runtime.throttles, "permits"):
            what = "this store of limits does not count requests in flight"
            raise ConfigError(Problem(where="concurrency", what=what, mend="Use memory:// or redis://"))
        return _Bound(self, runtime)


def concurrency(
    *,
    limit: int,
    key: KeyFunction | None = None,
    name: str = "",
    without_key: Literal["refuse", "share"] = "refuse",
    max_duration: str | float = "15m",
) -> Concurrency:
    """Let each key have `limit` requests under way at once; one more is a 429 (Reason.CONCURRENCY_EXCEEDED).

    A request is under way until the last byte of its answer is sent, a WebSocket until it is closed, whatever happens
    to it. `key`, `name` and `without_key` are those of `throttle`. With a store in Redis the limit holds over all
    processes; there a request that takes longer than `max_duration` counts no more, so that those of a process that
    died come back.

    >>> from gatewaykit import by, concurrency
    >>> reports = concurrency(limit=2, key=by.api_key)
    """
    problems = list(option_problems("concurrency", key, name, without_key))
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        problems.append(
            Problem(where="concurrency.limit", what=f"{limit!r:.60} is not a number of requests, 0 or more")
        )
    max_duration_s = 0.0
    try:
        max_duration_s = parse_duration(max_duration)
        if not 0.001 <= max_duration_s <= 30 * 86400:
            what = f"{max_duration!r} is not between 1 ms and 30 days"
            problems.append(Problem(where="concurrency.max_duration", what=what))
    except ValueError as error:
        problems.append(Problem(where="concurrency.max_duration", what=str(error)))
    if problems or key is None:
        raise ConfigError(problems)
    return Concurrency(
        limit=limit, key=key, name=name or new_name("concurrency"), without_key=without_key,
        max_duration_s=max_duration_s,
    )  # fmt: skip


class _Bound(Bound):
    def __init__(self, config: Concurrency, runtime: Runtime) -> None:
        self._config, self._entropy = config, runtime.entropy
        store: Any = runtime.throttles
        self._permits = store.permits(config.name, config.limit, config.max_duration_s)
        self._unawaited = Unawaited(f"{config.name}: a permit could not be given back, and ends by itself")
        super().__init__(config.name, on_request=self._asked, on_end=None if runtime.look_only else self._ended)
        self._look_only = runtime.look_only

    async def aclose(self) -> None:
        await self._unawaited.aclose()

    def _asked(self, request: Request) -> Answer | Awaitable[Answer]:
        config = self._config
        key: object = config.key(request)
        if not isinstance(key, str):
            if key is not None or config.without_key != "share":
                detail = f"{config.name}: the key function gave {type(key).__name__}, not a text"
                return Refusal(Reason.LIMIT_KEY_MISSING, detail)
            key = WITHOUT_KEY
        holder = self._entropy(16)
        entered = self._permits.enter(key, holder)
        if isinstance(entered, Entered):
            return self._judge(request, entered, key, holder)
        return self._judge_later(request, entered, key, holder)

    async def _judge_later(self, request: Request, entering: Awaitable[Entered], key: str, holder: bytes) -> Answer:
        try:
            entered = await entering
        except BaseException:  # cancelled, say: whether the permit was given is not known
            if not self._look_only:
                self._leave(key, holder)
            raise
        return self._judge(request, entered, key, holder)

    def _judge(self, request: Request, entered: Entered, key: str, holder: bytes) -> Answer:
        if not entered.allowed:
            detail = f"{self._config.name}: {entered.in_flight} requests are under way, and {self._config.limit} may be"
            return Refusal(Reason.CONCURRENCY_EXCEEDED, detail, headers=((b"retry-after", b"1"),))
        if not self._look_only:
            request.kept = request.kept or {}
            request.kept[self] = key, holder
        return request

    def _ended(self, request: Request) -> None:
        held = None if request.kept is None else request.kept.pop(self, None)
        if held is not None:
            self._leave(*held)

    def _leave(self, key: str, holder: bytes) -> None:
        try:
            self._unawaited.add(self._permits.leave(key, holder))
        except StoreError as error:
            self._unawaited.failed(error)
