"""Idempotency keys of one process, in a dictionary.

Keys whose time is over go when others come; no thread sweeps. Answers take `max_bytes` at most: over that, the oldest
go. Keys that are held are never let go; there are no more of them than requests under way.
"""

from __future__ import annotations

from typing import Final

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.core import idempotency as steps
from gatewaykit.core.idempotency import Begun, Record

__all__ = ["MemoryIdempotencyStore"]

_ROOM: Final = 64 * 1024 * 1024
_RECORD_BYTES: Final = 400  # of a record without its answer, and its place in the table


class MemoryIdempotencyStore:
    """Idempotency keys in this process's memory. All verbs answer at once."""

    shared: Final = False

    def __init__(self, clock: Clock = SYSTEM, *, max_bytes: int = _ROOM) -> None:
        self._now, self._max_bytes = clock.monotonic, max_bytes
        self._held: dict[bytes, Record] = {}
        self._answered: dict[bytes, Record] = {}  # in the order of their answers
        self.size = 0  # of the answered ones, in bytes

    def begin(self, key: bytes, request: bytes, holder: bytes, hold_s: float) -> Begun:
        now = self._now()
        self._sweep(now)
        record, begun = steps.begin(self._record(key), request, holder, now, hold_s)
        if begun is steps.NEW:
            self._forget(key)
            self._held[key] = record
        return begun

    def look(self, key: bytes, request: bytes) -> Begun:
        return steps.begin(self._record(key), request, b"", self._now(), 0.0)[1]

    def finish(self, key: bytes, holder: bytes, answer: bytes, keep_s: float) -> bool:
        record = steps.finish(self._held.get(key), holder, answer, self._now(), keep_s)
        if record is None:
            return False
        del self._held[key]
        self._answered[key] = record
        self.size += _size(record)
        while self.size > self._max_bytes:
            self._forget(next(iter(self._answered)))
        return True

    def release(self, key: bytes, holder: bytes) -> None:
        record = self._held.get(key)
        if record is not None and record.holder == holder:
            del self._held[key]

    async def aclose(self) -> None:
        """Nothing to close."""

    def __len__(self) -> int:
        """How many keys are kept."""
        return len(self._held) + len(self._answered)

    def _record(self, key: bytes) -> Record | None:
        return self._held.get(key) or self._answered.get(key)

    def _sweep(self, now: float) -> None:
        """Drop what is over, from the oldest on."""
        for table in (self._held, self._answered):
            while table and next(iter(table.values())).until_s <= now:
                self._forget(next(iter(table)))

    def _forget(self, key: bytes) -> None:
        self._held.pop(key, None)
        record = self._answered.pop(key, None)
        if record is not None:
            self.size -= _size(record)


def _size(record: Record) -> int:
    return len(record.answer) + _RECORD_BYTES
