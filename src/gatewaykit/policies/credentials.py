"""Where access keys come from: plain data, a file, an environment variable, a function, or a service that is asked."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

from gatewaykit.core.expiring import Expiring
from gatewaykit.core.iam.credentials import KEY_ID, Credentials
from gatewaykit.core.iam.directory import Locate, compile_directory
from gatewaykit.errors import ConfigError, Problem, UpstreamError
from gatewaykit.units import parse_duration
from gatewaykit.upstream.fetch import call_to, fetch
from gatewaykit.waiting import SingleFlight

if TYPE_CHECKING:
    from gatewaykit.core.http import HeaderList
    from gatewaykit.ports import CredentialsProvider, Runtime

__all__ = ["Find", "bound_find", "credentials_env", "credentials_lookup", "provider_of", "static_credentials"]

Find = Callable[[str], "Credentials | Awaitable[Credentials | None] | None"]
"""The `find` of a provider."""

_PLACE: Final = "{access_key_id}"
_UNKNOWN_S: Final = 10.0  # how long it is remembered that a service does not know a key


def provider_of(credentials: object, where: str) -> CredentialsProvider:
    """What `iam(...)` was given, as a provider. Raises ConfigError with every problem found in it."""
    if isinstance(credentials, str):
        from gatewaykit.policies.credentials_file import credentials_file

        return credentials_file(credentials)
    if isinstance(credentials, Mapping):
        return static_credentials(credentials, where)
    if callable(getattr(credentials, "find", None)):
        return cast("CredentialsProvider", credentials)
    if callable(credentials):
        return _Asked(credentials)
    what = f"{type(credentials).__name__} gives no credentials"
    mend = "Give users and roles as a mapping, a file's path, a provider with find(access_key_id), or a function"
    raise ConfigError(Problem(where=where, what=what, mend=mend))


def bound_find(provider: CredentialsProvider, runtime: Runtime) -> Find:
    """The `find` of a provider, bound to the runtime where it wants that: one with `bind(runtime)` does."""
    bind = getattr(provider, "bind", None)
    return (provider if bind is None else cast("CredentialsProvider", bind(runtime))).find


def static_credentials(
    data: Mapping[str, Any], where: str = "credentials", locate: Locate | None = None
) -> CredentialsProvider:
    """Credentials that are known at the start: by access key id, or as users, groups, roles and policies.

    Raises ConfigError with every problem found.
    """
    if data and all(isinstance(each, Credentials) for each in data.values()):
        return _Known({each.access_key_id: each for each in data.values()})
    found = compile_directory(data, locate=locate)
    if isinstance(found, tuple):
        raise ConfigError(found)
    if not found:
        raise ConfigError(Problem(where=where, what="no access keys", why="every request would be refused"))
    return _Known(found, None if "account" in data else data)


def credentials_env(variable: str = "GATEWAYKIT_CREDENTIALS") -> CredentialsProvider:
    """The credentials in an environment variable: JSON with users, groups, roles and policies, as in a file.

    Raises ConfigError with every problem found; the variable's value is in none of them.
    """
    text = os.environ.get(variable)
    if not text:
        raise ConfigError(Problem(where=variable, what="the environment variable is not set"))
    try:
        data = json.loads(text)
    except ValueError:
        raise ConfigError(Problem(where=variable, what="the environment variable holds no JSON")) from None
    if not isinstance(data, dict):
        raise ConfigError(Problem(where=variable, what="the environment variable holds no JSON object"))
    return static_credentials(data, variable, lambda path: ".".join((variable, *map(str, path))))


def credentials_lookup(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    keep: str | float = "5m",
    stale: str | float = "1h",
    timeout: str | float = "2s",
    most: int = 10_000,
) -> CredentialsProvider:
    """Ask a service for each access key: `GET` of `url`, in which `{access_key_id}` is put.

    It answers 200 with JSON as in a credentials file, in which the key stands; 404 where nobody has the key. An answer
    is kept for `keep`. While the service fails, one that is older serves for `stale` more; without one the request is
    refused with a 500. Simultaneous requests with one key are one call. Raises ConfigError with every problem found.
    """
    problems = []
    durations: dict[str, float] = {}
    for name, given in (("keep", keep), ("stale", stale), ("timeout", timeout)):
        try:
            durations[name] = parse_duration(given)
        except ValueError as error:
            problems.append(Problem(where=f"credentials_lookup.{name}", what=str(error)))
    if _PLACE not in url:
        problems.append(Problem(where="credentials_lookup.url", what=f"{url!r} does not say where {_PLACE} goes"))
    else:
        try:
            call_to(url.replace(_PLACE, "AKID"))
        except ValueError as error:
            problems.append(Problem(where="credentials_lookup.url", what=str(error)))
    if most < 1:
        problems.append(Problem(where="credentials_lookup.most", what=f"{most} keys leave no room for one"))
    if problems:
        raise ConfigError(problems)
    return _Lookup(
        url=url, headers=tuple((headers or {}).items()), keep_s=durations["keep"], stale_s=durations["stale"],
        timeout_s=durations["timeout"], most=most,
    )  # fmt: skip


class _Known:
    """Credentials in memory. `data` is what they were made of, where it names no account."""

    def __init__(self, by_id: Mapping[str, Credentials], data: Mapping[str, Any] | None = None) -> None:
        self.find, self._data = by_id.get, data

    def bind(self, runtime: Runtime) -> _Known:
        """Where the data names no account, the users are of the API's."""
        if self._data is None:
            return self
        return _Known(cast("dict[str, Credentials]", compile_directory(self._data, account=runtime.facts.account_id)))


class _Asked:
    """A function that knows the credentials of an access key."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.find: Find = function


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lookup:
    """A service that knows them; made by `credentials_lookup`."""

    url: str
    headers: tuple[tuple[str, str], ...]
    keep_s: float
    stale_s: float
    timeout_s: float
    most: int

    def bind(self, runtime: Runtime) -> _Asked:
        return _Asked(_BoundLookup(self, runtime).find)

    def find(self, access_key_id: str) -> Credentials | None:
        raise RuntimeError("a look-up is bound to a runtime before it is asked")


class _BoundLookup:
    def __init__(self, config: _Lookup, runtime: Runtime) -> None:
        self._config, self._runtime = config, runtime
        self._headers: HeaderList = [(name.encode(), value.encode()) for name, value in config.headers]
        self._known: Expiring[str, tuple[Credentials | None, float]] = Expiring(config.most)
        self._flights: SingleFlight[Credentials | None] = SingleFlight()

    def find(self, access_key_id: str) -> Credentials | Awaitable[Credentials | None] | None:
        if KEY_ID.fullmatch(access_key_id) is None:
            return None
        now_s = self._runtime.clock.monotonic()
        known = self._known.get(access_key_id, now_s)
        if known is not None and now_s < known[1]:
            return known[0]
        return self._flights.run(access_key_id, lambda: self._ask(access_key_id))

    async def _ask(self, access_key_id: str) -> Credentials | None:
        config = self._config
        try:
            found = await self._fetched(access_key_id)
        except UpstreamError:
            known = self._known.get(access_key_id, self._runtime.clock.monotonic())
            if known is None:
                raise
            return known[0]
        now_s = self._runtime.clock.monotonic()
        fresh_s = now_s + (config.keep_s if found is not None else min(config.keep_s, _UNKNOWN_S))
        self._known.put(access_key_id, (found, fresh_s), fresh_s + (config.stale_s if found is not None else 0.0))
        return found

    async def _fetched(self, access_key_id: str) -> Credentials | None:
        call = call_to(
            self._config.url.replace(_PLACE, quote(access_key_id, safe="")), timeout_s=self._config.timeout_s
        )
        answer = await fetch(self._runtime.transport, call, [*self._headers])
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise UpstreamError("invalid", f"{call.host} answered {answer.status} when asked for an access key")
        try:
            data = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise UpstreamError("invalid", f"{call.host} answered no JSON when asked for an access key") from None
        found = compile_directory(data, account=self._runtime.facts.account_id)
        if isinstance(found, tuple):
            raise UpstreamError("invalid", f"{call.host} answered what are no credentials: {found[0]}")
        return found.get(access_key_id)
