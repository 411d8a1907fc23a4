"""Assertions: what lets their bearer in. What must not is in tests/attacks/test_saml.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod

from gatewaykit.core.identity.saml import Asserted, SamlRules, Seen, verify
from gatewaykit.core.identity.saml_document import Unusable, decode, parse, signed_assertion
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.units import parse_instant
from tests.peers.identity_provider import API, ISSUER, NOW, IdentityProvider, assertion, encoded, provider

IDP = provider()
RULES = SamlRules(issuer=ISSUER, audience=("urn:other", API))
NOW_S = parse_instant(NOW)
MAIL = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"


def asserted(xml: str, rules: SamlRules = RULES, idp: IdentityProvider = IDP, now_s: float = NOW_S) -> Any:
    return verify(encoded(idp.sign(xml)), [idp.certificate], rules, now_s)


def told(answer: Any) -> str:
    assert isinstance(answer, Refusal), answer
    return answer.detail


def test_an_assertion_names_its_bearer() -> None:
    answer = asserted(assertion())

    assert isinstance(answer, Asserted)
    assert (answer.identity.principal, answer.identity.kind) == ("alice@example.com", "saml")
    assert answer.identity.claims == {
        "urn:oid:mail": "alice@example.com", "groups": ["staff", "vets"], "issuer": ISSUER, "assertion_id": "_a1",
        "name_id": "alice@example.com", "name_id_format": MAIL,
    }  # fmt: skip
    assert (answer.assertion_id, answer.expires_s, answer.only_once) == ("_a1", NOW_S + 300, False)


def test_attributes_have_the_names_of_your_choice_and_one_names_the_caller() -> None:
    answer = asserted(
        assertion(), SamlRules(issuer=ISSUER, audience=(API,), principal="mail", attributes={"urn:oid:mail": "mail"})
    )

    assert isinstance(answer, Asserted)
    assert (answer.identity.principal, answer.identity.claims["mail"]) == ("alice@example.com",) * 2


ALGORITHMS = {
    "RSA, 256 bits": ("rsa", SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA256),
    "RSA, 384 bits": ("rsa", SignatureMethod.RSA_SHA384, DigestAlgorithm.SHA384),
    "RSA, 512 bits": ("rsa", SignatureMethod.RSA_SHA512, DigestAlgorithm.SHA512),
    "RSA-PSS": ("rsa", SignatureMethod.SHA256_RSA_MGF1, DigestAlgorithm.SHA256),
    "ECDSA": ("ec", SignatureMethod.ECDSA_SHA256, DigestAlgorithm.SHA256),
}


@pytest.mark.parametrize(("kind", "method", "digest"), ALGORITHMS.values(), ids=ALGORITHMS)
def test_signatures_of_today_count(kind: str, method: SignatureMethod, digest: DigestAlgorithm) -> None:
    idp = provider(kind, kind)
    credential = encoded(idp.sign(assertion(), method=method, digest=digest))

    assert isinstance(verify(credential, [IDP.certificate, idp.certificate], RULES, NOW_S), Asserted)


@pytest.mark.parametrize(
    "c14n", [CanonicalizationMethod.CANONICAL_XML_1_0, CanonicalizationMethod.CANONICAL_XML_1_1], ids=["1.0", "1.1"]
)
def test_other_canonical_forms_count(c14n: CanonicalizationMethod) -> None:
    assert isinstance(verify(encoded(IDP.sign(assertion(), c14n=c14n)), [IDP.certificate], RULES, NOW_S), Asserted)


def test_a_declaration_and_references_to_characters_are_taken() -> None:
    signed = IDP.sign(assertion()).replace("</ds:X509Cert", "&#13;</ds:X509Cert")
    xml = f'<?xml version="1.0" encoding="UTF-8"?>\n{signed}'

    assert isinstance(verify(encoded(xml), [IDP.certificate], RULES, NOW_S), Asserted)


def without(*names: str, **facts: str) -> str:
    root = etree.fromstring(assertion(**facts))
    for name in names:
        for element in list(root.iter(f"{{*}}{name}")):
            element.getparent().remove(element)
    return etree.tostring(root, encoding="unicode")


@pytest.mark.parametrize(
    ("xml", "detail"),
    [
        pytest.param(lambda: assertion().replace('Version="2.0"', 'Version="1.1"'), "the version '1.1'", id="version"),
        pytest.param(lambda: without("Issuer"), "the issuer ''", id="no issuer"),
        pytest.param(lambda: without("Conditions"), "0 Conditions and 1 Subjects", id="no conditions"),
        pytest.param(lambda: without("Subject"), "1 Conditions and 0 Subjects", id="no subject"),
        pytest.param(lambda: without("AudienceRestriction"), "it names no audience", id="no audience"),
        pytest.param(lambda: without("SubjectConfirmation"), "no confirmation for bearers", id="no confirmation"),
        pytest.param(
            lambda: assertion().replace("cm:bearer", "cm:holder-of-key"), "no confirmation for bearers", id="with a key"
        ),
        pytest.param(lambda: without("NameID"), "not one NameID", id="no name"),
        pytest.param(lambda: assertion(name=""), "not one NameID", id="an empty name"),
        pytest.param(lambda: assertion(confirmation=""), "for bearers has no end", id="a confirmation without end"),
        pytest.param(
            lambda: assertion(confirmation='NotOnOrAfter="2026-01-15T12:00:00Z"'), "has expired", id="confirmed before"
        ),
        pytest.param(
            lambda: assertion(confirmation='NotBefore="2026-01-15T12:00:01Z" NotOnOrAfter="2026-01-15T12:01:00Z"'),
            "not valid yet", id="confirmed for later",
        ),
        pytest.param(
            lambda: without("SubjectConfirmationData", conditions=""), "it has no end", id="no end"
        ),
        pytest.param(lambda: assertion(conditions='NotOnOrAfter="soon"'), "no time in UTC", id="no time"),
        pytest.param(
            lambda: assertion(conditions='NotOnOrAfter="2026-13-01T00:00:00Z"'), "no time in UTC", id="no month"
        ),
        pytest.param(
            lambda: assertion(conditions='NotBefore="2026-01-15T12:00:00+05:00"'), "no time in UTC", id="elsewhere"
        ),
        pytest.param(
            lambda: assertion(session='SessionNotOnOrAfter="2026-01-15T12:00:00Z"'), "has expired", id="session over"
        ),
    ],
)  # fmt: skip
def test_what_is_missing_or_out_of_time_refuses(xml: Callable[[], str], detail: str) -> None:
    assert detail in told(asserted(xml()))


def test_a_confirmation_without_data_leans_on_the_conditions() -> None:
    answer = asserted(without("SubjectConfirmationData"))

    assert isinstance(answer, Asserted)
    assert answer.expires_s == NOW_S + 300


def test_a_confirmation_that_fits_is_enough() -> None:
    begin, end = "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>"
    other = f'{begin}Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData/>{end}'
    xml = assertion().replace(begin, other + begin)

    assert isinstance(asserted(xml, SamlRules(issuer=ISSUER, audience=(API,), recipient=f"{API}/token")), Asserted)


@pytest.mark.parametrize("principal", ["groups", "nothing"], ids=["two values", "none"])
def test_an_attribute_that_names_the_caller_has_one_value(principal: str) -> None:
    answer = asserted(assertion(), SamlRules(issuer=ISSUER, audience=(API,), principal=principal))

    assert isinstance(answer, Refusal)
    assert (answer.reason, principal in answer.detail) == (Reason.TOKEN_UNFIT, True)


def test_an_attribute_may_name_the_caller_where_no_name_id_does() -> None:
    answer = asserted(without("NameID"), SamlRules(issuer=ISSUER, audience=(API,), principal="urn:oid:mail"))

    assert isinstance(answer, Asserted)
    assert "name_id" not in answer.identity.claims


def test_nothing_counts_where_no_certificate_does() -> None:
    assert "the signature does not hold" in told(verify(encoded(IDP.sign(assertion())), [], RULES, NOW_S))


def test_what_was_signed_is_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verifier that would give another element; none of ours does."""
    other = type("Result", (), {"signed_xml": etree.fromstring("<other/>")})
    monkeypatch.setattr("gatewaykit.core.identity.saml_document.XMLVerifier.verify", lambda *_, **__: other)

    answer = signed_assertion(etree.fromstring(IDP.sign(assertion())), [IDP.certificate], NOW_S)

    assert answer == Unusable("what was signed is not the assertion")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda root: root.append(etree.SubElement(root, "{urn:x}Signature")), "2 signatures"),
        (lambda root: root[-1].append(root[1]), "not the assertion's own"),
        (lambda root: etree.SubElement(root[1], "{http://www.w3.org/2000/09/xmldsig#}Object"), "contents of its own"),
        (lambda root: root[1][0][1].set("Algorithm", "http://x"), "does not hold"),
        (lambda root: root.attrib.pop("ID"), "not of the assertion"),
    ],
    ids=["two signatures", "the signature elsewhere", "an Object", "an unknown method", "no ID"],
)
def test_a_document_that_leaves_a_choice_is_not_read(change: Callable[[Any], Any], why: str) -> None:
    root = etree.fromstring(IDP.sign(assertion()))
    change(root)

    answer = signed_assertion(root, [IDP.certificate], NOW_S)

    assert isinstance(answer, Unusable)
    assert why in answer.why


# ---------------------------------------------------------------------------------------------------- used ones


def test_what_was_used_is_known_until_it_expires() -> None:
    seen = Seen(2)

    assert seen.add("a", 10, 0)
    assert seen.add("b", 20, 0)
    assert "a" in seen
    assert not seen.add("c", 30, 9)
    assert seen.add("c", 30, 10)
    assert "a" not in seen
    assert not seen.add("d", 30, 19)
    assert seen.add("d", 30, 20)


def test_a_table_of_nothing_takes_nothing() -> None:
    assert not Seen(0).add("a", 10, 0)


@given(st.text() | st.binary().map(lambda raw: encoded(raw.decode("latin-1"))))
def test_any_credential_is_refused_or_proves_something(credential: str) -> None:
    assert isinstance(verify(credential, [IDP.certificate], RULES, NOW_S), Refusal)


@given(st.text(alphabet="<>/&;!?-[]= \"'axml:#0"))
def test_any_text_is_xml_or_is_not(text: str) -> None:
    answer = parse(text)

    assert isinstance(answer, Unusable) or etree.iselement(answer)


PLACES = st.integers(0, len(IDP.sign(assertion())) - 1)


@given(PLACES, st.characters(codec="utf-8"))
def test_no_change_of_one_character_changes_who_it_is(place: int, character: str) -> None:
    xml = SIGNED[:place] + character + SIGNED[place + 1 :]

    answer = verify(encoded(xml), [IDP.certificate], RULES, NOW_S)

    assert isinstance(answer, Refusal) or answer.identity.principal == "alice@example.com"


SIGNED = IDP.sign(assertion())


@given(st.text())
def test_any_text_is_decoded_or_is_not(text: str) -> None:
    assert isinstance(decode(text), (str, Unusable))


def test_what_is_read_is_made_from_the_signed_bytes() -> None:
    root = etree.fromstring(IDP.sign(assertion()))

    answer = signed_assertion(root, [IDP.certificate], NOW_S)

    assert answer.getroottree() is not root.getroottree()
    assert answer.find("{*}Signature") is None  # it is not part of what it signs
