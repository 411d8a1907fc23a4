"""What SQLite does not do by itself when several processes open one database at once."""

from __future__ import annotations

import sqlite3
from typing import Final

__all__ = ["into_wal_mode"]

_TRIES: Final = 100


def into_wal_mode(database: sqlite3.Connection) -> None:
    """Readers and writers do not wait for each other in this mode, which the database keeps.

    Entering it is the one step for which SQLite does not wait for others, whatever the timeout: a lock is waited for.
    """
    for _ in range(_TRIES):
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            database.execute("BEGIN IMMEDIATE")
            database.rollback()
    database.execute("PRAGMA journal_mode = WAL")
