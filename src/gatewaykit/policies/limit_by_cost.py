"""What a throttle or a quota with a cost does: take it, and settle the rest when the response has said what it was.

Settling runs once, in `on_end`, whatever happened. What the response did not say (the client left, the back end failed
in the middle, a stream broke off) costs what was reserved. What never reached the back end costs nothing.

A store that answers later is told in a task of its own: nobody waits for it. `aclose` waits for all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, cast

from gatewaykit.core.http import Head, LimitState, Request, Response
from gatewaykit.core.outcome import may_have_run
from gatewaykit.core.reasons import Refusal
from gatewaykit.errors import StoreError
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.cost import RequestCost, SettledCost
from gatewaykit.policies.limit import WITHOUT_KEY, Answers, Limit
from gatewaykit.policies.unawaited import Unawaited
from gatewaykit.ports import Decided

if TYPE_CHECKING:
    from gatewaykit.core.limits import Limit as CoreLimit
    from gatewaykit.core.metering import Reader
    from gatewaykit.policies.cost import Cost
    from gatewaykit.ports import Answer, BodyWrapper, ChargeVerb, Runtime

__all__ = ["limiting_by_cost"]

_ENCODINGS: Final = (b"accept-encoding",)


def limiting_by_cost(limit: Limit, counted: CoreLimit, cost: Cost, runtime: Runtime) -> Bound:
    """The hooks of a limit whose requests have a cost."""
    if isinstance(cost, SettledCost):
        return _Settling(limit, counted, cost, runtime)
    return _Costing(limit, counted, cost, runtime)


class _Costing(Bound):
    def __init__(self, limit: Limit, counted: CoreLimit, cost: Cost, runtime: Runtime) -> None:
        self._limit, self._answers = limit, Answers(limit)
        self._take = runtime.throttles.limits(limit.name, (counted,))
        self._cost = _cost_of(cost)
        on_head = self._answers.on_head if limit.headers else None
        super().__init__(limit.name, on_request=self._asked, on_head=on_head)

    def _asked(self, request: Request) -> Answer | Awaitable[Answer]:
        key: object = self._limit.key(request)
        if not isinstance(key, str):
            if key is not None or self._limit.without_key != "share":
                return self._answers.no_key(key)
            key = WITHOUT_KEY
        cost = self._cost(request)
        if isinstance(cost, Refusal):
            return cost
        decided = self._take((key,), cost)
        if isinstance(decided, Decided):
            return self._judge(request, decided, key, cost)
        return self._judge_later(request, decided, key, cost)

    async def _judge_later(self, request: Request, decided: Awaitable[Decided], key: str, cost: int) -> Answer:
        return self._judge(request, await decided, key, cost)

    def _judge(self, request: Request, decided: Decided, key: str, cost: int) -> Answer:
        (taken,) = decided.taken
        assert taken is not None  # there was a key
        request.limits.append(LimitState(self._limit.name, self._limit.size, taken.remaining, taken.reset_s))
        return request if decided.refused is None else self._answers.refuse(taken, cost)


class _Settling(_Costing):
    def __init__(self, limit: Limit, counted: CoreLimit, cost: SettledCost, runtime: Runtime) -> None:
        super().__init__(limit, counted, cost.reserve, runtime)
        self._charge: ChargeVerb = runtime.throttles.charge(limit.name, (counted,))
        self._settled = cost
        self._unawaited = Unawaited(f"{limit.name}: a request could not be settled and costs what was reserved")
        self.on_end = None if runtime.look_only else self._ended
        if cost.path is None:
            self.on_head = self._headed
        else:
            self.rewrites, self.wrap_body = True, self._watched

    async def aclose(self) -> None:
        await self._unawaited.aclose()

    def _judge(self, request: Request, decided: Decided, key: str, cost: int) -> Answer:
        answer = super()._judge(request, decided, key, cost)
        if answer is request:
            request.kept = request.kept or {}
            request.kept[self] = _Bill(key)
            if self._settled.path is not None and b"accept-encoding" in request.headers:
                request.header_list = [field for field in request.header_list if field[0].lower() not in _ENCODINGS]
                request.headers = {name.lower(): value for name, value in request.header_list}
        return answer

    def _headed(self, request: Request, head: Head) -> None:
        bill = self._bill(request)
        if bill is not None and request.refusal is None:
            bill.amount = self._settled.of_head(head)
        if self._limit.headers:
            self._answers.on_head(request, head)

    def _watched(self, request: Request, head: Head) -> BodyWrapper | None:
        bill = self._bill(request)
        if bill is None or request.refusal is not None or (reader := self._settled.reader(head)) is None:
            return None
        if isinstance(head, Response) and isinstance(head.body, bytes):  # it is all here: nothing to watch
            reader.feed(head.body)
            bill.amount = self._settled.of_body(reader)
            return None
        return _Watching(reader, bill, self._settled)

    def _ended(self, request: Request) -> None:
        bill = self._bill(request)
        if bill is None:
            return
        amount = bill.amount
        if request.refusal is not None and not may_have_run(request.refusal):
            amount = 0
        if amount is None or amount == self._settled.reserve:
            return
        try:
            self._unawaited.add(self._charge((bill.key,), amount - self._settled.reserve))
        except StoreError as error:
            self._unawaited.failed(error)

    def _bill(self, request: Request) -> _Bill | None:
        return None if request.kept is None else cast("_Bill | None", request.kept.get(self))


class _Bill:
    """Whose request it is, and what it has cost once that is known."""

    __slots__ = ("amount", "key")

    def __init__(self, key: str) -> None:
        self.key = key
        self.amount: int | None = None


class _Watching:
    """Reads along with a body that passes."""

    __slots__ = ("_bill", "_cost", "_reader")

    observes = True

    def __init__(self, reader: Reader, bill: _Bill, cost: SettledCost) -> None:
        self._reader, self._bill, self._cost = reader, bill, cost

    def __call__(self, chunk: bytes, more: bool, /) -> bytes:
        self._reader.feed(chunk)
        if not more:
            self._bill.amount = self._cost.of_body(self._reader)
        return chunk


def _cost_of(cost: Cost) -> Callable[[Request], int | Refusal]:
    if isinstance(cost, int):
        fixed = cost
        return lambda request: fixed
    if isinstance(cost, RequestCost):
        return cost.of
    given = cast("Callable[[Request], int]", cost)

    def checked(request: Request) -> int | Refusal:
        amount = given(request)
        if isinstance(amount, bool) or not isinstance(amount, int) or amount < 0:
            raise TypeError(f"a cost is a whole number, 0 or more, not {amount!r:.60}")
        return amount

    return checked
