"""What every store of idempotency keys must do, as a test class: derive from it, say how a store is made, run pytest.

    class TestMyKeys(IdempotencyStoreContract):
        async def make_store(self, clock):
            return MyKeys(clock)                 # it starts empty

A store that has a clock of its own sets `tells_time = False`; that things are over in time is then its own to test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from gatewaykit.clock import VirtualClock
from gatewaykit.core.idempotency import NEW, Begun, Verdict
from gatewaykit.testing.store_running import check_store

if TYPE_CHECKING:
    from gatewaykit.ports import IdempotencyStore

__all__ = ["IdempotencyStoreContract"]

T = TypeVar("T")
_KEY, _OTHER_KEY = b"k" * 32, b"K" * 32
_ORDER, _OTHER_ORDER = b"r" * 32, b"R" * 32
_ME, _YOU = b"m" * 16, b"y" * 16
_HOLD_S, _KEEP_S = 60.0, 3600.0


class IdempotencyStoreContract:
    """Derive, and write `make_store`."""

    tells_time: ClassVar[bool] = True

    async def make_store(self, clock: VirtualClock) -> IdempotencyStore:
        raise NotImplementedError("say how a store is made: an async method that takes the clock")

    def test_the_first_request_starts_and_the_next_ones_wait_for_it(self) -> None:
        async def check(store: IdempotencyStore, clock: VirtualClock) -> None:
            assert await _begin(store, holder=_ME) == NEW
            for holder in (_YOU, _ME):
                busy = await _begin(store, holder=holder)
                assert busy.verdict is Verdict.BUSY
                assert 0 < busy.retry_after_s <= _HOLD_S
            assert await _begin(store, key=_OTHER_KEY) == NEW

        self._check(check)

    def test_an_answer_is_given_again_with_every_byte_of_it(self) -> None:
        async def check(store: IdempotencyStore, clock: VirtualClock) -> None:
            for key, answer in ((_KEY, bytes(range(256)) * 2000), (_OTHER_KEY, b"")):
                await _begin(store, key=key)
                assert await _now(store.finish(key, _ME, answer, _KEEP_S))
                for _ in range(2):
                    assert await _begin(store, key=key, holder=_YOU) == Begun(Verdict.REPLAY, answer)

        self._check(check)

    def test_a_key_with_another_request_is_a_mismatch_before_and_after_the_answer(self) -> None:
        async def check(store: IdempotencyStore, clock: VirtualClock) -> None:
            await _begin(store)
            assert (await _begin(store, request=_OTHER_ORDER)).verdict is Verdict.MISMATCH
            await _now(store.finish(_KEY, _ME, b"answer", _KEEP_S))
            assert (await _begin(store, request=_OTHER_ORDER)).verdict is Verdict.MISMATCH
            assert await _begin(store) == Begun(Verdict.REPLAY, b"answer")

        self._check(check)

    def test_a_key_that_was_given_back_is_free(self) -> None:
        async def check(store: IdempotencyStore, clock: VirtualClock) -> None:
            await _begin(store, holder=_ME)
            await _now(store.release(_KEY, _ME))
            assert await _begin(store, request=_OTHER_ORDER, holder=_YOU) == NEW

        self._check(check)

    def test_nobody_but_the_holder_finishes_or_gives_back(self) -> None:
        async def check(store: IdempotencyStore, clock: VirtualClock) -> None:
            await _begin(store, holder=_ME)
            assert not await _now(store.finish(_KEY, _YOU, b"forged", _KEEP_S))
            assert not await _now(store.finish(_OTHER_KEY, _ME, b"never begun", _KEEP_S))
            await _now(store.release(_KEY, _YOU))
            assert (await _begin(store)).verdict is Verdict.BUSY
            assert await _now(store.finish(_KEY, _ME, b"answer", _KEEP_S))
            assert not await _now(store.finish(_KEY, _ME, b"again", _KEEP_S))
            await _now(store.release(_KEY, _ME))
            assert await _begin(store) == Begun(Verdict.REPLAY, b"answer")

        self._check(check)

    def test_looking_writes_nothing(self) -> None:
        async def check(store: IdempotencyStore, clock: VirtualClock) -> None:
            assert await _now(store.look(_KEY, _ORDER)) == NEW
            assert await _begin(store) == NEW
            assert (await _now(store.look(_KEY, _ORDER))).verdict is Verdict.BUSY
            assert (await _now(store.look(_KEY, _OTHER_ORDER))).verdict is Verdict.MISMATCH
            await _now(store.finish(_KEY, _ME, b"answer", _KEEP_S))
            assert await _now(store.look(_KEY, _ORDER)) == Begun(Verdict.REPLAY, b"answer")

        self._check(check)

    def test_what_is_held_or_kept_is_over_when_its_time_is(self) -> None:
        async def check(store: IdempotencyStore, clock: VirtualClock) -> None:
            if not self.tells_time:
                return
            await _begin(store, holder=_ME)
            clock.advance(_HOLD_S - 1)
            assert (await _begin(store, holder=_YOU)).verdict is Verdict.BUSY
            clock.advance(1)
            assert await _begin(store, holder=_YOU) == NEW
            assert not await _now(store.finish(_KEY, _ME, b"too late", _KEEP_S))
            assert await _now(store.finish(_KEY, _YOU, b"answer", _KEEP_S))
            clock.advance(_KEEP_S - 1)
            assert await _begin(store) == Begun(Verdict.REPLAY, b"answer")
            clock.advance(1)
            assert await _begin(store) == NEW

        self._check(check)

    def test_of_many_at_once_one_starts(self) -> None:
        async def check(store: IdempotencyStore, clock: VirtualClock) -> None:
            begun = await asyncio.gather(*(_begin(store, holder=number.to_bytes(16, "big")) for number in range(1, 40)))
            assert [each.verdict for each in begun].count(Verdict.START) == 1

        self._check(check)

    def test_it_can_be_closed_and_used_again(self) -> None:
        async def check(store: IdempotencyStore, clock: VirtualClock) -> None:
            await _begin(store)
            await store.aclose()
            assert (await _begin(store)).verdict is Verdict.BUSY
            await store.aclose()

        self._check(check)

    def _check(self, check: Callable[[IdempotencyStore, VirtualClock], Coroutine[Any, Any, None]]) -> None:
        check_store(self.make_store, check)


async def _begin(store: IdempotencyStore, *, key: bytes = _KEY, request: bytes = _ORDER, holder: bytes = _ME) -> Begun:
    return await _now(store.begin(key, request, holder, _HOLD_S))


async def _now(answer: T | Awaitable[T]) -> T:
    return await answer if isinstance(answer, Awaitable) else answer
