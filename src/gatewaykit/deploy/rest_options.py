"""What a deployment adds to a definition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gatewaykit.core.context import ApiFacts
from gatewaykit.core.identity.api_key import ApiKey
from gatewaykit.deploy.authorizers import Sources
from gatewaykit.deploy.hierarchy import HierarchyOptions
from gatewaykit.deploy.rules import Rule
from gatewaykit.deploy.stage_cache_settings import StageCacheOptions
from gatewaykit.policies.preauth_throttle import PreauthThrottle
from gatewaykit.ports import KeyStore, Policy

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp

__all__ = ["RestOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestOptions:
    """What a deployment adds to a definition."""

    stage: str = "prod"
    stage_variables: Mapping[str, str]
    functions: Mapping[str, Callable[..., Any]]
    apps: Mapping[str, ASGIApp]
    api_keys: Mapping[str, str] | Sequence[ApiKey] | None = None
    key_store: KeyStore | str | None = None
    policies: Sequence[Policy | Rule] = ()
    preauth: PreauthThrottle | None = None
    trusted_proxies: Sequence[str] = ()
    stage_prefix: bool = False
    facts: ApiFacts = field(default_factory=ApiFacts)
    sources: Sources = field(default_factory=Sources)
    hierarchy: HierarchyOptions = field(default_factory=HierarchyOptions)
    stage_cache: StageCacheOptions | None = None
    built: dict[str, list[Policy | Rule]] = field(default_factory=dict)
    authorizers: dict[Any, Policy] = field(default_factory=dict)

    def once(self, where: str, make: Callable[[], list[Policy | Rule]]) -> list[Policy | Rule]:
        """Policies of the document, made once: every compilation of these options shares their limits."""
        if where not in self.built:
            self.built[where] = make()
        return self.built[where]
