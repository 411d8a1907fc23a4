"""A sidecar: one upstream, every path and method, and the policies in the order they are listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gatewaykit.core.gateway_response import compile_renderer
from gatewaykit.core.payload.uri import InvalidUri, compile_uri
from gatewaykit.core.routing import Router
from gatewaykit.deploy.deployment import Deployment, Leaf, RouteSummary
from gatewaykit.deploy.rules import Rule, bind_listed
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.integrations.reverse_proxy import ReverseProxy
from gatewaykit.pipeline.chain import Chain
from gatewaykit.policies.client_address import ClientAddress
from gatewaykit.policies.preauth_throttle import PreauthThrottle, guarded
from gatewaykit.policies.recorded import Recorded

if TYPE_CHECKING:
    from gatewaykit.ports import Policy, Runtime

__all__ = ["compile_sidecar"]


def compile_sidecar(
    url: str,
    policies: Sequence[Policy | Rule],
    trusted_proxies: Sequence[str],
    timeout_s: float,
    runtime: Runtime,
    *,
    preauth: PreauthThrottle | None = None,
    recorded: bool = False,
) -> Deployment:
    """Compile a sidecar. Raises ConfigError for an address that cannot be called and for wrong policies."""
    uri = compile_uri(url, {}, any_port=True)
    if isinstance(uri, InvalidUri) or uri.query:
        why = uri.reason if isinstance(uri, InvalidUri) else "an upstream has no query string"
        raise ConfigError(
            Problem(where="upstream", what=f"{url!r} is no upstream", why=why, mend="Write http://host:port")
        )
    before: list[Policy] = [ClientAddress(trusted_proxies)] if trusted_proxies else []
    listed = bind_listed(policies, runtime)
    gate = None if preauth is None else preauth.bind(runtime)
    endpoint = ReverseProxy(uri, runtime.transport, timeout_s, runtime.max_body_bytes)
    render = compile_renderer(profile=runtime.profile)

    def compile_chain(chosen: Sequence[Policy]) -> Chain:
        members = guarded([*before, *chosen], gate)
        return Chain(list(map(Recorded, members)) if recorded else members, endpoint, render, runtime.max_body_bytes)

    summary = RouteSummary(
        verb="ANY",
        resource="/{proxy+}",
        integration=f"PROXY {url}",
        policies=tuple(policy.name for _, members in listed for policy in members),
        api_key_required=False,
    )
    return Deployment(
        router=Router(),
        miss=Leaf(summary, listed, compile_chain, None),
        stage="",
        stage_variables={},
        stage_prefix=False,
        runtime=runtime,
        routes=(summary,),
        apps=(),
        may_be_bare=False,
        client_may_choose=False,
    )
