"""The stage cache of a definition: which methods have it, with which key, and where it can mix callers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.caching.stage import Part, compile_part, settings_of
from gatewaykit.core.parameter_mapping import compile_request_mappings
from gatewaykit.core.reasons import Refusal
from gatewaykit.core.usage_plan import EVERY_METHOD
from gatewaykit.definition.ledger import Ledger
from gatewaykit.definition.model import Integration
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.sealed import seal_of
from gatewaykit.policies.stage_cache import StageCache

if TYPE_CHECKING:
    from gatewaykit.core.context import ApiFacts
    from gatewaykit.core.http import Request
    from gatewaykit.definition.model import Method
    from gatewaykit.deploy.stage_cache_settings import StageCacheOptions

__all__ = ["StageCaching"]

_FROM_THE_INTEGRATION: Final = re.compile(r"integration\.request\.(header|querystring|path)\.[a-zA-Z0-9._$-]+")
_ABOUT_THE_CALLER: Final = re.compile(
    r"context\.(identity|authorizer)\b|\$context\.(identity|authorizer)\b", re.IGNORECASE
)
_CALLERS_HEADERS: Final = ("authorization", "cookie", "x-api-key")


@dataclass(slots=True)
class StageCaching:
    """The caches of a stage's methods. `cautions` are added as methods are compiled."""

    options: StageCacheOptions | None
    facts: ApiFacts
    stage_variables: Mapping[str, str]
    api_name: str = ""
    cautions: list[Problem] = field(default_factory=list)

    def policy(self, method: Method, *, identified_by: str) -> StageCache | None:
        """The cache of a method; None where it has none. Raises ConfigError for a key that cannot be.

        `identified_by` says what proves who asks, such as the authorizer's name; "" for nothing.
        """
        if self.options is None:
            return None
        settings = settings_of(self.options.methods, f"{method.verb} {method.path}")
        if settings is None or not settings.holds_for(method.verb):
            return None
        integration = method.integration or Integration(type="APP")
        parts = tuple(self._parts(method, integration))
        self._check_callers(method, integration, parts, identified_by)
        encrypted = settings.cache_data_encrypted
        if encrypted and not self.options.encryption_key:
            raise ConfigError(
                Problem(where=str(method.origin.place), what="cache_data_encrypted, and there is no encryption_key")
            )
        namespace = integration.cache_namespace
        return StageCache(
            name=f"{self.api_name or self.facts.api_id}/{self.facts.stage}",
            ttl_s=settings.cache_ttl_in_seconds, methods=frozenset((method.verb,)), parts=parts,
            namespace=f"namespace {namespace}" if namespace else "",
            seal=seal_of(self.options.encryption_key) if encrypted else None,
            require_authorization=settings.require_authorization_for_cache_control,
            strategy=settings.unauthorized_cache_control_header_strategy, may_invalidate=None,
            store=self.options.kept_in, needs_body=method.verb not in ("GET", "HEAD"),
        )  # fmt: skip

    def unknown(self, methods: list[str]) -> Iterator[Problem]:
        """Settings of methods that are not there."""
        for name in self.options.methods if self.options is not None else ():
            if name != EVERY_METHOD and name not in methods:
                what = f"the stage cache has settings for {name}, and this API has no such method"
                yield Problem(where="stage_cache", what=what, near=near_miss(name, methods))

    def _parts(self, method: Method, integration: Integration) -> Iterator[Part]:
        problems = []
        for name in integration.cache_key_parameters:
            if (part := compile_part(name)) is not None:
                if not _is_declared(name, Ledger.plain(method)):
                    what = (
                        f"cacheKeyParameters has {name}, which is no declared parameter of {method.verb} {method.path}"
                    )
                    mend = "Declare it under parameters"
                    problems.append(Problem(where=str(integration.origin.place), what=what, mend=mend))
                yield part
                continue
            mapped = self._mapped_part(name, integration)
            if isinstance(mapped, str):
                problems.append(Problem(where=str(integration.origin.place), what=mapped))
            else:
                yield mapped
        if problems:
            raise ConfigError(problems)

    def _mapped_part(self, name: str, integration: Integration) -> Part | str:
        """A parameter of the integration request: what its mapping makes of the request."""
        if _FROM_THE_INTEGRATION.fullmatch(name) is None:
            return f"cacheKeyParameters has {name!r:.80}, which is no parameter of a request"
        source = integration.request_parameters.get(name)
        if source is None:
            return f"cacheKeyParameters has {name}, and requestParameters maps nothing to it"
        if source.startswith("method.request.body"):
            return f"cacheKeyParameters has {name}, which is made of the body: that is not in a key here"
        if (part := compile_part(source)) is not None:
            return Part(name, part.read, part.header)
        mapping = compile_request_mappings({name: source}, self.stage_variables, "HTTP")
        if isinstance(mapping, list):
            return "; ".join(mapping)

        def read(request: Request) -> list[str] | None:
            context: Mapping[str, Any] = request.context(request) if request.context is not None else {}
            mapped = mapping.apply(request, context)
            if isinstance(mapped, Refusal):
                return None
            values = [
                *mapped.headers.values(),
                *mapped.path.values(),
                *(v for each in mapped.query.values() for v in each),
            ]
            return values or None

        return Part(name, read)

    def _check_callers(
        self, method: Method, integration: Integration, parts: tuple[Part, ...], identified_by: str
    ) -> None:
        """Note where one caller may get what was made for another."""
        integration = Ledger.plain(integration)
        reads = _reads_of_the_caller(integration)
        if integration.type in ("AWS_PROXY", "HTTP_PROXY", "APP") and identified_by:
            reads = reads or f"{integration.type} passes on all that {identified_by} proves"
        keyed = {part.header for part in parts if part.header}
        by_context = any("context." in integration.request_parameters.get(part.name, "") for part in parts)
        if not reads or by_context or b"authorization" in keyed or b"x-api-key" in keyed:
            return
        self.cautions.append(
            Problem(
                where=str(method.origin.place),
                what=f"{method.verb} {method.path} is cached, and its response can depend on who asks",
                why=f"{reads}; the key is {', '.join(part.name for part in parts) or 'the method alone'}",
                mend="Put what tells callers apart into cacheKeyParameters, or switch caching off for this method",
            )
        )


def _reads_of_the_caller(integration: Integration) -> str:
    """What of an integration looks at who asks; "" for nothing."""
    for target, source in integration.request_parameters.items():
        if _ABOUT_THE_CALLER.search(source):
            return f"{target} is mapped from {source}"
        if any(source.lower() == f"method.request.header.{name}" for name in _CALLERS_HEADERS):
            return f"{target} is mapped from {source}"
    texts = [*integration.request_templates.values()]
    texts += [text for response in integration.responses for text in response.response_templates.values()]
    for text in texts:
        if (found := _ABOUT_THE_CALLER.search(text)) is not None:
            return f"a mapping template reads {found[0]}"
    return ""


def _is_declared(name: str, method: Method) -> bool:
    _, _, place, parameter = name.split(".", 3)
    single = place.removeprefix("multivalue")
    return any(
        declared.lower() == f"method.request.{single}.{parameter}".lower() for declared in method.request_parameters
    ) or (place == "path" and f"{{{parameter}}}" in method.path.replace("+}", "}"))
