"""A bounded table whose entries expire: verified tokens, authorizers' answers, look-ups. The caller brings the time."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["Expiring"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Expiring(Generic[K, V]):
    """At most `most` entries. A full table lets the entry go that was put first: whoever is expelled is asked again."""

    __slots__ = ("_entries", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._entries: dict[K, tuple[V, float]] = {}

    def get(self, key: K, now_s: float) -> V | None:
        """The value, unless it has expired: at its very second it has."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now_s >= entry[1]:
            del self._entries[key]
            return None
        return entry[0]

    def put(self, key: K, value: V, expires_s: float) -> None:
        """Keep a value until `expires_s`."""
        entries = self._entries
        entries.pop(key, None)
        if self.most < 1:
            return
        while len(entries) >= self.most:
            del entries[next(iter(entries))]
        entries[key] = (value, expires_s)

    def drop(self, unwanted: Callable[[K, V], bool]) -> None:
        """Let every entry go that `unwanted` names."""
        for key in [key for key, (value, _) in self._entries.items() if unwanted(key, value)]:
            del self._entries[key]

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
