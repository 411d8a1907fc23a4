"""Opening SQLite databases: WAL mode, and who may write where only one process may.

SQLite documentation, "Write-Ahead Logging" and "File Locking And Concurrency". In WAL mode readers and the writer do
not wait for each other. The lock is a transaction on a file of its own, `NAME-lock`, that is never ended: the system
ends it with the process, however that dies, and readers of the database do not meet it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["Locked", "create_private", "into_wal_mode", "lock_of", "writing"]

_WAL_TRIES: Final = 100


class Locked(Exception):
    """Another process has the lock."""


def create_private(place: str) -> None:
    """Make the file where there is none; it and what SQLite puts beside it are the owner's alone."""
    if not os.path.exists(place):
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o600))


def into_wal_mode(database: sqlite3.Connection) -> None:
    """The one step for which SQLite does not wait for others by itself, whatever the timeout: a lock is waited for."""
    for _ in range(_WAL_TRIES):
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            database.execute("BEGIN IMMEDIATE")
            database.rollback()
    database.execute("PRAGMA journal_mode = WAL")


@contextmanager
def writing(database: sqlite3.Connection) -> Iterator[None]:
    """One transaction that writes. It waits for others at its start, not in its middle."""
    with database:
        database.execute("BEGIN IMMEDIATE")
        yield


def lock_of(place: str, wait_s: float) -> sqlite3.Connection:
    """The lock of a database, held until it is closed. Raises Locked where another keeps it longer than `wait_s`."""
    create_private(f"{place}-lock")
    lock = sqlite3.connect(f"{place}-lock", timeout=wait_s, isolation_level=None, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if "locked" in str(error):
            raise Locked from None
        raise
    except BaseException:
        lock.close()
        raise
    return lock
