"""`mtls(...)`: only clients with a certificate of a CA you trust come through.

Developer guide, "Configuring mutual TLS authentication"; reference 02 section 8. The certificate comes from the server
that ended TLS (the ASGI TLS extension), or in a header of a trusted proxy that did.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from gatewaykit.core.client_address import compile_is_proxy
from gatewaykit.core.expiring import Expiring
from gatewaykit.core.http import Identity, Request
from gatewaykit.core.identity.certificate_chain import Verify, compile_verification
from gatewaykit.core.identity.certificate_headers import FORMS, NAMED_FREELY, claims_certificate, form_of, values_of
from gatewaykit.core.identity.mtls import ClientCertificate, facts_of, read_certificates
from gatewaykit.core.identity.revocation import read_revocations
from gatewaykit.core.identity.truststore import read_truststore
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.definition.near import near_miss
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.reloaded import Reloaded
from gatewaykit.ports import Policy
from gatewaykit.units import parse_duration

if TYPE_CHECKING:
    from gatewaykit.ports import Runtime

__all__ = ["Mtls", "Source", "mtls"]

Source = Literal["tls", "client-cert", "nginx", "haproxy", "envoy", "alb"]

_SOURCES: Final = ("tls", *FORMS)
_MOST_REMEMBERED: Final = 1024  # chains that were verified; each holds some kilobytes
_log = logging.getLogger("gatewaykit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mtls(Policy):
    """Mutual TLS; made by `mtls`."""

    phase = "mtls"
    rewrites = True

    truststore: bytes | Path
    crl: bytes | Path | None = None
    stale_crl: bool = False
    source: str = "tls"
    header: str = ""
    verify_header: str = ""
    proxies: tuple[str, ...] | None = None
    required: bool = True
    keep_header: bool = False
    subjects: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    reload_s: float = 10.0

    def bind(self, runtime: Runtime) -> Policy:
        proxies = runtime.trusted_proxies if self.proxies is None else self.proxies
        if self.source != "tls" and not proxies:
            what, mend = f"the source {self.source!r} is a header, and no proxy is trusted to write it", _TRUST
            raise ConfigError(Problem(where="mtls.proxies", what=what, why="everybody would be refused", mend=mend))
        sources = [self.truststore] if self.crl is None else [self.truststore, self.crl]
        make = partial(_Judge, self, quiet=runtime.look_only)
        try:
            files = Reloaded(sources, make, self.reload_s, runtime.clock.monotonic)
        except (OSError, ValueError) as error:
            raise ConfigError(Problem(where="mtls.truststore", what=str(error))) from None
        bound = Bound("mtls", on_request=_checking(self, proxies, files, runtime.clock.wall))
        bound.rewrites = True
        return bound


def mtls(
    truststore: str | Path | bytes,
    *,
    crl: str | Path | bytes | None = None,
    stale_crl: Literal["refuse", "accept"] = "refuse",
    source: Source = "tls",
    header: str = "",
    verify_header: str = "",
    proxies: Sequence[str] | None = None,
    required: bool = True,
    keep_header: bool = False,
    subjects: Sequence[str] = (),
    names: Sequence[str] = (),
    reload: str | float = "10s",
) -> Mtls:
    """Refuse requests without a client certificate that leads to `truststore` (403, as API Gateway).

    `truststore` is a file with CA certificates in PEM, or the bytes of one; so is `crl`, with revocation lists. Files
    are looked at every `reload`, and read again when they have changed. `source` says where the certificate is found:
    `"tls"` is the server's own TLS; the others are headers, which count only from the gateway's trusted proxies, or
    from `proxies`: `"client-cert"` (RFC 9440), `"nginx"`, `"haproxy"`, `"envoy"`, `"alb"`. For nginx and HAProxy
    `header` and `verify_header` name the fields, X-SSL-Client-Cert and X-SSL-Client-Verify where they do not. All
    headers that claim a certificate are taken out of the request; `keep_header` leaves those of a trusted proxy in.

    With `required=False` a request without a certificate passes; one with a bad certificate does not. `subjects` and
    `names`, where given, are the only ones let in: whole subjects (`"C=US,O=Shop,CN=till 1"`) and alternative names
    (`"DNS:till1.example"`, `"URI:spiffe://…"`). Sets `request.client_cert`, and the caller's identity unless there is
    one.

    >>> from gatewaykit import mtls
    >>> policy = mtls("partners.pem", source="nginx", proxies=["10.0.0.0/8"])  # doctest: +SKIP
    """
    problems: list[Problem] = []

    def problem(option: str, what: str, **more: str) -> None:
        problems.append(Problem(where=f"mtls.{option}", what=what, **more))

    given = {"truststore": truststore, **({} if crl is None else {"crl": crl})}
    for option, value in given.items():
        if not isinstance(value, (str, Path, bytes)) or not value:
            problem(option, f"{value!r} is neither a file nor bytes")
    if source not in _SOURCES:
        near = near_miss(str(source), _SOURCES)
        problem("source", f"{source!r} is none of {', '.join(_SOURCES)}", near=near)
    for option, name in (("header", header), ("verify_header", verify_header)):
        if not isinstance(name, str) or any(
            not (each.isascii() and each.isalnum()) and each not in "-_" for each in name
        ):
            problem(option, f"{name!r} is no header name")
        elif name and source not in NAMED_FREELY:
            problem(option, f"the source {source!r} has headers of its own", mend="Leave it out")
    if header and str(header).lower() == str(verify_header).lower():
        problem("verify_header", f"{verify_header!r} is the header with the certificate too")
    if stale_crl not in ("refuse", "accept"):
        problem("stale_crl", f"{stale_crl!r} is neither 'refuse' nor 'accept'")
    for option, listed in (("proxies", proxies or ()), ("subjects", subjects), ("names", names)):
        if isinstance(listed, str) or not all(isinstance(each, str) for each in listed):
            problem(option, f"{listed!r} is no list of texts")
        elif option == "proxies":
            try:
                compile_is_proxy(listed)
            except ValueError as error:
                problem(option, str(error), mend="Write addresses, networks, or 'unix'")
    reload_s = 0.0
    try:
        reload_s = parse_duration(reload)
    except ValueError as error:
        problem("reload", str(error))
    if problems:
        raise ConfigError(problems)
    policy = Mtls(
        truststore=_place(truststore),
        crl=None if crl is None else _place(crl),
        stale_crl=stale_crl == "accept",
        source=source,
        header=header,
        verify_header=verify_header,
        proxies=None if proxies is None else tuple(proxies),
        required=required,
        keep_header=keep_header,
        subjects=frozenset(subjects),
        names=frozenset(names),
        reload_s=reload_s,
    )
    for option, place, read in (
        ("truststore", policy.truststore, read_truststore),
        ("crl", policy.crl, read_revocations),
    ):
        try:
            found: object = None if place is None else read(place.read_bytes() if isinstance(place, Path) else place)
        except OSError as error:
            found = f"{place!s}: {error.strerror}"
        if isinstance(found, str):
            problem(option, found)
    if problems:
        raise ConfigError(problems)
    return policy


_TRUST: Final = "Name it in trusted_proxies of the gateway, or in proxies=[…] here"


def _place(given: str | Path | bytes) -> bytes | Path:
    return given if isinstance(given, bytes) else Path(given)


class _Judge:
    """One reading of the files: how chains are judged, and those that were."""

    __slots__ = ("known", "verify")

    def __init__(self, policy: Mtls, contents: Sequence[bytes], *, quiet: bool) -> None:
        truststore = read_truststore(contents[0])
        if isinstance(truststore, str):
            raise ValueError(truststore)
        for warning in () if quiet else truststore.warnings:
            _log.warning("mtls truststore: %s", warning)
        revocations = None if policy.crl is None else read_revocations(contents[1], stale=policy.stale_crl)
        if isinstance(revocations, str):
            raise ValueError(revocations)
        self.verify: Verify = compile_verification(truststore, revocations)
        self.known: Expiring[Hashable, tuple[ClientCertificate, Identity]] = Expiring(_MOST_REMEMBERED)


Find = Callable[[Request], Any]  # what was sent, hashable; None where nothing was
Read = Callable[[Any], "tuple[str | bytes, ...] | str | None"]  # the same as a chain, or what is wrong with it


def _checking(
    policy: Mtls, proxies: Sequence[str], files: Reloaded[_Judge], wall: Callable[[], float]
) -> Callable[[Request], Request | Refusal]:
    find, read, own = _reading(policy, proxies)
    claims = claims_certificate(own)
    keeps = frozenset(own) if policy.keep_header else frozenset()
    is_proxy = compile_is_proxy(proxies)
    current = files.current

    def on_request(request: Request) -> Request | Refusal:
        sent = find(request)
        if claims(b"\n".join(request.headers)):
            _take_out(request, claims, keeps if keeps and is_proxy(request) else frozenset())
        if sent is None:
            return missing(request)
        judge, now_s = current(), wall()
        known = judge.known.get(sent, now_s)
        if known is None:
            judged = _judged(policy, judge, request, sent, read, now_s)
            if judged is None:
                return missing(request)
            if isinstance(judged, Refusal):
                return judged
            known = judged
        request.client_cert, caller = known
        if request.identity is None:
            request.identity = caller
        if request.events is not None:
            request.note("credential", f"client certificate {caller.principal} ({_where(policy)})")
        return request

    def missing(request: Request) -> Request | Refusal:
        if not policy.required:
            return request
        return Refusal(Reason.CLIENT_CERTIFICATE_MISSING, _why_missing(policy, request, is_proxy))

    return on_request


def _judged(
    policy: Mtls, judge: _Judge, request: Request, sent: Any, read: Read, now_s: float
) -> tuple[ClientCertificate, Identity] | Refusal | None:
    """What a chain that was not seen before proves."""
    parts = read(sent)
    if parts is None:
        return None
    chain = parts if isinstance(parts, str) else read_certificates(parts)
    if isinstance(chain, str) or not chain:
        return _invalid(str(chain or "the server shows none that can be read"))
    certificate = request.client_cert = facts_of(chain[0])  # as on AWS, access logs show the one that was refused too
    trusted = judge.verify(chain, now_s)
    named = f"{certificate.subject_dn} (serial {certificate.serial_number})"
    if isinstance(trusted, str):
        return _invalid(f"{named}: {trusted}")
    if policy.subjects and certificate.subject_dn not in policy.subjects:
        return _invalid(f"{named}: its subject is none of those let in")
    if policy.names and policy.names.isdisjoint(certificate.names):
        return _invalid(f"{named}: its names, {', '.join(certificate.names) or 'none'}, are none of those let in")
    claims = {
        "issuerDN": certificate.issuer_dn, "serialNumber": certificate.serial_number, "names": certificate.names,
        "fingerprint": certificate.fingerprint,
    }  # fmt: skip
    principal = certificate.subject_dn or next(iter(certificate.names), f"sha256:{certificate.fingerprint}")
    caller = Identity(principal=principal, kind="mtls", claims=MappingProxyType(claims))
    judge.known.put(sent, (certificate, caller), trusted.until_s)
    return certificate, caller


def _invalid(detail: str) -> Refusal:
    return Refusal(Reason.CLIENT_CERTIFICATE_INVALID, f"client certificate: {detail}")


def _reading(policy: Mtls, proxies: Sequence[str]) -> tuple[Find, Read, tuple[bytes, ...]]:
    """How what was sent is found and read, and the names of the headers it is in."""
    if policy.source == "tls":
        return _from_tls, _chain_of_tls, ()
    form, is_proxy = form_of(policy.source, policy.header, policy.verify_header), compile_is_proxy(proxies)
    names = form.names

    def from_header(request: Request) -> Any:
        return values_of(request.header_list, names) if is_proxy(request) else None

    return from_header, form.parse, names


def _from_tls(request: Request) -> Any:
    """The chain in the server's TLS extension: PEM or DER, by the names that versions of it have used."""
    tls = request.tls
    if not isinstance(tls, Mapping):
        return None
    chain = tls.get("client_cert_chain") or tls.get("client_cert")
    if not chain:
        return None
    listed = isinstance(chain, Iterable) and not isinstance(chain, (str, bytes))
    parts = tuple(chain) if listed else (chain,)
    if not all(isinstance(each, (str, bytes)) for each in parts):
        parts = ()
    error = tls.get("client_cert_error")
    return None if error is None else str(error), parts


def _chain_of_tls(sent: tuple[str | None, tuple[str | bytes, ...]]) -> tuple[str | bytes, ...] | str:
    error, chain = sent
    return chain if error is None else f"the server says of it: {error}"


def _take_out(request: Request, claims: Callable[[bytes], bool], keeps: frozenset[bytes]) -> None:
    request.header_list = [field for field in request.header_list if field[0].lower() in keeps or not claims(field[0])]
    request.headers = {
        name: value for name, value in request.headers.items() if name.lower() in keeps or not claims(name)
    }


def _where(policy: Mtls) -> str:
    return "TLS" if policy.source == "tls" else f"the header of a trusted proxy, {policy.source}"


def _why_missing(policy: Mtls, request: Request, is_proxy: Callable[[Request], bool]) -> str:
    if policy.source != "tls":
        if is_proxy(request):
            return f"the proxy sent no client certificate ({policy.source})"
        peer = request.client[0] if request.client else "without an address"
        return f"the peer {peer} is no trusted proxy: its headers say nothing about a client certificate"
    if not isinstance(request.tls, Mapping):
        return "the connection has no TLS, or the server does not show it (the ASGI TLS extension)"
    return "the client sent no certificate"
