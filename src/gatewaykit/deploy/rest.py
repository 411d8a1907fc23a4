"""A REST definition as compiled chains.

The order of a request's phases is `REST_ORDER`, and only there (reference 01 section 3). What this module and the
compilers it calls read from the definition is, by that reading, what `check` reports as enforced.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.context import ApiFacts, context_of
from gatewaykit.core.gateway_response import Customised, Renderer, compile_renderer
from gatewaykit.core.http import Request
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.routing import ANY_VERBS, Router
from gatewaykit.core.validation import compile_validator
from gatewaykit.definition.near import near_miss
from gatewaykit.deploy.rules import Listed, Rule, RuleChains, bind_listed
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.integrations.compile import compile_integration
from gatewaykit.integrations.deps import IntegrationDeps
from gatewaykit.pipeline.chain import Chain
from gatewaykit.policies.api_key import api_key
from gatewaykit.policies.client_address import ClientAddress
from gatewaykit.policies.envelope import Envelope
from gatewaykit.policies.recorded import Recorded
from gatewaykit.ports import Endpoint, Policy, Runtime

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp
    from gatewaykit.core.identity.api_key import ApiKey
    from gatewaykit.definition.ledger import Ledger
    from gatewaykit.definition.model import Definition, Method

__all__ = ["REST_ORDER", "Deployment", "Leaf", "RestOptions", "RouteSummary", "compile_rest"]

REST_ORDER: Final = (
    "client_address",  # whose address counts
    "envelope",  # the two ids on every answer
    "access_log",
    "cors",  # a preflight carries no credentials, so it is answered before they are asked for
    "authenticate",
    "api_key",
    "throttle",
    "quota",
    "",  # every policy that is none of these, in its listed order
    "validate",  # parameters, then body
)  # then the integration: request mapping, call, response mapping
"""The phases of a REST request; each policy says in `phase` which is its own."""


_OVERRIDE: Final = b"x-http-method-override"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestOptions:
    """What a deployment adds to a definition."""

    stage: str = "prod"
    stage_variables: Mapping[str, str]
    functions: Mapping[str, Callable[..., Any]]
    apps: Mapping[str, ASGIApp]
    api_keys: Mapping[str, str] | Sequence[ApiKey] | None = None
    policies: Sequence[Policy | Rule] = ()
    trusted_proxies: Sequence[str] = ()
    stage_prefix: bool = False
    accept: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSummary:
    """One route as a person wants to see it."""

    verb: str
    resource: str
    integration: str
    policies: tuple[str, ...]
    api_key_required: bool


class Leaf:
    """What stands at one verb of one resource: a chain (or a chain per combination of rules), and an app if it has one.

    `bare` is the app itself where nothing stands before it.
    """

    __slots__ = ("_chain", "_rules", "app", "bare", "resource", "summary")

    def __init__(
        self,
        summary: RouteSummary,
        listed: Sequence[Listed],
        compile_chain: Callable[[Sequence[Policy]], Chain],
        app: ASGIApp | None,
    ) -> None:
        self.summary, self.resource, self.app = summary, summary.resource, app
        unconditional = [policy for target, policies in listed if target is None for policy in policies]
        self._chain = compile_chain(unconditional)
        ruled = any(target is not None for target, _ in listed)
        self._rules = RuleChains(listed, compile_chain) if ruled else None
        self.bare = app if app is not None and not ruled and not self._chain.policies else None

    def chain(self, request: Request) -> Chain:
        """The chain for a request whose route and path parameters are written."""
        if self._rules is None:
            return self._chain
        parameters = request.path_parameters
        chain = self._rules.chain(request)
        request.path_parameters = parameters
        return chain

    async def aclose(self) -> None:
        await self._chain.aclose()


@dataclass(slots=True, kw_only=True)
class Deployment:
    """A compiled API. Never changed: a new deployment takes its place whole."""

    router: Router[Leaf]
    miss: Leaf
    stage: str
    stage_variables: Mapping[str, str]
    stage_prefix: bool
    runtime: Runtime
    routes: tuple[RouteSummary, ...]
    apps: tuple[ASGIApp, ...]
    may_be_bare: bool

    def route(self, request: Request) -> Leaf:
        """The leaf of a request, with what routing knows written into it: time, stage, resource, path parameters."""
        request.received_s = self.runtime.clock.wall()
        if self.stage_prefix and not _take_stage(request, self.stage):
            return self.miss
        request.stage, request.stage_variables = self.stage, self.stage_variables
        if self.runtime.profile == "aws" and (verb := request.headers.get(b"x-http-method-override")) is not None:
            _override_verb(request, verb)
        found = self.router.match(request.method, request.raw_path.decode("latin-1"))
        if found is None:
            return self.miss
        leaf, parameters = found
        request.resource = leaf.resource
        if parameters is not None:
            request.path_parameters = parameters
        return leaf

    async def aclose(self) -> None:
        for leaf in {id(leaf): leaf for leaf in (*self.router.leaves(), self.miss)}.values():
            await leaf.aclose()
        await self.runtime.throttles.aclose()
        await self.runtime.transport.aclose()


def _take_stage(request: Request, stage: str) -> bool:
    """Cut `/{stage}` off the paths. Slashes before the stage do not count (row 55), those behind it are kept (56)."""
    raw, prefix = b"/" + request.raw_path.lstrip(b"/"), f"/{stage}"
    if not (raw == prefix.encode() or raw.startswith(prefix.encode() + b"/")):
        return False
    request.raw_path = raw[len(prefix) :] or b"/"
    request.path = ("/" + request.path.lstrip("/"))[len(prefix) :] or "/"
    return True


def _override_verb(request: Request, verb: bytes) -> None:
    """`X-HTTP-Method-Override` replaces the verb and goes no further (reference 01 section 1)."""
    name = verb.decode("latin-1").upper()
    if name in ANY_VERBS:
        request.method = name
        request.header_list = [field for field in request.header_list if field[0].lower() != _OVERRIDE]
        request.headers = {key: value for key, value in request.headers.items() if key != _OVERRIDE}


class _Missing(Policy):
    """Refuses a request that fits no route: 403, whether path or verb is unknown (rows 1 and 2)."""

    name = "route"

    def __init__(self, router: Router[Leaf], stage: str) -> None:
        self._router, self._stage = router, stage

    def on_request(self, request: Request) -> Refusal:
        path = request.raw_path.decode("latin-1")
        if not request.stage:
            return Refusal(Reason.STAGE_NOT_FOUND, f"{path} is not under /{self._stage}")
        near = self._router.near_misses(request.method, path, most=1)
        if near and near[0].other_verb:
            return Refusal(Reason.METHOD_NOT_FOUND, f"{near[0].resource}: {near[0].failed_on}")
        hint = f"; the nearest is {near[0].resource}: {near[0].failed_on}" if near else ""
        return Refusal(Reason.ROUTE_NOT_FOUND, f"no resource fits {path}{hint}")


def compile_rest(
    definition: Definition, ledger: Ledger, options: RestOptions, runtime: Runtime, *, recorded: bool = False
) -> Deployment:
    """Compile a definition. Raises ConfigError with every problem of definition, options and policies together.

    `recorded` chains write what each policy said into the request's trace; they serve `explain` and `invoke`.
    """
    view = ledger.view(definition)
    problems: list[Problem] = []
    facts = ApiFacts(stage=options.stage, stage_in_path=options.stage_prefix)
    render = _renderer(view, runtime, facts)
    listed = _collect(problems, lambda: bind_listed(options.policies, runtime)) or []
    before: list[Policy] = []
    if options.trusted_proxies:
        address = _collect(problems, lambda: ClientAddress(options.trusted_proxies))
        before += [address] if address is not None else []
    if runtime.profile == "aws":
        before.append(Envelope())
    deps = IntegrationDeps(
        facts=facts,
        stage_variables=options.stage_variables,
        functions=options.functions,
        transport=runtime.transport,
        clock=runtime.clock,
        entropy=runtime.entropy,
        binary_media_types=tuple(view.binary_media_types),
        max_body_bytes=runtime.max_body_bytes,
    )
    key_source = view.api_key_source if any(method.api_key_required for method in definition.methods) else "HEADER"
    keys: Policy | None = None
    if any(method.api_key_required for method in definition.methods):
        policy = api_key(options.api_keys or {}, source=key_source.lower())
        keys = _collect(problems, lambda: policy.bind(runtime))

    router: Router[Leaf] = Router()
    routes = []
    for method in view.methods:
        compile_leaf = partial(_leaf, method, before, keys, listed, deps, options, render, runtime, recorded)
        leaf = _collect(problems, compile_leaf)
        if leaf is not None:
            router.add(method.verb, method.path, leaf)
            routes.append(leaf.summary)
    if problems:
        raise ConfigError(problems)
    return Deployment(
        router=router,
        miss=_miss(router, options.stage, before, listed, render, runtime),
        stage=options.stage,
        stage_variables=dict(options.stage_variables),
        stage_prefix=options.stage_prefix,
        runtime=runtime,
        routes=tuple(routes),
        apps=tuple(options.apps.values()),
        may_be_bare=not before and not options.stage_prefix,
    )


def _leaf(
    method: Method,
    before: Sequence[Policy],
    keys: Policy | None,
    listed: Sequence[Listed],
    deps: IntegrationDeps,
    options: RestOptions,
    render: Renderer,
    runtime: Runtime,
    recorded: bool,
) -> Leaf:
    own: list[Policy] = list(before)
    required = method.api_key_required
    if required and keys is not None:
        own.append(keys)
    if (validate := _validator(method, runtime)) is not None:
        own.append(validate)
    app: ASGIApp | None = None
    endpoint: Endpoint | None = None
    if name := _app_name(method):
        app = options.apps.get(name)
        if app is None:
            have = ", ".join(sorted(options.apps)) or "none"
            raise ConfigError(
                Problem(
                    where=str(method.origin.place),
                    what=f"{method.verb} {method.path} is served by the app {name!r}, which is not bound",
                    mend=f"Give it in apps={{{name!r}: …}}; bound are: {have}.",
                )
            )
        integration = f"APP {name}"
    else:
        if method.integration is None:
            raise ConfigError(
                Problem(
                    where=str(method.origin.place),
                    what=f"{method.verb} {method.path} has no integration",
                    why="API Gateway refuses to deploy such a method",
                    mend="Add x-amazon-apigateway-integration.",
                )
            )
        endpoint = compile_integration(method, method.integration, deps)
        integration = _integration_text(method)

    def compile_chain(chosen: Sequence[Policy]) -> Chain:
        policies = _ordered([*own, *chosen])
        return Chain(list(map(Recorded, policies)) if recorded else policies, endpoint, render, runtime.max_body_bytes)

    shown = _ordered([*own, *(policy for _, policies in listed for policy in policies)])
    summary = RouteSummary(
        verb=method.verb,
        resource=method.path,
        integration=integration,
        policies=tuple(policy.name or type(policy).__name__ for policy in shown if policy.name != "envelope"),
        api_key_required=required,
    )
    return Leaf(summary, listed, compile_chain, app)


def _miss(
    router: Router[Leaf],
    stage: str,
    before: Sequence[Policy],
    listed: Sequence[Listed],
    render: Renderer,
    runtime: Runtime,
) -> Leaf:
    """What answers a request without a route: it is logged, and a browser may read the answer; nothing else applies."""
    kept = [
        (target, tuple(policy for policy in policies if policy.answers_preflight or policy.name == "access_log"))
        for target, policies in listed
    ]
    missing = _Missing(router, stage)

    def compile_chain(chosen: Sequence[Policy]) -> Chain:
        return Chain([*_ordered([*before, *chosen]), missing], None, render, runtime.max_body_bytes)

    summary = RouteSummary(verb="", resource="", integration="none", policies=(), api_key_required=False)
    return Leaf(summary, kept, compile_chain, None)


def _ordered(policies: Sequence[Policy]) -> list[Policy]:
    """In the order of `REST_ORDER`; policies of one phase keep the order they were given in."""
    phases = {name: position for position, name in enumerate(REST_ORDER)}
    return sorted(policies, key=lambda policy: phases.get(policy.phase, phases[""]))


def _app_name(method: Method) -> str:
    """The `app` of the method's `x-gatewaykit`; it stands in for an integration."""
    extensions = method.extensions
    if unknown := sorted(set(extensions) - {"app"}):
        raise ConfigError(
            Problem(
                where=str(method.origin.place),
                what=f"x-gatewaykit of {method.verb} {method.path} has an unknown key {unknown[0]!r}",
                near=near_miss(unknown[0], ("app", "policies")),
            )
        )
    return str(extensions.get("app", ""))


class _Validate(Policy):
    name = phase = "validate"

    def __init__(self, check: Callable[[Request], Request | Refusal], reads_body: bool) -> None:
        self.on_request, self.reads_body = check, reads_body


def _validator(method: Method, runtime: Runtime) -> Policy | None:
    validator = method.request_validator
    if validator is None:
        return None
    parameters, body = validator.validate_request_parameters, validator.validate_request_body
    if not parameters and not body:
        return None
    check = compile_validator(
        method.request_parameters if parameters else {},
        {content_type: model.schema for content_type, model in method.request_models.items()} if body else {},
        check_parameters=parameters,
        check_body=body,
    )
    return _Validate(check, body)


def _renderer(view: Definition, runtime: Runtime, facts: ApiFacts) -> Renderer:
    customised = {
        response.type: Customised(
            status=response.status_code,
            parameters=response.response_parameters,
            templates=response.response_templates,
        )
        for response in view.gateway_responses
    }
    return compile_renderer(
        customised, profile=runtime.profile, context=lambda request, refusal: context_of(request, facts)
    )


def _integration_text(method: Method) -> str:
    integration = method.integration
    assert integration is not None  # checked by the caller
    return f"{integration.type} {integration.uri}".strip()


def _collect(problems: list[Problem], make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ConfigError as error:
        problems.extend(error.problems)
        return None
