"""The second door: a gateway app made from an API definition, or a sidecar in front of one upstream."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewaykit.asgi.app_call import AppCall
from gatewaykit.asgi.envelope_lane import takes_the_long_way
from gatewaykit.asgi.front import serve_endpoint
from gatewaykit.asgi.lifespan import answer_lifespan, lifespan_of_apps
from gatewaykit.asgi.scope import asgi_request, rewritten
from gatewaykit.asgi.shell import deny_handshake
from gatewaykit.core.body import MAX_BODY_BYTES
from gatewaykit.core.context import ApiFacts
from gatewaykit.core.execution_log import execution_log
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.deploy.authorizers import Sources
from gatewaykit.deploy.deployment import Deployment, Leaf, RouteSummary
from gatewaykit.deploy.hierarchy import hierarchy_options
from gatewaykit.deploy.rest import compile_rest
from gatewaykit.deploy.rest_options import RestOptions
from gatewaykit.deploy.runtime import make_runtime
from gatewaykit.deploy.sidecar import compile_sidecar
from gatewaykit.deploy.stage_cache_settings import StageCacheOptions, StageCacheSettings, read_stage_cache
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.gateway.explanation import Explanation, Invocation, step_of
from gatewaykit.gateway.requests import Certificate, Headers, make_request
from gatewaykit.gateway.usage import extend_usage, read_usage
from gatewaykit.pipeline.chain import collect
from gatewaykit.pipeline.decision import Decision, decide, decide_waiting
from gatewaykit.policies.preauth_throttle import PreauthThrottle, preauth_setting

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp, Receive, Scope, Send
    from gatewaykit.clock import Clock
    from gatewaykit.core.http import Request
    from gatewaykit.core.identity.api_key import ApiKey
    from gatewaykit.core.throttle import Bucket
    from gatewaykit.core.usage_plan import UsagePlan
    from gatewaykit.definition.ledger import Report
    from gatewaykit.deploy.rules import Rule
    from gatewaykit.deploy.runtime import SharedStore
    from gatewaykit.deploy.usage_plan_settings import LimitSettings
    from gatewaykit.ports import CacheSpace, CredentialsProvider, KeyStore, Policy, ThrottleStore, Transport

__all__ = ["Gateway"]

_CANNOT_UPGRADE = "this route is an integration of a REST API, which has no WebSockets"


class Gateway:
    """An API as an ASGI app: serve it, mount it, or ask it what it would do. Make one with `from_openapi`.

    Pools open on first use; `async with gateway`, the server's lifespan, or `aclose()` closes them.
    """

    def __init__(self, compile_deployment: Callable[..., Deployment], report: Report | None = None) -> None:
        self._compile = compile_deployment
        self._deployment = compile_deployment()
        self._looking: Deployment | None = None
        self._tracing: Deployment | None = None
        self.report = report

    @classmethod
    def from_openapi(
        cls,
        source: str | Path | Mapping[str, Any],
        *,
        stage: str = "prod",
        stage_variables: Mapping[str, str] | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        apps: Mapping[str, ASGIApp] | None = None,
        api_keys: Mapping[str, str] | Sequence[ApiKey] | None = None,
        key_store: str | KeyStore | None = None,
        policies: Sequence[Policy | Rule] = (),
        authorizers: Mapping[str, Policy] | None = None,
        credentials: CredentialsProvider | Mapping[str, Any] | str | None = None,
        issuers: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        store: str | ThrottleStore | SharedStore = "memory://",
        trusted_proxies: Sequence[str] = (),
        preauth_throttle: PreauthThrottle | bool | None = None,
        usage_plans: Mapping[str, Any] | Sequence[UsagePlan] = (),
        method_settings: Mapping[str, Any] | None = None,
        account_limit: Bucket | LimitSettings | Mapping[str, Any] | bool | None = None,
        stage_cache: Mapping[str, Any] | StageCacheOptions | StageCacheSettings | None = None,
        profile: str = "aws",
        accept: Collection[str] = (),
        stage_prefix: bool = False,
        account_id: str = "123456789012",
        api_id: str = "local",
        region: str = "us-east-1",
        transport: Transport | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
        api_name: str = "",
    ) -> Gateway:
        """A gateway from an OpenAPI 3 or Swagger 2 document: a path, its text, or the parsed mapping.

        `functions` binds Lambda functions by name to callables `(event, context)`, authorizers among them;
        `credentials` holds the access keys whose signatures methods of `AWS_IAM` take; `issuers` gives the address of a
        user pool by its ARN, where it is not AWS's; `authorizers` puts a policy such as `jwt(…)` in the place of a
        security scheme, by its name. `apps` binds ASGI apps to the names
        that operations give in `x-gatewaykit: {app: …}`. `stage_prefix` puts the API under `/{stage}`, as on the
        execute-api host; without it the stage is at the root, as behind a custom domain. `key_store` is where further
        API keys are kept: a path or address such as `"keys.json"`, as `api_key` takes it. `preauth_throttle` stands
        before authorizers, by default under the web profile; it may be one's own, True or False.

        `usage_plans` maps ids to plans: `{"throttle": {"rate": 10, "burst": 20}, "quota": {"limit": 1000, "period":
        "DAY"}, "keys": ["acme"], "stages": ["prod"]}`; where there are plans, a method that needs a key needs one of a
        plan that holds this stage. `method_settings` limits methods for all callers, by names such as `"/pets/GET"` or
        `"*/*"`. `account_limit` limits everything in the account and region together: API Gateway's 10 000 requests a
        second with a burst of 5 000 under the aws profile, another `{"rate": …, "burst": …}`, or False.

        `stage_cache` keeps responses as a stage's cache does: `{"methods": {"*/*": {"cache_ttl_in_seconds": 60},
        "/pets/POST": {"caching_enabled": True}}}`, by AWS's names; `{}` is every GET for 300 seconds. What tells
        responses apart are the `cacheKeyParameters` of the integrations, and nothing else.

        `account_id`, `api_id` and `region` are what `$context` and Lambda events show. `accept` names security keys
        that may stay unenforced.
        `api_name` is how usage plans call this API, where that is not its id.
        Raises ConfigError with every problem of the document and the arguments.
        """
        from gatewaykit.openapi import read_definition

        variables = {"AWS::AccountId": account_id, "AWS::Region": region, "AWS::Partition": "aws"}
        reading = read_definition(source, variables=variables)
        runtime = make_runtime(
            store=store, transport=transport, clock=clock, profile=profile, max_body_bytes=max_body_bytes,
            trusted_proxies=trusted_proxies,
        )  # fmt: skip
        options = RestOptions(
            stage=stage,
            stage_variables=stage_variables or {},
            functions=functions or {},
            apps=apps or {},
            api_keys=api_keys,
            key_store=key_store,
            policies=policies,
            preauth=preauth_setting(preauth_throttle, profile),
            trusted_proxies=trusted_proxies,
            stage_prefix=stage_prefix,
            facts=ApiFacts(account_id=account_id, api_id=api_id, region=region),
            hierarchy=hierarchy_options(usage_plans, method_settings, account_limit, profile, api_name),
            stage_cache=read_stage_cache(stage_cache),
            sources=Sources(
                functions=functions or {},
                authorizers=authorizers or {},
                credentials=credentials,
                issuers=issuers or {},
            ),
        )

        def compile_deployment(*, look_only: bool = False, recorded: bool = False) -> Deployment:
            bound = runtime.looking() if look_only else runtime
            return compile_rest(reading.definition, reading.ledger, options, bound, recorded=recorded)

        gateway = cls(compile_deployment, None)
        gateway.report = reading.ledger.report()
        if problems := gateway.report.unenforced_security(accept):
            raise ConfigError(problems)
        return gateway

    @classmethod
    def from_upstream(
        cls,
        url: str,
        *,
        policies: Sequence[Policy | Rule] = (),
        clock: Clock | None = None,
        store: str | ThrottleStore | SharedStore = "memory://",
        trusted_proxies: Sequence[str] = (),
        preauth_throttle: PreauthThrottle | bool | None = None,
        profile: str = "web",
        transport: Transport | None = None,
        timeout_s: float = 29.0,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> Gateway:
        """A sidecar: every request goes to `url`, through the policies in their order. Raises ConfigError.

        `timeout_s` bounds the wait for a response's head, and for each chunk of its body. `preauth_throttle` stands
        before policies that authenticate, unless it is False; it may be one's own.
        """
        runtime = make_runtime(
            store=store, transport=transport, clock=clock, profile=profile, max_body_bytes=max_body_bytes,
            trusted_proxies=trusted_proxies,
        )  # fmt: skip

        preauth = preauth_setting(preauth_throttle, profile)

        def compile_deployment(*, look_only: bool = False, recorded: bool = False) -> Deployment:
            bound = runtime.looking() if look_only else runtime
            return compile_sidecar(url, policies, trusted_proxies, timeout_s, bound, preauth=preauth, recorded=recorded)

        return cls(compile_deployment)

    @property
    def routes(self) -> tuple[RouteSummary, ...]:
        """Every route, in the order of the document."""
        return self._deployment.routes

    @property
    def usage_plans(self) -> tuple[UsagePlan, ...]:
        """Every usage plan that was given, whether it holds this stage or not."""
        return self._deployment.usage_plans

    @property
    def cautions(self) -> tuple[Problem, ...]:
        """What API Gateway allows too, and can surprise: a cache that may give one caller what was made for another."""
        return self._deployment.cautions

    async def flush_stage_cache(self) -> None:
        """Forget every response that the stage's cache has kept, as FlushStageCache does."""
        for name, space in self.caches.items():
            if name.startswith("stage:") and (flushed := space.flush()) is not None:
                await flushed

    @property
    def counting(self) -> tuple[str, ...]:
        """The names of the policies that count requests: where they count in memory, each process has its own count."""
        return self._deployment.counting

    @property
    def caches(self) -> dict[str, CacheSpace]:
        """What the caches keep, by their names: `stage:API/STAGE`, `edge:NAME`."""
        return self._deployment.caches

    async def usage(
        self, plan_id: str, *, key_id: str | None = None, start_date: str | None = None, end_date: str | None = None,
        limit: int | None = None, position: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """What keys have used of a plan's quota, and had left, on each day (UTC): the shape of GetUsage.

        `{"usagePlanId", "startDate", "endDate", "items": {key: [[used, remaining], …]}}`. Dates are as `"2026-01-31"`;
        without them it is the last 30 days. `limit` and `position` page through the keys. Raises ValueError for a plan,
        key or date that is not there, StoreError where the store does not answer.
        """
        return await read_usage(
            self.usage_plans, self._deployment.runtime, plan_id, key_id=key_id, start_date=start_date,
            end_date=end_date, limit=limit, position=position,
        )  # fmt: skip

    async def extend_usage(self, plan_id: str, key_id: str, remaining: int) -> dict[str, Any]:
        """Leave a key so many requests in the period that is running, as UpdateUsage does; what it used stays counted.

        The answer and the errors are those of `usage`, for today.
        """
        return await extend_usage(self.usage_plans, self._deployment.runtime, plan_id, key_id, remaining)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        deployment = self._deployment
        if kind == "http":
            path = ""
            # Where nothing may rewrite the path or the verb, the tree is asked before a Request is made; but not where
            # a server breaks the rules: with the query left in the path, or bytes that are not ASCII.
            if deployment.may_be_bare:
                try:
                    path = scope["raw_path"].decode("ascii")
                except (KeyError, AttributeError, UnicodeDecodeError):  # an optional key, which may be None
                    pass
            if (
                path
                and "?" not in path
                and not scope.get("root_path")
                and not (deployment.client_may_choose and takes_the_long_way(scope))
            ):
                found = deployment.router.match(scope["method"], path)
                if found is not None and (bare := found[0].bare) is not None:
                    await bare(scope, receive, send)
                    return
                request = asgi_request(scope, receive)
                leaf = deployment.routed(request, found)
            else:
                request = asgi_request(scope, receive)
                leaf = deployment.route(request)
                if request.method != scope["method"]:  # an app must not serve another verb than was decided on
                    scope = rewritten({**scope, "method": request.method}, request)
            if leaf.shell is None:
                await serve_endpoint(leaf.chain(request), request, send)
            else:
                await leaf.shell(scope, receive, send, request)
        elif kind == "websocket":
            request = asgi_request(scope, receive)
            leaf = deployment.route(request)
            if leaf.shell is not None:
                await leaf.shell(scope, receive, send, request)
            else:
                chain = leaf.chain(request)
                refusal = Refusal(Reason.ROUTE_NOT_FOUND, _CANNOT_UPGRADE)
                try:
                    await deny_handshake(chain, request, refusal, chain.way, receive, send)
                finally:
                    chain.end(request)
        elif kind == "lifespan":
            if deployment.apps:
                await lifespan_of_apps(deployment.apps, scope, receive, send, self.aclose)
            else:
                await answer_lifespan(receive, send, self.aclose)
        else:
            raise RuntimeError(f"a gateway serves http and websocket, not {kind!r}")

    def decide(
        self, method: str, path: str, *, headers: Headers = None, body: bytes | str = b"",
        address: str = "127.0.0.1", client_cert: Certificate = None,
    ) -> Decision:  # fmt: skip
        """What the policies say to a request, without a server or an event loop. Tokens are taken.

        `client_cert` is the certificate that the client came with, in PEM, or a list with its chain. Raises ConfigError
        when a policy of the route has to wait, as one with a remote store does.
        """
        request = make_request(method, path, headers=headers, body=body, address=address, client_cert=client_cert)
        leaf = self._deployment.route(request)
        return decide(leaf.chain(request), request)

    def explain(
        self, method: str, path: str, *, headers: Headers = None, body: bytes | str = b"",
        address: str = "127.0.0.1", client_cert: Certificate = None,
    ) -> Explanation:  # fmt: skip
        """What would happen to a request, and why. Limits are looked at; nothing is taken.

        Authorizers, issuers and key stores are asked all the same. Raises ConfigError when that has to wait:
        `explain_waiting` does.
        """
        leaf, request = self._looked_at(method, path, headers, body, address, client_cert)
        return self._explained(leaf, decide(leaf.chain(request), request))

    async def explain_waiting(
        self, method: str, path: str, *, headers: Headers = None, body: bytes | str = b"",
        address: str = "127.0.0.1", client_cert: Certificate = None,
    ) -> Explanation:  # fmt: skip
        """`explain` on an event loop, for routes whose policies wait: for an issuer's keys, a remote authorizer."""
        leaf, request = self._looked_at(method, path, headers, body, address, client_cert)
        return self._explained(leaf, await decide_waiting(leaf.chain(request), request))

    def _looked_at(
        self, method: str, path: str, headers: Headers, body: bytes | str, address: str, client_cert: Certificate
    ) -> tuple[Leaf, Request]:
        if self._looking is None:
            self._looking = self._compile(look_only=True, recorded=True)
        request = make_request(method, path, headers=headers, body=body, address=address, client_cert=client_cert)
        request.events = []
        return self._looking.route(request), request

    def _explained(self, leaf: Leaf, decision: Decision) -> Explanation:
        assert self._looking is not None  # it is what was asked
        request = decision.request
        routed = leaf.summary.verb != ""
        asked = request.raw_path.decode("latin-1")
        return Explanation(
            decision=decision,
            route=leaf.summary if routed else None,
            near_misses=() if routed else tuple(self._looking.router.near_misses(request.method, asked)),
            steps=tuple(step_of(text) for phase, text in request.events or () if phase == "policy"),
        )

    async def invoke(
        self, method: str, path: str, *, headers: Headers = None, body: bytes | str = b"",
        address: str = "127.0.0.1", client_cert: Certificate = None,
    ) -> Invocation:  # fmt: skip
        """Run one request in process, integrations included. Tokens are taken."""
        if self._tracing is None:
            self._tracing = self._compile(recorded=True)
        request = make_request(method, path, headers=headers, body=body, address=address, client_cert=client_cert)
        request.events = []
        leaf = self._tracing.route(request)
        chain = leaf.chain(request)
        clock = self._tracing.runtime.clock
        started = clock.monotonic()
        try:
            response = await (chain if leaf.app is None else chain.ending(AppCall(leaf.app))).run(request)
            if not isinstance(response.body, bytes):
                response.body = await collect(response.body, chain.max_body_bytes) or b""
            if response.close is not None:
                await response.close()
        finally:
            chain.end(request)
        log = execution_log(
            request, response, api_key_required=leaf.summary.api_key_required, wall_s=request.received_s
        )
        return Invocation(
            status=response.status,
            headers=response.headers,
            body=response.body,
            latency_ms=(clock.monotonic() - started) * 1000,
            log=tuple(log),
            refusal=request.refusal,
            cache=tuple(text for phase, text in request.events or () if phase == "cache"),
        )

    async def aclose(self) -> None:
        """Close what is open. It opens again when needed."""
        for deployment in (self._deployment, self._tracing, self._looking):
            if deployment is not None:
                await deployment.aclose()

    async def __aenter__(self) -> Gateway:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
