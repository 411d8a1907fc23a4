"""Policies written down as data: in `gateway.yaml`, and under `x-gatewaykit` in a definition.

A list of `name: {options}`, and of `rule: "POST /login"` with `policies:` of its own. The options are those of the
functions (`throttle`, `cors`, …), with the same names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from gatewaykit.core.identity.api_key import HASHED, ApiKey, compile_keys
from gatewaykit.core.rules import parse_target
from gatewaykit.definition.near import near_miss
from gatewaykit.deploy.authorizer_settings import ForwardAuthSettings, IntrospectionSettings, SamlBearerSettings
from gatewaykit.deploy.cache_settings import EdgeCacheSettings, StageCachePolicySettings
from gatewaykit.deploy.callables import Function
from gatewaykit.deploy.iam_settings import IamSettings
from gatewaykit.deploy.idempotency_settings import IdempotencySettings
from gatewaykit.deploy.jwt_settings import CognitoSettings, JwtSettings
from gatewaykit.deploy.key_stores import key_store_beside
from gatewaykit.deploy.lambda_authorizer_settings import LambdaAuthorizerSettings
from gatewaykit.deploy.limit_settings import ConcurrencySettings, QuotaSettings, ThrottleSettings
from gatewaykit.deploy.mtls_settings import MtlsSettings
from gatewaykit.deploy.resource_policy_settings import ResourcePolicySettings, VpcEndpointSettings
from gatewaykit.deploy.rules import Rule
from gatewaykit.deploy.settings import Duration, Locate, Path, Rate, Raw, Reading, schema_of, setting, spelt
from gatewaykit.errors import ConfigError
from gatewaykit.policies.api_key import key_policy
from gatewaykit.policies.preauth_throttle import BURST, RATE
from gatewaykit.policies.step_reading import steps_schema

if TYPE_CHECKING:
    from gatewaykit.ports import KeyStore, Policy

__all__ = [
    "KeySettings", "PreauthThrottleSettings", "build_authorizers", "build_keys", "build_policies", "policy_schemas",
]  # fmt: skip

Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    value: str = setting("The key itself, 16 characters or more", "")
    sha256: str = setting("The SHA-256 digest of the key in hexadecimal, in place of its value", "")
    enabled: bool = setting("False refuses the key", True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsSettings:
    origins: Texts = setting('The origins that may call, such as "https://shop.example"; "*" for any', ())
    origin_regex: str | None = setting("A regular expression that matches a whole origin", None)
    methods: Texts = setting("The methods a preflight may ask for", ())
    headers: Texts = setting("The request headers a preflight may ask for", ())
    expose: Texts = setting("The response headers that pages may read", ())
    max_age_s: int = setting("How long browsers keep a preflight, in seconds", 600)
    credentials: bool = setting('Allow cookies and Authorization; excludes every "*"', False)
    private_network: bool = setting("Let pages of public sites reach a private address", False)
    enforce: bool = setting("Refuse requests from other origins, not only their pages' reading of the answer", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLogSettings:
    format: str = setting("clf, json, xml, csv, or a text with $context variables", "clf")
    sink: str | None = setting("A file to append to; standard output where none is given", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressFilterSettings:
    allow: Texts | None = setting("The only addresses and networks that may come in, such as 10.0.0.0/8", None)
    deny: Texts | None = setting("Addresses and networks that may not; they win", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeySettings:
    source: Literal["header", "authorizer"] = setting("Where the key is read from", "header")
    header: str = setting("The header that carries the key", "x-api-key")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticateSettings:
    authorizer: Function = setting("Your function, as module:callable: it takes the request and says who is calling")
    timeout_s: Duration = setting("How long it may take, where it is async", None)
    challenge: str = setting('What WWW-Authenticate says on a 401, such as "Bearer"', "")
    reads_body: bool = setting("Give it the body of the request too", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreauthThrottleSettings:
    rate: Rate = setting("How often an address may fail to authenticate, in a second", RATE)
    burst: int = setting("How often at once", BURST)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformSettings:
    request: Annotated[Any, Raw("request_steps")] = setting("Steps on requests, in their order", ())
    response: Annotated[Any, Raw("response_steps")] = setting("Steps on responses, in their order", ())
    strict: bool = setting("Refuse bodies of a kind that no step is for", False)
    errors: bool = setting("Change the bodies of responses with a status of 400 or more too", False)
    max_body_bytes: int | None = setting("The most of a body that is held in memory", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateSettings:
    parameters: Texts = setting("Required parameters, such as header.x-trace, query.page or path.id", ())
    body: Annotated[Any, Raw("json_schema")] = setting("A JSON schema for bodies, or one for each content type", None)
    draft: Literal[4, 6, 7] = setting("The draft of JSON Schema, where the schema does not say", 7)
    max_body_bytes: int | None = setting("The most that is read of a body", None)


_SETTINGS: Final[dict[str, type]] = {
    "access_log": AccessLogSettings,
    "address_filter": AddressFilterSettings,
    "api_key": ApiKeySettings,
    "authenticate": AuthenticateSettings,
    "cognito": CognitoSettings,
    "concurrency": ConcurrencySettings,
    "cors": CorsSettings,
    "iam": IamSettings,
    "idempotency": IdempotencySettings,
    "edge_cache": EdgeCacheSettings,
    "forward_auth": ForwardAuthSettings,
    "introspection": IntrospectionSettings,
    "jwt": JwtSettings,
    "lambda_authorizer": LambdaAuthorizerSettings,
    "mtls": MtlsSettings,
    "preauth_throttle": PreauthThrottleSettings,
    "quota": QuotaSettings,
    "resource_policy": ResourcePolicySettings,
    "saml_bearer": SamlBearerSettings,
    "stage_cache": StageCachePolicySettings,
    "throttle": ThrottleSettings,
    "transform": TransformSettings,
    "validate": ValidateSettings,
    "vpc_endpoint": VpcEndpointSettings,
}


_REACHES_OUT: Final[dict[str, tuple[str, ...]]] = {
    "access_log": ("sink",),
    "authenticate": ("authorizer",),
    "edge_cache": ("kept_in",),
    "iam": ("credentials",),
    "idempotency": ("kept_in",),
    "jwt": ("jwks_file",),
    "lambda_authorizer": ("function", "endpoint"),
    "mtls": ("truststore", "crl"),
    "saml_bearer": ("idp_metadata",),
    "stage_cache": ("kept_in",),
}
"""Options that name Python code to import, a file, or an address that requests go to. A definition may come from
anywhere, so it may not."""

_READ_FROM: Final[dict[str, tuple[str, ...]]] = {
    "iam": ("credentials",),
    "idempotency": ("kept_in",),
    "jwt": ("jwks_file",),
    "mtls": ("truststore", "crl"),
    "saml_bearer": ("idp_metadata",),
}
"""Options that name files to read, or an address which may be that of a file."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What the file gives its policies: its keys, None where they are wrong, a store of more, whether it may name code
    and files, and where files that a policy reads are looked for."""

    api_keys: Sequence[ApiKey] | None
    key_store: KeyStore | str | None
    trusted: bool
    directory: FilePath = FilePath()


def build_policies(
    data: object,
    where: str | Locate,
    *,
    api_keys: Sequence[ApiKey] | None = (),
    key_store: KeyStore | str | None = None,
    trusted: bool = False,
    directory: FilePath = FilePath(),
) -> list[Policy | Rule]:
    """The policies of a list, in its order. Raises ConfigError with every problem in it.

    `where` names the list in problems, or gives the place of a path inside it. `api_keys` are those that the policy
    `api_key` lets through; None where they are not known, because they have problems of their own. `key_store` has
    more. Entries of a `trusted` file may name Python callables to import, and files to write, and to read: these are in
    `directory`.
    """
    reading = Reading(spelt(where) if isinstance(where, str) else where)
    source = _Source(api_keys, key_store, trusted, directory)
    listed = list(_entries(reading, data, (), source, inside_rule=False))
    if reading.problems:
        raise ConfigError(reading.problems)
    return listed


def build_authorizers(data: object, where: str | Locate, *, directory: FilePath = FilePath()) -> dict[str, Policy]:
    """The policies of a mapping from security schemes to one policy each. Raises ConfigError with every problem."""
    reading = Reading(spelt(where) if isinstance(where, str) else where)
    built: dict[str, Policy] = {}
    if not isinstance(data, Mapping):
        reading.problem((), "the authorizers are no mapping", mend="Write the name of a security scheme, and a policy")
        data = {}
    for name, entry in data.items():
        options = next(iter(entry.values())) if isinstance(entry, Mapping) and len(entry) == 1 else None
        kind = next(iter(entry)) if options is not None else entry
        if not isinstance(kind, str):
            reading.problem((name,), "this is no policy", mend="Write one policy, such as 'jwt: {…}'")
            continue
        for policy in _policy(
            reading, kind, options or {}, (name, kind), _Source((), None, trusted=True, directory=directory)
        ):
            if policy.phase != "authenticate":
                reading.problem(
                    (name,), f"{kind!r} authenticates nobody", mend="Write one such as jwt or introspection"
                )
            built[str(name)] = policy
    if reading.problems:
        raise ConfigError(reading.problems)
    return built


def build_keys(data: object, where: str | Locate) -> list[ApiKey]:
    """The keys of a mapping from names to values or settings. Raises ConfigError with every problem in it."""
    reading = Reading(spelt(where) if isinstance(where, str) else where)
    keys = reading.value(Mapping[str, str | KeySettings], data, ())
    built = []
    for name, key in keys.items() if isinstance(keys, Mapping) else ():
        if isinstance(key, str):
            key = KeySettings(value=key)
        if not isinstance(key, KeySettings):
            continue  # its problem is noted
        if bool(key.value) == bool(key.sha256):
            reading.problem((name,), f"the key {name!r} has to have either a value or a sha256")
            continue
        made = ApiKey(id=name, name=name, value=key.value or HASHED + key.sha256, enabled=key.enabled)
        built.append(made)
        if isinstance(found := compile_keys([made]), tuple):
            reading.problems += [problem.moved(reading.locate((name,))) for problem in found]
    if not reading.problems and isinstance(found := compile_keys(built), tuple):
        reading.problems += [problem.moved(reading.locate(())) for problem in found]
    if reading.problems:
        raise ConfigError(reading.problems)
    return built


def _entries(
    reading: Reading, data: object, path: Path, source: _Source, *, inside_rule: bool
) -> Iterable[Policy | Rule]:
    if not isinstance(data, (list, tuple)):
        reading.problem(path, "the policies are no list", mend='Write a list of entries such as "- throttle: {…}"')
        return
    for index, entry in enumerate(data):
        here = (*path, index)
        if isinstance(entry, Mapping) and "rule" in entry:
            if inside_rule:
                reading.problem(here, "a rule stands inside a rule", mend="Write its policies in the outer list")
            elif (rule := _rule(reading, entry, here, source)) is not None:
                yield rule
        elif isinstance(entry, str) and entry in _SETTINGS:
            yield from _policy(reading, entry, {}, here, source)
        elif isinstance(entry, Mapping) and len(entry) == 1:
            name, options = next(iter(entry.items()))
            yield from _policy(reading, str(name), {} if options is None else options, (*here, name), source)
        else:
            mend = f"Write one policy an entry, such as '- throttle: {{…}}', or 'rule:' and 'policies:'. {_known()}"
            reading.problem(here, "this entry is neither a policy nor a rule", mend=mend)


def _rule(reading: Reading, entry: Mapping[str, Any], here: Path, source: _Source) -> Rule | None:
    for key in entry:
        if key not in ("rule", "policies"):
            near = near_miss(str(key), ("rule", "policies"))
            reading.problem((*here, key), f"a rule has no setting {key!r}", near=near)
    if "policies" not in entry:
        reading.problem(here, "the rule has no 'policies'", mend="Write a list of policies under it")
        return None
    policies = tuple(_entries(reading, entry["policies"], (*here, "policies"), source, inside_rule=True))
    try:
        return Rule(parse_target(str(entry["rule"])), policies)  # type: ignore[arg-type]  # no rules: inside_rule
    except ValueError as error:
        reading.problem((*here, "rule"), str(error))
        return None


def _policy(reading: Reading, name: str, options: object, path: Path, source: _Source) -> Iterable[Policy]:
    if name not in _SETTINGS:
        near = near_miss(name, (*_SETTINGS, "rule"))
        reading.problem(path, f"there is no policy {name!r}", near=near, mend="" if near else _known())
        return
    reaching = [option for option in _REACHES_OUT.get(name, ()) if isinstance(options, Mapping) and option in options]
    if reaching and not source.trusted:
        why = "a definition may come from anywhere, and this names code to run, a file or an address to call"
        mend = f"List {name} under policies in a gateway.yaml, or give it in policies=[…]"
        reading.problem((*path, reaching[0]), f"{reaching[0]!r} cannot be written in a definition", why=why, mend=mend)
        return
    settings = reading.read(_SETTINGS[name], options, path)
    if settings is None or (name == "api_key" and source.api_keys is None):
        return
    given = {key: getattr(settings, key) for key in _given(settings, options)}
    files = [key for key in _READ_FROM.get(name, ()) if isinstance(given.get(key), str)]
    given |= {key: _beside(given[key], source.directory) for key in files}
    try:
        if name == "api_key":
            yield key_policy(source.api_keys or (), source.key_store, **given)
        else:
            yield _make(name)(**given)
    except ConfigError as error:
        for problem in error.problems:
            at = (*path, *_inside(options, problem.where))
            reading.problems.append(problem.moved(reading.locate(at)))


def _beside(place: str, directory: FilePath) -> str:
    """A path that is relative to a directory, or an address, which is so where it is that of a SQLite database."""
    if not place or ("://" in place and not place.startswith("sqlite:///")):
        return place
    return key_store_beside(place, directory)


def _given(settings: Any, options: object) -> list[str]:
    """What was not given is not passed: the function's own defaults hold."""
    return [each.name for each in fields(settings) if isinstance(options, Mapping) and each.name in options]


def _make(name: str) -> Callable[..., Policy]:
    from importlib import import_module

    home = "observe" if name == "access_log" else "policies"
    make: Callable[..., Policy] = getattr(import_module(f"gatewaykit.{home}.{name}"), name)
    return make


def _inside(options: object, where: str) -> Path:
    """The part of a policy's options that a problem of its function is about, as far as it stands in them."""
    path: list[str | int] = []
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", where):
        if index and isinstance(options, (list, tuple)) and int(index) < len(options):
            options = options[int(index)]
            path.append(int(index))
        elif name and isinstance(options, Mapping) and name in options:
            options = options[name]
            path.append(name)
        else:
            break
    return tuple(path)


def _known() -> str:
    return f"Known are {', '.join(sorted(_SETTINGS))}"


# ---------------------------------------------------------------------------------------------------- JSON Schema


def policy_schemas() -> dict[str, Any]:
    """The definitions that a JSON Schema with policies in it refers to."""
    single = [
        {"type": "object", "properties": {name: schema_of(cls)}, "required": [name], "additionalProperties": False}
        for name, cls in sorted(_SETTINGS.items())
    ]
    bare = {"enum": [name for name, cls in sorted(_SETTINGS.items()) if "required" not in schema_of(cls)]}
    target = {"description": 'A verb and a path, such as "POST /login" or "/items/{proxy+}"', "type": "string"}
    rule = {
        "type": "object",
        "properties": {"rule": target, "policies": {"$ref": "#/$defs/rule_policies"}},
        "required": ["rule", "policies"],
        "additionalProperties": False,
    }
    return {
        "authorizers": {"type": "object", "additionalProperties": {"anyOf": single}},
        "policies": {"type": "array", "items": {"anyOf": [*single, bare, rule]}},
        "json_schema": {"type": ["object", "boolean"]},
        "policy_document": {"type": ["object", "string"]},
        "request_steps": {"type": "array", "items": steps_schema("request")},
        "response_steps": {"type": "array", "items": steps_schema("response")},
        "rule_policies": {"type": "array", "items": {"anyOf": [*single, bare]}},
    }
