"""AWS Signature Version 4: is a request signed, and by whom?

IAM user guide, "AWS Signature Version 4 for API requests"; reference 02 section 2. The order of the checks is the one
recorded from AWS: the parts, their form, the time, the signed headers, the scope, the access key, the signature.

`SignatureReader.read` says what a request claims, without any secret; `verify` says whether the claim holds. Between
the two stands whoever knows the credentials and reads the body: what is wrong without them is refused before.

What is bound by a signature: method, path as sent, query, the headers it lists, time, region, service and body. `host`
and every `x-amz-` header that is there must be listed. The order of repeated query parameters is not bound: the
canonical form sorts them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.iam.canonical import (
    EMPTY_HASH,
    UNSIGNED_PAYLOAD,
    canonical_headers,
    canonical_path,
    canonical_queries,
    header_values_of,
    plain_query,
    query_pairs,
)
from gatewaykit.core.iam.signature_parts import ECDSA, HMAC, Parts, header_parts, query_parts
from gatewaykit.core.iam.signature_time import check_time, is_date, window
from gatewaykit.core.iam.signing_key import DerivedKey
from gatewaykit.core.reasons import Reason, Refusal

if TYPE_CHECKING:
    from gatewaykit.core.http import Request

__all__ = ["SignatureReader", "SignatureRules", "Signed", "invalid", "payload_of", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureRules:
    """What signatures have to be made for.

    `unsigned_payload` takes `x-amz-content-sha256: UNSIGNED-PAYLOAD`; API Gateway always hashes the body that it got.
    `multi_region` takes SigV4A too; API Gateway takes none. `added_headers` are `x-amz-` headers that proxies add
    behind the signer, and need not be signed.
    """

    region: str
    service: str = "execute-api"
    skew_s: int = 300
    unsigned_payload: bool = False
    multi_region: bool = False
    added_headers: frozenset[bytes] = frozenset((b"x-amz-cf-id",))


class Signed:
    """What a request claims: nothing of it is proved yet.

    `canonicals` are the canonical request without its last line, the hash of the body: one, or two where clients differ
    in how they write the query. `declared` is the value of `x-amz-content-sha256`. `scope` and `preamble` are the
    credential scope and the string to sign without its last line.
    """

    __slots__ = (
        "algorithm", "canonicals", "declared", "key_id", "preamble", "presigned", "scope", "signature", "token",
    )  # fmt: skip

    def __init__(
        self,
        key_id: str,
        token: bytes | None,
        scope: bytes,
        signature: bytes,
        preamble: bytes,
        canonicals: tuple[bytes, ...],
        declared: bytes | None,
        algorithm: bytes = HMAC,
        presigned: bool = False,
    ) -> None:
        self.key_id, self.token, self.scope, self.signature = key_id, token, scope, signature
        self.preamble, self.canonicals, self.declared = preamble, canonicals, declared
        self.algorithm, self.presigned = algorithm, presigned

    @property
    def needs_body(self) -> bool:
        return self.declared != UNSIGNED_PAYLOAD


class SignatureReader:
    """Reads the signatures of requests by one set of rules."""

    __slots__ = ("_plans", "_preamble", "_rules", "_scope", "_usual")

    def __init__(self, rules: SignatureRules) -> None:
        scope = f"/{rules.region}/{rules.service}/aws4_request".encode()
        self._rules = rules
        self._scope = scope
        self._preamble = HMAC + b"\n%b\n%b" + scope.replace(b"%", b"%%") + b"\n"
        self._usual = re.compile(
            HMAC + rb" Credential=([\w+=.@-]{1,128})/(\d{8})" + re.escape(scope)
            + rb", ?SignedHeaders=([a-z0-9;-]{4,512}), ?Signature=([0-9a-f]{64})"
        ).fullmatch  # fmt: skip
        self._plans: dict[bytes, _Plan] = {}

    def read(self, request: Request, now_s: float) -> Signed | Refusal:
        """What the request claims. A signature in the query may stand in for the header.

        The usual form is taken at once; whatever is not quite that goes the careful way, which knows all rules.
        """
        headers, query = request.headers, request.query_string
        match = self._usual(headers.get(b"authorization", b""))
        if match is not None and b"X-Amz-" not in query and len(headers) == len(request.header_list):
            key_id, day, names, signature = match.groups()
            plan, date = self._plans.get(names), headers.get(b"x-amz-date", b"")
            low, high = window(int(now_s), self._rules.skew_s)
            if plan is not None and low <= date <= high and date[:8] == day and is_date(date):
                try:
                    block = plan.form % plan.pick(headers)
                except KeyError:
                    return self._carefully(request, now_s)
                if (
                    b"\n".join(headers).count(b"x-amz-") == plan.amazon
                    and block.count(b"\n") == plan.lines
                    and not (b" " in block and _UNEVEN(block) is not None)
                    and b"\t" not in block
                    and b"x-amz-content-sha256" not in headers
                    and (plain := plain_query(query)) is not None
                ):
                    path, method = canonical_path(request.wire_path), request.method.encode("utf-8", "replace")
                    return Signed(
                        key_id.decode(), headers.get(b"x-amz-security-token"), day + self._scope, signature,
                        self._preamble % (date, day), (b"%b\n%b\n%b\n%b" % (method, path, plain, block),), None,
                    )  # fmt: skip
        return self._carefully(request, now_s)

    def _carefully(self, request: Request, now_s: float) -> Signed | Refusal:
        values = header_values_of(request.header_list)
        parts = _parts(request.query_string, values)
        if isinstance(parts, Refusal):
            return parts
        date = check_time(parts, now_s, self._rules.skew_s)
        if isinstance(date, Refusal):
            return date
        names = self._signed_names(parts, values)
        if isinstance(names, Refusal):
            return names
        credential = self._credential(parts, date)
        if isinstance(credential, Refusal):
            return credential
        key_id, scope = credential
        declared = self._declared(request.query_string, values)
        if isinstance(declared, Refusal):
            return declared
        if (found := _repeated(values)) is not None:
            return invalid(f"the header {found} is there more than once")
        token = values.get(b"x-amz-security-token")
        if parts.presigned and token is not None:
            return invalid("X-Amz-Security-Token is in the query and in a header")
        block = canonical_headers(names, values) + b"\n" + b";".join(names) + b"\n"
        head = b"%b\n%b\n" % (request.method.encode("utf-8", "replace"), canonical_path(request.wire_path))
        queries = canonical_queries(request.query_string, without=b"X-Amz-Signature" if parts.presigned else None)
        return Signed(
            key_id.decode("utf-8", "replace"), parts.token, scope, parts.signature,
            b"%b\n%b\n%b\n" % (parts.algorithm, date, scope),
            tuple(b"%b%b\n%b" % (head, query, block) for query in queries),
            declared, parts.algorithm, parts.presigned,
        )  # fmt: skip

    def _signed_names(self, parts: Parts, values: dict[bytes, list[bytes]]) -> list[bytes] | Refusal:
        """The names of the signed headers, if they are those that have to be signed."""
        names = parts.signed_headers.split(b";")
        if b"host" not in parts.signed_headers.lower().split(b";"):
            told = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
            return invalid(told, told)
        if names != sorted(set(names)) or parts.signed_headers != parts.signed_headers.lower():
            return invalid("the names in SignedHeaders are not each there once, in lower case, in their order")
        if absent := [name for name in names if name not in values]:
            return invalid(f"signed headers are not there: {_listed(absent)}")
        unsigned = [name for name in values if name.startswith(b"x-amz-") and name not in names]
        if unsigned := [name for name in unsigned if name not in self._rules.added_headers]:
            told = "There were headers present in the request which were not signed"
            return invalid(f"{told}: {_listed(unsigned)}", told)
        if len(parts.signed_headers) <= _LONGEST_PLANNED and not parts.presigned:
            while len(self._plans) >= _MOST_PLANS:
                del self._plans[next(iter(self._plans))]
            self._plans[parts.signed_headers] = _Plan(names)
        return names

    def _credential(self, parts: Parts, date: bytes) -> tuple[bytes, bytes] | Refusal:
        """The access key id and the scope of a credential that is for here and now."""
        rules = self._rules
        multi = parts.algorithm == ECDSA and rules.multi_region
        if parts.algorithm != HMAC and not multi:
            told = f"Unsupported AWS 'algorithm': '{_text(parts.algorithm)}' (only AWS4-HMAC-SHA256 for now)."
            return Refusal(Reason.SIGNATURE_INCOMPLETE, told, message=told)
        form, count = ("keyid/date/service/term", 4) if multi else ("keyid/date/region/service/term", 5)
        pieces = parts.credential.split(b"/")
        if len(pieces) != count or not pieces[0]:
            told = (
                f"Credential must have exactly {count} slash-delimited elements, e.g. {form}, "
                f"got '{_text(parts.credential)}'"
            )
            return Refusal(Reason.SIGNATURE_INCOMPLETE, told, message=told)
        key_id, day, *_, service, terminator = pieces
        region = (parts.region_set or b"") if multi else pieces[2]
        wrong = []
        if not (_covers(region, rules.region) if multi else region == rules.region.encode()):
            wrong.append(f"Credential should be scoped to a valid region, not '{_text(region)}'.")
        if service != rules.service.encode():
            wrong.append(f"Credential should be scoped to correct service: '{rules.service}'.")
        if terminator != b"aws4_request":
            wrong.append(
                f"Credential should be scoped with a valid terminator: 'aws4_request', not '{_text(terminator)}'."
            )
        if day != date[:8]:
            wrong.append(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
                f"'{_text(day)}' != '{_text(date[:8])}', from '{_text(date)}'."
            )
        if wrong:
            told = " ".join(wrong)
            return Refusal(Reason.SIGNATURE_MISSCOPED, told, message=told)
        return key_id, b"/".join(pieces[1:])

    def _declared(self, query: bytes, values: dict[bytes, list[bytes]]) -> bytes | Refusal | None:
        """What the request says of its body's hash."""
        said: set[bytes] = {*values.get(b"x-amz-content-sha256", ())}
        said.update(value for name, value in query_pairs(query) if name == b"X-Amz-Content-Sha256")
        if len(said) > 1:
            return invalid("X-Amz-Content-Sha256 says different things")
        for declared in said:
            if declared == UNSIGNED_PAYLOAD and not self._rules.unsigned_payload:
                return invalid("the payload is not signed (UNSIGNED-PAYLOAD): the body that came is what is hashed")
            if declared != UNSIGNED_PAYLOAD and not _HASH.fullmatch(declared):
                return invalid("X-Amz-Content-Sha256 is no SHA-256 hash in hexadecimal")
            return declared
        return None


_UNEVEN: Final = re.compile(rb"  |: | \n").search
_LONGEST_PLANNED: Final = 512
_MOST_PLANS: Final = 64
_HASH: Final = re.compile(rb"[0-9a-f]{64}")
_SHOWN: Final = 200  # characters of the client's own that are said back to it


class _Plan:
    """One list of signed headers, compiled: how to take them from a request, and the lines they make."""

    __slots__ = ("amazon", "form", "lines", "pick")

    def __init__(self, names: Sequence[bytes]) -> None:
        self.pick: Any = itemgetter(*names)
        written = [name.replace(b"%", b"%%") for name in names]
        self.form = b"".join(name + b":%b\n" for name in written) + b"\n" + b";".join(written) + b"\n"
        self.lines = len(names) + 2
        self.amazon = sum(b"x-amz-" in name for name in names)


def verify(signed: Signed, key: DerivedKey, body: bytes) -> Refusal | None:
    """None where the signature was made with this derived key, over this body."""
    payload = payload_of(signed, body)
    if isinstance(payload, Refusal):
        return payload
    for canonical in signed.canonicals:
        hashed = sha256(canonical + payload).hexdigest().encode()
        if key.verifies(signed.preamble + hashed, signed.signature):
            return None
    return invalid("another secret, or the request was changed after it was signed")


def payload_of(signed: Signed, body: bytes) -> bytes | Refusal:
    """The last line of the canonical request: the hash of the body that came, if that is what the request says too."""
    declared = signed.declared
    if declared == UNSIGNED_PAYLOAD:
        return UNSIGNED_PAYLOAD
    payload = sha256(body).hexdigest().encode() if body else EMPTY_HASH
    if declared is not None and declared != payload:
        return invalid("the body is not the one whose hash is in X-Amz-Content-Sha256")
    return payload


def invalid(detail: str, message: str | None = None) -> Refusal:
    """The refusal of a signature that does not match."""
    return Refusal(Reason.SIGNATURE_INVALID, detail, message=message)


def _parts(query: bytes, values: dict[bytes, list[bytes]]) -> Parts | Refusal:
    """The parts of the signature, from the one place that has one."""
    authorization = [value for value in values.get(b"authorization", ()) if value.strip()]
    in_query = query_parts(query)
    if not authorization:
        return (
            Refusal(Reason.SIGNATURE_MISSING, "neither Authorization nor X-Amz-Algorithm")
            if in_query is None
            else in_query
        )
    if in_query is not None:
        told = "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
        return invalid(told, told)
    return header_parts(b", ".join(authorization), values)


def _repeated(values: dict[bytes, list[bytes]]) -> str | None:
    """A header that is there more than once, though what it says is one thing."""
    for name, each in values.items():
        if len(each) > 1 and (name == b"host" or name == b"date" or name.startswith(b"x-amz-")):
            return name.decode("latin-1")
    return None


def _covers(region_set: bytes, region: str) -> bool:
    """Is a region in a set such as `us-east-1,eu-*`?"""
    for each in region_set.decode("latin-1").split(","):
        begin, star, end = each.strip().partition("*")
        fits = region.startswith(begin) and region.endswith(end) and len(region) >= len(begin) + len(end)
        if (fits and "*" not in end) if star else begin == region:
            return True
    return False


def _text(sent: bytes) -> str:
    return sent[:_SHOWN].decode("latin-1")


def _listed(names: Sequence[bytes]) -> str:
    return ", ".join(_text(name) for name in names[:10])
