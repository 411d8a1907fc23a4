"""Idempotency keys in a SQLite database: for the processes of one machine, and over a restart.

A key is a row of `idempotency`; the time is the wall clock, which the processes share. Each verb is one transaction, in
a worker thread. Keys whose time is over go when others come, a few at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from threading import Lock
from typing import Final, TypeVar

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.core import idempotency as steps
from gatewaykit.core.idempotency import NEW, Begun, Record
from gatewaykit.errors import StoreError
from gatewaykit.stores.sqlite_file import create_private, into_wal_mode, writing
from gatewaykit.waiting import in_thread

__all__ = ["SqliteIdempotencyStore"]

_BUSY_S: Final = 10.0  # how long a writer waits for another
_AT_A_TIME: Final = 20  # keys that are over and go with one that comes
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS idempotency (key BLOB PRIMARY KEY, request BLOB NOT NULL, until_s REAL NOT NULL, "
    "holder BLOB NOT NULL, answer BLOB NOT NULL) WITHOUT ROWID"
)
_BY_TIME: Final = "CREATE INDEX IF NOT EXISTS idempotency_until ON idempotency (until_s)"
_OVER: Final = (
    "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE until_s <= ? ORDER BY until_s LIMIT ?)"
)

T = TypeVar("T")


class SqliteIdempotencyStore:
    """Idempotency keys in a database, which is made when it is not there."""

    def __init__(self, place: str, clock: Clock = SYSTEM) -> None:
        self._place, self._now = place, clock.wall
        self._lock = Lock()  # worker threads take turns with the one connection
        self._connection: sqlite3.Connection | None = None

    async def begin(self, key: bytes, request: bytes, holder: bytes, hold_s: float) -> Begun:
        def step(database: sqlite3.Connection, now: float) -> Begun:
            database.execute(_OVER, (now, _AT_A_TIME))
            record, begun = steps.begin(_record(database, key), request, holder, now, hold_s)
            if begun is NEW:
                _write(database, key, record)
            return begun

        return await self._step(step)

    async def look(self, key: bytes, request: bytes) -> Begun:
        return await self._step(
            lambda database, now: steps.begin(_record(database, key), request, b"", now, 0.0)[1], writes=False
        )

    async def finish(self, key: bytes, holder: bytes, answer: bytes, keep_s: float) -> bool:
        def step(database: sqlite3.Connection, now: float) -> bool:
            record = steps.finish(_record(database, key), holder, answer, now, keep_s)
            if record is not None:
                _write(database, key, record)
            return record is not None

        return await self._step(step)

    async def release(self, key: bytes, holder: bytes) -> None:
        await self._step(
            lambda database, now: database.execute(
                "DELETE FROM idempotency WHERE key = ? AND holder = ?", (key, holder)
            )
        )

    async def aclose(self) -> None:
        """Close the database. It opens again when needed."""
        with self._lock:
            self._disconnect()

    def __del__(self) -> None:
        self._disconnect()

    async def _step(self, step: Callable[[sqlite3.Connection, float], T], *, writes: bool = True) -> T:
        """The result of a step, which is one transaction."""

        def take() -> T:
            with self._lock:
                try:
                    if self._connection is None:
                        self._connection = _connected(self._place)
                    with self._connection as database:
                        database.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                        return step(database, self._now())
                except (sqlite3.Error, OSError) as error:
                    self._disconnect()
                    raise StoreError(f"{self._place}: {getattr(error, 'strerror', None) or error}") from error

        return await in_thread(take)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connected(place: str) -> sqlite3.Connection:
    create_private(place)
    database = sqlite3.connect(place, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        into_wal_mode(database)
        database.execute("PRAGMA synchronous = FULL")  # an answer that was given is on the disk
        with writing(database):
            database.execute(_TABLE)
            database.execute(_BY_TIME)
    except BaseException:
        database.close()
        raise
    return database


def _record(database: sqlite3.Connection, key: bytes) -> Record | None:
    row = database.execute("SELECT request, until_s, holder, answer FROM idempotency WHERE key = ?", (key,)).fetchone()
    return None if row is None else Record(*row)


def _write(database: sqlite3.Connection, key: bytes, record: Record) -> None:
    database.execute("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)", (key, *record))
