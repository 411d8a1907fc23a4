"""The gateways that a command is about: from a definition, a gateway.yaml, or an upstream, with the options given."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewaykit.cli.server_tls import client_certificates
from gatewaykit.cli.usage_error import UsageError
from gatewaykit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from gatewaykit.deploy.config import Config
    from gatewaykit.deploy.rules import Rule
    from gatewaykit.gateway.gateway import Gateway
    from gatewaykit.ports import Policy

__all__ = ["Opened", "add_json", "add_source", "open_source"]

DEMO = "demo"
"""The name of the key that `serve` prints."""


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON value")


def add_source(parser: argparse.ArgumentParser, *, upstream: bool = False) -> None:
    """FILE, and the options that say how to make a gateway of it."""
    what = "an OpenAPI document with API Gateway extensions, or a gateway.yaml"
    if upstream:
        parser.add_argument("file", metavar="FILE", nargs="?", help=what)
        parser.add_argument("--upstream", metavar="URL", help="stand before this service, in place of FILE")
    else:
        parser.add_argument("file", metavar="FILE", help=what)
        parser.set_defaults(upstream=None)
    group = parser.add_argument_group("the gateway")
    group.add_argument("--stage", metavar="NAME", help="the name of the stage (prod)")
    group.add_argument("--stage-prefix", action="store_true", help="put the API under /{stage}")
    group.add_argument("--var", metavar="NAME=VALUE", action="append", default=[], help="a stage variable")
    group.add_argument(
        "--function", metavar="NAME=MODULE:CALLABLE", action="append", default=[], help="bind a Lambda function"
    )
    group.add_argument("--app", metavar="NAME=MODULE:CALLABLE", action="append", default=[], help="bind an ASGI app")
    group.add_argument("--key", metavar="NAME=VALUE", action="append", default=[], help="an API key")
    group.add_argument("--keys", metavar="STORE", help="where more API keys are kept: keys.json or sqlite:///keys.db")
    group.add_argument("--credentials", metavar="FILE", help="users and their access keys, for AWS signatures")
    group.add_argument("--profile", choices=["aws", "web"], help="whose answers to give")
    group.add_argument(
        "--accept", metavar="KEY", action="append", default=[], help="a security key that may stay unenforced"
    )
    group.add_argument("--config", metavar="FILE", help="a gateway.yaml with policies, keys, functions, …")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Gateways by the path they are mounted at. `demo_key` is the value of the key named demo, where it is known."""

    name: str
    gateways: Mapping[str, Gateway]
    config: Config | None = None
    demo_key: str = ""
    stage_prefix: str = ""
    unbound: tuple[str, ...] = ()  # functions that an integration calls, and nobody bound

    def find(self, path: str) -> tuple[Gateway, str]:
        """The gateway that serves a path, and the rest of the path."""
        if path and path[0] not in "/?":
            mend = "Write it without scheme and host" if "://" in path else ""
            raise UsageError(
                f"the PATH {path!r} does not begin with a slash", near="" if mend else f"/{path}", mend=mend
            )
        for mount in sorted(self.gateways, key=len, reverse=True):
            prefix = mount.rstrip("/")
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/", "?"):
                return self.gateways[mount], path[len(prefix) :] or "/"
        raise UsageError(f"no API is mounted where {path} is; there are {', '.join(sorted(self.gateways))}")


@dataclass(slots=True)
class _Options:
    """The options of the command line as values, and what is wrong with them."""

    variables: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Callable[..., Any]] = field(default_factory=dict)
    apps: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


def open_source(
    arguments: argparse.Namespace,
    *,
    unbound: bool = False,
    unenforced: bool = False,
    reads: bool = False,
    log: Policy | None = None,
) -> Opened:
    """The gateways that the arguments name. Raises ConfigError and UsageError.

    `unbound`: apps need not be bound, as they are not called. `unenforced`: a key that protects the API
    and is not enforced does not stop it, as it is only looked at. `reads`: a database of limits is looked at, and left
    to the process that counts in it. `log` is put first where nothing else logs.
    """
    if "" not in sys.path:
        _look_up_modules_in(Path.cwd(), 0)
    if (arguments.file is None) == (arguments.upstream is None):
        raise UsageError("give either a FILE or --upstream URL")
    options = _options(arguments)
    if arguments.upstream is not None:
        return _sidecar(arguments, options, log)
    from gatewaykit.gateway.configured import config_of, is_config
    from gatewaykit.openapi.document import load

    root, problems = load(Path(arguments.file))
    if is_config(root):
        if given := [name for name, value in _definition_options(arguments) if value]:
            raise UsageError(f"{given[0]} is for a definition; {arguments.file} is a gateway.yaml: write it there")
        directory = Path(arguments.file).parent
        _look_up_modules_in(directory.resolve(), 1)  # what a file names may stand beside it, as definitions do
        config = config_of(root, problems, directory)
        return _configured(arguments, _looked_at(config) if reads else config, unbound, unenforced, log)
    return _definition(arguments, options, root.plain(), unbound, unenforced, reads, log)


# ---------------------------------------------------------------------------------------------------- parts


def _definition(
    arguments: argparse.Namespace,
    options: _Options,
    document: Any,
    unbound: bool,
    unenforced: bool,
    reads: bool,
    log: Policy | None,
) -> Opened:
    from gatewaykit.core.identity.api_key import ApiKey
    from gatewaykit.gateway.gateway import Gateway

    config = _settings(arguments)
    if config is not None and reads:
        config = _looked_at(config)
    own = document.get("x-gatewaykit") if isinstance(document, dict) else None
    keys = [ApiKey(id=name, name=name, value=value) for name, value in options.keys.items()]
    functions: Mapping[str, Any] = {**(config.functions if config else {}), **options.functions}
    apps = {**(config.apps if config else {}), **options.apps}
    stage = arguments.stage or "prod"
    gateway = Gateway.from_openapi(
        Path(arguments.file), stage=stage, stage_variables=options.variables, stage_prefix=arguments.stage_prefix,
        functions=functions, apps=_AnyApp(apps) if unbound else apps,
        api_keys=[*(config.keys if config else ()), *keys] or None, key_store=_key_store(arguments, config),
        policies=_logged(log, _shared(arguments, config), own), store=config.store if config else "memory://",
        trusted_proxies=config.trusted_proxies if config else (),
        preauth_throttle=_preauth(config), profile=arguments.profile or "aws",
        accept=_EVERY_KEY if unenforced else arguments.accept,
        authorizers=config.authorizers if config else {}, issuers=config.issuers if config else {},
        credentials=arguments.credentials or (config.credentials if config else None),
        usage_plans=config.usage_plans if config else (), account_limit=config.account_limit if config else None,
    )  # fmt: skip
    called = _called_functions(gateway)
    _check_that_it_serves(options, arguments.keys, arguments.credentials, gateway, called)
    return Opened(
        name=arguments.file,
        gateways={"/": gateway},
        unbound=tuple(name for name in called if name not in functions and "$" not in name),
        config=config,
        demo_key=options.keys.get(DEMO) or _demo_key(own),
        stage_prefix=f"/{stage}" if arguments.stage_prefix else "",
    )


def _called_functions(gateway: Gateway) -> list[str]:
    """The names of the functions that integrations call; one with a stage variable in it stays as it is written."""
    named = (text for route in gateway.routes for text in (route.integration, route.authorizer))
    found = [re.search(r":function:([^/:]+)", text) for text in named]
    return sorted({match[1] for match in found if match})


def _check_that_it_serves(
    options: _Options, store: str | None, signed_by: str | None, gateway: Gateway, called: list[str]
) -> None:
    """What was given and has no effect was meant otherwise."""
    from gatewaykit.definition.near import near_miss

    if (options.keys or store) and not any("api_key" in route.policies for route in gateway.routes):
        raise UsageError(f"{'--key' if options.keys else '--keys'}: no method of this API asks for a key")
    if signed_by and not any("iam" in route.policies for route in gateway.routes):
        raise UsageError("--credentials: no method of this API asks for a signature")
    named = [route.integration.removeprefix("APP ") for route in gateway.routes if route.integration.startswith("APP ")]
    problems = []
    for option, given, wanted, what in (
        ("--function", options.functions, called, "no integration calls a function"),
        ("--app", options.apps, named, "no operation names an app"),
    ):
        if not any("$" in name for name in wanted):
            for name in given:
                if name not in wanted:
                    problem = Problem(where=option, what=f"{what} {name!r}", near=near_miss(name, wanted))
                    problems.append(problem)
    if problems:
        raise ConfigError(problems)


def _configured(
    arguments: argparse.Namespace, config: Config, unbound: bool, unenforced: bool, log: Policy | None
) -> Opened:
    from gatewaykit.gateway.configured import build_gateways

    config = replace(config, policies=tuple(_logged(log, _shared(arguments, config), None)))
    if unbound:
        config = replace(config, apps=_AnyApp(config.apps))
    if unenforced:
        config = replace(config, apis={each: replace(api, accept=_EVERY_KEY) for each, api in config.apis.items()})
    plain = {key.name: key.value for key in config.keys if not key.value.startswith("sha256:")}
    return Opened(name=arguments.file, gateways=build_gateways(config), config=config, demo_key=plain.get(DEMO, ""))


def _sidecar(arguments: argparse.Namespace, options: _Options, log: Policy | None) -> Opened:
    from gatewaykit.core.identity.api_key import ApiKey
    from gatewaykit.deploy.config import upstream_problem
    from gatewaykit.gateway.gateway import Gateway
    from gatewaykit.policies.api_key import key_policy

    if problem := upstream_problem(arguments.upstream):
        raise UsageError(f"--upstream: {problem}")
    for name, value in _definition_options(arguments):
        if value and name not in ("--key", "--keys", "--profile", "--config"):
            raise UsageError(f"{name} means nothing with --upstream, which has no definition")
    config = _settings(arguments)
    if config is not None and (config.usage_plans or config.account_limit):
        mend = "List throttle and quota under policies"
        what = f"{arguments.config}: usage plans and the account's limit are of definitions, and --upstream has none"
        raise UsageError(what, mend=mend)
    keyed = bool(options.keys or arguments.keys)
    if keyed and config is not None and (config.keys or config.key_store):
        option = "--key" if options.keys else "--keys"
        raise UsageError(f"{option}: {arguments.config} has keys already; write it there")
    given = [ApiKey(id=name, value=value) for name, value in options.keys.items()]
    own_keys = [key_policy(given, arguments.keys)] if keyed else []
    gateway = Gateway.from_upstream(
        arguments.upstream,
        policies=_logged(log, _shared(arguments, config, *own_keys), None),
        profile=arguments.profile or "web",
        store=config.store if config else "memory://",
        trusted_proxies=config.trusted_proxies if config else (),
        preauth_throttle=_preauth(config),
    )
    return Opened(name=arguments.upstream, gateways={"/": gateway}, config=config, demo_key=options.keys.get(DEMO, ""))


def _looked_at(config: Config) -> Config:
    """With a store that takes nothing, where only one process may take."""
    from gatewaykit.deploy.sqlite_store import SQLITE
    from gatewaykit.deploy.throttle_stores import throttle_store

    if not config.store.startswith(SQLITE):
        return config
    store: Any = throttle_store(config.store, reads=True)
    return replace(config, store=store)


def _key_store(arguments: argparse.Namespace, config: Config | None) -> str | None:
    """The store of API keys: there is one, named on the command line or in the file."""
    there = config.key_store if config else None
    if there and arguments.keys:
        raise UsageError(f"--keys: {arguments.config} has a key_store already; write it there")
    return arguments.keys or there


def _preauth(config: Config | None) -> Any:
    """The setting of the file; built, where there is one."""
    return config.preauth_throttle if config else None


def _settings(arguments: argparse.Namespace) -> Config | None:
    """What `--config` adds. APIs in it would be left out in silence, so they are refused."""
    if arguments.config is None:
        return None
    from gatewaykit.gateway.configured import config_of
    from gatewaykit.openapi.document import load

    root, problems = load(Path(arguments.config))
    _look_up_modules_in(Path(arguments.config).resolve().parent, 1)
    if isinstance(root.value, dict) and not {"openapi", "swagger"}.isdisjoint(root.value):
        raise UsageError(f"--config: {arguments.config} is an API definition; give it as FILE")
    config = config_of(root, problems, Path(arguments.config).parent)
    if config.apis:
        raise UsageError(f"{arguments.config} has APIs of its own: run gatewaykit serve {arguments.config}")
    return config


def _options(arguments: argparse.Namespace) -> _Options:
    from gatewaykit.deploy.callables import load_callable

    options, problems = _Options(), []
    targets: tuple[tuple[str, list[str], dict[str, Any]], ...] = (
        ("--var", arguments.var, options.variables),
        ("--key", arguments.key, options.keys),
        ("--function", arguments.function, options.functions),
        ("--app", arguments.app, options.apps),
    )
    for option, texts, into in targets:
        for text in texts:
            name, equals, value = text.partition("=")
            if not name or not equals:
                problems.append(Problem(where=option, what=f"{text!r} is no NAME=VALUE"))
                continue
            try:
                into[name] = load_callable(value) if option in ("--function", "--app") else value
            except ValueError as error:
                problems.append(Problem(where=option, what=str(error)))
    if problems:
        raise ConfigError(problems)
    return options


def _look_up_modules_in(directory: Path, index: int) -> None:
    if str(directory) not in sys.path:
        sys.path.insert(index, str(directory))


def _definition_options(arguments: argparse.Namespace) -> tuple[tuple[str, Any], ...]:
    return (
        ("--stage", arguments.stage), ("--stage-prefix", arguments.stage_prefix), ("--var", arguments.var),
        ("--function", arguments.function), ("--app", arguments.app), ("--key", arguments.key),
        ("--keys", arguments.keys), ("--credentials", arguments.credentials), ("--profile", arguments.profile),
        ("--accept", arguments.accept), ("--config", arguments.config),
    )  # fmt: skip


def _shared(arguments: argparse.Namespace, config: Config | None, *more: Policy) -> list[Policy | Rule]:
    """The policies of every API: first what looks at the certificates that the server asks for, then `more`."""
    listed = config.policies if config else ()
    return [*client_certificates(arguments, config, listed), *more, *listed]


def _logged(log: Policy | None, listed: Sequence[Policy | Rule], own: object) -> list[Policy | Rule]:
    """The policies with `log` before them, unless they log, or the document's own do."""
    entries = own.get("policies") if isinstance(own, dict) else None
    names = [name for entry in entries or () for name in (entry if isinstance(entry, dict) else (entry,))]
    logs = "access_log" in names or any(getattr(each, "phase", "") == "access_log" for each in listed)
    return [*listed] if log is None or logs else [log, *listed]


def _demo_key(own: object) -> str:
    keys = own.get("keys") if isinstance(own, dict) else None
    key = keys.get(DEMO) if isinstance(keys, dict) else None
    value = key.get("value") if isinstance(key, dict) else key
    return value if isinstance(value, str) and not value.startswith("sha256:") else ""


class _EveryKey(Collection[str]):
    """Accepts every key: a report is wanted, not a gateway."""

    def __contains__(self, key: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 1


_EVERY_KEY: Any = _EveryKey()


class _AnyApp(dict[str, Any]):
    """Has an app for every name: what is bound to a definition does not matter for looking at it."""

    def __contains__(self, name: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True  # also where it holds none yet

    def __missing__(self, name: str) -> Any:
        return _nothing


def _nothing(*arguments: Any) -> None:
    """Stands where an app is bound; it is never called."""
