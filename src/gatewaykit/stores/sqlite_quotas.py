"""Quotas in a SQLite database: counted in memory, written by a thread, in groups.

Rules
* One process counts. It holds the lock of the database; another that would is told who does. Readers need no lock.
* Every `flush_s` the thread writes what was counted since, in one transaction, and waits for the disk. So a process
  that is killed loses what it counted in the last `flush_s`, and while that was written; one that ends loses nothing.
* While the database cannot be written (a full disk, somebody's lock, a file gone bad), counting goes on in memory, and
  what is not on the disk is tried again with the next group. `failures` counts, and the log says so, and when it ends.
* A fork does not take the lock along: the child asks for it when it first counts.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, RLock, Thread
from typing import Final
from weakref import WeakValueDictionary

from gatewaykit.clock import Clock
from gatewaykit.core.quota import window
from gatewaykit.core.usage import DAY_S, Day
from gatewaykit.errors import ConfigError, Problem, StoreError
from gatewaykit.stores.sqlite_counts import KeptCounts, Loaded
from gatewaykit.stores.sqlite_file import Locked, create_private, lock_of, writing
from gatewaykit.stores.sqlite_rows import add_quota, days_of, drop_days_ahead, last_day, number_of, prune, used, write
from gatewaykit.stores.sqlite_schema import check_schema, make_schema
from gatewaykit.units import instant_text

__all__ = ["QuotaFile"]

log = logging.getLogger(__name__)

_LOCK_WAIT_S: Final = 2.0  # for a process that is just closing
_BUSY_S: Final = 1.0  # how long a write waits for whoever else writes
_LOG_EVERY_S: Final = 10.0
_RETRY_S: Final = 1.0  # a database that could not be opened is not tried again before


class QuotaFile:
    """One database, for all stores of this process that name it. With `reads`, it is only looked at."""

    _database: sqlite3.Connection | None
    _held: sqlite3.Connection | None
    _why_not: ConfigError | None
    _is_failing: bool

    def __init__(self, place: str, clock: Clock, *, flush_s: float, max_keys: int, reads: bool = False) -> None:
        self.place, self.reads = place, reads
        self._clock, self._flush_s, self._max_keys = clock, flush_s, max_keys
        self.failures = 0
        self._counts: dict[tuple[str, str], KeptCounts] = {}
        self._users: set[object] = set()
        self._is_left = False
        self._begin()

    @classmethod
    def shared(cls, place: str, clock: Clock, *, flush_s: float, max_keys: int) -> QuotaFile:
        """The one of this process. While it is open, its settings are those of who came first."""
        place = os.path.realpath(place)
        file = _FILES.get(place)
        if file is None or file._is_left:
            file = _FILES[place] = cls(place, clock, flush_s=flush_s, max_keys=max_keys)
        return file

    def counts(self, name: str, period: str, user: object) -> KeptCounts:
        """The counts of a quota, loaded. Raises ConfigError. The file is open until all users have left."""
        with self._lock:
            counts = self._counts.get((name, period))
            if counts is None:
                counts = KeptCounts(name, period, self._max_keys, self._clock.wall, self)
                counts.load()
                self._counts[name, period] = counts
            self._users.add(user)
            return counts

    def leave(self, user: object) -> None:
        """What was counted is on the disk after it. With the last user the file is closed; it opens when needed."""
        with self._lock:
            self._users.discard(user)
            if self._users:
                self.flush()
            else:
                self._is_left = True
                self.close()

    def close(self) -> None:
        """Write what is left, and let another process have it."""
        self._stop.set()
        with self._lock:
            if self._database is not None and not self.reads and not self.flush():
                lost = sum(len(list(counts.rows())) for counts in self._counts.values())
                log.error("%s: the last counts of %d keys are lost: it could not be written", self.place, lost)
            for counts in self._counts.values():
                counts.forget()
            for connection in (self._database, self._held):
                if connection is not None:
                    connection.close()
            self._database = self._held = None

    def load(self, name: str, period: str, now_s: float) -> Loaded:
        """What is known of a quota. Raises ConfigError where the file cannot be used, or another process has it."""
        with self._lock, self._opened() as database:
            if database is None:
                return Loaded(0, window(period, now_s)[0], now_s, {}, {}, {})
            quota, first_s = self._number(database, name, period, now_s)
            today = int(now_s) // DAY_S
            if not self.reads:
                self._drop_days_ahead(database, quota, today)
            reached = max(today, last_day(database, quota, today))
            reached_s = now_s if reached == today else float(reached * DAY_S)
            start = int(window(period, reached_s)[0]) // DAY_S
            return Loaded(quota, first_s, reached_s, *used(database, quota, start, reached))

    def flush(self) -> bool:
        """Write what was counted since the last time. False where that failed; it stays to be written."""
        with self._lock:
            groups = [(counts, list(counts.rows())) for counts in self._counts.values()]
            values = [
                (counts.quota, row.key, row.day, row.charged, row.granted) for counts, rows in groups for row in rows
            ]
            if not values:
                return True
            try:
                self._write(values)
            except (sqlite3.Error, OSError) as error:
                for counts, rows in groups:
                    counts.note(rows)
                self._failed(error)
                return False
            if self._is_failing:
                self._is_failing = False
                log.warning("%s: quotas can be written again", self.place)
            return True

    def days(self, name: str, period: str, keys: Sequence[str]) -> tuple[float, dict[str, dict[float, Day]]]:
        """The first window of a quota, and what is known of the days of keys. Raises StoreError."""
        with self._lock:
            if not self.reads and not self.flush():
                raise StoreError(f"{self.place} cannot be written at the moment, so it does not have the latest usage")
            try:
                with self._opened() as database:
                    if database is None:
                        return -1.0, {key: {} for key in keys}
                    quota, first_s = self._number(database, name, period, self._clock.wall())
                    return first_s, {key: days_of(database, quota, key) for key in keys}
            except ConfigError as error:
                raise StoreError(str(error)) from None

    # ------------------------------------------------------------------------------------------------ parts

    def _begin(self) -> None:
        """Closed, as at first, and in the child of a fork."""
        self._lock, self._stop = RLock(), Event()
        self._database = self._held = self._why_not = None
        self._is_failing, self._log_at_s, self._unlogged = False, -math.inf, 0
        self._retry_at_s, self._pruned_day = -math.inf, -1

    def forked(self) -> None:
        """In the child: the connections are the parent's. They are kept, so that nothing closes them here."""
        _OF_PARENTS.extend(each for each in (self._database, self._held) if each is not None)
        self._begin()
        for counts in self._counts.values():
            counts.forget()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection | None]:
        """The database; None where it is only looked at and is not there. Raises ConfigError for what goes wrong."""
        if self._why_not is not None and self._clock.monotonic() < self._retry_at_s:
            raise ConfigError(self._why_not.problems)
        try:
            if self._database is None:
                self._open()
            yield self._database
        except (sqlite3.Error, OSError, ValueError, Locked) as error:  # ValueError: a NUL in the name
            self._why_not = ConfigError(self._in_use() if isinstance(error, Locked) else self._problem(error))
            self._retry_at_s = self._clock.monotonic() + _RETRY_S
            raise self._why_not from None

    def _open(self) -> None:
        if self.reads:
            if os.path.exists(self.place):
                self._database = self._connected()
            return
        create_private(self.place)
        held = lock_of(self.place, 0.0 if self._counts else _LOCK_WAIT_S)  # requests wait where it is opened again
        try:
            database = self._connected()
            with writing(database):
                database.execute("DELETE FROM holder")
                database.execute("INSERT INTO holder VALUES (?, ?)", (os.getpid(), self._clock.wall()))
        except BaseException:
            held.close()
            raise
        self._database, self._held, self._stop, self._why_not = database, held, Event(), None
        self._inode = os.stat(self.place).st_ino
        Thread(target=self._run, args=(self._stop,), name="gatewaykit quotas", daemon=True).start()

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.place, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            if self.reads:
                database.execute("PRAGMA query_only = ON")
            else:
                make_schema(database)
                database.execute("PRAGMA synchronous = FULL")
            check_schema(database)
        except BaseException:
            database.close()
            raise
        return database

    def _problem(self, error: Exception) -> Problem:
        what = f"the database of quotas cannot be used: {getattr(error, 'strerror', None) or error}"
        is_bad = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        mend = "Move it away, or bring back a copy; without it quotas begin anew" if is_bad else ""
        return Problem(where=self.place, what=what, mend=mend)

    def _in_use(self) -> Problem:
        """Who has the lock."""
        who = "another process"
        try:
            database = sqlite3.connect(self.place, timeout=_BUSY_S)
            try:
                pid, since_s = database.execute("SELECT pid, since FROM holder").fetchone()
                who = f"process {pid}, since {instant_text(since_s)}"
            finally:
                database.close()
        except (sqlite3.Error, TypeError):  # it is just being made, say
            pass
        return Problem(
            where=self.place,
            what=f"the database of quotas is in use by {who}",
            why="one process counts for a database",
            mend="Stop that process, or give this one a file of its own; redis:// is for many processes",
        )

    def _number(self, database: sqlite3.Connection, name: str, period: str, now_s: float) -> tuple[int, float]:
        """The number of a quota in the database, and the start of the window in which it began to run."""
        found = number_of(database, name, period)
        if found is None:
            first = int(window(period, now_s)[0]) // DAY_S
            found = (0 if self.reads else add_quota(database, name, period, first)), first
        return found[0], float(found[1] * DAY_S)

    def _drop_days_ahead(self, database: sqlite3.Connection, quota: int, today: int) -> None:
        if dropped := drop_days_ahead(database, quota, today):
            log.warning("%s: %d counts of days to come were dropped: a clock was wrong", self.place, dropped)

    def _run(self, stop: Event) -> None:
        while not stop.wait(self._flush_s):
            self.flush()

    def _write(self, values: Sequence[tuple[int, str, int, int, int]]) -> None:
        database = self._database
        if database is None:
            raise sqlite3.OperationalError("it is closed")
        if os.stat(self.place).st_ino != self._inode:
            raise sqlite3.OperationalError("another file stands in its place; start anew to count there")
        write(database, values)
        today = max(day for _, _, day, _, _ in values)
        if today > self._pruned_day:
            running = {counts.quota: int(counts.start_s) // DAY_S for counts in self._counts.values()}
            prune(database, today, running, self._max_keys)
            self._pruned_day = today

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self._unlogged += 1
        self._is_failing = True
        now = self._clock.monotonic()
        if now >= self._log_at_s:
            self._log_at_s = now + _LOG_EVERY_S
            log.error(
                "%s: quotas cannot be written (%d times since the last line): %s. They are counted in memory, and"
                " written once they can be", self.place, self._unlogged, error,
            )  # fmt: skip
            self._unlogged = 0


_FILES: Final[WeakValueDictionary[str, QuotaFile]] = WeakValueDictionary()
_OF_PARENTS: Final[list[sqlite3.Connection]] = []


def _each(act: Callable[[QuotaFile], None]) -> None:
    for file in list(_FILES.values()):
        act(file)


atexit.register(_each, QuotaFile.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _each(QuotaFile.forked))
