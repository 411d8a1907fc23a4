"""`iam(...)`: callers sign their requests with AWS access keys, and IAM policies say what they may do.

Developer guide, "Control access for invoking an API" and "How API Gateway resource policies affect authorization
workflow"; reference 02 sections 2 and 6. What is wrong with a signature in itself (no parts, no time, another region)
is refused before the body is read. The rest takes one way for every access key, known or not: the body is hashed, the
signature compared, and only then is told what did not fit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gatewaykit.core.body import MAX_LENGTH_DIGITS, too_large
from gatewaykit.core.caching.stage import MAY_INVALIDATE, wants_new
from gatewaykit.core.http import Request, parse_query
from gatewaykit.core.iam.access import access_of
from gatewaykit.core.iam.authorization import combination_of, combine, denial, reason
from gatewaykit.core.iam.canonical import query_pairs
from gatewaykit.core.iam.credentials import DECOY, KEY_ID, Credentials, identity_of, settled
from gatewaykit.core.iam.policy import CompiledPolicy, Effect, compile_policy, evaluate
from gatewaykit.core.iam.signature_parts import ECDSA, IN_QUERY
from gatewaykit.core.iam.signing_key import SigningKey, SigningKeys
from gatewaykit.core.iam.sigv4 import SignatureReader, SignatureRules, Signed, invalid, verify
from gatewaykit.core.iam.sigv4a import MultiRegionKey
from gatewaykit.core.iam.verdict import Combination
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError, Problem, words_of
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.credentials import Find, bound_find, provider_of
from gatewaykit.ports import Policy
from gatewaykit.units import parse_duration

if TYPE_CHECKING:
    from gatewaykit.ports import CredentialsProvider, Runtime

__all__ = ["Iam", "iam"]

_STRIPPED: Final = frozenset((b"authorization", b"x-amz-security-token"))

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Iam(Policy):
    """AWS signatures and IAM policies; made by `iam`."""

    phase = "authenticate"

    credentials: CredentialsProvider
    region: str | None
    service: str
    action: str
    resource_policy: Mapping[str, Any] | str | None
    skew_s: int
    sigv4a: bool
    unsigned_payload: bool
    authorize: bool
    http_api: bool
    hide_signature: bool

    def bind(self, runtime: Runtime) -> Policy:
        bound = Bound("iam", on_request=_Signatures(self, runtime).check)
        bound.rewrites = True  # it sets the body, once it has read it; and takes the signature away where told so
        return bound


def iam(
    credentials: Mapping[str, Any] | str | CredentialsProvider | Callable[[str], Any],
    *,
    region: str | None = None,
    service: str = "execute-api",
    action: str = "execute-api:Invoke",
    resource_policy: Mapping[str, Any] | str | None = None,
    skew: str | float = "5m",
    sigv4a: bool = False,
    unsigned_payload: bool = False,
    authorize: bool = True,
    http_api: bool = False,
    hide_signature: bool = False,
) -> Iam:
    """Let through requests that an access key of `credentials` has signed (SigV4), if IAM policies allow them.

    `credentials` are users, groups and roles as a mapping, or the path of a file with them; or a provider: one of
    `credentials_file`, `credentials_env` and `credentials_lookup`, any object with `find(access_key_id)`, or a function
    (sync or async) that gives `Credentials` or None. Signatures are for `region` (None: the API's own) and `service`.

    The caller's policies and the `resource_policy` are asked whether they allow `action` on the method's ARN, combined
    as API Gateway combines them: within the API's account either may allow, for other accounts both must.
    `authorize=False` asks neither: whoever signs comes in. Sets the identity, of kind `iam`, its principal an ARN.

    Refusals are 403s in AWS's words; `http_api=True` makes each one `{"message":"Forbidden"}`, as HTTP APIs answer.
    Bodies are read, since they are signed; `unsigned_payload=True` also takes `UNSIGNED-PAYLOAD`, which AWS does not.
    `sigv4a=True` takes signatures for several regions, too. `hide_signature=True` takes the signature off what goes on,
    as API Gateway does; without it an app sees the request as it came.

    >>> from gatewaykit import iam
    >>> policy = iam({"users": {"alice": {"access_keys": [{"id": "AKIDALICE", "secret": "x" * 40}]}}})
    """
    problems: list[Problem] = []
    provider = _collected(problems, lambda: provider_of(credentials, "iam.credentials"))
    skew_s = 0
    try:
        skew_s = int(parse_duration(skew))
    except ValueError as error:
        problems.append(Problem(where="iam.skew", what=str(error)))
    for name, text in (("region", "local" if region is None else region), ("service", service)):
        if not isinstance(text, str) or not text or not text.isascii() or any(each in text for each in "/, \t\r\n"):
            problems.append(Problem(where=f"iam.{name}", what=f"{text!r} cannot stand in a credential's scope"))
    if not isinstance(action, str) or action.count(":") != 1:
        problems.append(Problem(where="iam.action", what=f"{action!r} is no action such as 'execute-api:Invoke'"))
    if resource_policy is not None:
        if not authorize:
            what = "a resource policy is not asked where authorize is False"
            problems.append(Problem(where="iam.resource_policy", what=what))
        if not isinstance(compiled := _compiled(resource_policy), CompiledPolicy):
            problems += [replace(each, where=f"iam.resource_policy.{each.where}") for each in compiled]
    if problems or provider is None:
        raise ConfigError(problems)
    return Iam(
        credentials=provider, region=region, service=service, action=action, resource_policy=resource_policy,
        skew_s=skew_s, sigv4a=sigv4a, unsigned_payload=unsigned_payload, authorize=authorize, http_api=http_api,
        hide_signature=hide_signature,
    )  # fmt: skip


class _Signatures:
    """The policy, bound."""

    def __init__(self, config: Iam, runtime: Runtime) -> None:
        facts = runtime.facts
        self._config, self._facts, self._wall = config, facts, runtime.clock.wall
        self._limit = runtime.max_body_bytes
        self._find: Find = bound_find(config.credentials, runtime)
        self._read = SignatureReader(
            SignatureRules(
                region=config.region or facts.region, service=config.service, skew_s=config.skew_s,
                unsigned_payload=config.unsigned_payload, multi_region=config.sigv4a,
            )
        ).read  # fmt: skip
        self._keys = SigningKeys(lambda key_id, secret, scope: SigningKey(secret, scope))
        self._multi_region_keys = SigningKeys(lambda key_id, secret, scope: MultiRegionKey(key_id, secret))
        self._resource: CompiledPolicy | None = None
        if config.resource_policy is not None:
            compiled = compile_policy(config.resource_policy, name="resource policy", kind="resource", facts=facts)
            if not isinstance(compiled, CompiledPolicy):
                raise ConfigError(compiled)
            self._resource = compiled

    def check(self, request: Request) -> Request | Refusal | Awaitable[Request | Refusal]:
        """The policy's hook. It waits where the credentials have to be asked for, or the body is still to be read."""
        now_s = self._wall()
        if not request.received_s:
            request.received_s = now_s  # policies ask for the time of the request; only gateways have set it yet
        if _has_dot_segments(request.wire_path):
            return self._refused(invalid("the path has dot segments: a signature says not where they lead"))
        signed = self._read(request, now_s)
        if isinstance(signed, Refusal):
            if signed.reason is not Reason.SIGNATURE_MISSING and request.events is not None:
                _note_claim(request)
            return self._refused(signed)
        try:
            found = self._find(signed.key_id) if KEY_ID.fullmatch(signed.key_id) else None
        except Exception as error:  # noqa: BLE001 - whatever a provider raises refuses the request
            return self._failed(error)
        if found is None or isinstance(found, Credentials):
            if request.body is not None or not signed.needs_body:
                return self._settle(request, signed, found, now_s)
        elif not isinstance(found, Awaitable):
            return self._unusable(found)
        return self._later(request, signed, found, now_s)

    async def _later(
        self, request: Request, signed: Signed, found: Credentials | Awaitable[Credentials | None] | None, now_s: float
    ) -> Request | Refusal:
        if isinstance(found, Awaitable):
            try:
                found = await found
            except Exception as error:  # noqa: BLE001 - as above
                return self._failed(error)
            if not (found is None or isinstance(found, Credentials)):
                return self._unusable(found)
        if request.body is None and signed.needs_body:
            length = request.headers.get(b"content-length", b"")
            if length.isdigit() and (len(length) > MAX_LENGTH_DIGITS or int(length) > self._limit):
                return too_large(self._limit)
            body = await request.source.read(self._limit)
            if isinstance(body, Refusal):
                return body
            request.body = body
        return self._settle(request, signed, found, now_s)

    def _settle(self, request: Request, signed: Signed, found: Credentials | None, now_s: float) -> Request | Refusal:
        """Whether the signature holds, and the caller may. An unknown key goes the way of a known one."""
        credentials = DECOY if found is None else found
        if signed.algorithm == ECDSA:
            key: Any = self._multi_region_keys.of(credentials.access_key_id, credentials.secret, b"")
        else:
            key = self._keys.of(credentials.access_key_id, credentials.secret, signed.scope)
        refused = settled(credentials, verify(signed, key, request.body or b""), signed.token, now_s)
        if request.events is not None:
            place = "the query" if signed.presigned else "the header Authorization"
            request.note("credential", f"an AWS signature in {place}, by the access key …{signed.key_id[-4:]}")
        if refused is not None:
            return self._refused(refused)
        if self._config.authorize and (refused := self._denied(request, credentials)) is not None:
            return self._refused(refused)
        if b"cache-control" in request.headers and wants_new(request):
            request.kept = request.kept or {}
            request.kept[MAY_INVALIDATE] = self._may_invalidate(request, credentials)
        request.identity = identity_of(credentials)
        if self._config.hide_signature:
            _hide_signature(request, signed)
        return request

    def _denied(self, request: Request, credentials: Credentials) -> Refusal | None:
        access = access_of(request, self._facts, credentials.principal, action=self._config.action)
        identity = evaluate(credentials.policies, access) if credentials.policies else None
        resource = None if self._resource is None else self._resource.evaluate(access)
        verdict = combine(identity, resource, combination_of(credentials.principal, self._facts))
        if verdict.effect is not Effect.ALLOW:
            return denial(verdict, access, wording="iam")
        if request.events is not None:
            why = f": {reason(verdict, access)}" if verdict.why else ""
            request.note("authorization", f"{verdict.statement} of {verdict.policy} allows {access.resource}{why}")
        return None

    def _may_invalidate(self, request: Request, credentials: Credentials) -> bool:
        """May the caller have a cached response made anew? Never one of another account (developer guide, caching)."""
        if combination_of(credentials.principal, self._facts) is Combination.BOTH or not credentials.policies:
            return False
        access = access_of(request, self._facts, credentials.principal, action="execute-api:InvalidateCache")
        return evaluate(credentials.policies, access).effect is Effect.ALLOW

    def _refused(self, refusal: Refusal) -> Refusal:
        if not self._config.http_api:
            return refusal
        return replace(refusal, message="Forbidden", status=403, error_type="ForbiddenException")

    def _failed(self, error: Exception) -> Refusal:
        told = f"the credentials could not be asked for: {type(error).__name__}: {words_of(error)}"
        return Refusal(Reason.AUTHORIZER_FAILED, told, cause=error)

    def _unusable(self, found: object) -> Refusal:
        told = f"the credentials' provider answered {type(found).__name__}, not Credentials or None"
        return Refusal(Reason.AUTHORIZER_MISCONFIGURED, told)


def _note_claim(request: Request) -> None:
    """What there is of a signature that cannot be read, or not now."""
    if b"X-Amz-Algorithm" in request.query_string:
        request.note("credential", "an AWS signature in the query")
    elif request.headers.get(b"authorization", b"").startswith(b"AWS4-"):
        request.note("credential", "an AWS signature in the header Authorization")
    else:
        request.note("credential", "the header Authorization, which holds no AWS signature")


def _has_dot_segments(path: bytes) -> bool:
    return b"/." in path and any(segment in (b".", b"..") for segment in path.split(b"/"))


def _hide_signature(request: Request, signed: Signed) -> None:
    """Take the signature, and the session's token, off what goes to the back end."""
    request.header_list = [field for field in request.header_list if field[0].lower() not in _STRIPPED]
    request.headers = {name: value for name, value in request.headers.items() if name not in _STRIPPED}
    if signed.presigned:
        pairs = request.query_string.split(b"&")
        kept = (pair for pair in pairs if not any(name in IN_QUERY for name, _ in query_pairs(pair)))
        request.query_string = b"&".join(kept)
        request.query = parse_query(request.query_string)


def _compiled(policy: Mapping[str, Any] | str) -> CompiledPolicy | tuple[Problem, ...]:
    return compile_policy(policy, name="resource policy", kind="resource")


def _collected(problems: list[Problem], make: Callable[[], T]) -> T | None:
    try:
        return make()
    except ConfigError as error:
        problems += error.problems
        return None
