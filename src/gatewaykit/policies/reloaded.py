"""A value made from files, made anew when they change: no restart, no thread, no look at the disk for most requests."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

__all__ = ["Reloaded"]

T = TypeVar("T")
_log = logging.getLogger("gatewaykit")


class Reloaded(Generic[T]):
    """What `make` gives for the contents of `sources`: bytes as they stand, and files that are looked at now and then.

    `make` and the files raise ValueError or OSError at first. Later a file that cannot be read or used is logged, once,
    and the last good value stays.
    """

    def __init__(
        self,
        sources: Sequence[bytes | Path],
        make: Callable[[Sequence[bytes]], T],
        every_s: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._sources, self._make, self._every_s, self._monotonic = sources, make, every_s, monotonic
        self._files = [source for source in sources if isinstance(source, Path)]
        self._seen = self._look()
        self._value = self._read()
        self._next_s = monotonic() + every_s if self._files else float("inf")

    def current(self) -> T:
        """The value; at most every `every_s` seconds the files are looked at before."""
        if (now_s := self._monotonic()) >= self._next_s:
            self._next_s = now_s + self._every_s
            if (seen := self._look()) != self._seen:
                self._seen = seen
                names = ", ".join(map(str, self._files))
                try:
                    self._value = self._read()
                except (OSError, ValueError) as error:
                    _log.error("%s: %s; what was read before stays in use", names, error)
                else:
                    _log.info("%s: read again", names)
        return self._value

    def _read(self) -> T:
        return self._make([source.read_bytes() if isinstance(source, Path) else source for source in self._sources])

    def _look(self) -> list[tuple[int, ...] | None]:
        seen: list[tuple[int, ...] | None] = []
        for path in self._files:
            try:
                found = os.stat(path)
                seen.append((found.st_mtime_ns, found.st_size, found.st_ino))
            except OSError:
                seen.append(None)
        return seen
