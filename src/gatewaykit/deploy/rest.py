"""A REST definition as compiled chains.

The order of a request's phases is `REST_ORDER`, and only there (reference 01 section 3). What this module and the
compilers it calls read from the definition is, by that reading, what `check` reports as enforced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from gatewaykit.asgi.app_endpoint import AppEndpoint
from gatewaykit.asgi.ids import IDS
from gatewaykit.core.context import ApiFacts, context_of
from gatewaykit.core.gateway_response import Customised, Renderer, compile_renderer
from gatewaykit.core.identity.api_key import ApiKey
from gatewaykit.core.routing import Router
from gatewaykit.core.usage_plan import ACCOUNT
from gatewaykit.definition.near import near_miss
from gatewaykit.deploy.authorizers import Authorizers, is_private
from gatewaykit.deploy.configured_policies import build_keys, build_policies
from gatewaykit.deploy.deployment import Deployment, Leaf, Missing, RouteSummary
from gatewaykit.deploy.hierarchy import Hierarchy, read_hierarchy
from gatewaykit.deploy.rest_options import RestOptions
from gatewaykit.deploy.rest_policies import NoKeys, validator_of
from gatewaykit.deploy.rules import Listed, Rule, bind_listed, bind_policy
from gatewaykit.deploy.stage_cache_settings import merged, read_stage_cache
from gatewaykit.deploy.stage_caching import StageCaching
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.integrations.compile import compile_integration
from gatewaykit.integrations.deps import IntegrationDeps
from gatewaykit.pipeline.chain import Chain
from gatewaykit.policies.api_key import key_policy
from gatewaykit.policies.client_address import ClientAddress
from gatewaykit.policies.compress import Compress
from gatewaykit.policies.decompress import Decompress
from gatewaykit.policies.envelope import Envelope
from gatewaykit.policies.preauth_throttle import guarded
from gatewaykit.policies.recorded import Recorded
from gatewaykit.ports import Endpoint, Policy, Runtime

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp
    from gatewaykit.definition.ledger import Ledger
    from gatewaykit.definition.model import Definition, Integration, Method, Origin

__all__ = ["REST_ORDER", "compile_rest"]

T = TypeVar("T")

REST_ORDER: Final = (
    "client_address",  # whose address counts
    "envelope",  # the two ids on every answer
    "access_log",
    "compress",  # of the answer, once every other policy has seen it
    "mtls",  # what the connection itself proves
    "address",  # lists of addresses, as WAF's
    "cors",  # a preflight carries no credentials, so it is answered before they are asked for
    "preauth",  # a flood is stopped before anybody is asked who sends it
    "decompress",  # before whoever reads the body
    "resource_policy",  # where it alone decides
    "authenticate",  # each authorizer combines itself with the resource policy
    "api_key",
    "usage_plan",  # the hierarchy: plan, stage and account, decided at once
    "throttle",
    "quota",
    "",  # every policy that is none of these, in its listed order
    "validate",  # parameters, then body
    "transform",  # what was checked is what the client sent, which is what the document describes
    "cache",  # a hit has passed all that is before it
    "stage_cache",  # API Gateway's own, nearest to the integration
)  # then the integration: request mapping, call, response mapping
"""The phases of a REST request; each policy says in `phase` which is its own."""

_ALWAYS: Final = ("envelope", "decompress", "preauth_passed")  # the phases of policies that nobody configured
_ON_A_MISS: Final = ("access_log", "mtls", "address", "cors")
_STAGE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")  # developer guide, "Known issues"
_OWN: Final = (
    "keys",
    "method_settings",
    "policies",
    "stage_cache",
    "stage_variables",
    "usage_plans",
)  # of x-gatewaykit


def compile_rest(
    definition: Definition, ledger: Ledger, options: RestOptions, runtime: Runtime, *, recorded: bool = False
) -> Deployment:
    """Compile a definition. Raises ConfigError with every problem of definition, options and policies together.

    `recorded` chains write what each policy said into the request's trace; they serve `explain` and `invoke`.
    """
    return _Compiler(ledger.view(definition), ledger, options, runtime, recorded).deployment()


class _Compiler:
    """One compilation. `api` is the ledger's view: a field that is read here is a key that is enforced."""

    def __init__(self, api: Definition, ledger: Ledger, options: RestOptions, runtime: Runtime, recorded: bool) -> None:
        private = is_private(api.endpoint_configuration)
        facts = replace(options.facts, stage=options.stage, stage_in_path=options.stage_prefix, private=private)
        runtime = replace(runtime, facts=facts)
        self._api, self._ledger, self._options, self._runtime, self._recorded = api, ledger, options, runtime, recorded
        self._problems: list[Problem] = []
        self._render = self._renderer(facts)
        self._keys: list[ApiKey] = []
        self._listed: list[Listed] = []
        self._before: list[Policy] = []
        self._key_policy: Policy | None = None
        self._preauth = None if options.preauth is None else bind_policy(options.preauth, runtime)
        self._bound: dict[int, Policy] = {}
        self._minimum_compression_size: int | None = None
        given = api.extensions.get("stage_variables")
        defaults = given if isinstance(given, Mapping) else {}
        self._stage_variables = {  # those that are no text are problems, below
            name: value
            for variables in (defaults, options.stage_variables)
            for name, value in variables.items()
            if isinstance(value, str)
        }
        self._authorizers = Authorizers(api, ledger, options.sources, self._stage_variables, options.authorizers)
        self._deps = IntegrationDeps(
            facts=facts,
            stage_variables=self._stage_variables,
            functions=options.functions,
            transport=runtime.transport,
            clock=runtime.clock,
            entropy=runtime.entropy,
            binary_media_types=tuple(api.binary_media_types),
            max_body_bytes=runtime.max_body_bytes,
        )

    def deployment(self) -> Deployment:
        options, runtime = self._options, self._runtime
        self._collect(self._read_extensions)
        self._collect(self._read_options)
        self._hierarchy = self._read_hierarchy()
        self._caching = self._read_caching()
        router: Router[Leaf] = Router()
        routes = []
        for method in self._api.methods:
            leaf = self._collect(partial(self._leaf, method))
            if leaf is not None:
                router.add(method.verb, method.path, leaf)
                routes.append(leaf.summary)
        self._problems += [*self._authorizers.problems, *self._authorizers.unused()]
        if self._problems:
            raise ConfigError([*dict.fromkeys(self._problems)])
        return Deployment(
            router=router,
            miss=self._miss(router),
            stage=options.stage,
            stage_variables=self._stage_variables,
            stage_prefix=options.stage_prefix,
            runtime=runtime,
            routes=tuple(routes),
            apps=tuple(options.apps.values()),
            client_may_choose=runtime.profile == "aws",
            may_be_bare=not options.trusted_proxies and not options.stage_prefix and not self._recorded,
            context=partial(context_of, facts=self._deps.facts),
            usage_plans=self._hierarchy.plans,
            cautions=tuple(self._caching.cautions),
        )

    def _collect(self, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except ConfigError as error:
            self._problems.extend(error.problems)
            return None

    def _read_extensions(self) -> None:
        """The keys, the policies, and the defaults of stage variables in the document's own `x-gatewaykit`."""
        extensions, origin = self._api.extensions, self._api.origin
        self._collect(partial(_check_own_keys, extensions, _OWN, origin))
        variables = extensions.get("stage_variables", {})
        if not isinstance(variables, Mapping) or not all(isinstance(value, str) for value in variables.values()):
            what, mend = "stage_variables is no mapping of names to texts", "Write values in quotes."
            self._problems.append(Problem(where=str(origin.locate(("stage_variables",))), what=what, mend=mend))
        self._keys = build_keys(extensions.get("keys", {}), _locating(origin, "keys"))
        policies = extensions.get("policies", [])
        self._listed = bind_listed(self._built("x-gatewaykit", policies, origin), self._runtime)

    def _built(self, where: str, policies: Any, origin: Origin) -> list[Policy | Rule]:
        keys, store, locate = self._keys, self._options.key_store, _locating(origin, "policies")
        build = partial(build_policies, policies, locate, api_keys=keys, key_store=store)
        return self._options.once(where, build)

    def _read_options(self) -> None:
        options, runtime = self._options, self._runtime
        self._problems += _stage_problems(options)
        given = options.api_keys or ()
        if isinstance(given, Mapping):
            given = [ApiKey(id=name, name=name, value=value) for name, value in given.items()]
        self._keys = [*self._keys, *given]
        if options.trusted_proxies:
            self._before.append(ClientAddress(options.trusted_proxies))
        if runtime.profile == "aws":
            self._before.append(Envelope(IDS))
        self._minimum_compression_size = self._api.minimum_compression_size
        if any(method.api_key_required for method in self._api.methods):
            source: Literal["header", "authorizer"] = "header"
            if self._api.api_key_source == "AUTHORIZER":
                source = "authorizer"
            # A definition carries no keys of its own: without any, what needs one is closed, not the whole API.
            bound = self._keys or options.key_store is not None
            keyed = key_policy(self._keys, options.key_store, source=source) if bound else NoKeys()
            self._key_policy = bind_policy(keyed, runtime)
        self._listed += bind_listed(options.policies, runtime)

    def _read_hierarchy(self) -> Hierarchy:
        """The usage plans and the limits of methods, those of the document's own `x-gatewaykit` among them."""
        origin, options = self._api.origin, self._options
        found = read_hierarchy(
            self._api.extensions, partial(_locating, origin), options.hierarchy, facts=self._deps.facts,
            methods=[f"{method.verb} {method.path}" for method in self._api.methods],
            keys=None if options.key_store is not None else [key.id for key in self._keys],
        )  # fmt: skip
        self._problems += found.problems
        return found

    def _read_caching(self) -> StageCaching:
        """The stage cache, that of the document's own `x-gatewaykit` under that of the deployment."""
        origin, given = self._api.origin, self._api.extensions.get("stage_cache")
        locate = _locating(origin, "stage_cache")
        document = self._collect(lambda: read_stage_cache(given, locate, trusted=False))
        options = merged(document, self._options.stage_cache)
        caching = StageCaching(options, self._deps.facts, self._stage_variables, self._options.hierarchy.api_name)
        self._problems += caching.unknown([f"{method.verb} {method.path}" for method in self._api.methods])
        return caching

    def _leaf(self, method: Method) -> Leaf:
        own, listed = [*self._before], self._listed
        if method.policies:
            made = self._built(f"{method.verb} {method.path}", list(method.policies), method.origin)
            listed = [*listed, *bind_listed(made, self._runtime)]
        required = method.api_key_required
        authorizers = self._authorizers.of(method)
        own += map(self._once_bound, authorizers)
        if required and self._key_policy is not None:
            own.append(self._key_policy)
        named = f"{method.verb} {method.path}"
        limits = self._hierarchy.policy(named, method.verb, method.path, needs_key=required)
        if limits is not None:
            own.append(bind_policy(limits, self._runtime))
        if not required:
            listed = [
                (target, tuple(each for each in policies if not each.counts_by_api_key)) for target, policies in listed
            ]
        if (validate := validator_of(method, self._ledger)) is not None:
            own.append(validate)
        app, endpoint, integration = self._end(method)
        own += self._codings(method, app)
        if (cache := self._cache(method)) is not None:
            own.append(cache)

        def compile_chain(chosen: Sequence[Policy]) -> Chain:
            return self._chain([*own, *chosen], endpoint, None if app is None else AppEndpoint(app))

        shown = guarded(_ordered([*own, *(policy for _, policies in listed for policy in policies)]), self._preauth)
        summary = RouteSummary(
            verb=method.verb,
            resource=method.path,
            integration=integration,
            policies=tuple(policy.name for policy in shown if policy.phase not in _ALWAYS and policy.name != ACCOUNT),
            api_key_required=required,
            authorizer=self._authorizers.shown(method),
            limits=self._hierarchy.shown(named, needs_key=required),
        )
        return Leaf(summary, listed, compile_chain, app)

    def _cache(self, method: Method) -> Policy | None:
        who = self._authorizers.shown(method) or ("an API key" if method.api_key_required else "")
        cache = self._caching.policy(method, identified_by=who)
        return None if cache is None else bind_policy(cache, self._runtime)

    def _once_bound(self, policy: Policy) -> Policy:
        """An authorizer is bound once, however many methods it guards: they share what it remembers."""
        if id(policy) not in self._bound:
            self._bound[id(policy)] = bind_policy(policy, self._runtime)
        return self._bound[id(policy)]

    def _codings(self, method: Method, app: ASGIApp | None) -> list[Policy]:
        """What undoes and applies content codings. An app gets the body that was sent, as anywhere else."""
        policies: list[Policy] = [Decompress(self._runtime.max_body_bytes)] if app is None else []
        minimum, integration = self._minimum_compression_size, method.integration
        if minimum is not None and (app is not None or integration is None or not _streams(integration)):
            policies.append(Compress(minimum))
        return policies

    def _end(self, method: Method) -> tuple[ASGIApp | None, Endpoint | None, str]:
        """What stands at the end of a method's chain, an app or an endpoint, and how it is shown."""
        name = _app_name(method)
        if name:
            if name not in self._options.apps:
                raise ConfigError(
                    Problem(
                        where=str(method.origin.place),
                        what=f"{method.verb} {method.path} is served by the app {name!r}, which is not bound",
                        mend=f"Give it in apps={{{name!r}: …}}, with --app, or under apps in a gateway.yaml",
                        near=near_miss(name, self._options.apps),
                    )
                )
            return self._options.apps[name], None, f"APP {name}"
        integration = method.integration
        if integration is None:
            raise ConfigError(
                Problem(
                    where=str(method.origin.place),
                    what=f"{method.verb} {method.path} has no integration",
                    why="API Gateway refuses to deploy such a method",
                    mend="Add x-amazon-apigateway-integration",
                )
            )
        endpoint = compile_integration(method, integration, self._deps)
        self._note_differences(integration)
        return None, endpoint, _shown(integration)

    def _note_differences(self, integration: Integration) -> None:
        """Keys of an HTTP integration that are acted on, but not as on AWS."""
        if integration.type in ("HTTP", "HTTP_PROXY") and integration.connection_type == "VPC_LINK":
            for field_name in ("connection_type", "connection_id"):
                self._ledger.approximate(integration, field_name, "the back end is called at its uri, without a link")
        if integration.type == "HTTP_PROXY" and integration.response_transfer_mode == "BUFFERED":
            self._ledger.approximate(integration, "response_transfer_mode", "http_proxy streams in this mode too")

    def _miss(self, router: Router[Leaf]) -> Leaf:
        """What answers a request without a route: it is logged, a browser may read the answer, and who may not come in
        at all does not learn which routes there are; no more applies."""
        kept = [
            (target, tuple(policy for policy in policies if policy.phase in _ON_A_MISS))
            for target, policies in self._listed
        ]
        missing = Missing(router, self._options.stage, checks_signatures=self._runtime.profile == "aws")
        summary = RouteSummary(verb="", resource="", integration="", policies=(), api_key_required=False)
        return Leaf(summary, kept, lambda chosen: self._chain([*self._before, *chosen, missing], None), None)

    def _chain(self, policies: Sequence[Policy], endpoint: Endpoint | None, app: Endpoint | None = None) -> Chain:
        ordered = guarded(_ordered(policies), self._preauth)
        if self._recorded:
            ordered = [Recorded(policy) for policy in ordered]
        return Chain(ordered, endpoint, self._render, self._runtime.max_body_bytes, app)

    def _renderer(self, facts: ApiFacts) -> Renderer:
        customised = {
            response.type: Customised(
                status=response.status_code,
                parameters=response.response_parameters,
                templates=response.response_templates,
            )
            for response in self._api.gateway_responses
        }
        context = lambda request, refusal: context_of(request, facts)  # noqa: E731 - one use, two lines down
        return compile_renderer(customised, profile=self._runtime.profile, context=context)


def _stage_problems(options: RestOptions) -> Iterator[Problem]:
    if not _STAGE.fullmatch(options.stage):
        why = "a stage is named by letters, digits, _ and -, 128 at most"
        yield Problem(where="stage", what=f"{options.stage!r:.200} is no name of a stage", why=why)
    for name, value in options.stage_variables.items():
        if not isinstance(name, str) or not isinstance(value, str):
            what = f"the value of {name!r} is {type(value).__name__}, not text"
            yield Problem(where="stage_variables", what=what, mend="Write it in quotes")


def _ordered(policies: Sequence[Policy]) -> list[Policy]:
    """In the order of `REST_ORDER`; policies of one phase keep the order they were given in."""
    phases = {name: position for position, name in enumerate(REST_ORDER)}
    return sorted(policies, key=lambda policy: phases.get(policy.phase, phases[""]))


def _app_name(method: Method) -> str:
    """The `app` of the method's `x-gatewaykit`; it stands in for an integration."""
    extensions = method.extensions
    _check_own_keys(extensions, ("app", "policies"), method.origin)
    return str(extensions.get("app", ""))


def _check_own_keys(extensions: Mapping[str, Any], known: Sequence[str], origin: Origin) -> None:
    problems = [
        Problem(
            where=str(origin.locate((key,))),
            what=f"x-gatewaykit has an unknown key {key!r}",
            near=near_miss(key, known),
        )
        for key in extensions
        if key not in known
    ]
    if problems:
        raise ConfigError(problems)


def _locating(origin: Origin, key: str) -> Callable[[tuple[str | int, ...]], str]:
    return lambda path: str(origin.locate((key, *path)))


def _streams(integration: Integration) -> bool:
    """Does the integration ask for streaming? Then API Gateway does no content encoding."""
    return integration.type == "HTTP_PROXY" and integration.response_transfer_mode == "STREAM"


def _shown(integration: Integration) -> str:
    return f"{integration.type} {integration.uri}".strip()
