"""API keys in a SQLite database: for more keys than a file is good for, and for tools that want to ask with SQL.

A key is a row of `keys`, its record as JSON (`core.identity.key_record`); its digests are rows of `key_values`, which
keeps two keys from having one value. The database is in WAL mode, so that writers and readers do not wait for each
other, and each write is one transaction. `PRAGMA data_version` tells whether somebody else has changed it; what this
store wrote itself, it counts. `PRAGMA user_version` is the version of the schema.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.core.identity.api_key import ApiKey, KeyTable, digests_of
from gatewaykit.core.identity.key_record import VERSION, read_document, record_of
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.stores.kept_keys import RELOAD_S, KeptKeys, table_of
from gatewaykit.stores.sqlite_file import create_private, into_wal_mode

__all__ = ["SCHEMA_VERSION", "SqliteKeys"]

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = (
    "CREATE TABLE keys (id TEXT PRIMARY KEY, record TEXT NOT NULL)",
    "CREATE TABLE key_values (digest BLOB PRIMARY KEY, id TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE)",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
_BUSY_S: Final = 10.0  # how long a writer waits for another


class SqliteKeys(KeptKeys):
    """Keys in a database."""

    def __init__(self, place: str, clock: Clock = SYSTEM, *, create: bool = False, reload_s: float = RELOAD_S) -> None:
        super().__init__(place, clock, create=create, reload_s=reload_s)
        self._lock = Lock()  # worker threads take turns with the one connection
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._writes = self._connections = 0  # what `data_version` does not tell

    def _stamped(self) -> Any:
        with self._open() as database:
            return database.execute("PRAGMA data_version").fetchone()[0], self._writes, self._connections

    def _load(self) -> KeyTable:
        with self._open() as database:
            records = database.execute("SELECT record FROM keys ORDER BY rowid").fetchall()
        try:
            document = {"version": VERSION, "keys": [json.loads(record) for (record,) in records]}
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(Problem(where=self.place, what=f"a record is not JSON: {error}")) from None
        return table_of(read_document(document), self.place)

    def _put(self, changes: Sequence[tuple[ApiKey, ApiKey | None]]) -> bool:
        with self._open() as database, database:
            database.execute("BEGIN IMMEDIATE")
            if not all(_written(database, key, was) for key, was in changes):
                database.rollback()
                return False
            self._writes += 1
        return True

    def _remove(self, id: str) -> bool:
        with self._open() as database, database:
            removed = database.execute("DELETE FROM keys WHERE id = ?", (id,)).rowcount
            self._writes += 1
        return removed > 0

    async def aclose(self) -> None:
        with self._lock:
            self._disconnect()

    def __del__(self) -> None:
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The connection, alone. Raises ConfigError for whatever the database cannot do."""
        with self._lock:
            try:
                if self.create:
                    create_private(self.place)
                inode = os.stat(self.place).st_ino
                if self._connection is None or inode != self._inode:  # another file took its place
                    self._disconnect()
                    self._connection, self._inode = self._connected(), inode
                    self._connections += 1
                yield self._connection
            except (sqlite3.Error, OSError, ValueError) as error:
                what = f"the database cannot be used: {getattr(error, 'strerror', None) or error}"
                missing = isinstance(error, FileNotFoundError)
                make = (
                    "Make its directory"
                    if self.create
                    else f"Run: gatewaykit keys create NAME --store sqlite:///{self.place}"
                )
                mend = make if missing else ""
                raise ConfigError(Problem(where=self.place, what=what, mend=mend)) from None

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.place, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("PRAGMA synchronous = FULL")  # a key that was shown is on the disk
            if self.create and database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
                _make_schema(database)
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version != SCHEMA_VERSION:
                told = f"its schema has version {version}; this gatewaykit knows version {SCHEMA_VERSION}"
                raise sqlite3.DatabaseError(told if version else "it holds no keys of gatewaykit")
        except BaseException:
            database.close()
            raise
        return database


def _make_schema(database: sqlite3.Connection) -> None:
    """Of two that come at once, one makes it."""
    into_wal_mode(database)
    with database:
        database.execute("BEGIN IMMEDIATE")
        if database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            for step in _SCHEMA:
                database.execute(step)


def _written(database: sqlite3.Connection, key: ApiKey, was: ApiKey | None) -> bool:
    stands = database.execute("SELECT record FROM keys WHERE id = ?", (key.id,)).fetchone()
    if (None if stands is None else _canonical(stands[0])) != (None if was is None else _text(was)):
        return False
    write = "INSERT INTO keys (record, id) VALUES (?, ?)"
    database.execute(write if stands is None else "UPDATE keys SET record = ? WHERE id = ?", (_text(key), key.id))
    database.execute("DELETE FROM key_values WHERE id = ?", (key.id,))
    try:
        values = [(digest, key.id) for digest in digests_of(key)]
        database.executemany("INSERT INTO key_values (digest, id) VALUES (?, ?)", values)
    except sqlite3.IntegrityError:  # another key has one of the values
        return False
    return True


def _text(key: ApiKey) -> str:
    return json.dumps(record_of(key), sort_keys=True)


def _canonical(record: str) -> str:
    """A record in the one form in which records are compared, whoever wrote it."""
    return json.dumps(json.loads(record), sort_keys=True)
