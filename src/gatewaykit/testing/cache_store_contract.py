"""What every store of responses must do, as a test class: derive from it, say how a store is made, run pytest.

    class TestMyCache(CacheStoreContract):
        async def make_store(self, clock):
            return MyCache(clock)                # it starts empty

A store that has a clock of its own sets `tells_time = False`; that things are over in time is then its own to test.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from gatewaykit.clock import VirtualClock
from gatewaykit.core.caching.entry import Entry
from gatewaykit.testing.store_running import check_store

if TYPE_CHECKING:
    from gatewaykit.ports import CacheSpace, CacheStore

__all__ = ["CacheStoreContract"]

T = TypeVar("T")
_KEY, _OTHER, _FR, _DE = b"k" * 16, b"o" * 16, b"fr", b"de"
_ENTRY = Entry(
    200, [(b"x", b"\xff\x00"), (b"x", b"2")], bytes(range(256)), 1_768_478_400.0, 60.0, 1.5, ((b"a", b"1"),),
    ("red", "r\u00e9d"), "shop/pets/1",
)  # fmt: skip


class CacheStoreContract:
    """Derive, and write `make_store`."""

    tells_time: ClassVar[bool] = True

    async def make_store(self, clock: VirtualClock) -> CacheStore:
        raise NotImplementedError("say how a store is made: an async method that takes the clock")

    def test_what_is_put_is_given_as_it_was_and_nothing_else_is(self) -> None:
        async def check(space: CacheSpace) -> None:
            assert [*await _now(space.get(_KEY))] == [None]
            assert [*await _now(space.get(_KEY, _FR))] == [None, None]
            assert await _now(space.put(_KEY, _ENTRY, 60))
            assert [*await _now(space.get(_KEY))] == [_ENTRY]
            assert [*await _now(space.get(_OTHER))] == [None]

        self._check(check)

    def test_variants_stand_beside_what_is_under_the_key_itself(self) -> None:
        async def check(space: CacheSpace) -> None:
            marker, french = replace(_ENTRY, status=0, body=b""), replace(_ENTRY, body=b"fr")
            await _now(space.put(_KEY, marker, 60))
            await _now(space.put(_KEY, french, 60, variant=_FR))
            assert [*await _now(space.get(_KEY, _FR))] == [marker, french]
            assert [*await _now(space.get(_KEY, _DE))] == [marker, None]
            assert [*await _now(space.get(_KEY))] == [marker]

        self._check(check)

    def test_what_is_put_again_takes_the_place_of_the_old(self) -> None:
        async def check(space: CacheSpace) -> None:
            new = replace(_ENTRY, body=b"new", url="elsewhere", tags=())
            await _now(space.put(_KEY, _ENTRY, 60))
            await _now(space.put(_KEY, new, 60))
            assert [*await _now(space.get(_KEY))] == [new]
            assert await _now(space.purge(tag="red")) == 0
            assert await _now(space.purge(prefix="shop/")) == 0
            assert (await _now(space.use())).entries == 1

        self._check(check)

    def test_large_bodies_come_back_whole(self) -> None:
        async def check(space: CacheSpace) -> None:
            large = replace(_ENTRY, body=bytes(range(256)) * 8192)
            assert await _now(space.put(_KEY, large, 60))
            assert [*await _now(space.get(_KEY))] == [large]
            await _now(space.drop(_KEY))
            assert [*await _now(space.get(_KEY))] == [None]

        self._check(check)

    def test_what_is_over_is_not_given(self) -> None:
        async def check(space: CacheSpace, clock: VirtualClock) -> None:
            assert not await _now(space.put(_OTHER, _ENTRY, 0))
            await _now(space.put(_KEY, _ENTRY, 60))
            await _now(space.put(_KEY, _ENTRY, 30, variant=_FR))
            clock.advance("30s")
            assert [*await _now(space.get(_KEY, _FR))] == [_ENTRY, None]
            clock.advance("30s")
            assert [*await _now(space.get(_KEY))] == [None]

        if self.tells_time:
            self._check_with_clock(check)

    def test_a_drop_forgets_a_key_with_its_variants_and_no_other(self) -> None:
        async def check(space: CacheSpace) -> None:
            for variant in (b"", _FR, _DE):
                await _now(space.put(_KEY, _ENTRY, 60, variant=variant))
            await _now(space.put(_OTHER, _ENTRY, 60))
            await _now(space.drop(_KEY))
            await _now(space.drop(b"n" * 16))
            for variant in (_FR, _DE):
                assert [*await _now(space.get(_KEY, variant))] == [None, None]
            assert [*await _now(space.get(_OTHER))] == [_ENTRY]

        self._check(check)

    def test_a_purge_by_prefix_and_one_by_tag(self) -> None:
        async def check(space: CacheSpace) -> None:
            for number in range(3):
                entry = replace(_ENTRY, url=f"shop/a/{number}", tags=("all", f"t{number}"))
                await _now(space.put(b"%016d" % number, entry, 60))
            await _now(space.put(_KEY, replace(_ENTRY, url="shop/ab", tags=()), 60, variant=_FR))
            assert await _now(space.purge(prefix="shop/a/1")) == 1
            assert await _now(space.purge(tag="t1")) == 0
            assert await _now(space.purge(tag="t2")) == 1
            assert await _now(space.purge(tag="nobody's")) == 0
            assert await _now(space.purge(prefix="shop/a")) == 2
            assert await _now(space.purge(prefix="")) == 0
            assert (await _now(space.use())).entries == 0

        self._check(check)

    def test_a_flush_forgets_all_of_its_space_and_nothing_of_another(self) -> None:
        async def check(store: CacheStore, clock: VirtualClock) -> None:
            one, other = store.space("one"), store.space("other")
            for space in (one, other):
                await _now(space.put(_KEY, _ENTRY, 60))
                await _now(space.put(_KEY, _ENTRY, 60, variant=_FR))
            await _now(one.flush())
            assert [*await _now(one.get(_KEY, _FR))] == [None, None]
            assert [*await _now(other.get(_KEY, _FR))] == [_ENTRY, _ENTRY]

        check_store(self.make_store, check)

    def test_a_claim_is_more_than_those_before_it(self) -> None:
        async def check(space: CacheSpace) -> None:
            first = await _now(space.claim(_KEY, 60))
            assert first > 0
            await _now(space.release(_KEY, first))
            assert await _now(space.claim(_KEY, 60)) > first
            assert await _now(space.claim(_OTHER, 60)) > first

        self._check(check)

    def test_a_claim_is_void_once_its_key_was_dropped_or_all_was_purged_or_flushed(self) -> None:
        async def check(space: CacheSpace) -> None:
            for forget in (lambda: space.drop(_KEY), lambda: space.purge(tag="red"), space.flush):
                claim = await _now(space.claim(_KEY, 60))
                await _now(cast(Any, forget()))
                assert not await _now(space.put(_KEY, _ENTRY, 60, claim=claim))
                assert [*await _now(space.get(_KEY))] == [None]
                await _now(space.release(_KEY, claim))
                again = await _now(space.claim(_KEY, 60))
                assert again > claim
                assert await _now(space.put(_KEY, _ENTRY, 60, claim=again))
                await _now(space.drop(_KEY))

        self._check(check)

    def test_a_drop_leaves_the_claims_of_other_keys(self) -> None:
        async def check(space: CacheSpace) -> None:
            claim = await _now(space.claim(_KEY, 60))
            await _now(space.drop(_OTHER))
            assert await _now(space.put(_KEY, _ENTRY, 60, claim=claim))

        self._check(check)

    def test_of_a_store_that_is_shared_one_at_a_time_has_a_claim(self) -> None:
        async def check(store: CacheStore, clock: VirtualClock) -> None:
            space = store.space("space")
            first = await _now(space.claim(_KEY, 60))
            second = await _now(space.claim(_KEY, 60))
            assert (second == 0) is store.shared
            await _now(space.release(_KEY, first))
            assert await _now(space.claim(_KEY, 60)) > first

        check_store(self.make_store, check)

    def test_what_came_of_a_claim_gives_it_back(self) -> None:
        async def check(space: CacheSpace) -> None:
            claim = await _now(space.claim(_KEY, 60))
            await _now(space.put(_KEY, _ENTRY, 60, claim=claim))
            assert await _now(space.claim(_KEY, 60)) > claim

        self._check(check)

    def test_what_is_in_it_is_counted_without_the_markers(self) -> None:
        async def check(space: CacheSpace) -> None:
            await _now(space.put(_KEY, replace(_ENTRY, status=0), 60))
            await _now(space.put(_KEY, _ENTRY, 60, variant=_FR))
            await _now(space.get(_KEY, _FR))
            await _now(space.get(_OTHER))
            await _now(space.get(_KEY))  # a marker: what it tells of is looked up then
            await _now(space.get(_OTHER, again=True))
            await _now(space.get(_KEY, _FR, again=True))
            use = await _now(space.use())
            assert (use.entries, use.hits, use.misses, use.stored) == (1, 1, 1, 2)
            assert use.bytes >= len(_ENTRY.body)

        self._check(check)

    # ------------------------------------------------------------------ inside

    def _check(self, check: Callable[[CacheSpace], Awaitable[None]]) -> None:
        check_store(self.make_store, lambda store, clock: check(store.space("space")))

    def _check_with_clock(self, check: Callable[[CacheSpace, VirtualClock], Awaitable[None]]) -> None:
        check_store(self.make_store, lambda store, clock: check(store.space("space"), clock))


async def _now(answer: T | Awaitable[T]) -> T:
    return await answer if isinstance(answer, Awaitable) else answer
