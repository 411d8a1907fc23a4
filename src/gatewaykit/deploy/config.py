"""`gateway.yaml`: the APIs of one server, with what their definitions do not say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast
from urllib.parse import urlsplit

from gatewaykit.definition.near import near_miss
from gatewaykit.deploy.callables import Function
from gatewaykit.deploy.configured_policies import (
    KeySettings,
    PreauthThrottleSettings,
    build_authorizers,
    build_keys,
    build_policies,
    policy_schemas,
)
from gatewaykit.deploy.iam_settings import CredentialsGiven
from gatewaykit.deploy.key_stores import key_store_beside, key_store_problem
from gatewaykit.deploy.settings import Duration, Locate, Path, Raw, Reading, Scalar, schema_of, setting
from gatewaykit.deploy.sqlite_store import sqlite_store_beside
from gatewaykit.deploy.stage_cache_settings import StageCacheOptions, StageCacheSettings, stage_cache_of_settings
from gatewaykit.deploy.throttle_stores import throttle_store_problems
from gatewaykit.deploy.usage_plan_settings import LimitSettings, UsagePlanSettings, method_limits, plans_of_settings
from gatewaykit.errors import ConfigError
from gatewaykit.policies.preauth_throttle import PreauthThrottle, preauth_throttle

if TYPE_CHECKING:
    from gatewaykit.core.identity.api_key import ApiKey
    from gatewaykit.core.throttle import Bucket
    from gatewaykit.core.usage_plan import UsagePlan
    from gatewaykit.deploy.rules import Rule
    from gatewaykit.ports import Policy

__all__ = ["ApiSettings", "Config", "ServerSettings", "TlsSettings", "config_schema", "read_config"]

Policies = Annotated[tuple[Any, ...], Raw("policies")]
Keys = Annotated[tuple[Any, ...], Raw("keys")]
Authorizers = Annotated[Mapping[str, Any], Raw("authorizers")]


def _parse_port(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise ValueError(f"{value!r} is no port; write a number from 0 to 65535")
    return value


Port = Annotated[int, Scalar(_parse_port, {"type": "integer", "minimum": 0, "maximum": 65535})]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    cert: str = setting("The server's certificate in PEM, with its intermediates; paths are relative to this file")
    key: str | None = setting("Its key in PEM, where that is in another file", None)
    client_ca: str | None = setting("The CAs of clients in PEM; clients then need a certificate of one of them", None)
    client_cert: Literal["required", "optional"] = setting("Whether a client may come without one", "required")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    host: str = setting("The address to listen on", "127.0.0.1")
    port: Port = setting("The port to listen on; 0 takes a free one", 8080)
    tls: TlsSettings | None = setting("The server's own TLS; without it, it speaks plain HTTP", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """One API: made from a definition, or a sidecar in front of an upstream."""

    definition: str | None = setting("An OpenAPI document; its path is relative to this file", None)
    upstream: str | None = setting("The address of a service to stand before, such as http://127.0.0.1:9000", None)
    path: str = setting("Where the API is mounted; its own paths begin behind it", "/")
    profile: Literal["aws", "web"] | None = setting(
        "Whose answers it gives: aws for definitions, web for upstreams", None
    )
    policies: Policies = setting("Policies of this API, after those of every API", ())
    stage: str = setting("The name of the stage", "prod")
    stage_variables: Mapping[str, str] = setting("The stage's variables", factory=dict)
    stage_prefix: bool = setting("Put the API under /{stage}, as on the execute-api host", False)
    accept: tuple[str, ...] = setting("Security keys of the definition that may stay unenforced", ())
    authorizers: Authorizers = setting(
        "Policies that stand in for security schemes, by the schemes' names", factory=dict
    )
    method_settings: Mapping[str, LimitSettings] = setting(
        "Limits of methods for all callers, by names such as /pets/GET or */*", factory=dict
    )
    stage_cache: StageCacheSettings | None = setting("The cache of the stage; none where it is left out", None)
    timeout: Duration = setting("How long the upstream may take to answer", 29.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file. `keys`, `policies`, `usage_plans` and `method_settings` are built already."""

    apis: Mapping[str, ApiSettings] = setting("The APIs, by names of your choice", factory=dict)
    policies: Policies = setting("Policies of every API, in the order they are listed", ())
    keys: Keys = setting("API keys by name: the value, or value or sha256 with enabled", ())
    key_store: str | None = setting("Where more API keys are kept: keys.json, keys.yaml or sqlite:///keys.db", None)
    authorizers: Authorizers = setting(
        "Policies that stand in for security schemes of definitions, by the schemes' names", factory=dict
    )
    credentials: CredentialsGiven = setting(
        "Who may sign requests: users and roles, a file with them, env:NAME, an address, or module:callable", None
    )
    issuers: Mapping[str, str] = setting(
        "The addresses of user pools, by their ARNs, where they are not AWS's", factory=dict
    )
    functions: Mapping[str, Function] = setting("Lambda functions by name, each a module:callable", factory=dict)
    apps: Mapping[str, Function] = setting("ASGI apps by name, each a module:callable", factory=dict)
    trusted_proxies: tuple[str, ...] = setting("Addresses and networks of proxies, whose word on the client counts", ())
    preauth_throttle: bool | PreauthThrottleSettings | None = setting(
        "How often an address may fail to authenticate, or false; on under the web profile", None
    )
    usage_plans: Mapping[str, UsagePlanSettings] = setting(
        "Usage plans by ids of your choice: their throttle, quota, stages and keys", factory=dict
    )
    account_limit: bool | LimitSettings | None = setting(
        "The limit of all APIs together, or false; that of an AWS account under the aws profile", None
    )
    store: str = setting("Where limits are kept: memory://, redis://HOST:6379/0 or sqlite:///limits.db", "memory://")
    server: ServerSettings = setting("Where to listen", factory=ServerSettings)


_UPSTREAM_ONLY: Final = ("timeout",)
_DEFINITION_ONLY: Final = (
    "stage",
    "stage_variables",
    "stage_prefix",
    "accept",
    "authorizers",
    "method_settings",
    "stage_cache",
)


def read_config(data: object, locate: Locate, directory: FilePath) -> Config:
    """The configuration that plain data stands for. Raises ConfigError with every problem, placed by `locate`.

    Definitions, and the files of TLS and of policies, are looked for in `directory`.
    """
    reading = Reading(locate)
    config = reading.read(Config, data)
    raw = data if isinstance(data, Mapping) else {}
    keys: list[ApiKey] | None = _built(reading, "keys", raw, build_keys) if "keys" in raw else []
    key_store = _key_store(reading, raw, directory)
    for each in throttle_store_problems(config.store) if config is not None else ():
        reading.problem(("store",), each.what, mend=each.mend, near=each.near)
    build = partial(build_policies, api_keys=keys, key_store=key_store, trusted=True, directory=directory)
    policies = _built(reading, "policies", raw, build)
    stand_in = partial(build_authorizers, directory=directory)
    authorizers = _built(reading, "authorizers", raw, stand_in)
    apis = raw.get("apis")
    own: dict[str, list[Policy | Rule]] = {}
    stand_ins: dict[str, dict[str, Policy]] = {}
    for name, api in apis.items() if isinstance(apis, Mapping) else ():
        if isinstance(api, Mapping):
            path = ("apis", name)
            _check_api(reading, api, path)
            own[str(name)] = _built(reading, "policies", api, build, path) or []
            stand_ins[str(name)] = _built(reading, "authorizers", api, stand_in, path) or {}
    plans: tuple[UsagePlan, ...] = ()
    methods: dict[str, dict[str, Bucket]] = {}
    caches: dict[str, StageCacheOptions | None] = {}
    if config is not None:
        plans = plans_of_settings(config.usage_plans, reading, ("usage_plans",))
        _check_plans_apis(reading, plans, config)
        if config.apis and all(api.definition is None for api in config.apis.values()):
            for key, given, what in (
                ("usage_plans", config.usage_plans, "usage plans are"),
                ("account_limit", config.account_limit, "the account's limit is"),
            ):
                if given:
                    mend = "List throttle and quota under policies"
                    reading.problem((key,), f"{what} of definitions, and there is none here", mend=mend)
        caches = {
            name: stage_cache_of_settings(api.stage_cache, reading, ("apis", name, "stage_cache"))
            for name, api in config.apis.items()
            if api.stage_cache is not None
        }
        methods = {
            name: method_limits(api.method_settings, reading, ("apis", name, "method_settings"))
            for name, api in config.apis.items()
        }
    preauth = _built(reading, "preauth_throttle", {"preauth_throttle": config and config.preauth_throttle}, _preauth)
    if config is not None:
        _check_paths(reading, config)
        _check_keys_are_asked_for(
            reading, config, [*(policies or []), *(each for some in own.values() for each in some)]
        )
    if reading.problems or config is None:
        raise ConfigError(reading.problems)
    return replace(
        config,
        keys=tuple(keys or ()),
        key_store=key_store,
        store=sqlite_store_beside(config.store, directory),
        usage_plans=cast(Any, plans),
        preauth_throttle=preauth,
        policies=tuple(policies or ()),
        server=replace(config.server, tls=_within(directory, config.server.tls)),
        authorizers=authorizers or {},
        credentials=str(directory / config.credentials) if isinstance(config.credentials, str) else config.credentials,
        apis={
            name: replace(
                api,
                policies=tuple(own[name]),
                authorizers=stand_ins[name],
                method_settings=cast(Any, methods[name]),
                stage_cache=cast(Any, caches.get(name)),
                definition=None if api.definition is None else str(directory / api.definition),
            )
            for name, api in config.apis.items()
        },
    )


def _within(directory: FilePath, tls: TlsSettings | None) -> TlsSettings | None:
    if tls is None:
        return None
    key, client_ca = (None if name is None else str(directory / name) for name in (tls.key, tls.client_ca))
    return replace(tls, cert=str(directory / tls.cert), key=key, client_ca=client_ca)


def config_schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    key = {"anyOf": [{"type": "string", "minLength": 16}, schema_of(KeySettings)]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gateway.yaml",
        **schema_of(Config),
        "$defs": {**policy_schemas(), "keys": {"type": "object", "additionalProperties": key}},
    }


def _built(
    reading: Reading, key: str, data: Mapping[str, Any], build: Callable[[Any, Locate], Any], path: Path = ()
) -> Any:
    if key not in data:
        return None
    try:
        return build(data[key], lambda inner: reading.locate((*path, key, *inner)))
    except ConfigError as error:
        reading.problems += error.problems
        return None


def _preauth(given: Any, where: Locate) -> PreauthThrottle | bool | None:
    """The setting as the gateway takes it, with its problems at their places."""
    if not isinstance(given, PreauthThrottleSettings):
        return cast("bool | None", given)
    try:
        return preauth_throttle(rate=given.rate, burst=given.burst)
    except ConfigError as error:
        problems = [(each, each.where.rpartition(".")[2]) for each in error.problems]
        raise ConfigError(each.moved(where((option,))) for each, option in problems) from None


def _key_store(reading: Reading, raw: Mapping[str, Any], directory: FilePath) -> str | None:
    """The store of keys; its path is relative to the file's own directory."""
    given = raw.get("key_store")
    if not isinstance(given, str):
        return None  # where it is something else, that is a problem already
    if (problem := key_store_problem(given)) is not None:
        reading.problem(("key_store",), problem.what, mend=problem.mend, near=problem.near)
        return None
    return key_store_beside(given, directory)


def _check_api(reading: Reading, api: Mapping[str, Any], path: Path) -> None:
    name = path[-1]
    if ("definition" in api) == ("upstream" in api):
        reading.problem(path, f"the API {name!r} has to have either a definition or an upstream")
        return
    for key in _UPSTREAM_ONLY if "definition" in api else _DEFINITION_ONLY:
        if key in api:
            what, other = ("a definition", "an upstream") if "definition" in api else ("an upstream", "a definition")
            reading.problem((*path, key), f"{key!r} means nothing for {what}; it is of {other}")
    if isinstance(upstream := api.get("upstream"), str):
        problem = upstream_problem(upstream)
        if problem:
            reading.problem((*path, "upstream"), problem)
    if isinstance(mount := api.get("path", "/"), str) and not mount.startswith("/"):
        reading.problem((*path, "path"), f"the path {mount!r} does not begin with a slash", near=f"/{mount}")


def upstream_problem(url: str) -> str:
    """What is wrong with the address of an upstream; "" when nothing is."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        return f"{url!r} is no address: {error}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"{url!r} is no address of a service; write one such as http://127.0.0.1:9000"
    return ""


def _check_paths(reading: Reading, config: Config) -> None:
    mounted: dict[str, str] = {}
    for name, api in config.apis.items():
        first = mounted.setdefault(api.path.strip("/"), name)
        if first != name:
            path = ("apis", name, "path") if api.path != "/" else ("apis", name)
            reading.problem(
                path, f"the APIs {first!r} and {name!r} are both at {api.path}", mend="Give each its own path"
            )


def _check_plans_apis(reading: Reading, plans: Sequence[UsagePlan], config: Config) -> None:
    for plan in plans:
        for position, at in enumerate(plan.stages):
            if at.api_id and at.api_id not in config.apis:
                path: Path = ("usage_plans", plan.id, "stages", position, "api")
                reading.problem(path, f"there is no API {at.api_id!r}", near=near_miss(at.api_id, config.apis))
            elif at.api_id and config.apis[at.api_id].definition is None:
                path = ("usage_plans", plan.id, "stages", position, "api")
                reading.problem(path, f"the API {at.api_id!r} is an upstream, which has no usage plans")
            elif at.stage and not any(
                api.stage == at.stage for name, api in config.apis.items() if at.api_id in ("", name)
            ):
                stages = [api.stage for api in config.apis.values()]
                path = ("usage_plans", plan.id, "stages", position)
                reading.problem(path, f"no API here has the stage {at.stage!r}", near=near_miss(at.stage, stages))


def _check_keys_are_asked_for(reading: Reading, config: Config, listed: list[Policy | Rule]) -> None:
    """Keys that nothing asks for look like a lock and are none. A definition says itself which methods need one."""
    given = "keys" if config.keys else "key_store"
    if (
        not (config.keys or config.key_store)
        or not config.apis
        or any(api.definition is not None for api in config.apis.values())
    ):
        return
    policies = [policy for entry in listed for policy in getattr(entry, "policies", (entry,))]
    if not any(type(policy).__name__ == "ApiKeyPolicy" for policy in policies):
        reading.problem((given,), "there are keys, and no policy asks for them", mend="List '- api_key' under policies")
