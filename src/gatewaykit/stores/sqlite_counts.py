"""The counts of one quota in memory, with a note of what is not on the disk yet.

A table notes the keys that are written to it, whoever writes; the writer of the database takes the notes from there.
Both are single operations of Python's own types, so the thread of the requests and that of the writer need no lock: a
note is made after the value stands, and taken before the value is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from gatewaykit.core.quota import window
from gatewaykit.core.usage import DAY_S
from gatewaykit.errors import ConfigError, StoreError
from gatewaykit.stores.memory_quota import QuotaCounts

if TYPE_CHECKING:
    from gatewaykit.stores.sqlite_quotas import QuotaFile

__all__ = ["KeptCounts", "Loaded", "Row"]


class Row(NamedTuple):
    """One key's day, to be written."""

    key: str
    day: int
    charged: int
    granted: int


class Loaded(NamedTuple):
    """What a database knows of a quota: its number there, the first window, and the running one with what is used."""

    quota: int
    first_s: float
    reached_s: float  # now, or what an earlier clock has reached
    used_before: Mapping[str, int]  # on the days of the window before today
    used_today: Mapping[str, int]
    granted_today: Mapping[str, int]


class NotedTable(dict[str, float]):
    """A day's table."""

    __slots__ = ("day", "noted")

    def __init__(self, day: float) -> None:
        self.day = day
        self.noted: set[str] = set()

    def __setitem__(self, key: str, value: float) -> None:
        dict.__setitem__(self, key, value)
        self.noted.add(key)


class KeptCounts(QuotaCounts):
    """Counts that are in a file too. They are loaded when they are first asked for, and again after `forget`."""

    __slots__ = ("_file", "_is_loaded", "_tables", "name", "quota")

    def __init__(self, name: str, period: str, max_keys: int, wall: Callable[[], float], file: QuotaFile) -> None:
        self.name, self._file, self._is_loaded, self.quota = name, file, False, 0
        self._tables: list[NotedTable] = []
        super().__init__(period, max_keys, wall)

    def load(self) -> None:
        """Take over what the file knows. Raises ConfigError."""
        loaded = self._file.load(self.name, self.period, self._wall())
        self.quota, self.first_s = loaded.quota, loaded.first_s
        self.days, self.extended, self._tables = {}, {}, []
        self.start_s, self.end_s = window(self.period, loaded.reached_s)
        self.days[self.start_s] = dict(loaded.used_before)
        self._is_loaded = True
        self._begin(loaded.reached_s)
        dict.update(self.young, loaded.used_today)  # known there already, so not noted
        if loaded.granted_today:
            self.extended[self.day_end_s - DAY_S] = dict(loaded.granted_today)

    def known(self, key: str) -> float | None:
        if not self._is_loaded:
            try:
                self.load()
            except ConfigError as error:
                raise StoreError(str(error)) from None
        return super().known(key)

    def table(self, day: float) -> dict[str, float]:
        table = NotedTable(day)
        self._tables = [each for each in self._tables if each.noted] + [table]
        return table

    def forget(self) -> None:
        """Know nothing until the file is asked again."""
        self._is_loaded = False
        self.days, self.extended, self._tables = {}, {}, []
        self._begin(self.day_end_s - DAY_S)

    def rows(self) -> Iterator[Row]:
        """What was noted since the last time."""
        for table in self._tables:
            for _ in range(len(table.noted)):
                key = table.noted.pop()
                if (charged := table.get(key)) is not None:
                    granted = self.extended.get(table.day, {}).get(key, 0)
                    yield Row(key, int(table.day) // DAY_S, int(charged), granted)

    def note(self, rows: list[Row]) -> None:
        """Rows that could not be written."""
        tables = {int(table.day) // DAY_S: table for table in self._tables}
        for row in rows:
            tables[row.day].noted.add(row.key)
