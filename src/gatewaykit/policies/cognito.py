"""`cognito(...)`: only callers with a token of an Amazon Cognito user pool come through.

Developer guide, "Control access to REST APIs using Amazon Cognito user pools as an authorizer".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.http import Identity, Request, quick_identity
from gatewaykit.core.iam.access import access_of
from gatewaykit.core.iam.authorization import denial
from gatewaykit.core.iam.policy import CompiledPolicy, Effect, compile_policy
from gatewaykit.core.identity.bearer import challenge
from gatewaykit.core.identity.cognito import claim_texts, pool_issuer, unfit
from gatewaykit.core.identity.identity_sources import compile_token_check
from gatewaykit.core.identity.jwt.claims import ClaimRules, Rejected
from gatewaykit.core.identity.jwt.discovery import insecure
from gatewaykit.core.identity.jwt.verifying import Verified, Verifier, unverified_claims
from gatewaykit.core.identity.token_source import TokenSource, token_source
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.arrival import note_arrival
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.tokens import TokenUse, Trust, token_checking
from gatewaykit.ports import Policy
from gatewaykit.units import parse_duration
from gatewaykit.upstream.fetch import call_to
from gatewaykit.upstream.jwks import KeyAddress, remote_keys

if TYPE_CHECKING:
    from gatewaykit.ports import Answer, Runtime

    Hook = Callable[[Request], Answer | Awaitable[Answer]]

__all__ = ["Cognito", "cognito"]

_ALGORITHM: Final = ("RS256",)  # the only one that user pools sign with
_EXPIRED: Final = "The incoming token has expired"
_POLICY: Final = "resource policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cognito(Policy):
    """A Cognito user pool authorizer; made by `cognito`."""

    phase = "authenticate"

    issuers: tuple[tuple[str, KeyAddress], ...]
    scopes: frozenset[str]
    fits_audience: Callable[[str], Refusal | None] | None
    source: TokenSource
    leeway_s: float
    resource_policy: Mapping[str, Any] | str | None
    cached_tokens: int

    def bind(self, runtime: Runtime) -> Policy:
        use = TokenUse(
            source=self.source, bare=True, trust=_trusting(self, runtime), identify=self._identify, answer=_answer,
            most_kept=self.cached_tokens,
        )  # fmt: skip
        check = token_checking(use, runtime)
        if self.resource_policy is None:
            return Bound("cognito", on_request=check)
        policy = compile_policy(self.resource_policy, name=_POLICY, kind="resource", facts=runtime.facts)
        if isinstance(policy, tuple):
            raise ConfigError(policy)
        return Bound("cognito", on_request=_with_policy(check, policy, runtime))

    def _identify(self, token: Verified) -> Identity | Rejected:
        if (rejected := unfit(token, self.scopes, self.fits_audience)) is not None:
            return rejected
        claims, scopes, _ = token
        texts = claim_texts(claims)
        return quick_identity(texts.get("sub", ""), "cognito", texts, scopes)


def cognito(
    user_pools: str | Sequence[str],
    *,
    scopes: str | Sequence[str] = (),
    validation_expression: str | None = None,
    identity_source: str = "header:authorization",
    leeway: str | float = 0,
    issuers: Mapping[str, str] | None = None,
    resource_policy: Mapping[str, Any] | str | None = None,
    allow_http: bool = False,
    cached_tokens: int = 4096,
) -> Cognito:
    """Refuse requests without a valid token of one of `user_pools` (401): ARNs, or the addresses of their issuers.

    Without `scopes` the token has to be an ID token, with them an access token that holds one of them; anything else
    is a 401. `validation_expression` has to match the audience of ID tokens whole. The token may come with or without
    `Bearer`. The claims are in `request.identity`, and in `$context.authorizer.claims`, as texts.

    `issuers` maps pools to the addresses where they run instead (a local emulator): keys are fetched from there. With a
    `resource_policy` the token is checked first; then the policy alone has to allow the call.

    >>> from gatewaykit import cognito
    >>> members = cognito("arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_AbC123xyz")
    """
    problems: list[Problem] = []

    def problem(option: str, what: str, **more: str) -> None:
        problems.append(Problem(where=f"cognito.{option}", what=what, **more))

    source, leeway_s, check = TokenSource(), 0.0, None
    try:
        source = token_source(identity_source)
    except ValueError as error:
        problem("identity_source", str(error))
    try:
        leeway_s = parse_duration(leeway)
    except ValueError as error:
        problem("leeway", str(error))
    pools = [user_pools] if isinstance(user_pools, str) else user_pools
    if not isinstance(pools, (list, tuple)) or not pools or not all(isinstance(pool, str) for pool in pools):
        problem("user_pools", f"{user_pools!r} names no user pool", mend="Write the ARN of one, or a list of them")
        pools = []
    if issuers is not None and not isinstance(issuers, Mapping):
        problem("issuers", f"{issuers!r} is no mapping from ARNs to addresses")
        issuers = None
    trusted: dict[str, KeyAddress] = {}
    for pool in pools:
        issuer = pool if "://" in pool else pool_issuer(pool)
        if issuer is None:
            problem("user_pools", f"{pool!r} is neither the ARN of a user pool nor the address of an issuer")
            continue
        address = (issuers or {}).get(pool, issuer)
        option = "user_pools" if address == issuer else "issuers"
        try:
            call_to(address)
        except ValueError as error:
            problem(option, str(error))
        else:
            if insecure(address) and not allow_http:
                problem(option, f"{address!r} is no https address", mend="Use https, or allow_http=True")
        keys = KeyAddress(url=f"{address}/.well-known/jwks.json", allow_http=bool(allow_http))
        trusted[issuer] = trusted[address] = keys  # some emulators name themselves in a token, others the pool on AWS
    wanted = (scopes,) if isinstance(scopes, str) else scopes
    if not isinstance(wanted, (list, tuple, set, frozenset)) or not all(isinstance(each, str) for each in wanted):
        problem("scopes", f"{scopes!r} is neither a text nor a list of texts")
        wanted = ()
    if validation_expression is not None:
        made = compile_token_check(validation_expression) if isinstance(validation_expression, str) else "it is no text"
        if isinstance(made, str):
            problem("validation_expression", made)
        else:
            check = made
    if resource_policy is not None:
        found = compile_policy(resource_policy, name=_POLICY, kind="resource")
        for each in found if isinstance(found, tuple) else ():
            problem(f"resource_policy.{each.where}", each.what, why=each.why, mend=each.mend, near=each.near)
    if isinstance(cached_tokens, bool) or not isinstance(cached_tokens, int) or cached_tokens < 0:
        problem("cached_tokens", f"{cached_tokens!r} is no number of tokens")
    if problems:
        raise ConfigError(problems)
    return Cognito(
        issuers=tuple(trusted.items()), scopes=frozenset(wanted), fits_audience=check, source=source,
        leeway_s=leeway_s, resource_policy=resource_policy, cached_tokens=cached_tokens,
    )  # fmt: skip


def _trusting(config: Cognito, runtime: Runtime) -> Callable[[bytes], Trust | Rejected]:
    """Which pool a token is of: it says so itself, and then has to be signed by that pool."""
    known: dict[str, Trust] = {
        issuer: (
            remote_keys(address, runtime.transport, runtime.clock),
            Verifier(_ALGORITHM, ClaimRules(issuer=issuer, leeway_s=config.leeway_s), needs_kid=True),
        )
        for issuer, address in config.issuers
    }
    if len(known) == 1:
        (only,) = known.values()
        return lambda token: only

    def trust(token: bytes) -> Trust | Rejected:
        try:
            issuer = unverified_claims(token).get("iss")
        except ValueError as error:
            return Rejected(Reason.TOKEN_INVALID, f"the token is malformed: {error}")
        found = known.get(issuer) if isinstance(issuer, str) else None
        return found or Rejected(Reason.TOKEN_INVALID, f"iss is {repr(issuer)[:200]}, which is no pool of this policy")

    return trust


def _answer(rejected: Rejected) -> Refusal:
    message = _EXPIRED if rejected.reason is Reason.TOKEN_EXPIRED else None
    if rejected.reason in (Reason.ISSUER_UNREACHABLE, Reason.MALFORMED_REQUEST):
        return Refusal(rejected.reason, rejected.detail)
    field = challenge("" if rejected.reason is Reason.TOKEN_MISSING else "invalid_token")
    return Refusal(rejected.reason, rejected.detail, message=message, headers=(field,))


def _with_policy(check: Hook, policy: CompiledPolicy, runtime: Runtime) -> Hook:
    facts = runtime.facts

    def decide(request: Request, answer: Answer) -> Answer:
        if answer is not request:
            return answer
        note_arrival(request, runtime.clock)
        access = access_of(request, facts)
        verdict = policy.evaluate(access)
        if verdict.effect is not Effect.ALLOW:
            return denial(verdict, access, wording="anonymous")
        if request.events is not None:
            request.note("authorization", f"{verdict.statement} of {verdict.policy} allows {access.resource}")
        return request

    async def later(request: Request, waiting: Awaitable[Answer]) -> Answer:
        return decide(request, await waiting)

    def on_request(request: Request) -> Answer | Awaitable[Answer]:
        answer = check(request)
        return later(request, answer) if isinstance(answer, Awaitable) else decide(request, answer)

    return on_request
