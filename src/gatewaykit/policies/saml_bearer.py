"""`saml_bearer(...)`: SAML 2.0 assertions as bearer credentials. Needs the extra `saml` (signxml)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gatewaykit.core.expiring import Expiring
from gatewaykit.core.identity.credential import sole_value
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.option_reading import Options
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from cryptography import x509

    from gatewaykit.core.http import Identity, Request
    from gatewaykit.core.identity.saml import SamlRules
    from gatewaykit.core.identity.token_source import TokenSource
    from gatewaykit.ports import Runtime

__all__ = ["SamlBearer", "saml_bearer"]

_MOST_KEPT: Final = 10_000  # assertions that were verified, where they may be sent again
_MOST_USED: Final = 100_000  # assertions that were used, and must not be again
_SCHEMES: Final = ("saml", "bearer")
_CHALLENGE: Final = ((b"www-authenticate", b"SAML"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlBearer(Policy):
    """Assertions of an identity provider; made by `saml_bearer`."""

    phase = "authenticate"

    certificates: tuple[x509.Certificate, ...]
    rules: SamlRules
    source: TokenSource
    one_time: bool

    def bind(self, runtime: Runtime) -> Policy:
        return Bound("saml_bearer", on_request=_checking(self, runtime))


def saml_bearer(
    *,
    audience: str | Sequence[str],
    issuer: str | None = None,
    idp_certificates: str | bytes | None = None,
    idp_metadata: str | Path | None = None,
    recipient: str | None = None,
    leeway: str | float = "60s",
    one_time: bool = True,
    principal: str | None = None,
    attributes: Mapping[str, str] | None = None,
    identity_source: str = "header:authorization",
) -> SamlBearer:
    """Let in whoever sends an assertion that the identity provider signed for this API.

    It stands in `Authorization: SAML …` (or `Bearer …`), in base64, deflated or not, or where `identity_source` says
    (`"header:NAME"`, `"query:NAME"`), there also bare. It has to be signed with one of the provider's certificates:
    `idp_certificates` is PEM text with one or several, `idp_metadata` a file of the provider's metadata. No certificate
    of the assertion's own counts. It has to come from `issuer` (the metadata's entityID), name one of `audience`, and
    where `recipient` is given confirm it for that address. `leeway` is how far clocks may differ.

    With `one_time` an assertion is let in once, as far as this process knows. Without, the same one may come again
    until it expires, unless it has the condition OneTimeUse. The identity's principal is the NameID, or the attribute
    that `principal` names; its claims are the attributes, which `attributes` maps from names to shorter ones.

    >>> from gatewaykit import saml_bearer
    >>> staff = saml_bearer(audience=["https://api.example"], idp_metadata="idp-metadata.xml")  # doctest: +SKIP
    """
    try:
        from gatewaykit.core.identity.saml import SamlRules
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("signxml", "lxml"):
            raise
        raise ConfigError('saml_bearer needs signxml: pip install "gatewaykit[saml]"') from None
    options = Options("saml_bearer")
    pems, named = _provider(options, idp_certificates, idp_metadata)
    if issuer is None and not named:
        options.problem("issuer", "nobody is named whose assertions count", mend="Give it, or idp_metadata")
    audiences = options.texts("audience", audience)
    if not audiences:
        options.problem("audience", "no audience", why="an assertion for another service would be let in")
    made = SamlBearer(
        certificates=_certificates(options, pems),
        rules=SamlRules(
            issuer=named if issuer is None else options.text("issuer", issuer),
            audience=audiences,
            recipient=None if recipient is None else options.text("recipient", recipient),
            leeway_s=options.seconds("leeway", leeway),
            principal=None if principal is None else options.text("principal", principal),
            attributes=options.names("attributes", attributes),
        ),
        source=options.source(identity_source),
        one_time=options.flag("one_time", one_time),
    )
    options.check()
    return made


def _checking(config: SamlBearer, runtime: Runtime) -> Callable[[Request], Request | Refusal]:
    from gatewaykit.core.identity.saml import Seen, verify

    source, one_time, wall, look_only = config.source, config.one_time, runtime.clock.wall, runtime.look_only
    read, bare = sole_value(source), source.header != b"authorization"
    kept: Expiring[bytes, Identity] = Expiring(_MOST_KEPT)
    used = Seen(_MOST_USED)

    def on_request(request: Request) -> Request | Refusal:
        value = read(request)
        if isinstance(value, Refusal):
            return value
        credential = _credential(value, bare=bare)
        if credential is None:
            return Refusal(Reason.TOKEN_MISSING, f"no assertion in the {source}", headers=_CHALLENGE)
        now_s, digest = wall(), b""
        if not one_time:
            digest = sha256(credential.encode("utf-8", "surrogatepass")).digest()
            if (identity := kept.get(digest, now_s)) is not None:
                request.identity = identity
                return request
        answer = verified(credential, digest, now_s)
        if isinstance(answer, Refusal):
            answer.headers = _CHALLENGE
            return answer
        request.identity = answer
        if request.events is not None:
            request.note("credential", f"assertion {answer.claims['assertion_id']} in the {source}")
        return request

    def verified(credential: str, digest: bytes, now_s: float) -> Identity | Refusal:
        asserted = verify(credential, config.certificates, config.rules, now_s)
        if isinstance(asserted, Refusal):
            return asserted
        if not one_time and not asserted.only_once:
            kept.put(digest, asserted.identity, asserted.expires_s)
        elif asserted.assertion_id in used:
            return Refusal(Reason.TOKEN_INVALID, f"the assertion {asserted.assertion_id!r:.100} was used before")
        elif not look_only and not used.add(asserted.assertion_id, asserted.expires_s, now_s):
            detail = f"{_MOST_USED} assertions are in use, and no more can be kept from being used twice"
            return Refusal(Reason.AUTHORIZER_FAILED, detail)
        return asserted.identity

    return on_request


def _credential(value: str | None, *, bare: bool) -> str | None:
    scheme, _, credential = (value or "").strip().partition(" ")
    if scheme.lower() in _SCHEMES:
        return credential.strip() or None
    return scheme if bare and scheme and not credential else None


def _provider(options: Options, certificates: object, metadata: object) -> tuple[dict[str, bytes], str]:
    """The provider's certificates in PEM, by the option they are of, and its name where the metadata say it."""
    from gatewaykit.core.identity.saml_metadata import read_metadata

    pems: dict[str, bytes] = {}
    named = ""
    if isinstance(certificates, (str, bytes)):
        pems["idp_certificates"] = certificates.encode() if isinstance(certificates, str) else certificates
    elif certificates is not None or metadata is None:
        options.problem("idp_certificates", "no certificate in PEM", mend="Give it, or idp_metadata")
    if isinstance(metadata, (str, Path)):
        try:
            named, found = read_metadata(Path(metadata).read_bytes())
            pems["idp_metadata"] = "".join(found).encode()
        except OSError as error:
            options.problem("idp_metadata", f"{str(metadata)!r} cannot be read: {error.strerror}")
        except ValueError as error:
            options.problem("idp_metadata", f"{str(metadata)!r}: {error}")
    elif metadata is not None:
        options.problem("idp_metadata", f"{metadata!r:.60} is no path")
    return pems, named


def _certificates(options: Options, pems: Mapping[str, bytes]) -> tuple[x509.Certificate, ...]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    loaded = []
    for option, pem in pems.items():
        try:
            certificates = x509.load_pem_x509_certificates(pem)
        except ValueError as error:
            options.problem(option, f"there is no certificate in PEM in it: {error!s:.200}")
            continue
        for certificate in certificates:
            key = certificate.public_key()
            if not (isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)) and key.key_size >= _least(key)):
                what = "RSA of 2048 bits or more and elliptic curves of 256 are good enough"
                options.problem(option, f"the key of {certificate.subject.rfc4514_string()!r} is too weak: {what}")
        loaded += certificates
    return tuple(loaded)


def _least(key: object) -> int:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return 2048 if isinstance(key, rsa.RSAPublicKey) else 256
