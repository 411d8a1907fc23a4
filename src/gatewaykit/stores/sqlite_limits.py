"""Limits of one process whose quotas survive it: throttles in memory, quotas and usage in a SQLite database.

A decision is made in memory, as quickly as `MemoryThrottleStore` makes it. How the counts reach the disk, and what a
failure does: `stores.sqlite_quotas`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.core.quota import Quota
from gatewaykit.core.usage import daily
from gatewaykit.errors import StoreError
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.stores.memory_quota import QuotaCounts
from gatewaykit.stores.sqlite_quotas import QuotaFile
from gatewaykit.waiting import in_thread

__all__ = ["SqliteThrottleStore"]


class SqliteThrottleStore(MemoryThrottleStore):
    """Buckets in memory, quotas in a database. Stores of one process that name the same file share its quotas.

    `flush_s` is how long a count may be in memory alone. With `reads` nothing is taken and nothing locked: for looking
    at what another process counts.
    """

    __slots__ = ("_file", "_user")

    def __init__(
        self, place: str, clock: Clock = SYSTEM, *, flush_s: float = 0.2, max_keys: int = 1_000_000, reads: bool = False
    ) -> None:
        super().__init__(clock, max_keys=max_keys)
        if reads:
            self._file = QuotaFile(place, clock, flush_s=flush_s, max_keys=max_keys, reads=True)
        else:
            self._file = QuotaFile.shared(place, clock, flush_s=flush_s, max_keys=max_keys)
        self._look_only, self._user = reads, object()

    @property
    def failures(self) -> int:
        """How often counts could not be written."""
        return self._file.failures

    async def flush(self) -> None:
        """What was counted until now is on the disk after it. Raises StoreError."""
        if not await in_thread(self._file.flush):
            raise StoreError(f"{self._file.place} cannot be written at the moment; the counts are in memory")

    async def usage(
        self, name: str, quota: Quota, keys: Sequence[str], first_s: float, last_s: float
    ) -> dict[str, list[tuple[int, int]]]:
        """What keys used on each day of a span, both ends included, and what they had left then."""
        began, days = await in_thread(partial(self._file.days, name, quota.period, keys))
        return {key: daily(days[key], quota, began, first_s, last_s) for key in keys}

    async def extend(self, name: str, quota: Quota, key: str, remaining: int) -> None:
        """Leave a key so many requests in the window that is running. It is on the disk after it."""
        if self._file.reads:
            raise StoreError(f"{self._file.place} is only looked at")
        super().extend(name, quota, key, remaining)
        await self.flush()

    async def aclose(self) -> None:
        """Write what was counted, and close. It opens again when needed."""
        await in_thread(partial(self._file.leave, self._user))

    def _new_counts(self, name: str, period: str) -> QuotaCounts:
        return self._file.counts(name, period, self._user)
