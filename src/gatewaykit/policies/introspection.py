"""`introspection(...)`: opaque tokens, which only their issuer can tell about (RFC 7662).

authlib writes the request, our transport sends it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from gatewaykit.core.expiring import Expiring
from gatewaykit.core.identity.bearer import bearer_token, challenge
from gatewaykit.core.identity.credential import masked, sole_value
from gatewaykit.core.identity.introspection import Admitted, TokenRules, judge, read_introspection, unfit_token
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import UpstreamError
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.option_reading import Options
from gatewaykit.ports import Policy
from gatewaykit.upstream.fetch import Call, fetch
from gatewaykit.waiting import SingleFlight

if TYPE_CHECKING:
    from gatewaykit.clock import Clock
    from gatewaykit.core.http import HeaderList, Identity, Request
    from gatewaykit.core.identity.token_source import TokenSource
    from gatewaykit.ports import Runtime

__all__ = ["Introspection", "introspection"]

_AUTH_METHODS: Final = ("client_secret_basic", "client_secret_post", "private_key_jwt")
_MOST_KEPT: Final = 10_000  # tokens that were active, and as many that were not: neither pushes the other out
_ASSERTION_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection(Policy):
    """Tokens that their issuer is asked about; made by `introspection`."""

    phase = "authenticate"

    endpoint: str
    call: Call
    client: ClientCredentials
    rules: TokenRules
    source: TokenSource
    ttl_s: float
    negative_ttl_s: float

    def bind(self, runtime: Runtime) -> Policy:
        return Bound("introspection", on_request=_Asking(self, runtime).on_request)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """How the gateway says to the issuer who is asking. `key` is of joserfc, for `private_key_jwt`."""

    client_id: str
    client_secret: str
    auth_method: str
    key: Any = None
    algorithm: str = ""

    def __repr__(self) -> str:
        return f"ClientCredentials({self.client_id!r}, {self.auth_method})"


def introspection(
    endpoint: str,
    *,
    client_id: str,
    client_secret: str,
    auth_method: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"] = "client_secret_basic",
    audience: str | Sequence[str] = (),
    scopes: str | Sequence[str] = (),
    issuer: str | None = None,
    claims: Mapping[str, Any] | None = None,
    ttl: str | float = "30s",
    negative_ttl: str | float = "5s",
    timeout: str | float = "5s",
    leeway: str | float = "10s",
    identity_source: str = "header:authorization",
) -> Introspection:
    """Let in whoever sends a token that the issuer's introspection `endpoint` says is active.

    The token stands in `Authorization: Bearer …`, or where `identity_source` says (`"header:NAME"`, `"query:NAME"`),
    there also bare. It has to name one of `audience`, come from `issuer`, hold one of `scopes`, and have each of
    `claims` (with a value, or a list of those that will do), as far as these are given. `leeway` is how far `nbf` and
    `iat` may lie ahead.

    What the issuer said is remembered for `ttl`, and never beyond the token's `exp`: so long may a revocation go
    unseen. That a token is not valid is remembered for `negative_ttl`. For `auth_method="private_key_jwt"` the
    `client_secret` is the private key, in PEM.

    Refusals: 401 for a token that is missing or not valid, 403 for one without the scope, and 500 where the endpoint
    cannot be asked, or says what cannot be understood: nobody comes in then. The identity's principal is the token's
    `sub`, or its `client_id`.

    >>> from gatewaykit import introspection
    >>> tokens = introspection(
    ...     "https://login.example/introspect", client_id="gateway", client_secret="…", scopes=["pets:read"]
    ... )
    """
    options = Options("introspection")
    call = options.call("endpoint", endpoint, "POST", timeout)
    if auth_method not in _AUTH_METHODS:
        near = near_miss(str(auth_method), _AUTH_METHODS)
        options.problem("auth_method", f"{auth_method!r} is none of {', '.join(_AUTH_METHODS)}", near=near)
    client_id, secret = options.text("client_id", client_id), options.text("client_secret", client_secret)
    key, algorithm = _private_key(options, secret) if auth_method == "private_key_jwt" else (None, "")
    rules = TokenRules(
        audience=options.texts("audience", audience),
        issuer=None if issuer is None else options.text("issuer", issuer),
        scopes=options.texts("scopes", scopes),
        claims=_claim_rules(options, {} if claims is None else claims),
        leeway_s=options.seconds("leeway", leeway),
    )
    made = Introspection(
        endpoint=endpoint,
        call=call,
        client=ClientCredentials(
            client_id=client_id, client_secret=secret, auth_method=auth_method, key=key, algorithm=algorithm
        ),
        rules=rules,
        source=options.source(identity_source),
        ttl_s=options.seconds("ttl", ttl),
        negative_ttl_s=options.seconds("negative_ttl", negative_ttl),
    )
    options.check()
    return made


class _Asking:
    """The hook, with what it remembers: by digests of tokens, never by tokens."""

    def __init__(self, config: Introspection, runtime: Runtime) -> None:
        self._config, self._runtime = config, runtime
        self._active: Expiring[bytes, Identity] = Expiring(_MOST_KEPT)
        self._refused: Expiring[bytes, Refusal] = Expiring(_MOST_KEPT)
        self._flights: SingleFlight[Admitted | Refusal] = SingleFlight()
        self._prepare = _preparing(config, runtime)
        self.on_request = self._hook()

    def _hook(self) -> Callable[[Request], Request | Refusal | Awaitable[Request | Refusal]]:
        source, wall = self._config.source, self._runtime.clock.wall
        read, bare = sole_value(source), source.header != b"authorization"
        active, refused, ask = self._active.get, self._refused.get, self._ask

        def on_request(request: Request) -> Request | Refusal | Awaitable[Request | Refusal]:
            value = read(request)
            if isinstance(value, Refusal):
                return value
            token = bearer_token(value, bare=bare)
            if isinstance(token, Refusal):
                token.headers = (challenge(),)
                return token
            if request.events is not None:
                request.note("credential", f"token {masked(token)} in the {source}")
            digest, now_s = sha256(token.encode("utf-8", "surrogatepass")).digest(), wall()
            identity = active(digest, now_s)
            if identity is not None:
                request.identity = identity
                return request
            return refused(digest, now_s) or unfit_token(token) or ask(request, token, digest)

        return on_request

    async def _ask(self, request: Request, token: str, digest: bytes) -> Request | Refusal:
        verdict = await self._flights.run(digest, lambda: self._verdict(token, digest))
        if isinstance(verdict, Refusal):
            return verdict
        request.identity = verdict.identity
        return request

    async def _verdict(self, token: str, digest: bytes) -> Admitted | Refusal:
        config = self._config
        headers, body = self._prepare(token)
        try:
            answer = await fetch(self._runtime.transport, config.call, headers, body)
        except UpstreamError as error:
            return Refusal(Reason.ISSUER_UNREACHABLE, f"introspection endpoint: {error}", cause=error)
        now_s = self._runtime.clock.wall()
        claims = read_introspection(answer.status, answer.body)
        verdict = claims if isinstance(claims, Refusal) else judge(claims, config.rules, now_s)
        if isinstance(verdict, Admitted):
            self._active.put(digest, verdict.identity, min(now_s + config.ttl_s, verdict.expires_s))
        elif verdict.reason.status < 500:
            self._refused.put(digest, verdict, now_s + config.negative_ttl_s)
        return verdict


def _preparing(config: Introspection, runtime: Runtime) -> Callable[[str], tuple[HeaderList, bytes]]:
    """A function that gives the header fields and the body of the request about a token."""
    from authlib.oauth2.auth import ClientAuth
    from authlib.oauth2.rfc7009 import prepare_revoke_token_request  # a request about a token: RFC 7662 has the same

    client = config.client
    if client.auth_method == "private_key_jwt":
        auth = ClientAuth(client.client_id, None, _asserting(client, config, runtime.clock, runtime.entropy))
    elif client.auth_method == "client_secret_basic":  # both are form-encoded first: RFC 6749 section 2.3.1
        encoded = [quote(text, safe="") for text in (client.client_id, client.client_secret)]
        auth = ClientAuth(*encoded, client.auth_method)
    else:
        auth = ClientAuth(client.client_id, client.client_secret, client.auth_method)

    def prepare(token: str) -> tuple[HeaderList, bytes]:
        body, headers = prepare_revoke_token_request(token, "access_token", headers={"Accept": "application/json"})
        _, headers, body = auth.prepare("POST", config.endpoint, headers, body)
        return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()], body.encode()

    return prepare


def _asserting(
    client: ClientCredentials, config: Introspection, clock: Clock, entropy: Callable[[int], bytes]
) -> Callable[..., tuple[str, dict[str, str], str]]:
    """RFC 7523 section 2.2, with our own clock; authlib's ready-made method reads the system's."""
    from authlib.common.urls import add_params_to_qs
    from authlib.oauth2.rfc7523.assertion import sign_jwt_bearer_assertion
    from authlib.oauth2.rfc7523.client import ASSERTION_TYPE

    def add_assertion(
        auth: object, method: str, uri: str, headers: dict[str, str], body: str
    ) -> tuple[str, dict[str, str], str]:
        now_s = int(clock.wall())
        assertion = sign_jwt_bearer_assertion(
            client.key, issuer=client.client_id, subject=client.client_id, audience=config.rules.issuer or uri,
            issued_at=now_s, expires_at=now_s + _ASSERTION_S, claims={"jti": entropy(16).hex()}, alg=client.algorithm,
        )  # fmt: skip
        told = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]
        return uri, headers, add_params_to_qs(body, told)

    return add_assertion


def _private_key(options: Options, pem: str) -> tuple[Any, str]:
    """The key, and the algorithm it signs with."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from joserfc.jwk import import_key

    curves = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
    try:
        loaded = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):
        options.problem("client_secret", "it is no private key in PEM without a password")
        return None, ""
    if isinstance(loaded, rsa.RSAPrivateKey) and loaded.key_size >= 2048:
        return import_key(pem, "RSA"), "RS256"
    if isinstance(loaded, ec.EllipticCurvePrivateKey) and loaded.curve.name in curves:
        return import_key(pem, "EC"), curves[loaded.curve.name]
    options.problem("client_secret", "it is neither an RSA key of 2048 bits or more nor one of P-256, P-384 or P-521")
    return None, ""


def _claim_rules(options: Options, claims: object) -> Mapping[str, tuple[Any, ...]]:
    """Each claim with the values that it may have."""
    if not isinstance(claims, Mapping):
        options.problem("claims", f"{claims!r:.60} is no mapping", mend="Write claims with the values they must have")
        return {}
    rules = {
        str(name): tuple(value) if isinstance(value, (list, tuple)) else (value,) for name, value in claims.items()
    }
    for name, values in rules.items():
        if not values or not all(isinstance(value, (str, int, float)) for value in values):
            options.problem("claims", f"{name!r} allows {claims[name]!r:.60}", mend="Write a value, or a list of some")
    return rules
