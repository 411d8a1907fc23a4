"""The first door: policies around an ASGI app you already have, in one hop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gatewaykit.asgi.app_endpoint import AppEndpoint
from gatewaykit.asgi.shell import Shell
from gatewaykit.core.body import MAX_BODY_BYTES
from gatewaykit.core.gateway_response import compile_renderer
from gatewaykit.deploy.rules import Listed, Rule, RuleChains, bind_listed, rule
from gatewaykit.deploy.runtime import make_runtime
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.pipeline.chain import Chain
from gatewaykit.policies.client_address import ClientAddress
from gatewaykit.policies.preauth_throttle import PreauthThrottle, guarded, preauth_setting

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp
    from gatewaykit.clock import Clock
    from gatewaykit.core.http import Request
    from gatewaykit.gateway.requests import Certificate
    from gatewaykit.pipeline.decision import Decision
    from gatewaykit.ports import Policy, ThrottleStore, Transport

__all__ = [
    "AccessLogMiddleware", "AddressFilterMiddleware", "ApiKeyMiddleware", "AuthenticateMiddleware",
    "CognitoMiddleware", "ConcurrencyMiddleware", "CorsMiddleware", "EdgeCacheMiddleware",
    "ForwardAuthMiddleware", "IamMiddleware",
    "IdempotencyMiddleware", "IntrospectionMiddleware",
    "JwtMiddleware", "LambdaAuthorizerMiddleware", "MtlsMiddleware", "PolicyMiddleware",
    "PreauthThrottleMiddleware", "QuotaMiddleware", "ResourcePolicyMiddleware", "SamlBearerMiddleware",
    "StageCacheMiddleware", "ThrottleMiddleware", "TransformMiddleware", "ValidateMiddleware", "rule",
]  # fmt: skip


class PolicyMiddleware(Shell):
    """Policies around an ASGI app. Listed order is the order of execution; a `rule` holds for one route only.

    Directly stacked middlewares of this kind merge into one hop, if their profiles and limits agree. `store` is
    `"memory://"`, `"redis://…"`, `"sqlite:///…"` or a store object; `trusted_proxies` are the addresses and networks
    whose `X-Forwarded-For` counts;
    `profile` is `"web"` (Retry-After, WWW-Authenticate, problem details on request) or `"aws"`; `transport` sends what
    policies ask other services. `preauth_throttle` stands before policies that authenticate, by default under the web
    profile; it may be one's own, True or False: of merged middlewares the outermost says. Raises ConfigError with every
    problem found.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        policies: Sequence[Policy | Rule] = (),
        store: str | ThrottleStore = "memory://",
        trusted_proxies: Sequence[str] = (),
        preauth_throttle: PreauthThrottle | bool | None = None,
        profile: str = "web",
        clock: Clock | None = None,
        transport: Transport | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._trusted = _trusted(trusted_proxies)
        self._preauth = preauth_throttle
        runtime = make_runtime(
            store=store, transport=transport, clock=clock, profile=profile, max_body_bytes=max_body_bytes,
            trusted_proxies=self._trusted,
        )  # fmt: skip
        self._listed: list[Listed] = bind_listed(policies, runtime)
        self._opened: list[ThrottleStore | Transport] = [runtime.throttles, runtime.transport]
        self._manner = (profile, max_body_bytes)
        if isinstance(app, PolicyMiddleware) and app._manner == self._manner:
            self._listed += app._listed
            self._opened += app._opened
            self._trusted = _one_setting(self._trusted, app._trusted)
            self._preauth = app._preauth if self._preauth is None else self._preauth
            app = app._app
        preauth = preauth_setting(self._preauth, profile)
        gate = None if preauth is None else preauth.bind(runtime)
        address: list[Policy] = [ClientAddress(self._trusted)] if self._trusted else []
        render, called = compile_renderer(profile=profile), AppEndpoint(app)

        def compile_chain(chosen: Sequence[Policy]) -> Chain:
            return Chain(guarded([*address, *chosen], gate) if chosen else [], None, render, max_body_bytes, called)

        everywhere = [policy for target, members in self._listed if target is None for policy in members]
        ruled = any(target is not None for target, _ in self._listed)
        super().__init__(app, compile_chain(everywhere), RuleChains(self._listed, compile_chain) if ruled else None)

    def decide(
        self, method: str, path: str, *, headers: Any = None, body: bytes | str = b"",
        address: str = "127.0.0.1", client_cert: Certificate = None,
    ) -> Decision:  # fmt: skip
        """What the policies say to a request, without a server or an event loop. Tokens are taken."""
        from gatewaykit.gateway.requests import make_request
        from gatewaykit.pipeline.decision import decide

        request: Request = make_request(
            method, path, headers=headers, body=body, address=address, client_cert=client_cert
        )
        return decide(self._chain if self._rules is None else self._rules.chain(request), request)

    async def aclose(self) -> None:
        """Close what the policies, the stores and the transport opened. They open again when needed."""
        for _, policies in self._listed:
            for policy in policies:
                await policy.aclose()
        for opened in self._opened:
            await opened.aclose()

    async def __aenter__(self) -> PolicyMiddleware:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


def _trusted(trusted_proxies: Sequence[str]) -> tuple[str, ...]:
    ClientAddress(trusted_proxies)  # refuses what is no address or network
    return tuple(trusted_proxies)


def _one_setting(outer: tuple[str, ...], inner: tuple[str, ...]) -> tuple[str, ...]:
    if outer and inner and set(outer) != set(inner):
        raise ConfigError(
            Problem(
                where="trusted_proxies",
                what=f"two middlewares around one app trust different proxies, {outer} and {inner}",
                why="the client's address is one fact, the same for every policy",
                mend="Give the setting once.",
            )
        )
    return outer or inner


class _OnePolicy(PolicyMiddleware):
    """A middleware that is one policy; its options are that policy's."""

    policy: ClassVar[str]

    def __init__(
        self,
        app: ASGIApp,
        *args: Any,
        store: str | ThrottleStore = "memory://",
        trusted_proxies: Sequence[str] = (),
        preauth_throttle: PreauthThrottle | bool | None = None,
        profile: str = "web",
        clock: Clock | None = None,
        transport: Transport | None = None,
        **options: Any,
    ) -> None:
        import gatewaykit

        policy = getattr(gatewaykit, self.policy)(*args, **options)
        super().__init__(
            app, policies=[policy], store=store, trusted_proxies=trusted_proxies, preauth_throttle=preauth_throttle,
            profile=profile, clock=clock, transport=transport,
        )  # fmt: skip


class AccessLogMiddleware(_OnePolicy):
    """`access_log(...)` as a middleware."""

    policy = "access_log"


class AddressFilterMiddleware(_OnePolicy):
    """`address_filter(...)` as a middleware."""

    policy = "address_filter"


class ApiKeyMiddleware(_OnePolicy):
    """`api_key(...)` as a middleware."""

    policy = "api_key"


class AuthenticateMiddleware(_OnePolicy):
    """`authenticate(...)` as a middleware."""

    policy = "authenticate"


class CognitoMiddleware(_OnePolicy):
    """`cognito(...)` as a middleware."""

    policy = "cognito"


class ConcurrencyMiddleware(_OnePolicy):
    """`concurrency(...)` as a middleware."""

    policy = "concurrency"


class CorsMiddleware(_OnePolicy):
    """`cors(...)` as a middleware."""

    policy = "cors"


class IamMiddleware(_OnePolicy):
    """`iam(...)` as a middleware."""

    policy = "iam"


class EdgeCacheMiddleware(_OnePolicy):
    """`edge_cache(...)` as a middleware."""

    policy = "edge_cache"


class ForwardAuthMiddleware(_OnePolicy):
    """`forward_auth(...)` as a middleware."""

    policy = "forward_auth"


class IdempotencyMiddleware(_OnePolicy):
    """`idempotency(...)` as a middleware."""

    policy = "idempotency"


class IntrospectionMiddleware(_OnePolicy):
    """`introspection(...)` as a middleware."""

    policy = "introspection"


class JwtMiddleware(_OnePolicy):
    """`jwt(...)` as a middleware."""

    policy = "jwt"


class LambdaAuthorizerMiddleware(_OnePolicy):
    """`lambda_authorizer(...)` as a middleware."""

    policy = "lambda_authorizer"


class MtlsMiddleware(_OnePolicy):
    """`mtls(...)` as a middleware."""

    policy = "mtls"


class PreauthThrottleMiddleware(_OnePolicy):
    """`preauth_throttle(...)` as a middleware."""

    policy = "preauth_throttle"


class QuotaMiddleware(_OnePolicy):
    """`quota(...)` as a middleware."""

    policy = "quota"


class ResourcePolicyMiddleware(_OnePolicy):
    """`resource_policy(...)` as a middleware."""

    policy = "resource_policy"


class SamlBearerMiddleware(_OnePolicy):
    """`saml_bearer(...)` as a middleware."""

    policy = "saml_bearer"


class StageCacheMiddleware(_OnePolicy):
    """`stage_cache(...)` as a middleware."""

    policy = "stage_cache"


class ThrottleMiddleware(_OnePolicy):
    """`throttle(...)` as a middleware."""

    policy = "throttle"


class TransformMiddleware(_OnePolicy):
    """`transform(...)` as a middleware."""

    policy = "transform"


class ValidateMiddleware(_OnePolicy):
    """`validate(...)` as a middleware."""

    policy = "validate"
