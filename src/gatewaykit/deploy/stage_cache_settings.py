"""The stage cache of a definition, as settings: in a `gateway.yaml`, in code, and in the document's `x-gatewaykit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from gatewaykit.core.caching.stage import DEFAULT_TTL_S, MOST_TTL_S, CacheSettings
from gatewaykit.core.usage_plan import EVERY_METHOD, method_key
from gatewaykit.deploy.settings import Locate, Path, Reading, setting, spelt
from gatewaykit.errors import ConfigError

__all__ = [
    "MethodCacheSettings", "StageCacheOptions", "StageCacheSettings", "merged", "read_stage_cache",
    "stage_cache_of_settings",
]  # fmt: skip

_METHOD_MEND: Final = "Write /pets/{id}/GET, 'GET /pets/{id}' or */*"
_NOT_IN_A_DEFINITION: Final = ("kept_in", "encryption_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCacheSettings:
    caching_enabled: bool = setting("Keep responses of this method", True)
    cache_ttl_in_seconds: int = setting("For how long, 3600 at most; 0 keeps none", DEFAULT_TTL_S)
    cache_data_encrypted: bool = setting("Keep them encrypted; needs encryption_key", False)
    require_authorization_for_cache_control: bool = setting(
        "Let only callers with execute-api:InvalidateCache ask for new responses", True
    )
    unauthorized_cache_control_header_strategy: Literal[
        "FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"
    ] = setting("What becomes of the others that ask for one", "SUCCEED_WITH_RESPONSE_HEADER")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCacheSettings:
    enabled: bool = setting("Whether the stage has a cache at all", True)
    methods: Mapping[str, MethodCacheSettings] | None = setting(
        "Settings of methods, by names such as /pets/GET or */*; every GET where none are given", None
    )
    kept_in: str = setting("Where responses are kept: memory://?size=64MB or redis://…; where limits are if empty", "")
    encryption_key: str = setting("The key that entries are encrypted with: 16, 24 or 32 bytes in base64", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCacheOptions:
    """The settings by `"GET /pets"`, checked. Without any method nothing is cached."""

    methods: Mapping[str, CacheSettings]
    kept_in: str = ""
    encryption_key: str = ""


def read_stage_cache(
    given: object, where: str | Locate = "stage_cache", *, trusted: bool = True
) -> StageCacheOptions | None:
    """The cache that was given; None where there is none. Raises ConfigError with every problem.

    A definition may come from anywhere: not `trusted`, it names no address and no key.
    """
    if given is None or isinstance(given, StageCacheOptions):
        return given
    reading = Reading(spelt(where) if isinstance(where, str) else where)
    settings = given if isinstance(given, StageCacheSettings) else reading.read(StageCacheSettings, given)
    options = None if settings is None else stage_cache_of_settings(settings, reading, (), given, trusted=trusted)
    if reading.problems:
        raise ConfigError(reading.problems)
    return options


def stage_cache_of_settings(
    settings: StageCacheSettings, reading: Reading, base: Path, given: Any = None, *, trusted: bool = True
) -> StageCacheOptions | None:
    """The cache of settings that were read; what is wrong with them is noted."""
    if not trusted:
        for name in _NOT_IN_A_DEFINITION:
            if name in given:
                reading.problem(
                    (*base, name), "a definition may not say this", mend="Give it where the API is deployed"
                )
    methods: dict[str, CacheSettings] = {}
    asked = {EVERY_METHOD: MethodCacheSettings()} if settings.methods is None else settings.methods
    for name, each in asked.items():
        path, key = (*base, "methods", name), method_key(name)
        if key is None:
            reading.problem(path, f"{name!r:.80} names no method", mend=_METHOD_MEND)
            continue
        if not 0 <= each.cache_ttl_in_seconds <= MOST_TTL_S:
            reading.problem(
                (*path, "cache_ttl_in_seconds"), f"{each.cache_ttl_in_seconds} is not from 0 to {MOST_TTL_S}"
            )
        if each.cache_data_encrypted and not settings.encryption_key and trusted:
            reading.problem((*path, "cache_data_encrypted"), "there is no encryption_key to encrypt with")
        methods[key] = CacheSettings(
            own=key != EVERY_METHOD, **{name: getattr(each, name) for name in MethodCacheSettings.__slots__}
        )
    if settings.encryption_key:
        from gatewaykit.policies.sealed import seal_of

        try:
            seal_of(settings.encryption_key)
        except ValueError as error:
            reading.problem((*base, "encryption_key"), str(error))
    if not settings.enabled:
        return None
    return StageCacheOptions(methods=methods, kept_in=settings.kept_in, encryption_key=settings.encryption_key)


def merged(document: StageCacheOptions | None, deployment: StageCacheOptions | None) -> StageCacheOptions | None:
    """What the document says, and over it what the deployment says."""
    if document is None or deployment is None:
        return deployment or document
    return replace(deployment, methods={**document.methods, **deployment.methods})
