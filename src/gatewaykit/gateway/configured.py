"""Gateways from a `gateway.yaml`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewaykit.deploy.config import ApiSettings, Config, read_config
from gatewaykit.deploy.runtime import SharedStore
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.gateway.gateway import Gateway
from gatewaykit.openapi.document import Node, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatewaykit.clock import Clock

__all__ = ["build_gateway", "build_gateways", "is_config", "load_config"]


def load_config(source: str | Path) -> Config:
    """The configuration in a file. Raises ConfigError with every problem, each with file, line and column."""
    return config_of(*load(source), directory=Path(source).parent)


def config_of(root: Node, problems: list[Problem], directory: Path) -> Config:
    """The configuration in a document that is loaded already."""
    if problems:
        raise ConfigError(problems)
    try:
        return read_config(root.plain(), lambda path: _place(root, path), directory)
    except ConfigError as error:
        raise ConfigError(sorted(error.problems, key=_line_and_column)) from None


def is_config(root: Node) -> bool:
    """Whether a document is a `gateway.yaml` rather than an API definition."""
    keys = root.value if isinstance(root.value, dict) else {}
    return "openapi" not in keys and "swagger" not in keys and any(field.name in keys for field in fields(Config))


def build_gateways(config: Config, *, clock: Clock | None = None) -> dict[str, Gateway]:
    """A gateway for each API, by the path it is mounted at. Raises ConfigError with the problems of all of them."""
    gateways: dict[str, Gateway] = {}
    problems: list[Problem] = []
    store = SharedStore.at(config.store, clock)  # a plan's quota is one for all its stages, the account's limit for all
    if not config.apis:
        problems.append(Problem(where="apis", what="there is no API", mend="Give one a definition or an upstream"))
    for api in config.apis.values():
        try:
            gateways[api.path] = build_gateway(config, api, clock=clock, store=store)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return gateways


def build_gateway(
    config: Config, api: ApiSettings | None = None, *, clock: Clock | None = None, store: SharedStore | None = None
) -> Gateway:
    """The gateway of one API; of the only one, where none is named."""
    if api is None:
        (api,) = config.apis.values()
    shared: dict[str, Any] = {
        "clock": clock,
        "policies": [*config.policies, *api.policies],
        "store": store or config.store,
        "trusted_proxies": config.trusted_proxies,
        "preauth_throttle": config.preauth_throttle,
    }
    if api.upstream is not None:
        return Gateway.from_upstream(api.upstream, profile=api.profile or "web", timeout_s=api.timeout, **shared)
    assert api.definition is not None  # one of the two, as reading the file has checked
    variables: Mapping[str, str] = api.stage_variables
    return Gateway.from_openapi(
        Path(api.definition), stage=api.stage, stage_variables=variables, functions=config.functions,
        apps=config.apps, api_keys=config.keys or None, key_store=config.key_store, credentials=config.credentials,
        authorizers={**config.authorizers, **api.authorizers}, issuers=config.issuers, profile=api.profile or "aws",
        accept=api.accept, stage_prefix=api.stage_prefix, usage_plans=config.usage_plans,
        method_settings=api.method_settings, stage_cache=api.stage_cache, account_limit=config.account_limit,
        api_name=_name_of(config, api),
        **shared,
    )  # fmt: skip


def _name_of(config: Config, api: ApiSettings) -> str:
    return next((name for name, each in config.apis.items() if each is api), "")


def _line_and_column(problem: Problem) -> tuple[int, ...]:
    return tuple(int(number) for number in problem.where.rsplit(":", 2)[1:] if number.isdecimal())


def _place(root: Node, path: tuple[str | int, ...]) -> str:
    """Where the value at a path stands; of the nearest thing around it, where there is no such value."""
    node = root
    for part in path:
        inside = node.value
        if isinstance(inside, dict) and str(part) in inside:
            node = inside[str(part)]
        elif isinstance(inside, list) and isinstance(part, int) and part < len(inside):
            node = inside[part]
        else:
            break
    return str(node.place)
