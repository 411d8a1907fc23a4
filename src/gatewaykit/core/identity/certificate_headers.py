"""Client certificates in header fields, as the proxies that ended TLS write them.

* `client-cert`: RFC 9440, the fields Client-Cert and Client-Cert-Chain.
* `nginx`: `$ssl_client_escaped_cert` (PEM, percent-encoded), and `$ssl_client_verify` beside it.
* `haproxy`: `%[ssl_c_der,base64]`, bare, quoted or between colons, and `%[ssl_c_verify]` beside it.
* `envoy`: X-Forwarded-Client-Cert, with `cert` or `chain` among its details.
* `alb`: X-Amzn-Mtls-Clientcert (passthrough) or X-Amzn-Mtls-Clientcert-Leaf (verify).

Whoever can write these fields can be anybody: see `claims_certificate`.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import unquote_to_bytes

from gatewaykit.core.http import HeaderList

__all__ = ["FORMS", "Form", "Parts", "Values", "claims_certificate", "form_of", "values_of"]

Values: TypeAlias = tuple[tuple[bytes, ...], ...]
"""The values of each field of a form, in the order of its names."""

Parts: TypeAlias = "tuple[bytes, ...] | str | None"
"""A chain in PEM or DER, the client's certificate first; what is wrong; or None where no certificate was sent."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write a certificate: the fields it takes, in lower case, and how they are read."""

    names: tuple[bytes, ...]
    parse: Callable[[Values], Parts]


def form_of(source: str, header: str = "", verify_header: str = "") -> Form:
    """A form by its name; `header` and `verify_header` are the names of fields for which no standard is."""
    form = FORMS[source]
    if source not in NAMED_FREELY:
        return form
    given = (header.lower().encode(), verify_header.lower().encode())
    return Form(tuple(own or usual for own, usual in zip(given, form.names)), form.parse)


def values_of(headers: HeaderList, names: tuple[bytes, ...]) -> Values:
    """The values of the fields of a form, as sent."""
    found: dict[bytes, list[bytes]] = {name: [] for name in names}
    for name, value in headers:
        if (values := found.get(name.lower())) is not None:
            values.append(value)
    return tuple(map(tuple, found.values()))


def claims_certificate(names: Collection[bytes] = ()) -> Callable[[bytes], bool]:
    """Whether one of the header fields named, a line each, claims something about a client certificate.

    So do those in `names`. A name may be in any casing, and with `_` for `-`: to a WSGI app they are the same.
    """
    own = b"".join(b"|" + b"[-_]".join(map(re.escape, re.split(b"[-_]", name))) for name in names)
    found = re.compile(b"^(?:" + _CLAIMS + own + b")$", re.IGNORECASE | re.MULTILINE).search
    return lambda lines: found(lines) is not None


_CLAIMS: Final = (
    rb"client[-_]cert(?:[-_]chain)?"
    rb"|(?:x[-_])?ssl[-_]client[-_].*"  # nginx, HAProxy, ingress-nginx, Apache: -Cert, -Verify, -S-DN, …
    rb"|x[-_]client[-_]cert.*|x[-_]forwarded[-_](?:tls[-_])?client[-_]cert.*"
    rb"|x[-_]amzn[-_]mtls[-_].*"
)


def _client_cert(values: Values) -> Parts:
    if not values[0]:
        return "Client-Cert-Chain was sent without Client-Cert" if values[1] else None
    leaf = _byte_sequences(values[0], "Client-Cert")
    chain = _byte_sequences(values[1], "Client-Cert-Chain")
    if isinstance(leaf, str) or isinstance(chain, str):
        return leaf if isinstance(leaf, str) else chain
    return "Client-Cert was sent twice" if len(leaf) > 1 else (*leaf, *chain)


def _byte_sequences(values: tuple[bytes, ...], name: str) -> tuple[bytes, ...] | str:
    """The byte sequences of a structured field, an item or a list (RFC 9651 section 3.3.5). Parameters are ignored."""
    text, read, at = b",".join(values).strip(b" "), [], 0
    while text:
        found = _BYTE_SEQUENCE.match(text, at)
        decoded = None if found is None else _base64(found[1])
        if found is None or not decoded:
            return f"{name} is no byte sequence of RFC 9651"
        read.append(decoded)
        at = found.end()
        if at == len(text):
            break
        if text[at : at + 1] != b",":
            return f"{name} is no byte sequence of RFC 9651"
        at += 1
    return tuple(read)


_BYTE_SEQUENCE: Final = re.compile(
    rb"[ \t]*:([A-Za-z0-9+/=]*):(?:;[ ]*[a-z*][a-z0-9_.*-]*(?:=(?:[A-Za-z0-9_.:/*?+=-]+|\"[^\"\\]*\"))?)*[ \t]*"
)


def _verified(values: Values, parse: Callable[[bytes], Parts]) -> Parts:
    """A certificate beside the proxy's own verdict on it, which may be left out: the chain is judged here anyway."""
    sent, verdicts = values
    if len(sent) > 1 or len(verdicts) > 1:
        return "the certificate, or the verdict on it, was sent twice"
    verdict = verdicts[0].strip() if verdicts else b""
    if not sent or not sent[0].strip() or verdict == b"NONE":
        return None
    if verdict not in (b"", b"SUCCESS", b"0"):
        return f"the proxy says of it: {verdict.decode('latin-1')}"
    return parse(sent[0].strip())


def _escaped_pem(*values: bytes) -> Parts:
    decoded = tuple(map(unquote_to_bytes, values))  # a plus stands for itself, in base64
    return decoded if all(b"-----BEGIN CERTIFICATE-----" in each for each in decoded) else "the header holds no PEM"


def _base64_der(value: bytes) -> Parts:
    bare = value.strip(b'":')
    if not bare:
        return None
    decoded = _base64(bare)
    return (decoded,) if decoded else "the header holds no DER in base64"


def _base64(text: bytes) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _envoy(values: Values) -> Parts:
    if not values[0] or not values[0][0].strip():
        return None
    if len(values[0]) > 1:
        return "X-Forwarded-Client-Cert was sent twice"
    pairs: dict[bytes, bytes] = {}
    text, at = values[0][0].strip(), 0
    while at < len(text):
        found = _XFCC_PAIR.match(text, at)
        if found is None:
            return "X-Forwarded-Client-Cert is no list of pairs"
        name, quoted, bare, end = found.groups()
        if end == b",":
            return "X-Forwarded-Client-Cert holds several clients: let Envoy write its own only (SANITIZE_SET)"
        if name.lower() in (b"cert", b"chain"):
            if name.lower() in pairs:
                return "X-Forwarded-Client-Cert names a certificate twice"
            pairs[name.lower()] = bare if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted)
        at = found.end()
    sent = [pairs[name] for name in (b"cert", b"chain") if pairs.get(name)]
    if not sent:
        return "X-Forwarded-Client-Cert holds no certificate: let Envoy write it (set_current_client_cert_details)"
    return _escaped_pem(*sent)


_XFCC_PAIR: Final = re.compile(rb'([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))(;|,|\Z)')


def _alb(values: Values) -> Parts:
    sent = [value.strip() for each in values for value in each if value.strip()]
    if len(sent) > 1:
        return "X-Amzn-Mtls-Clientcert was sent twice"
    return _escaped_pem(sent[0]) if sent else None


NAMED_FREELY: Final = ("nginx", "haproxy")
"""Forms whose fields have the names that the proxy's own configuration gives them."""

_USUAL: Final = (b"x-ssl-client-cert", b"x-ssl-client-verify")

FORMS: Final = {
    "client-cert": Form((b"client-cert", b"client-cert-chain"), _client_cert),
    "nginx": Form(_USUAL, lambda values: _verified(values, _escaped_pem)),
    "haproxy": Form(_USUAL, lambda values: _verified(values, _base64_der)),
    "envoy": Form((b"x-forwarded-client-cert",), _envoy),
    "alb": Form((b"x-amzn-mtls-clientcert", b"x-amzn-mtls-clientcert-leaf"), _alb),
}
