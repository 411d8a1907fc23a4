"""`jwt(...)`: only callers with a token that their issuer signed come through.

Developer guide, "Control access to HTTP APIs with JWT authorizers"; RFC 6750, 7519 and 8725.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.http import Identity, quick_identity
from gatewaykit.core.identity.jwt.algorithms import ALGORITHMS, HMAC_ALGORITHMS, RSA_ALGORITHMS
from gatewaykit.core.identity.jwt.answering import compile_answers
from gatewaykit.core.identity.jwt.claims import ClaimRules, Rejected, compile_claim
from gatewaykit.core.identity.jwt.discovery import insecure
from gatewaykit.core.identity.jwt.keys import KeySet, pem_key, read_key_set, secret_key
from gatewaykit.core.identity.jwt.verifying import MOST_CANDIDATES, Verified, Verifier
from gatewaykit.core.identity.token_source import TokenSource, token_source
from gatewaykit.core.reasons import Reason
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.tokens import TokenUse, token_checking
from gatewaykit.ports import Policy
from gatewaykit.units import parse_duration
from gatewaykit.upstream.fetch import call_to
from gatewaykit.upstream.jwks import KeyAddress, KeySource, StaticKeys, remote_keys

if TYPE_CHECKING:
    import os

    from gatewaykit.ports import Runtime

__all__ = ["Jwt", "jwt"]

_MOST_AUDIENCES, _MOST_SCOPES = 50, 10  # of an HTTP API's authorizer and route
_EDDSA: Final = frozenset(("Ed25519", "EdDSA"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwt(Policy):
    """A JWT authorizer; made by `jwt`."""

    phase = "authenticate"

    rules: ClaimRules
    algorithms: frozenset[str]
    keys: KeyAddress | KeySet
    source: TokenSource
    scopes: tuple[str, ...]
    http_api: bool
    bare: bool
    cached_tokens: int

    def bind(self, runtime: Runtime) -> Policy:
        if isinstance(self.keys, KeySet):
            keys: KeySource = StaticKeys(self.keys)
        else:
            keys = remote_keys(self.keys, runtime.transport, runtime.clock)
        trust = (keys, Verifier(self.algorithms, self.rules, needs_kid=self.http_api))
        use = TokenUse(
            source=self.source, bare=self.bare, trust=lambda token: trust, identify=_identifying(self.scopes),
            answer=compile_answers(self.scopes, http_api=self.http_api), most_kept=self.cached_tokens,
        )  # fmt: skip
        return Bound("jwt", on_request=token_checking(use, runtime))


def jwt(
    *,
    issuer: str | None = None,
    audience: str | Sequence[str] | None = None,
    algorithms: Sequence[str] = ("RS256",),
    jwks: str | Mapping[str, Any] | None = None,
    jwks_file: str | os.PathLike[str] | None = None,
    keys: str | Sequence[str] | Mapping[str, str] | None = None,
    secret: str | bytes | None = None,
    scopes: str | Sequence[str] = (),
    claims: Mapping[str, Any] | None = None,
    leeway: str | float = 0,
    identity_source: str = "header:authorization",
    http_api: bool = False,
    allow_http: bool = False,
    cached_tokens: int = 4096,
) -> Jwt:
    """Refuse requests without a valid token (401), or without one of `scopes` (403).

    The keys are those that `issuer` publishes (OpenID Connect Discovery or RFC 8414), unless one of these gives them:
    `jwks`, an address or a key set; `jwks_file`, a file with one; `keys`, public keys or certificates in PEM, listed or
    by key id; `secret`, for the HS algorithms. Published keys are fetched when the first token comes, and again before
    they are old; addresses are https, or on this machine, unless `allow_http` is true.

    A token has to be signed by one of `algorithms`, to have an `exp` that lies ahead, `iss` as `issuer`, one of
    `audience` in `aud`, and no `nbf` or `iat` that lies ahead; `leeway` forgives clocks. `claims` asks for more: each
    name with a value, a set of values, or a function of the value; a claim that is a list passes when a member does.
    `identity_source` may be `"header:NAME"` or `"query:NAME"`. The caller is `sub`; claims and scopes are in
    `request.identity`.

    `http_api=True` follows API Gateway's HTTP APIs to the letter: RSA only, a key id in every token, `client_id` where
    there is no `aud`, tokens with or without `Bearer`, and its own WWW-Authenticate under every profile.

    Tokens that held are known again by their digest, the last `cached_tokens` of them, until they expire or the keys
    change; so a function in `claims` is asked once for each token.

    >>> from gatewaykit import jwt
    >>> signed_in = jwt(issuer="https://login.example", audience="https://api.example", scopes=["orders:read"])
    """
    problems: list[Problem] = []

    def problem(option: str, what: str, **more: str) -> None:
        problems.append(Problem(where=f"jwt.{option}", what=what, **more))

    allowed = _algorithms(algorithms, http_api, problem)
    source, leeway_s = TokenSource(), 0.0
    try:
        source = token_source(identity_source)
    except ValueError as error:
        problem("identity_source", str(error))
    try:
        leeway_s = parse_duration(leeway)
    except ValueError as error:
        problem("leeway", str(error))
    if issuer is not None and (not isinstance(issuer, str) or not issuer):
        problem("issuer", f"{issuer!r} is no issuer")
    audiences = _texts(audience, "audience", problem)
    wanted = _texts(scopes, "scopes", problem)
    if http_api:
        for option, given, most in (("audience", audiences, _MOST_AUDIENCES), ("scopes", wanted, _MOST_SCOPES)):
            if len(given) > most:
                problem(option, f"{len(given)} are more than the {most} that an HTTP API may have")
    if audience is not None and not audience:
        problem("audience", "no audience", why="no token would do", mend="Leave it out to accept any")
    if claims is not None and not isinstance(claims, Mapping):
        problem("claims", f"{claims!r} is no mapping from claims to what they have to be")
        claims = None
    if isinstance(cached_tokens, bool) or not isinstance(cached_tokens, int) or cached_tokens < 0:
        problem("cached_tokens", f"{cached_tokens!r} is no number of tokens")
    options: dict[str, Any] = {"jwks": jwks, "jwks_file": jwks_file, "keys": keys, "secret": secret}
    options = {name: value for name, value in options.items() if value is not None}
    trusted = _keys(options, issuer, allowed, problem)
    if isinstance(trusted, KeyAddress):
        _check_address(trusted, allow_http, problem)
        trusted = KeyAddress(issuer=trusted.issuer, url=trusted.url, allow_http=bool(allow_http))
    if problems or trusted is None:
        raise ConfigError(problems)
    rules = ClaimRules(
        issuer=issuer, audiences=frozenset(audiences), client_id_as_audience=bool(http_api), leeway_s=leeway_s,
        claims=tuple((name, compile_claim(rule)) for name, rule in (claims or {}).items()),
    )  # fmt: skip
    return Jwt(
        rules=rules, algorithms=allowed, keys=trusted, source=source, scopes=wanted, http_api=bool(http_api),
        bare=bool(http_api) or source.header != b"authorization", cached_tokens=cached_tokens,
    )  # fmt: skip


Complain = Callable[..., None]


def _algorithms(algorithms: Sequence[str], http_api: bool, problem: Complain) -> frozenset[str]:
    listed = [algorithms] if isinstance(algorithms, str) else list(algorithms)
    if not listed:
        problem("algorithms", "no algorithm", why="no token would do")
    for name in listed:
        if name not in ALGORITHMS:
            what = f"{name!r} is no algorithm this policy checks"
            mend = f"Known are {', '.join(ALGORITHMS)}"
            problem("algorithms", what, near=near_miss(str(name), ALGORITHMS), mend=mend)
        elif http_api and name not in RSA_ALGORITHMS:
            problem("algorithms", f"{name} is none that HTTP APIs check: they know RSA only")
    names = frozenset(name for name in listed if isinstance(name, str))
    return names | _EDDSA if names & _EDDSA else names


def _texts(value: object, option: str, problem: Complain) -> tuple[str, ...]:
    listed = () if value is None else (value,) if isinstance(value, str) else value
    if not isinstance(listed, (tuple, list, set, frozenset)) or not all(
        isinstance(each, str) and each for each in listed
    ):
        problem(option, f"{value!r} is neither a text nor a list of texts")
        return ()
    return tuple(listed)


def _keys(
    given: Mapping[str, Any], issuer: str | None, algorithms: frozenset[str], problem: Complain
) -> KeyAddress | KeySet | None:
    """Where the keys come from, by the one option that says so."""
    if len(given) > 1:
        problem(next(iter(given)), f"{' and '.join(given)} both give keys", mend="Keep one of them")
        return None
    shared = algorithms & set(HMAC_ALGORITHMS)
    if shared and "secret" not in given:
        problem("algorithms", f"{', '.join(sorted(shared))} need secret=", why="no published key is a secret")
        return None
    if not given:
        if issuer is None:
            problem("issuer", "neither an issuer nor keys", why="no signature could be checked")
        return KeyAddress(issuer=issuer) if isinstance(issuer, str) and issuer else None
    ((option, value),) = given.items()
    try:
        if option == "secret":
            return _secret(value, algorithms)
        if option == "keys":
            return _pem_keys(value)
        if option == "jwks_file":
            return read_key_set(Path(value).read_bytes())
        if isinstance(value, str):
            return KeyAddress(issuer=issuer or "", url=value)
        if isinstance(value, Mapping):
            return read_key_set(value)
        raise ValueError(f"{value!r} is neither an address nor a key set")
    except (ValueError, OSError) as error:
        problem(option, str(error))
        return None


def _secret(value: object, algorithms: frozenset[str]) -> KeySet:
    secret = value.encode() if isinstance(value, str) else value
    if not isinstance(secret, bytes):
        raise ValueError("it is neither text nor bytes")
    if others := sorted(algorithms - set(HMAC_ALGORITHMS)):
        raise ValueError(f"a secret cannot check {', '.join(others)}; name HS algorithms only")
    key = secret_key(secret, algorithms)
    if isinstance(key, str):
        raise ValueError(key)
    return KeySet([key])


def _pem_keys(value: object) -> KeySet:
    named: list[tuple[str | None, object]]
    if isinstance(value, Mapping):
        named = list(value.items())
    else:
        named = [(None, each) for each in (value if isinstance(value, (list, tuple)) else [value])]
    keys = []
    for index, (kid, pem) in enumerate(named):
        if not isinstance(pem, (str, bytes)):
            raise ValueError(f"{type(pem).__name__} is no key in PEM")
        key = pem_key(pem.encode() if isinstance(pem, str) else pem, kid)
        if isinstance(key, str):
            raise ValueError(f"key {index if kid is None else repr(kid)}: {key}")
        keys.append(key)
    if not keys:
        raise ValueError("no key")
    if len(keys) > MOST_CANDIDATES and not isinstance(value, Mapping):
        raise ValueError(f"{len(keys)} keys without ids are too many to try; map key ids to them")
    return KeySet(keys)


def _check_address(keys: KeyAddress, allow_http: bool, problem: Complain) -> None:
    option = "jwks" if keys.url else "issuer"
    try:
        call_to(str(keys))
    except ValueError as error:
        problem(option, str(error))
        return
    if insecure(str(keys)) and not allow_http:
        why = "whoever is on the way could give keys of his own"
        problem(option, f"{str(keys)!r} is no https address", why=why, mend="Use https, or allow_http=True")


def _identifying(scopes: tuple[str, ...]) -> Callable[[Verified], Identity | Rejected]:
    wanted = frozenset(scopes)

    def identify(token: Verified) -> Identity | Rejected:
        claims, found, _ = token
        if wanted and wanted.isdisjoint(found):
            detail = f"the token's scopes are {' '.join(found)[:200]!r}, and one of {sorted(wanted)} is needed"
            return Rejected(Reason.SCOPE_MISSING, detail, "the token does not have a required scope")
        principal = claims.get("sub", claims.get("client_id", ""))
        if not isinstance(principal, str):
            return Rejected(Reason.TOKEN_INVALID, "sub is no text")
        return quick_identity(principal, "jwt", MappingProxyType(claims), found)  # kept: nobody may write into it

    return identify
