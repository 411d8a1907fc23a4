"""`forward_auth(...)`: any HTTP service decides, as with Traefik's ForwardAuth and nginx's auth_request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from gatewaykit.core.expiring import Expiring
from gatewaykit.core.http import Response
from gatewaykit.core.identity.forward_auth import NEVER_COPIED, ForwardRules, LetIn, apply, digest, question, verdict
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import UpstreamError
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.option_reading import Options
from gatewaykit.ports import Policy
from gatewaykit.upstream.fetch import Call, fetch
from gatewaykit.waiting import SingleFlight

if TYPE_CHECKING:
    from gatewaykit.core.http import HeaderList, Request
    from gatewaykit.policies.by import KeyFunction
    from gatewaykit.ports import Runtime

__all__ = ["ForwardAuth", "forward_auth"]

_MOST_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardAuth(Policy):
    """A service that is asked about each request; made by `forward_auth`."""

    phase = "authenticate"

    call: Call
    rules: ForwardRules
    ttl_s: float
    key: KeyFunction | None

    def bind(self, runtime: Runtime) -> Policy:
        bound = Bound("forward_auth", on_request=_asking(self, runtime))
        bound.rewrites = bool(self.rules.copied)
        return bound


def forward_auth(
    url: str,
    *,
    method: str = "GET",
    forward_headers: Sequence[str] | None = None,
    copy_headers: Sequence[str] = (),
    principal: str | None = None,
    claims: Mapping[str, str] | None = None,
    relay_body: bool = False,
    relay_redirects: bool = False,
    timeout: str | float = "5s",
    ttl: str | float = 0,
    key: KeyFunction | None = None,
) -> ForwardAuth:
    """Ask the service at `url` about each request: a 2xx lets it in, a 401 or 403 is what the client gets.

    The service is sent the client's header fields (`forward_headers`: only these), no body, and the method, scheme,
    host and target of the request in `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`; `X-Forwarded-For` is the
    client's address by the trusted-proxy rule.

    Of a 2xx, the fields `copy_headers` go on to the back end, and what a client sent under these names never does.
    `principal` is the field that names the caller, who is nobody without it; `claims` maps fields to claims. Of a 401
    or 403, `WWW-Authenticate` is relayed, with `relay_body` the body too. With `relay_redirects` a redirect of the
    service, to a login page, is what the client gets. Any other answer, and none, is a 500.

    With a `ttl` the answers that let in are remembered, each for the very same question. `key` (`by.header("Cookie")`)
    says that the answer depends on less: then it holds for every request with the same key.

    >>> from gatewaykit import forward_auth
    >>> sessions = forward_auth(
    ...     "http://127.0.0.1:4180/oauth2/auth", principal="X-Auth-Request-User", copy_headers=["X-Auth-Request-Email"]
    ... )
    """
    options = Options("forward_auth")
    call = options.call("url", url, method, timeout)
    copied = options.headers("copy_headers", copy_headers)
    for name in sorted(frozenset(copied) & NEVER_COPIED):
        options.problem("copy_headers", f"{name.decode()!r} frames the message; it cannot be copied")
    named = options.names("claims", claims)
    if named and principal is None:
        mend = "Name the field of the answer that says who it is"
        options.problem("principal", "there are claims, and nobody who makes them", mend=mend)
    if key is not None and not callable(key):
        options.problem("key", f"{key!r:.60} is no function of a request", mend="Write by.header(…), or leave it out")
    ttl_s = options.seconds("ttl", ttl)
    if key is not None and not ttl_s:
        options.problem("key", "without a ttl nothing is remembered", mend="Give a ttl")
    rules = ForwardRules(
        forwarded=None if forward_headers is None else frozenset(options.headers("forward_headers", forward_headers)),
        copied=copied,
        claims=tuple((options.header("claims", field).encode(), name) for field, name in named.items()),
        principal=b"" if principal is None else options.header("principal", principal).encode(),
        relay_body=options.flag("relay_body", relay_body),
        relay_redirects=options.flag("relay_redirects", relay_redirects),
    )
    options.check()
    return ForwardAuth(call=call, rules=rules, ttl_s=ttl_s, key=key)


def _asking(
    config: ForwardAuth, runtime: Runtime
) -> Callable[[Request], Request | Response | Refusal | Awaitable[Request | Response | Refusal]]:
    rules, ttl_s, key_of, wall = config.rules, config.ttl_s, config.key, runtime.clock.wall
    asking = partial(question, rules=rules, stage_in_path=runtime.facts.stage_in_path)
    kept: Expiring[str | bytes, LetIn] = Expiring(_MOST_KEPT)
    flights: SingleFlight[tuple[HeaderList, LetIn | Response | Refusal]] = SingleFlight()

    def on_request(request: Request) -> Request | Awaitable[Request | Response | Refusal]:
        if not ttl_s:
            return ask(request, None, asking(request))
        key = digest(request, rules) if key_of is None else key_of(request)
        if key is not None and (let_in := kept.get(key, wall())) is not None:
            return admit(request, let_in)
        return ask(request, key, asking(request))

    async def ask(request: Request, key: str | bytes | None, asked: HeaderList) -> Request | Response | Refusal:
        if key is None:
            said = await answer(asked)
        else:
            of, said = await flights.run(key, lambda: remembered(key, asked))
            if not isinstance(said, LetIn) and of != asked:  # with `key`: another page's way to the login, say
                said = await answer(asked)
        return admit(request, said) if isinstance(said, LetIn) else said

    async def remembered(key: str | bytes, asked: HeaderList) -> tuple[HeaderList, LetIn | Response | Refusal]:
        said = await answer(asked)
        if isinstance(said, LetIn) and said.may_be_kept:
            kept.put(key, said, wall() + ttl_s)
        return asked, said

    async def answer(asked: HeaderList) -> LetIn | Response | Refusal:
        try:
            answered = await fetch(runtime.transport, config.call, asked)
        except UpstreamError as error:
            return Refusal(Reason.AUTHORIZER_FAILED, f"forward_auth: {error}", cause=error)
        return verdict(answered.status, answered.headers, answered.body, rules)

    def admit(request: Request, let_in: LetIn) -> Request:
        apply(let_in, request, rules)
        if request.events is not None:
            who = "nobody it names" if let_in.identity is None else let_in.identity.principal
            request.note("credential", f"let in by {config.call.host}: {who}")
        return request

    return on_request
