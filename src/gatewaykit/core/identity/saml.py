"""Whether an assertion lets its bearer in: who says it, to whom, about whom, and for how long.

RFC 7522 section 3 has the rules, SAML 2.0 core sections 2.3 to 2.7 the elements. What is read here is the signed
assertion of `saml_document`. A condition that is not known is not fulfilled (SAML 2.0 core section 2.5.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.http import Identity
from gatewaykit.core.identity.saml_document import ASSERTION, Unusable, decode, parse, signed_assertion
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.units import parse_instant

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["Asserted", "SamlRules", "Seen", "verify"]

_BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_CONDITIONS: Final = frozenset(("AudienceRestriction", "OneTimeUse", "ProxyRestriction"))
_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z?")  # UTC: SAML 2.0 core section 1.3.3


@dataclass(frozen=True, slots=True, kw_only=True)
class SamlRules:
    """What has to hold of an assertion. `audience`: one of them is enough. `attributes` renames some."""

    issuer: str
    audience: tuple[str, ...]
    recipient: str | None = None
    leeway_s: float = 0.0
    principal: str | None = None  # the attribute that names the caller; None: the NameID does
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asserted:
    """Who comes in, until when the assertion could be sent again, and whether it may be."""

    identity: Identity
    assertion_id: str
    expires_s: float
    only_once: bool


class Seen:
    """The assertions that were used, until they expire. A full table takes no more: what it forgot could come again."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._until: dict[str, float] = {}
        self._next_s = 0.0  # nothing expires before

    def __contains__(self, assertion_id: str) -> bool:
        return assertion_id in self._until

    def add(self, assertion_id: str, expires_s: float, now_s: float) -> bool:
        """Note an assertion that is used; False where there is no room for it."""
        until = self._until
        if len(until) >= self.most and now_s >= self._next_s:
            for expired in [each for each, at_s in until.items() if at_s <= now_s]:
                del until[expired]
            self._next_s = min(until.values(), default=0.0)
        if len(until) >= self.most:
            return False
        until[assertion_id] = expires_s
        return True


def verify(credential: str, certificates: Sequence[Certificate], rules: SamlRules, now_s: float) -> Asserted | Refusal:
    """What a credential proves. Whether it was used before is for the caller to say."""
    found: Any = decode(credential)
    if not isinstance(found, Unusable):
        found = parse(found)
    if not isinstance(found, Unusable):
        found = signed_assertion(found, certificates, now_s)
    return _invalid(found.why) if isinstance(found, Unusable) else _judged(found, rules, now_s)


def _judged(assertion: Any, rules: SamlRules, now_s: float) -> Asserted | Refusal:
    if assertion.get("Version") != "2.0":
        return _invalid(f"the version {assertion.get('Version')!r:.60} is not 2.0")
    issuer = _text(assertion.find(f"{ASSERTION}Issuer")).strip()
    if issuer != rules.issuer:
        return _invalid(f"the issuer {issuer!r:.200} is not {rules.issuer!r}")
    conditions = assertion.findall(f"{ASSERTION}Conditions")
    subjects = assertion.findall(f"{ASSERTION}Subject")
    if len(conditions) != 1 or len(subjects) != 1:
        return _invalid(f"it has {len(conditions)} Conditions and {len(subjects)} Subjects, in place of one each")
    if (refusal := _conditions(conditions[0], rules)) is not None:
        return refusal
    confirmed = _confirmation(subjects[0], rules, now_s)
    if isinstance(confirmed, Refusal):
        return confirmed
    windows = [_window(element) for element in (conditions[0], *([] if confirmed is None else [confirmed]))]
    windows += [
        (0.0, _instant(statement.get("SessionNotOnOrAfter")))
        for statement in assertion.findall(f"{ASSERTION}AuthnStatement")
        if "SessionNotOnOrAfter" in statement.attrib
    ]
    if (refusal := _time(windows, rules, now_s)) is not None:
        return refusal
    identity = _identity(assertion, subjects[0], rules)
    if isinstance(identity, Refusal):
        return identity
    only_once = conditions[0].find(f"{ASSERTION}OneTimeUse") is not None
    expires_s = min(end for _, end in windows if end is not None) + rules.leeway_s
    return Asserted(identity, str(assertion.get("ID")), expires_s, only_once)


def _conditions(conditions: Any, rules: SamlRules) -> Refusal | None:
    restrictions = 0
    for condition in conditions:
        name = condition.tag.removeprefix(ASSERTION)
        if name not in _CONDITIONS:
            return _invalid(f"the condition {name!r:.100} is not known, and so not fulfilled")
        if name == "AudienceRestriction":
            restrictions += 1
            audiences = [_text(each).strip() for each in condition.findall(f"{ASSERTION}Audience")]
            if not set(audiences) & set(rules.audience):
                return _invalid(f"the audience {', '.join(audiences)!r:.200} is none of {', '.join(rules.audience)}")
    return None if restrictions else _invalid("it names no audience, so it is for nobody or everybody")


def _confirmation(subject: Any, rules: SamlRules, now_s: float) -> Any:
    """The data of the confirmation that fits; None where the bearer's one has no data; or why none fits."""
    refusal = _invalid("it has no confirmation for bearers")
    for confirmation in subject.findall(f"{ASSERTION}SubjectConfirmation"):
        if confirmation.get("Method") != _BEARER:
            continue
        confirmed = confirmation.find(f"{ASSERTION}SubjectConfirmationData")
        recipient = None if confirmed is None else confirmed.get("Recipient")
        if rules.recipient is not None and recipient != rules.recipient:
            refusal = _invalid(f"the recipient {recipient!r:.200} is not {rules.recipient!r}")
        elif confirmed is not None and confirmed.get("NotOnOrAfter") is None:
            refusal = _invalid("its confirmation for bearers has no end")
        elif confirmed is not None and (late := _time([_window(confirmed)], rules, now_s)) is not None:
            refusal = late
        else:
            return confirmed
    return refusal


def _time(windows: Iterable[tuple[float | None, float | None]], rules: SamlRules, now_s: float) -> Refusal | None:
    ends = False
    for start, end in windows:
        if start is None or end is None:
            return _invalid("a time in it is no time in UTC")
        if start > now_s + rules.leeway_s:
            return _invalid("it is not valid yet")
        if now_s >= end + rules.leeway_s:
            return _invalid("it has expired", Reason.TOKEN_EXPIRED)
        ends = ends or end < _NEVER_S
    return None if ends else _invalid("it has no end")


def _window(element: Any) -> tuple[float | None, float | None]:
    """From when until when; None for what is no time."""
    start, end = element.get("NotBefore"), element.get("NotOnOrAfter")
    return 0.0 if start is None else _instant(start), _NEVER_S if end is None else _instant(end)


def _identity(assertion: Any, subject: Any, rules: SamlRules) -> Identity | Refusal:
    claims: dict[str, Any] = {}
    for attribute in assertion.iter(f"{ASSERTION}Attribute"):
        values = [_text(value) for value in attribute.findall(f"{ASSERTION}AttributeValue")]
        name = str(attribute.get("Name"))
        claims.setdefault(rules.attributes.get(name, name), []).extend(values)
    claims = {name: values[0] if len(values) == 1 else values for name, values in claims.items()}
    name_id = subject.find(f"{ASSERTION}NameID")
    held = _text(name_id) if rules.principal is None else claims.get(rules.principal)
    if not isinstance(held, str) or not held:
        what = "NameID" if rules.principal is None else f"value of {rules.principal!r}"
        return _invalid(f"it has not one {what}, which would name the caller", Reason.TOKEN_UNFIT)
    claims["issuer"], claims["assertion_id"] = rules.issuer, assertion.get("ID")
    if name_id is not None:
        claims["name_id"], claims["name_id_format"] = _text(name_id), name_id.get("Format", "")
    return Identity(principal=held, kind="saml", claims=MappingProxyType(claims))


def _text(element: Any) -> str:
    """All the text in an element, so that no child in its middle cuts it off."""
    return "" if element is None else "".join(element.itertext())


def _instant(text: str) -> float | None:
    if not _DATE_TIME.fullmatch(text):
        return None
    try:
        return parse_instant(text)
    except ValueError:
        return None


def _invalid(detail: str, reason: Reason = Reason.TOKEN_INVALID) -> Refusal:
    return Refusal(reason, f"the assertion: {detail}")


_NEVER_S: Final = 1e15
