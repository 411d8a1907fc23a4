"""Reading and writing the rows of a database of quotas (`stores.sqlite_schema`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from gatewaykit.core.usage import DAY_S, KEPT_DAYS, Day
from gatewaykit.stores.sqlite_file import writing

__all__ = ["add_quota", "days_of", "drop_days_ahead", "last_day", "number_of", "prune", "used", "write"]

_AHEAD_DAYS: Final = 2
"""Days further ahead than this were written by a clock that was wrong. A clock that is set back by less stays there."""

_WRITE: Final = (
    "INSERT INTO used (quota, key, day, charged, granted) VALUES (?, ?, ?, ?, ?) ON CONFLICT (quota, key, day)"
    " DO UPDATE SET charged = excluded.charged, granted = excluded.granted"
)


def number_of(database: sqlite3.Connection, name: str, period: str) -> tuple[int, int] | None:
    """The number of a quota, and the first day of the window in which it began to run."""
    statement = "SELECT quota, first_day FROM quotas WHERE name = ? AND period = ?"
    found: tuple[int, int] | None = database.execute(statement, (_bytes(name), period)).fetchone()
    return found


def add_quota(database: sqlite3.Connection, name: str, period: str, first_day: int) -> int:
    """The number of a new quota."""
    with writing(database):
        statement = "INSERT INTO quotas (name, period, first_day) VALUES (?, ?, ?)"
        return database.execute(statement, (_bytes(name), period, first_day)).lastrowid or 0


def drop_days_ahead(database: sqlite3.Connection, quota: int, today: int) -> int:
    """Forget what a wrong clock has counted: how many rows."""
    with writing(database):
        statement = "DELETE FROM used WHERE quota = ? AND day > ?"
        return database.execute(statement, (quota, today + _AHEAD_DAYS)).rowcount


def last_day(database: sqlite3.Connection, quota: int, today: int) -> int:
    """The last day on which somebody came."""
    statement = "SELECT max(day) FROM used WHERE quota = ? AND day <= ?"
    (day,) = database.execute(statement, (quota, today + _AHEAD_DAYS)).fetchone()
    return today if day is None else int(day)


def used(
    database: sqlite3.Connection, quota: int, start: int, today: int
) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """By key: what counts since `start`, as it was before today; as it is today; and what was granted today."""
    before = "SELECT key, charged, max(day) FROM used WHERE quota = ? AND day >= ? AND day < ? GROUP BY key"
    earlier = {_text(key): charged for key, charged, _ in database.execute(before, (quota, start, today))}
    statement = "SELECT key, charged, granted FROM used WHERE quota = ? AND day = ?"
    rows = [(_text(key), *numbers) for key, *numbers in database.execute(statement, (quota, today))]
    return earlier, {key: charged for key, charged, _ in rows}, {key: granted for key, _, granted in rows if granted}


def days_of(database: sqlite3.Connection, quota: int, key: str) -> dict[float, Day]:
    """What is known of a key."""
    statement = "SELECT day, charged, granted FROM used WHERE quota = ? AND key = ?"
    rows = database.execute(statement, (quota, _bytes(key)))
    return {float(day * DAY_S): Day(charged, granted) for day, charged, granted in rows}


def write(database: sqlite3.Connection, rows: Sequence[tuple[int, str, int, int, int]]) -> None:
    """Quota, key, day, what counts and what was granted, each over what stood there; all in one transaction."""
    with writing(database):
        database.executemany(_WRITE, [(quota, _bytes(key), *numbers) for quota, key, *numbers in rows])


def prune(database: sqlite3.Connection, today: int, running: dict[int, int], most: int) -> None:
    """Forget the days that are too old, and of a quota with over `most` rows those before its running window.

    `running` has the first day of the window of each quota.
    """
    with writing(database):
        database.execute("DELETE FROM used WHERE day <= ?", (today - KEPT_DAYS,))
        for quota, start in running.items():
            for day in _surplus(database, quota, start, most):
                database.execute("DELETE FROM used WHERE quota = ? AND day = ?", (quota, day))


def _surplus(database: sqlite3.Connection, quota: int, start: int, most: int) -> Iterator[int]:
    """The oldest days, as many as have to go."""
    per_day = "SELECT day, count(*) FROM used WHERE quota = ? GROUP BY day ORDER BY day"
    days = database.execute(per_day, (quota,)).fetchall()
    rows = sum(count for _, count in days)
    for day, count in days:
        if rows <= most or day >= start:
            return
        rows -= count
        yield day


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")
