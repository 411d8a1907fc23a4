"""Where responses are kept, as people write it: `memory://?size=64MB`, `redis://host:6379/0`, `redis://host?near=64MB`."""

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
        spec, near = _near(spec)
        if problems := throttle_store_problems(spec):
            raise ConfigError(problem.moved("kept_in") for problem in problems)
        if near:
            from gatewaykit.stores.cache_near import NearCacheStore

            return NearCacheStore(redis_address(spec), size=near, gateway=gateway_name(spec), clock=clock)
        from gatewaykit.stores.cache_redis import RedisCacheStore

        return RedisCacheStore(redis_address(spec), gateway=gateway_name(spec))
    if not spec.startswith(_MEMORY):
        what = f"no responses can be kept at {spec.partition('://')[0]!r:.40}"  # the rest may hold a password
        raise ConfigError(Problem(where="kept_in", what=what, mend=_FORMS))
    from gatewaykit.stores.cache_memory import MemoryCacheStore

    size = _DEFAULT_SIZE
    for key, value in parse_qsl(urlsplit(spec).query, keep_blank_values=True):
        found = _size(value)
        if key != "size" or found is None:
            what = f"has an option {key!r:.40}" if key != "size" else f"size: {value!r:.40} is no size"
            raise ConfigError(Problem(where="kept_in", what=what, mend=_FORMS))
        size = found
    return MemoryCacheStore(clock, size=size)


def _near(spec: str) -> tuple[str, int]:
    """An address of a server without the option `near`, and the bytes that it says. Raises ConfigError."""
    base, mark, query = spec.partition("?")
    options = query.split("&") if mark else []
    said = [option.removeprefix("near=") for option in options if option.startswith("near=")]
    others = [option for option in options if not option.startswith("near=")]
    rest = "?".join([base, "&".join(others)]) if others else base
    if not said:
        return spec, 0
    if len(said) > 1 or (size := _size(said[0])) is None or not size:
        raise ConfigError(Problem(where="kept_in", what=f"near: {said[-1]!r:.40} is no size", mend="Write near=64MB"))
    return rest, size


def _size(text: str) -> int | None:
    found = _SIZE.fullmatch(text)
    return None if found is None else int(found[1]) * _UNITS[found[2].lower()]


def opening_cache(clock: Clock, limits: str) -> Callable[[str], CacheStore]:
    """Opens each store once, however many policies ask for it; an empty address is where limits are kept, or memory."""
    opened: dict[str, CacheStore] = {}

    def open_cache(spec: str) -> CacheStore:
        spec = spec or (limits if limits.startswith(_REDIS) else _MEMORY)
        if spec not in opened:
            opened[spec] = cache_store(spec, clock)
        return opened[spec]

    return open_cache
