"""Quotas in a SQLite database: the contract, restarts, clocks, and what becomes of old days."""

from __future__ import annotations

import itertools
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from gatewaykit.clock import VirtualClock
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket
from gatewaykit.errors import StoreError
from gatewaykit.stores.sqlite_limits import SqliteThrottleStore
from gatewaykit.testing.usage_store_contract import UsageStoreContract

DAY_S = 86400
_NUMBERS = itertools.count()


class TestSqliteThrottleStore(UsageStoreContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path

    async def make_store(self, clock: VirtualClock) -> SqliteThrottleStore:
        return SqliteThrottleStore(str(self.tmp_path / f"{next(_NUMBERS)}.db"), clock)


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "limits.db")


async def counted(place: str, clock: VirtualClock, quota: Quota, *keys: str) -> list[int | None]:
    """What is left after a request of each key, of a store that is opened and closed again."""
    store = SqliteThrottleStore(place, clock)
    verb = store.quota("plan:p", quota)
    answers = [verb(key) for key in keys]
    await store.aclose()
    return [answer.remaining if answer.allowed else None for answer in answers]


async def used(place: str, clock: VirtualClock, quota: Quota, key: str, days: int) -> list[tuple[int, int]]:
    """Usage of so many days until today, as another process sees it."""
    store = SqliteThrottleStore(place, clock, reads=True)
    found = await store.usage("plan:p", quota, [key], clock.wall() - (days - 1) * DAY_S, clock.wall())
    await store.aclose()
    return found[key]


async def test_what_was_used_and_granted_is_known_after_a_restart(place: str) -> None:
    clock, quota = VirtualClock("2026-01-30T12:00Z"), Quota(5, "MONTH", offset=1)

    assert await counted(place, clock, quota, "key", "key") == [3, 2]
    assert await counted(place, clock, quota, "key") == [1]
    store = SqliteThrottleStore(place, clock)
    await store.extend("plan:p", quota, "key", 3)
    await store.aclose()
    assert await counted(place, clock, quota, "key", "other") == [2, 3]
    clock.advance("1d")
    assert await counted(place, clock, quota, "key", "key", "key", "key") == [1, 0, None, None]
    clock.advance("1d")
    assert await counted(place, clock, quota, "key") == [4]  # the first month is over, and with it the offset
    assert await used(place, clock, quota, "key", 4) == [(0, 4), (4, 2), (2, 0), (1, 4)]


@pytest.mark.parametrize("key", ["", "line\r\nline\n", "\0", "\udcff\ud800", "é" * 5000, "'; DROP TABLE used; --"])
async def test_any_key_is_known_after_a_restart(place: str, key: str) -> None:
    clock = VirtualClock()

    assert [await counted(place, clock, Quota(2, "DAY"), key) for _ in range(3)] == [[1], [0], [None]]


async def test_a_changed_limit_keeps_what_was_used(place: str) -> None:
    clock = VirtualClock()

    assert await counted(place, clock, Quota(3, "DAY"), "key", "key") == [2, 1]
    assert await counted(place, clock, Quota(10, "DAY"), "key") == [7]
    assert await counted(place, clock, Quota(2, "DAY"), "key") == [None]
    assert await counted(place, clock, Quota(2, "WEEK"), "key") == [1]


async def test_throttles_are_of_the_process_and_open_no_database(place: str) -> None:
    store = SqliteThrottleStore(place, VirtualClock())

    assert store.bucket("b", Bucket(1.0, 1))("key").allowed
    await store.aclose()
    assert not os.path.exists(place)  # noqa: ASYNC240 - a test may wait for its disk


def modes(directory: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


async def test_the_files_are_their_owners(place: str, tmp_path: Path) -> None:
    store = SqliteThrottleStore(place, VirtualClock())
    store.quota("q", Quota(3, "DAY"))("key")
    await store.flush()

    assert modes(tmp_path) == {0o600}
    await store.aclose()


async def test_stores_of_one_process_share_a_file_and_the_last_closes_it(place: str) -> None:
    clock, quota = VirtualClock(), Quota(3, "DAY")
    one, other = SqliteThrottleStore(place, clock), SqliteThrottleStore(place, clock)
    first, second = one.quota("q", quota), other.quota("q", quota)

    assert [verb("key").remaining for verb in (first, second)] == [2, 1]
    await one.aclose()
    assert second("key").remaining == 0
    await other.aclose()
    assert threading.active_count() == 1 or not any("quotas" in each.name for each in threading.enumerate())


async def test_a_closed_store_opens_again_when_it_is_asked(place: str) -> None:
    clock, quota = VirtualClock(), Quota(9, "WEEK")
    store = SqliteThrottleStore(place, clock)
    verb, both = store.quota("q", quota), store.limits("q", (quota, Bucket(1.0, 9)))
    look = store.looking().quota("q", quota)
    answers = []
    for _ in range(3):
        answers += [look("key").remaining, verb("key").remaining, both(("key", "key")).taken[0].remaining]  # type: ignore[union-attr]  # it applies
        await store.aclose()
        clock.advance("1d")

    assert answers == [8, 8, 7, 6, 6, 5, 4, 4, 3]


async def test_a_clock_that_was_set_back_stays_where_it_was(place: str) -> None:
    quota = Quota(2, "DAY")

    assert await counted(place, VirtualClock("2026-03-01T00:30Z"), quota, "key", "key", "key") == [1, 0, None]
    assert await counted(place, VirtualClock("2026-02-28T23:30Z"), quota, "key", "other") == [None, 1]
    assert await counted(place, VirtualClock("2026-03-01T01:00Z"), quota, "key", "other") == [None, 0]
    assert await counted(place, VirtualClock("2026-03-02T00:00Z"), quota, "key") == [1]


async def test_what_a_wrong_clock_counted_far_ahead_is_dropped(place: str, caplog: pytest.LogCaptureFixture) -> None:
    quota = Quota(2, "MONTH")

    assert await counted(place, VirtualClock("2026-03-01T00:30Z"), quota, "key") == [1]
    assert await counted(place, VirtualClock("2031-03-01T00:30Z"), quota, "key", "key") == [1, 0]
    assert await counted(place, VirtualClock("2026-03-02T00:30Z"), quota, "key", "key") == [1, 0]
    assert "1 counts of days to come were dropped: a clock was wrong" in caplog.text


async def test_days_that_are_too_old_go(place: str) -> None:
    clock, quota = VirtualClock("2026-01-01T12:00Z"), Quota(5, "DAY")
    for _ in range(130):
        await counted(place, clock, quota, "key")
        clock.advance("1d")

    assert days_in(place) == 123
    assert await used(place, clock, quota, "key", 92) == [(1, 4)] * 91 + [(0, 5)]


def days_in(place: str) -> int:
    database = sqlite3.connect(place)
    (found,) = database.execute("SELECT count(DISTINCT day) FROM used").fetchone()
    database.close()
    return int(found)


async def test_more_rows_than_keys_are_held_go_with_the_oldest_days_first(place: str) -> None:
    clock, quota = VirtualClock("2026-01-31T12:00Z"), Quota(5, "DAY")
    store = SqliteThrottleStore(place, clock, max_keys=10)
    verb = store.quota("plan:p", quota)
    for _ in range(4):
        for number in range(4):
            verb(f"key-{number}")
        await store.flush()
        clock.advance("1d")
    await store.aclose()

    assert days_in(place) == 2  # with the last day there were 16 rows: two days went


async def test_keys_over_the_cap_share_a_quota_after_a_restart_too(place: str) -> None:
    clock, quota = VirtualClock(), Quota(2, "DAY")
    answers = []
    for keys in (("a", "b", "c"), ("c", "d", "a", "b")):
        store = SqliteThrottleStore(place, clock, max_keys=2)
        verb = store.quota("q", quota)
        answers.append([verb(key).allowed for key in keys])
        await store.aclose()

    assert answers == [[True, True, True], [True, False, True, True]]


async def test_no_count_is_missed_while_the_other_thread_writes(place: str) -> None:
    clock, quota = VirtualClock(), Quota(10**9, "MONTH")
    store = SqliteThrottleStore(place, clock, flush_s=1e-4)
    verb, both = store.quota("plan:p", quota), store.limits("plan:p", (quota, Quota(10**9, "DAY")))
    for number in range(20_000):
        verb(f"key-{number % 97}")
        both((f"key-{number % 89}", "all"))
        if number % 5000 == 4999:
            clock.advance("1d")
    await store.aclose()

    again = SqliteThrottleStore(place, clock)
    look = again.looking().quota("plan:p", quota)
    assert sum(10**9 - look(f"key-{number}").remaining - 1 for number in range(97)) == 40_000
    days = await again.usage("plan:p", Quota(10**9, "DAY"), ["all"], clock.wall() - 4 * DAY_S, clock.wall() - DAY_S)
    assert [day[0] for day in days["all"]] == [5000] * 4
    await again.aclose()


async def test_a_store_that_only_looks_takes_nothing_and_locks_nothing(place: str) -> None:
    clock, quota = VirtualClock(), Quota(3, "DAY")
    nothing = SqliteThrottleStore(place, clock, reads=True)
    assert nothing.quota("plan:p", quota)("key").remaining == 2
    assert await used(place, clock, quota, "key", 1) == [(0, 3)]
    assert not os.path.exists(place)  # noqa: ASYNC240 - a test may wait for its disk

    store = SqliteThrottleStore(place, clock)
    verb = store.quota("plan:p", quota)
    verb("key")
    await store.flush()
    looking = SqliteThrottleStore(place, clock, reads=True)
    assert [looking.quota("plan:p", quota)("key").remaining for _ in range(3)] == [1, 1, 1]
    assert looking.quota("plan:new", quota)("key").remaining == 2
    assert await used(place, clock, quota, "key", 1) == [(1, 2)]
    with pytest.raises(StoreError, match="is only looked at"):
        await looking.extend("plan:p", quota, "key", 9)
    verb("key")
    assert await used(place, clock, quota, "key", 1) == [(1, 2)]
    assert (await store.usage("plan:p", quota, ["key"], clock.wall(), clock.wall()))["key"] == [(2, 1)]
    assert await used(place, clock, quota, "key", 1) == [(2, 1)]
    for each in (nothing, looking, store):
        await each.aclose()
