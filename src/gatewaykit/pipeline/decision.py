"""Run a chain without an event loop: what would this request get?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from gatewaykit.core.http import Identity, LimitState, Request, Response
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError
from gatewaykit.pipeline.chain import ASKED

if TYPE_CHECKING:
    from gatewaykit.pipeline.chain import Chain

__all__ = ["Decision", "decide", "decide_waiting", "drive"]

T = TypeVar("T")
_BY_POLICY: Final = (Reason.DENIED_IMPLICITLY, Reason.DENIED_EXPLICITLY)
_HAS_TO_WAIT: Final = (
    "decide runs without an event loop, and a policy of this route has to wait (a remote store, an upstream): "
    "use the in-process client of gatewaykit.testing, or an in-memory store"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the policies of a route say to a request. `response` is None when it would reach the integration."""

    request: Request
    refusal: Refusal | None = None
    response: Response | None = None

    @property
    def allowed(self) -> bool:
        """True when every policy let the request through to what stands behind them."""
        return self.response is None

    @property
    def reason(self) -> Reason | None:
        """Why it was refused; None when it was not."""
        return None if self.refusal is None else self.refusal.reason

    @property
    def detail(self) -> str:
        """The operator's exact reason; never sent to a client."""
        return "" if self.refusal is None else self.refusal.detail

    @property
    def status(self) -> int | None:
        return None if self.response is None else self.response.status

    @property
    def credential(self) -> str:
        """Which credential was found, and where, as far as the policies said; secrets are masked."""
        return self._noted("credential")

    @property
    def authorization(self) -> str:
        """What decided: which statement of which policy, or what holds or fails of a credential."""
        noted = self._noted("authorization")
        if self.reason not in _BY_POLICY or self.detail in noted:
            return noted
        return f"{noted}; {self.detail}" if noted else self.detail

    @property
    def cache(self) -> str:
        """What caches say of the request: what is kept for it, or why it passes by."""
        return self._noted("cache")

    @property
    def identity(self) -> Identity | None:
        return self.request.identity

    @property
    def limits(self) -> list[LimitState]:
        return self.request.limits

    def _noted(self, phase: str) -> str:
        return "; ".join(text for noted, text in self.request.events or () if noted == phase)


def decide(chain: Chain, request: Request) -> Decision:
    """Drive the chain's policies, and only them. Tokens are taken. Raises ConfigError when a policy has to wait."""
    return drive(_decide(chain, request, _complain_of_waiting))


async def decide_waiting(chain: Chain, request: Request) -> Decision:
    """The same on an event loop, where policies may wait."""
    return await _decide(chain, request, lambda refusal: None)


async def _decide(chain: Chain, request: Request, check: Callable[[Refusal], None]) -> Decision:
    if request.events is None:
        request.events = []
    request.kept = {ASKED: True}
    answer = chain.start(request)
    try:
        if not isinstance(answer, (Request, Response, Refusal)):
            answer = await answer
        if answer is request:
            return Decision(request=request)
        outcome = cast("Response | Refusal", answer)
        if isinstance(outcome, Refusal):
            check(outcome)
        response = await chain.finish(request, outcome, request.reached)
        return Decision(request=request, refusal=outcome if isinstance(outcome, Refusal) else None, response=response)
    finally:
        chain.end(request)


def drive(waiting: Awaitable[T]) -> T:
    """The result of an awaitable that never really waits. Raises ConfigError when it does."""
    import asyncio

    if not isinstance(waiting, Coroutine):
        waiting = _awaiting(waiting)
    # Also in an async test no loop is there for what runs here: nothing could give it the time to run.
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        waiting.send(None)
    except StopIteration as done:
        return cast(T, done.value)
    finally:
        asyncio._set_running_loop(loop)
    waiting.close()
    raise ConfigError(_HAS_TO_WAIT)


def _complain_of_waiting(refusal: Refusal) -> None:
    if refusal.cause is not None and _wanted_a_loop(refusal.cause):
        raise ConfigError(_HAS_TO_WAIT) from refusal.cause


def _wanted_a_loop(error: BaseException) -> bool:
    """Whether a hook failed only because there was no event loop to wait on."""
    if str(error) == "no running event loop":
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith("asyncio.")


async def _awaiting(waiting: Awaitable[Any]) -> Any:
    return await waiting
