"""Quotas in a SQLite database: the contract, restarts, faults, and processes that are killed."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from gatewaykit.clock import VirtualClock
from gatewaykit.core.quota import Quota
from gatewaykit.stores.sqlite_limits import SqliteThrottleStore
from gatewaykit.testing.usage_store_contract import UsageStoreContract

_NUMBERS = itertools.count()


class TestSqliteThrottleStore(UsageStoreContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path

    async def make_store(self, clock: VirtualClock) -> SqliteThrottleStore:
        return SqliteThrottleStore(str(self.tmp_path / f"{next(_NUMBERS)}.db"), clock)


async def test_what_was_used_is_known_after_a_restart(tmp_path: Path) -> None:
    clock, place = VirtualClock("2026-01-30T12:00Z"), str(tmp_path / "q.db")
    quota = Quota(5, "MONTH", offset=1)
    first = SqliteThrottleStore(place, clock)
    verb = first.quota("plan:p", quota)
    assert [verb("key").remaining for _ in range(2)] == [3, 2]
    await first.aclose()

    second = SqliteThrottleStore(place, clock)
    verb = second.quota("plan:p", quota)
    assert verb("key").remaining == 1
    clock.advance("1d")
    assert verb("key").remaining == 0
    clock.advance("1d")
    assert verb("key").remaining == 4
    assert await second.usage("plan:p", quota, ["key"], clock.wall() - 3 * 86400, clock.wall()) == {
        "key": [(0, 4), (3, 1), (1, 0), (1, 4)]
    }
    await second.aclose()
