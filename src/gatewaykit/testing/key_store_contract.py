"""What every store of API keys must do, as a test class: derive from it, say how a store is made, run pytest.

    class TestMyKeys(KeyStoreContract):
        async def make_store(self, clock):
            return MyKeys(clock, "…")            # the same place each time; it starts empty

`make_store` is called again where a test needs a second process: another object for the same place. A store that keeps
what it read looks for changes after `reload_s` of the clock's time at the latest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from hashlib import sha256
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, ClassVar

from gatewaykit.clock import VirtualClock
from gatewaykit.core.identity.api_key import ApiKey, hashed
from gatewaykit.testing.store_running import check_store

if TYPE_CHECKING:
    from gatewaykit.ports import KeyStore

__all__ = ["KeyStoreContract"]

_ACME, _NEXT, _BETA = "acme-key-0123456789", "next-key-0123456789", "beta-key-0123456789"
_KEY = ApiKey(id="k1", name="acme", value=hashed(_ACME))


class KeyStoreContract:
    """Derive, and write `make_store`."""

    reload_s: ClassVar[float] = 2.0

    async def make_store(self, clock: VirtualClock) -> KeyStore:
        raise NotImplementedError("say how a store is made: an async method that takes the clock")

    def test_a_key_is_found_by_its_digest_and_by_no_other(self) -> None:
        async def check(store: KeyStore, clock: VirtualClock) -> None:
            assert await store.put((_KEY, None))
            clock.advance(self.reload_s)
            assert await _find(store, _ACME) == _KEY
            for other in ("", _BETA, hashed(_ACME), _ACME + " ", _ACME.upper()):
                assert await _find(store, other) is None

        self._check(check)

    def test_everything_of_a_key_is_kept(self) -> None:
        async def check(store: KeyStore, clock: VirtualClock) -> None:
            whole = ApiKey(
                id="k2", name='Ünïcode \n "name"', value=hashed(_BETA), enabled=False,
                stages=frozenset({"dev", "prod"}), description="for tests", created_s=clock.wall(),
                expires_s=clock.wall() + 60, previous=hashed(_NEXT), previous_expires_s=clock.wall() + 30,
            )  # fmt: skip
            assert await store.put((whole, None))
            assert await store.put((_KEY, None))
            assert list(await store.list()) == [whole, _KEY]

        self._check(check)

    def test_both_values_of_a_rotated_key_are_found_until_one_is_dropped(self) -> None:
        async def check(store: KeyStore, clock: VirtualClock) -> None:
            rotated = replace(_KEY, value=hashed(_NEXT), previous=_KEY.value)
            assert await store.put((_KEY, None))
            assert await store.put((rotated, _KEY))
            clock.advance(self.reload_s)
            assert await _find(store, _ACME) == await _find(store, _NEXT) == rotated
            assert await store.put((replace(rotated, previous=""), rotated))
            clock.advance(self.reload_s)
            assert [await _find(store, value) is None for value in (_ACME, _NEXT)] == [True, False]

        self._check(check)

    def test_nothing_is_written_over_what_one_has_not_seen(self) -> None:
        async def check(store: KeyStore, clock: VirtualClock) -> None:
            disabled = replace(_KEY, enabled=False)
            assert not await store.put((disabled, _KEY))  # there is no such key
            assert await store.put((_KEY, None))
            assert not await store.put((disabled, None))  # there is one by now
            assert not await store.put((disabled, replace(_KEY, name="other")))
            assert list(await store.list()) == [_KEY]
            assert await store.put((disabled, _KEY))
            assert list(await store.list()) == [disabled]

        self._check(check)

    def test_no_two_keys_have_one_value(self) -> None:
        async def check(store: KeyStore, clock: VirtualClock) -> None:
            beta = ApiKey(id="k2", name="beta", value=hashed(_BETA))
            assert await store.put((_KEY, None))
            assert not await store.put((replace(beta, value=_KEY.value), None))
            assert not await store.put((replace(beta, previous=_KEY.value), None))
            assert await store.put((beta, None))
            assert not await store.put((replace(beta, value=_KEY.value), beta))
            assert list(await store.list()) == [_KEY, beta]

        self._check(check)

    def test_several_keys_are_written_all_or_none(self) -> None:
        async def check(store: KeyStore, clock: VirtualClock) -> None:
            beta, gone = ApiKey(id="k2", name="beta", value=hashed(_BETA)), replace(_KEY, id="k3", value=hashed(_NEXT))
            assert not await store.put((_KEY, None), (beta, None), (gone, gone))
            assert not await store.put((_KEY, None), (replace(beta, value=_KEY.value), None))
            assert list(await store.list()) == []
            assert await store.put((_KEY, None), (beta, None))
            swapped = replace(_KEY, value=hashed(_NEXT)), replace(beta, value=_KEY.value)
            assert await store.put((swapped[0], _KEY), (swapped[1], beta))
            assert list(await store.list()) == [*swapped]

        self._check(check)

    def test_a_removed_key_is_gone_and_its_value_is_free(self) -> None:
        async def check(store: KeyStore, clock: VirtualClock) -> None:
            assert await store.put((_KEY, None))
            assert await store.remove("k1")
            assert not await store.remove("k1")
            clock.advance(self.reload_s)
            assert await _find(store, _ACME) is None
            assert list(await store.list()) == []
            assert await store.put((replace(_KEY, id="k9"), None))

        self._check(check)

    def test_a_value_in_the_clear_is_never_written(self) -> None:
        async def check(store: KeyStore, clock: VirtualClock) -> None:
            for key in (replace(_KEY, value=_ACME), replace(_KEY, previous=_NEXT)):
                try:
                    await store.put((key, None))
                except ValueError:
                    continue
                raise AssertionError("a key that was not hashed was taken")
            assert list(await store.list()) == []

        self._check(check)

    def test_what_another_process_changes_holds_within_the_interval(self) -> None:
        async def check(store: KeyStore, clock: VirtualClock) -> None:
            other = await self.make_store(clock)
            try:
                assert await _find(store, _ACME) is None
                assert await other.put((_KEY, None))
                clock.advance(self.reload_s)
                assert await _find(store, _ACME) == _KEY
                assert await other.put((replace(_KEY, enabled=False), _KEY))
                clock.advance(self.reload_s)
                found = await _find(store, _ACME)
                assert found is not None
                assert not found.enabled
                assert await other.remove("k1")
                clock.advance(self.reload_s)
                assert await _find(store, _ACME) is None
            finally:
                await other.aclose()

        self._check(check)

    def test_who_writes_at_once_loses_nothing(self) -> None:
        async def check(store: KeyStore, clock: VirtualClock) -> None:
            other = await self.make_store(clock)
            try:
                keys = [ApiKey(id=f"k{n}", name=f"n{n}", value=hashed(f"{n:020}")) for n in range(20)]
                written = await asyncio.gather(
                    *((store, other)[number % 2].put((key, None)) for number, key in enumerate(keys))
                )
                assert all(written)
                assert sorted(key.id for key in await store.list()) == sorted(key.id for key in keys)
                first = keys[0]
                changes = [replace(first, description=str(number)) for number in range(10)]
                won = await asyncio.gather(
                    *((store, other)[number % 2].put((change, first)) for number, change in enumerate(changes))
                )
                assert sum(won) == 1
            finally:
                await other.aclose()

        self._check(check)

    def test_it_can_be_closed_twice_and_used_again(self) -> None:
        async def check(store: KeyStore, clock: VirtualClock) -> None:
            assert await store.put((_KEY, None))
            await store.aclose()
            await store.aclose()
            clock.advance(self.reload_s)
            assert await _find(store, _ACME) == _KEY

        self._check(check)

    def _check(self, check: Callable[[KeyStore, VirtualClock], Coroutine[Any, Any, None]]) -> None:
        check_store(self.make_store, check)


async def _find(store: KeyStore, value: str) -> ApiKey | None:
    found = store.find(sha256(value.encode()).digest())
    return await found if isawaitable(found) else found
