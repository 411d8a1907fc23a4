"""Where responses are kept, as people write it: `memory://?size=64MB`, `redis://host:6379/0`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatewaykit.ports import CacheStore

__all__ = ["cache_store", "opening_cache"]

_SIZE: Final = re.compile(r"(\d{1,15}) ?([kMG]?)i?B?", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_DEFAULT_SIZE: Final = 64 * 1024 * 1024
_FORMS: Final = "Write 'memory://' or 'memory://?size=64MB'"


def cache_store(spec: str, clock: Clock = SYSTEM) -> CacheStore:
    """The store at an address. Nothing is opened yet. Raises ConfigError."""
    from gatewaykit.stores.cache_memory import MemoryCacheStore

    scheme, separator, _ = spec.partition("://")
    if scheme != "memory" or not separator:
        what = f"no responses can be kept at {scheme!r:.40}"  # the rest may hold a password
        raise ConfigError(Problem(where="kept_in", what=what, mend=_FORMS))
    size = _DEFAULT_SIZE
    for key, value in parse_qsl(urlsplit(spec).query, keep_blank_values=True):
        found = _SIZE.fullmatch(value)
        if key != "size" or found is None:
            what = f"has an option {key!r:.40}" if key != "size" else f"size: {value!r:.40} is no size"
            raise ConfigError(Problem(where="kept_in", what=what, mend=_FORMS))
        size = int(found[1]) * _UNITS[found[2].lower()]
    return MemoryCacheStore(clock, size=size)


def opening_cache(clock: Clock, limits: str) -> Callable[[str], CacheStore]:
    """Opens each store once, however many policies ask for it; an empty address is where limits are kept, or memory."""
    opened: dict[str, CacheStore] = {}

    def open_cache(spec: str) -> CacheStore:
        spec = spec or "memory://"
        if spec not in opened:
            opened[spec] = cache_store(spec, clock)
        return opened[spec]

    return open_cache
