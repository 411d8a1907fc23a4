"""Where idempotency keys are kept, as people write it: `memory://`, `sqlite:///keys.db`, `redis://host:6379/0`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.deploy.redis_servers import SCHEMES
from gatewaykit.deploy.throttle_stores import gateway_name, redis_address, throttle_store_problems
from gatewaykit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatewaykit.ports import IdempotencyStore

__all__ = ["idempotency_store", "opening_idempotency"]

_SQLITE: Final = "sqlite:///"
_REDIS: Final = tuple(f"{scheme}://" for scheme in SCHEMES)
_FORMS: Final = f"Write 'memory://', '{_SQLITE}keys.db', 'redis://HOST:6379/0', 'rediss://…' or 'unix:///PATH'"


def idempotency_store(spec: str, clock: Clock = SYSTEM) -> IdempotencyStore:
    """The store at an address. Nothing is opened yet. Raises ConfigError."""
    if spec == "memory://":
        from gatewaykit.stores.idempotency_memory import MemoryIdempotencyStore

        return MemoryIdempotencyStore(clock)
    if spec.startswith(_SQLITE) and len(spec) > len(_SQLITE):
        from gatewaykit.stores.idempotency_sqlite import SqliteIdempotencyStore

        return SqliteIdempotencyStore(spec.removeprefix(_SQLITE), clock)
    if not spec.startswith(_REDIS):
        what = f"no idempotency keys can be kept at {spec.partition('://')[0]!r:.40}"  # the rest may hold a password
        raise ConfigError(Problem(where="idempotency.kept_in", what=what, mend=_FORMS))
    if problems := throttle_store_problems(spec):
        raise ConfigError(problem.moved("idempotency.kept_in") for problem in problems)
    from gatewaykit.stores.idempotency_redis import RedisIdempotencyStore

    return RedisIdempotencyStore(redis_address(spec), gateway=gateway_name(spec))


def opening_idempotency(clock: Clock, limits: str) -> Callable[[str], IdempotencyStore]:
    """Opens each store once, however many policies ask for it; an empty address is that of the limits."""
    opened: dict[str, IdempotencyStore] = {}

    def open_idempotency(spec: str) -> IdempotencyStore:
        spec = spec or limits
        if spec not in opened:
            opened[spec] = idempotency_store(spec, clock)
        return opened[spec]

    return open_idempotency
