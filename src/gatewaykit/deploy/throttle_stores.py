"""Where limits are kept, as people write it: `memory://`, `redis://host:6379/0`, `rediss://…`, `unix:///path?db=0`,
`redis+cluster://a:6379,b:6379`, `redis+sentinel://a:26379,b:26379/mymaster/0`, `sqlite:///limits.db`.

`limits+` and an address of the library `limits` is one of its storages, for windows: `limits+async+redis://host:6379`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.core.lease import LONGEST_S, SHORTEST_S
from gatewaykit.definition.near import near_miss
from gatewaykit.deploy.redis_servers import SCHEMES, servers, servers_problems, tls_problems
from gatewaykit.deploy.sqlite_store import SQLITE, sqlite_store, sqlite_store_problems
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.units import parse_duration

if TYPE_CHECKING:
    from gatewaykit.ports import ThrottleStore
    from gatewaykit.stores.redis_address import RedisAddress

__all__ = ["FORMS", "gateway_name", "lease_of", "redis_address", "throttle_store", "throttle_store_problems"]

FORMS: Final = (
    "Write 'memory://', 'redis://HOST:6379/0', 'rediss://HOST:6379/0', 'redis+cluster://HOST,HOST', "
    "'redis+sentinel://HOST,HOST/MASTER', 'unix:///PATH' or 'sqlite:///FILE'"
)

_OF_LIMITS: Final = "limits+"
_ANSWER: Final = re.compile(r"allow|deny|local(?:\((0\.\d*[1-9]\d*|1(?:\.0+)?)\))?")


def throttle_store(spec: str, clock: Clock = SYSTEM, *, reads: bool = False) -> ThrottleStore:
    """The store at an address. Nothing is connected yet. Raises ConfigError.

    With `reads`, one that only one process may have is looked at, and left to that process.
    """
    if problems := throttle_store_problems(spec):
        raise ConfigError(problems)
    if spec.startswith(SQLITE):
        return sqlite_store(spec, clock, reads=reads)
    if spec == "memory://":
        from gatewaykit.stores.memory import MemoryThrottleStore

        return MemoryThrottleStore(clock)
    if spec.startswith(_OF_LIMITS):
        from gatewaykit.stores.limits_storage import limits_store

        return limits_store(spec.removeprefix(_OF_LIMITS), clock)
    from gatewaykit.stores.redis import RedisThrottleStore
    from gatewaykit.stores.resilient import ResilientThrottleStore

    options = _options(spec)
    both = {"throttles": options["on_store_error"], "quotas": options["on_store_error"]} if _both(options) else {}
    answers = both | {name: options[name] for name in ("throttles", "quotas") if name in options}
    store: Any = RedisThrottleStore(redis_address(spec), gateway=gateway_name(spec))
    if lease_s := lease_of(spec):
        from gatewaykit.stores.leases import LeasedThrottleStore

        store = LeasedThrottleStore(store, lease_s, clock=clock)
    return ResilientThrottleStore(store, clock=clock, **answers)


def redis_address(spec: str) -> RedisAddress:
    """Where the server of an address without problems is."""
    from gatewaykit.stores.redis_address import RedisAddress

    options = _options(spec)
    of_address = {name: options[key] for key, name in _OF_ADDRESS.items() if key in options}
    return RedisAddress(**{"database": options.get("db", 0), **of_address, **servers(spec)})


def gateway_name(spec: str) -> str:
    """Whose keys are meant, where several gateways share a server."""
    name: str = _options(spec).get("gateway", "default")
    return name


def lease_of(spec: str) -> float:
    """For how many seconds a process may spend tokens that it took in advance; 0: it takes none."""
    if urlsplit(spec).scheme not in SCHEMES:
        return 0.0
    lease_s: float = _options(spec).get("lease", 0.0)
    return lease_s


def throttle_store_problems(spec: str) -> list[Problem]:
    """What is wrong with the way a store is written; whether it is there is not looked at."""
    if spec == "memory://":
        return []
    if spec.startswith(SQLITE):
        return sqlite_store_problems(spec)
    return [Problem(where="store", what=what, near=near, mend=mend) for what, near, mend in _wrong(spec)]


def _wrong(spec: str) -> Iterator[tuple[str, str, str]]:
    scheme, separator, rest = spec.partition("://")
    if spec.startswith(_OF_LIMITS):
        from gatewaykit.stores.limits_storage import SCHEMES as STORAGES

        if (kind := scheme.removeprefix(_OF_LIMITS)) not in STORAGES:
            near = near_miss(kind, STORAGES)
            yield f"the library limits has no storage {kind!r:.40}", f"{_OF_LIMITS}{near}://" if near else "", ""
        return
    if scheme not in SCHEMES:  # the text may have a password in it, so it is not repeated
        close = near_miss(scheme, [*SCHEMES, "memory", "sqlite"]) or ""
        yield f"{scheme!r:.40} is no kind of store", f"{close}://" if close and rest else "", FORMS
        return
    if not separator:
        yield "names no server", "", FORMS
        return
    wrong = [*servers_problems(spec)]
    yield from ((what, "", mend) for what, mend in wrong)
    try:
        url = urlsplit(spec)
    except ValueError:  # is among what was found
        return
    for key, value in parse_qsl(url.query, keep_blank_values=True):
        if key not in _OPTIONS:
            mend = "" if (near := near_miss(key, _OPTIONS) or "") else f"There are {', '.join(sorted(_OPTIONS))}"
            yield f"has an option {key!r:.40}", near, mend
            continue
        try:
            _OPTIONS[key](value)
        except ValueError as error:
            yield f"{key}: {error}", "", ""
    yield from ((what, "", mend) for what, mend in tls_problems(scheme, dict(parse_qsl(url.query))))


def _options(spec: str) -> dict[str, Any]:
    return {key: _OPTIONS[key](value) for key, value in parse_qsl(urlsplit(spec).query)}


def _both(options: dict[str, Any]) -> bool:
    return "on_store_error" in options


def _answer(value: str) -> Any:
    from gatewaykit.stores.resilient import OnStoreError

    found = _ANSWER.fullmatch(value)
    if found is None:
        raise ValueError(f"{value!r:.40} is none of allow, deny, local and local(FRACTION), as in local(0.25)")
    return OnStoreError(value.partition("(")[0], float(found[1] or 1.0))  # type: ignore[arg-type]  # one of the three


def _whole(value: str) -> int:
    if not re.fullmatch(r"\d{1,6}", value):
        raise ValueError(f"{value!r:.40} is no number")
    return int(value)


def _many(value: str) -> int:
    if not 1 <= _whole(value) <= 999_999:
        raise ValueError(f"{value!r:.40} is not between 1 and 999999")
    return int(value)


def _time(value: str) -> float:
    seconds = parse_duration(value)
    if not 0.001 <= seconds <= 60:
        raise ValueError(f"{value!r:.40} is not between 1ms and 60s")
    return seconds


def _lease(value: str) -> float:
    seconds = 0.0 if value == "0" else parse_duration(value)
    if seconds and not SHORTEST_S <= seconds <= LONGEST_S:
        raise ValueError(f"{value!r:.40} is neither 0 nor between 1ms and 1s: longer slices admit too much at once")
    return seconds


def _gateway(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
        raise ValueError(f"{value!r:.80} is no name: up to 64 letters, digits and . _ -")
    return value


_OPTIONS: Final[dict[str, Callable[[str], Any]]] = {
    "ca_file": str, "cert_file": str, "connect_timeout": _time, "db": _whole, "gateway": _gateway, "key_file": str,
    "lease": _lease, "max_waiting": _many, "on_store_error": _answer, "quotas": _answer, "sentinel_password": str,
    "sentinel_user": str, "throttles": _answer, "timeout": _time,
}  # fmt: skip

_OF_ADDRESS: Final = {
    "ca_file": "ca_file", "cert_file": "cert_file", "connect_timeout": "connect_timeout_s", "key_file": "key_file",
    "max_waiting": "max_waiting", "sentinel_password": "sentinel_password", "sentinel_user": "sentinel_user",
    "timeout": "timeout_s",
}  # fmt: skip
