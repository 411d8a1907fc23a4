"""What a database of quotas looks like. Days are numbers of days since 1970, in UTC.

    SELECT CAST(name AS TEXT), CAST(key AS TEXT), date(day * 86400, 'unixepoch'), charged
      FROM used JOIN quotas USING (quota);

`charged` is what counts against the key's window at the end of the day, `granted` what an extension took off on it.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from gatewaykit.stores.sqlite_file import into_wal_mode, writing

__all__ = ["SCHEMA_VERSION", "check_schema", "make_schema"]

SCHEMA_VERSION: Final = 1
_APPLICATION: Final = 0x67776B71  # "gwkq"

_SCHEMA: Final = (
    "CREATE TABLE quotas (quota INTEGER PRIMARY KEY, name BLOB NOT NULL, period TEXT NOT NULL,"
    " first_day INTEGER NOT NULL, UNIQUE (name, period))",
    "CREATE TABLE used (quota INTEGER NOT NULL REFERENCES quotas (quota), key BLOB NOT NULL, day INTEGER NOT NULL,"
    " charged INTEGER NOT NULL, granted INTEGER NOT NULL, PRIMARY KEY (quota, key, day)) WITHOUT ROWID",
    "CREATE TABLE holder (pid INTEGER NOT NULL, since REAL NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


def make_schema(database: sqlite3.Connection) -> None:
    """Make the tables in a database that is empty."""
    if database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
        into_wal_mode(database)
        with writing(database):
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
                for step in _SCHEMA:
                    database.execute(step)


def check_schema(database: sqlite3.Connection) -> None:
    """Raises DatabaseError for a database of something else, or of another version."""
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise sqlite3.DatabaseError("it holds no quotas of gatewaykit")
    if version != SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"its schema has version {version}; this gatewaykit knows version {SCHEMA_VERSION}")
