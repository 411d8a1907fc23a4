"""A compiled API: the routing tree, what stands at its leaves, and how a request finds its leaf."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from gatewaykit.asgi.envelope_lane import Enveloped
from gatewaykit.asgi.shell import Shell
from gatewaykit.core.context import path_text
from gatewaykit.core.iam.signature_parts import incomplete_signature
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.routing import ANY_VERBS, Router
from gatewaykit.deploy.hierarchy import EffectiveLimits
from gatewaykit.deploy.rules import Listed, RuleChains
from gatewaykit.ports import Policy, Runtime

if TYPE_CHECKING:
    from gatewaykit.asgi.types import ASGIApp
    from gatewaykit.core.http import Request
    from gatewaykit.core.usage_plan import UsagePlan
    from gatewaykit.errors import Problem
    from gatewaykit.pipeline.chain import Chain
    from gatewaykit.ports import CacheSpace

__all__ = ["Deployment", "Leaf", "Missing", "RouteSummary"]

_COUNTING: Final = ("throttle", "quota", "usage_plan")  # phases whose policies count in the store of limits
_OVERRIDE: Final = b"x-http-method-override"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSummary:
    """One route as a person wants to see it."""

    verb: str
    resource: str
    integration: str
    policies: tuple[str, ...]
    api_key_required: bool
    authorizer: str = ""  # the security scheme, its kind, and the function it asks
    limits: tuple[EffectiveLimits, ...] = ()


class Leaf:
    """What stands at one verb of one resource: a chain (or a chain per combination of rules), and an app if it has one.

    `shell` is the app with its policies; `bare` is the app itself where nothing stands before it, or only its ids.
    """

    __slots__ = ("_chain", "_rules", "app", "bare", "caches", "counting", "resource", "shell", "summary")

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
        everyone = [*self._chain.policies, *(policy for _, policies in listed for policy in policies)]
        self.caches: dict[str, CacheSpace] = {
            policy.cache_name: policy.space for policy in everyone if isinstance(policy, Caches)
        }
        self.counting = tuple(
            policy.name for policy in everyone if policy.phase in _COUNTING or getattr(policy, "in_this_process", False)
        )
        ruled = any(target is not None for target, _ in listed)
        self._rules = RuleChains(listed, compile_chain) if ruled else None
        self.shell = None if app is None else Shell(app, self._chain, self._rules)
        self.bare: ASGIApp | None = None
        if app is not None and not ruled and all(policy.phase == "envelope" for policy in self._chain.policies):
            self.bare = Enveloped(app, self._chain) if self._chain.policies else app

    def chain(self, request: Request) -> Chain:
        """The chain for a request whose route and path parameters are written."""
        return self._chain if self._rules is None else self._rules.chain(request)

    async def aclose(self) -> None:
        await self._chain.aclose()


@runtime_checkable
class Caches(Protocol):
    """A bound policy that keeps responses."""

    cache_name: str
    space: CacheSpace


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
    may_be_bare: bool  # nothing but the verb and the path decides, so a leaf may be called without a Request
    client_may_choose: bool  # its request id and its verb, by headers of its own
    context: Callable[[Request], Mapping[str, Any]] | None = None
    usage_plans: tuple[UsagePlan, ...] = ()
    cautions: tuple[Problem, ...] = ()  # what is allowed, and can surprise

    def route(self, request: Request) -> Leaf:
        """The leaf of a request, with what routing knows written into it."""
        if self.stage_prefix and not _take_stage(request, self.stage):
            request.received_s = self.runtime.clock.wall()
            return self.miss
        if self.client_may_choose and (verb := request.headers.get(_OVERRIDE)) is not None and request.kind == "http":
            _override_verb(request, verb)  # a WebSocket handshake is a GET, whatever it says: its app sees no verb
        return self.routed(request, self.router.match(request.method, path_text(request)))

    def routed(self, request: Request, found: tuple[Leaf, dict[str, str] | None] | None) -> Leaf:
        """The leaf that the router `found` for a request: time, stage, resource and path parameters are written."""
        request.received_s = self.runtime.clock.wall()
        request.stage, request.stage_variables, request.context = self.stage, self.stage_variables, self.context
        if found is None:
            return self.miss
        leaf, parameters = found
        request.resource = leaf.resource
        if parameters is not None:
            request.path_parameters = parameters
        return leaf

    @property
    def caches(self) -> dict[str, CacheSpace]:
        """What its caches keep, by their names."""
        leaves = (*self.router.leaves(), self.miss)
        return {name: space for leaf in leaves for name, space in leaf.caches.items()}

    @property
    def counting(self) -> tuple[str, ...]:
        """The policies that count requests, or keep keys of them, each once."""
        leaves = (*self.router.leaves(), self.miss)
        return tuple(dict.fromkeys(name for leaf in leaves for name in leaf.counting))

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
    request.wire_path = request.wire_path  # derived from what is cut now, where it was not asked for before
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


class Missing(Policy):
    """Refuses a request that fits no route: 403, whether path or verb is unknown (rows 1 and 2).

    On AWS such a request falls through to the check of IAM signatures, which complains of any other `Authorization`;
    `checks_signatures` says whether to do the same.
    """

    name = "route"

    def __init__(self, router: Router[Leaf], stage: str, *, checks_signatures: bool) -> None:
        self._router, self._stage, self._checks_signatures = router, stage, checks_signatures

    def on_request(self, request: Request) -> Refusal:
        path = request.raw_path.decode("latin-1")
        if not request.stage:
            return Refusal(Reason.STAGE_NOT_FOUND, f"{path} is not under /{self._stage}")
        refusal = Refusal(Reason.ROUTE_NOT_FOUND, f"no resource fits {path}")
        if verbs := self._router.verbs(path):
            refusal = Refusal(Reason.METHOD_NOT_FOUND, f"{path} has {', '.join(verbs)} but no {request.method}")
        if self._checks_signatures and (authorization := request.header("authorization")) is not None:
            dated = b"x-amz-date" in request.headers or b"date" in request.headers
            if (message := incomplete_signature(authorization, dated=dated)) is not None:
                refusal.message, refusal.error_type = message, Reason.SIGNATURE_INCOMPLETE.error_type
        return refusal
