"""Keys of a file or a database, kept as a table in memory, which is read again when what stands there has changed.

Rules
* A look-up asks the table. Only when `reload_s` have passed does one ask whether the source has changed: in a worker
  thread, once for all requests that come meanwhile. They wait for it, so that no revoked key outlives the interval.
* At the start a source that cannot be read is an error. Later the last good table stays, and the log says so: keys that
  stop working because somebody saved half a file would stop every caller at once.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.core.identity.key_record import record_of
from gatewaykit.errors import ConfigError, Problem, StoreError
from gatewaykit.waiting import SingleFlight, in_thread

if TYPE_CHECKING:
    from gatewaykit.core.identity.api_key import ApiKey, KeyTable

__all__ = ["RELOAD_S", "KeptKeys", "table_of"]

RELOAD_S: Final = 2.0
"""How often one looks whether the source has changed."""

_LOG: Final = logging.getLogger("gatewaykit")
T = TypeVar("T")


class KeptKeys(ABC):
    """What the stores share. One says how to tell that the source has changed, how to read it, and how to write.

    With `create`, a source that is not there is empty, and made by the first key; else it is an error.
    """

    def __init__(self, place: str, clock: Clock = SYSTEM, *, create: bool = False, reload_s: float = RELOAD_S) -> None:
        self.place, self.create, self._clock, self._reload_s = place, create, clock, reload_s
        self._table: KeyTable | None = None
        self._stamp: Any = None
        self._check_at_s = 0.0
        self._checks: SingleFlight[None] = SingleFlight()

    def open(self) -> None:
        """Read the source for the first time. Raises ConfigError with everything that is wrong with it."""
        if self._table is None:
            self._stamp, self._table = self._stamped(), self._load()
            self._check_at_s = self._clock.monotonic() + self._reload_s

    def find(self, digest: bytes) -> ApiKey | Awaitable[ApiKey | None] | None:
        if self._table is None or self._clock.monotonic() >= self._check_at_s:
            return self._find_after_check(digest)
        return self._table.by_digest.get(digest)

    async def list(self) -> Sequence[ApiKey]:
        def read() -> Sequence[ApiKey]:
            return self._load().keys

        return await self._told(read)

    async def put(self, *changes: tuple[ApiKey, ApiKey | None]) -> bool:
        for key, _ in changes:
            record_of(key)  # raises ValueError for one that is not hashed
        return await self._told(lambda: self._put(changes))

    async def remove(self, id: str) -> bool:
        return await self._told(lambda: self._remove(id))

    @abstractmethod
    async def aclose(self) -> None: ...

    async def _find_after_check(self, digest: bytes) -> ApiKey | None:
        await self._checks.run("check", self._check)
        assert self._table is not None  # read, or _check has raised
        return self._table.by_digest.get(digest)

    async def _check(self) -> None:
        stamp, table, problem = await in_thread(self._read_if_changed)
        if problem and self._table is None:
            raise StoreError(problem)
        if problem and stamp != self._stamp:  # said once for each thing that was found there
            _LOG.error("%s cannot be read, so the keys from before stay in force: %s", self.place, problem)
        self._stamp, self._table = stamp, table or self._table
        self._check_at_s = self._clock.monotonic() + self._reload_s

    def _read_if_changed(self) -> tuple[Any, KeyTable | None, str]:
        stamp = None
        try:
            stamp = self._stamped()
            unchanged = stamp == self._stamp and self._table is not None
            return stamp, None if unchanged else self._load(), ""
        except ConfigError as error:
            return stamp, None, str(error)

    async def _told(self, step: Callable[[], T]) -> T:
        """The result of a step; what is wrong with the source is a failure of the store."""
        try:
            return await in_thread(step)
        except ConfigError as error:
            raise StoreError(str(error)) from error

    @abstractmethod
    def _stamped(self) -> Any:
        """Something that differs when the source has changed; cheap."""

    @abstractmethod
    def _load(self) -> KeyTable: ...

    @abstractmethod
    def _put(self, changes: Sequence[tuple[ApiKey, ApiKey | None]]) -> bool: ...

    @abstractmethod
    def _remove(self, id: str) -> bool: ...


def table_of(found: KeyTable | tuple[Problem, ...], place: str) -> KeyTable:
    """The table that was read. Raises ConfigError where there are problems instead, with the place in them."""
    if isinstance(found, tuple):
        raise ConfigError(replace(each, where=": ".join(filter(None, (place, each.where)))) for each in found)
    return found
