"""Where responses are kept, as people write it: `memory://?size=64MB`, `redis://host:6379/0`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.deploy.redis_servers import SCHEMES
from gatewaykit.deploy.throttle_stores import gateway_name, redis_address, throttle_store_problems
from gatewaykit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatewaykit.ports import CacheStore

__all__ = ["cache_store", "opening_cache"]

_SIZE: Final = re.compile(r"(\d{1,15}) ?([kMG]?)i?B?", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_DEFAULT_SIZE: Final = 64 * 1024 * 1024
_MEMORY: Final = "memory://"
_REDIS: Final = tuple(f"{scheme}://" for scheme in SCHEMES)
_FORMS: Final = f"Write '{_MEMORY}?size=64MB', 'redis://HOST:6379/0', 'rediss://…' or 'unix:///PATH'"


def cache_store(spec: str, clock: Clock = SYSTEM) -> CacheStore:
    """The store at an address. Nothing is opened yet. Raises ConfigError."""
    if spec.startswith(_REDIS):
        if problems := throttle_store_problems(spec):
            raise ConfigError(problem.moved("kept_in") for problem in problems)
        from gatewaykit.stores.cache_redis import RedisCacheStore

        return RedisCacheStore(redis_address(spec), gateway=gateway_name(spec))
    if not spec.startswith(_MEMORY):
        what = f"no responses can be kept at {spec.partition('://')[0]!r:.40}"  # the rest may hold a password
        raise ConfigError(Problem(where="kept_in", what=what, mend=_FORMS))
    from gatewaykit.stores.cache_memory import MemoryCacheStore

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
        spec = spec or (limits if limits.startswith(_REDIS) else _MEMORY)
        if spec not in opened:
            opened[spec] = cache_store(spec, clock)
        return opened[spec]

    return open_cache
