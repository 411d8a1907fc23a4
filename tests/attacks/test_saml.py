"""SAML assertions that somebody else made, changed, wrapped, kept or sent twice: nobody comes in by them."""

from __future__ import annotations

import base64
import copy
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod

from gatewaykit import Decision, PolicyMiddleware, Reason, VirtualClock, saml_bearer
from tests.peers.identity_provider import API, ISSUER, NOW, assertion, deflated, encoded, provider

SAML, DS = "{urn:oasis:names:tc:SAML:2.0:assertion}", "{http://www.w3.org/2000/09/xmldsig#}"
RESPONSE = "{urn:oasis:names:tc:SAML:2.0:protocol}Response"
IDP, MALLORY = provider(), provider("mallory")
ALICE, ADMIN = "alice@example.com", "admin@example.com"


async def app(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError("decide calls no app")


def guarded(clock: VirtualClock | None = None, **options: Any) -> PolicyMiddleware:
    settings = {"issuer": ISSUER, "audience": [API], "idp_certificates": IDP.pem, **options}
    return PolicyMiddleware(app, policies=[saml_bearer(**settings)], clock=clock or VirtualClock(NOW))


def send(credential: str, gateway: PolicyMiddleware | None = None) -> Decision:
    return (gateway or guarded()).decide("GET", "/", headers={"authorization": f"SAML {credential}"})


def refused(credential: str, gateway: PolicyMiddleware | None = None, reason: Reason = Reason.TOKEN_INVALID) -> str:
    """The detail of the refusal that it has to be."""
    decision = send(credential, gateway)
    assert (decision.status, decision.identity) == (401, None), decision.identity
    assert decision.reason is reason, decision.detail
    return decision.detail


@pytest.mark.parametrize("encode", [encoded, deflated], ids=["base64url", "deflated"])
def test_what_all_of_these_start_from_is_let_in(encode: Callable[[str], str]) -> None:
    decision = send(encode(IDP.sign(assertion())))

    assert decision.identity is not None, decision.detail
    assert (decision.identity.principal, decision.identity.kind) == (ALICE, "saml")


# ---------------------------------------------------------------------------------------------------- signatures


def unsigned() -> str:
    root = etree.fromstring(assertion(name=ADMIN))
    root.remove(root.find(f"{DS}Signature"))
    return text(root)


def text(root: Any) -> str:
    return etree.tostring(root, encoding="unicode")


@pytest.mark.parametrize(
    ("xml", "told"),
    [
        pytest.param(lambda: assertion(), "SchemaParseError|Signature|signature", id="a placeholder for a signature"),
        pytest.param(lambda: unsigned(), "0 signatures", id="no signature"),
        pytest.param(lambda: MALLORY.sign(assertion()), "signature does not hold", id="another key"),
        pytest.param(
            lambda: IDP.sign(assertion()).replace(ALICE, ADMIN), "signature does not hold", id="changed afterwards"
        ),
        pytest.param(
            lambda: IDP.sign(assertion()).replace("T12:05", "T13:05"), "signature does not hold", id="prolonged"
        ),
    ],
)  # fmt: skip
def test_a_signature_that_is_not_the_providers_does_not_count(xml: Callable[[], str], told: str) -> None:
    detail = refused(encoded(xml()))

    assert any(each in detail for each in told.split("|")), detail


def test_the_certificate_in_the_document_does_not_count() -> None:
    """Mallory's signature holds with the certificate that comes with it, and with no pinned one."""
    signed = MALLORY.sign(assertion(name=ADMIN))

    assert "X509Certificate" in signed
    assert "signature does not hold" in refused(encoded(signed))


def test_a_key_that_the_document_calls_the_providers_does_not_count() -> None:
    """Mallory's signature beside the provider's own certificate."""
    own = base64.b64encode(IDP.certificate.public_bytes(Encoding.DER)).decode()
    root = etree.fromstring(MALLORY.sign(assertion(name=ADMIN)))
    root.find(f".//{DS}X509Certificate").text = own

    assert "signature does not hold" in refused(encoded(text(root)))


RSA = provider("rsa", "rsa")
SHA1 = {
    "method": {"method": SignatureMethod.RSA_SHA1},
    "digest": {"digest": DigestAlgorithm.SHA1},
    "224 bits": {"method": SignatureMethod.RSA_SHA224},
}


@pytest.mark.parametrize("algorithms", SHA1.values(), ids=SHA1)
def test_a_weak_algorithm_does_not_count(algorithms: dict[str, Any]) -> None:
    gateway = guarded(idp_certificates=RSA.pem)

    assert "forbidden by configuration" in refused(encoded(RSA.sign(assertion(), **algorithms)), gateway)


def test_the_public_key_is_no_shared_secret() -> None:
    """HMAC with what everybody knows, as in the confusion of algorithms of JWTs."""
    root = etree.fromstring(IDP.sign(assertion(name=ADMIN)))
    root.find(f".//{DS}SignatureMethod").set("Algorithm", SignatureMethod.HMAC_SHA256.value)

    assert "forbidden by configuration" in refused(encoded(text(root)))


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/TR/1999/REC-xslt-19991116", "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2002/06/xmldsig-filter2", "http://www.w3.org/2000/09/xmldsig#base64",
        CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0_WITH_COMMENTS.value,
    ],
    ids=["XSLT", "XPath", "XPath filter", "base64", "comments"],
)  # fmt: skip
def test_a_transform_that_picks_what_is_signed_is_not_run(algorithm: str) -> None:
    root = etree.fromstring(IDP.sign(assertion()))
    root.find(f".//{DS}Transform").set("Algorithm", algorithm)

    assert f"the signature uses {algorithm!r}" in refused(encoded(text(root)))


def test_a_signature_of_a_part_is_not_one_of_the_whole() -> None:
    part = IDP.sign(assertion().replace("<saml:Subject>", '<saml:Subject ID="_subject">'), "#_subject")

    assert "the signature is not of the assertion" in refused(encoded(part))


def test_a_signature_without_an_id_is_not_one_of_the_assertion() -> None:
    root = etree.fromstring(IDP.sign(assertion()))
    root.find(f".//{DS}Reference").set("URI", "")

    assert "the signature is not of the assertion" in refused(encoded(text(root)))


# ---------------------------------------------------------------------------------------------------- wrapping


def parts() -> tuple[Any, Any, Any]:
    """The signed assertion, its signature, and a copy about the administrator, without a signature."""
    signed = etree.fromstring(IDP.sign(assertion()))
    evil = etree.fromstring(IDP.sign(assertion()).replace(ALICE, ADMIN))
    evil.remove(evil.find(f"{DS}Signature"))
    return signed, signed.find(f"{DS}Signature"), evil


def within(name: str, *children: Any, **attributes: str) -> Any:
    element = etree.Element(name, attributes)
    element.extend(children)
    return element


def wrapped_in_object(same_id: bool) -> Any:
    """The evil one carries the signature, and the signature the good one, in an Object."""
    signed, signature, evil = parts()
    evil.set("ID", "_a1" if same_id else "_evil")
    signature = copy.deepcopy(signature)
    signature.append(within(f"{DS}Object", signed))
    evil.insert(1, signature)
    return evil


def wrapped_beside(first: bool, name: str = RESPONSE) -> Any:
    """Both in one response, the evil one first or last."""
    signed, _, evil = parts()
    evil.set("ID", "_evil")
    return within(name, *((evil, signed) if first else (signed, evil)))


def wrapped_as_child(same_id: bool) -> Any:
    """The evil one is the parent of the good one, whose signature stays where it is."""
    signed, _, evil = parts()
    evil.set("ID", "_a1" if same_id else "_evil")
    evil.append(signed)
    return evil


def wrapped_with_the_signature(place: int) -> Any:
    """The evil one has the signature; the good one, now without, is a child of it."""
    signed, signature, evil = parts()
    evil.set("ID", "_evil")
    evil.insert(1, signature)
    evil.insert(place, signed)
    return evil


def wrapped_in_extensions() -> Any:
    """The good one is whole; the evil one is in an element that anything may stand in."""
    signed, _, evil = parts()
    signed.append(within("{urn:oasis:names:tc:SAML:2.0:protocol}Extensions", evil))
    return signed


def wrapped_in_a_value(same_id: bool) -> Any:
    """The good one stands in an attribute of the evil one, which has a signature like it."""
    signed, signature, evil = parts()
    evil.set("ID", "_a1" if same_id else "_evil")
    evil.insert(1, copy.deepcopy(signature))
    evil.find(f".//{SAML}AttributeValue").append(signed)
    return evil


def renamed() -> Any:
    """The good one is called otherwise, so that only one Assertion is there."""
    signed, signature, evil = parts()
    evil.set("ID", "_evil")
    evil.insert(1, signature)
    evil.append(within("{urn:x}Assertion", *signed, ID="_a1"))
    return evil


WRAPPED: dict[str, Callable[[], Any]] = {
    "XSW1, the response around both": lambda: wrapped_beside(first=True),
    "XSW2, the good one first": lambda: wrapped_beside(first=False),
    "XSW3, beside in an assertion": lambda: wrapped_beside(first=True, name=f"{SAML}Assertion"),
    "XSW4, the good one as a child": lambda: wrapped_as_child(same_id=False),
    "XSW4, with the same ID": lambda: wrapped_as_child(same_id=True),
    "XSW5, the signature taken along": lambda: wrapped_with_the_signature(-1),
    "XSW6, the good one before it": lambda: wrapped_with_the_signature(1),
    "XSW7, in Extensions": wrapped_in_extensions,
    "XSW8, in an Object": lambda: wrapped_in_object(same_id=False),
    "XSW8, with the same ID": lambda: wrapped_in_object(same_id=True),
    "in an attribute value": lambda: wrapped_in_a_value(same_id=False),
    "in an attribute value, with the same ID": lambda: wrapped_in_a_value(same_id=True),
    "under another name": renamed,
}


@pytest.mark.parametrize("make", WRAPPED.values(), ids=WRAPPED)
def test_an_assertion_that_wraps_a_signed_one_does_not_count(make: Callable[[], Any]) -> None:
    refused(encoded(text(make())))


def test_two_assertions_are_one_too_many() -> None:
    signed = [etree.fromstring(IDP.sign(assertion(id=each))) for each in ("_a1", "_a2")]

    refused(encoded(text(within(RESPONSE, *signed))))
    assert "2 assertions" in refused(encoded(text(within(f"{SAML}Assertion", signed[0], ID="_x"))))


def test_a_signature_of_the_response_is_not_one_of_the_assertion() -> None:
    response = within(RESPONSE, within(f"{DS}Signature", Id="placeholder"), etree.fromstring(unsigned()), ID="_r1")

    assert "its root is" in refused(encoded(IDP.sign(text(response))))


def test_two_elements_with_one_id_are_refused() -> None:
    signed = IDP.sign(assertion()).replace("<ds:SignatureValue>", '<ds:SignatureValue Id="_a1">')

    assert "two elements have one ID" in refused(encoded(signed))


# ---------------------------------------------------------------------------------------------------- XML


LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'


NAMES = {  # what canonical XML takes quadratic time for: seconds for a header of 40 kB
    "namespaces": " ".join(f'xmlns:n{number}="u:{number}"' for number in range(4000)),
    "attributes": " ".join(f'a{number}=""' for number in range(4000)),
    "prefixes": f'PrefixList="{" ".join(f"n{number}" for number in range(4000))}"',
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_an_element_with_thousands_of_names_is_not_canonicalised(names: str) -> None:
    signed = IDP.sign(assertion()).replace("<saml:Subject>", f"<saml:Advice {names}/><saml:Subject>")

    assert "an element has over 32" in refused(deflated(signed))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(lambda xml: LAUGHS + xml.replace(ALICE, "&c;"), "'<!DOCTYPE l", id="entities that multiply"),
        pytest.param(
            lambda xml: '<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + xml.replace(ALICE, "&a;"),
            "'<!DOCTYPE l", id="a file as an entity",
        ),
        pytest.param(
            lambda xml: '<!DOCTYPE l SYSTEM "http://127.0.0.1:1/dtd">' + xml, "'<!DOCTYPE l", id="a type elsewhere"
        ),
        pytest.param(lambda xml: xml.replace(ALICE, f"{ADMIN}<!---->.evil"), "'<!---->", id="a comment in the name"),
        pytest.param(lambda xml: xml.replace("<saml:Issuer>", "<!-- x --><saml:Issuer>"), "'<!-- x", id="a comment"),
        pytest.param(lambda xml: xml.replace(ALICE, "<![CDATA[admin]]>"), "'<![CDATA[", id="CDATA"),
        pytest.param(lambda xml: xml.replace(ALICE, f"{ALICE}<?x y?>"), "'<?x y?>", id="an instruction"),
        pytest.param(lambda xml: "<?xml-stylesheet href='x'?>" + xml, "'<?xml-styles", id="a style sheet"),
        pytest.param(lambda xml: xml.replace(ALICE, "&nobody;"), "no well-formed XML", id="an unknown entity"),
        pytest.param(lambda xml: xml[:-10], "no well-formed XML", id="cut off"),
        pytest.param(lambda xml: "<a>" * 200 + xml + "</a>" * 200, "deep", id="deep"),
        pytest.param(lambda xml: xml.replace("<saml:Issuer>", "<a/>" * 5000 + "<saml:Issuer>"), "elements", id="wide"),
    ],
)  # fmt: skip
def test_xml_is_taken_in_its_plainest_form_only(change: Callable[[str], str], told: str) -> None:
    assert told in refused(encoded(change(IDP.sign(assertion()))))


def test_a_comment_that_no_signature_covers_cuts_nobodys_name() -> None:
    """Canonical XML has no comments, so the signature would hold; a reader of the first text would see the admin."""
    signed = IDP.sign(assertion(name=f"{ADMIN}.evil.example")).replace(ADMIN, f"{ADMIN}<!-- -->")

    assert "comments" in refused(encoded(signed))


def test_a_bomb_is_not_inflated() -> None:
    bomb = deflated("<a>" + " " * 30_000_000)
    tracemalloc.start()
    try:
        assert "over 131072 bytes" in refused(bomb)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("credential", "told"),
    [
        pytest.param(deflated("<a/>")[:4], "cut off", id="deflated and cut off"),
        pytest.param(encoded("<a>" + " " * 40_000), "no well-formed XML", id="large"),
        pytest.param("A" * 65_537, "65537 characters", id="huge"),
        pytest.param("PGE+\r\nX-User: admin", "no base64", id="a line break"),
        pytest.param("<a/>", "no base64", id="not encoded"),
        pytest.param(base64.b64encode(b"\xff" * 9).decode(), "neither XML nor deflated", id="neither"),
        pytest.param(base64.b64encode("<a>é</a>".encode("utf-16-le")).decode(), "", id="UTF-16"),
        pytest.param(base64.b64encode(b"<a>\xff</a>").decode(), "no UTF-8", id="no UTF-8"),
        pytest.param(encoded('<?xml version="1.0" encoding="utf-7"?><a>+ADw-</a>'), "its root is 'a'", id="UTF-7"),
    ],
)
def test_a_credential_that_is_no_assertion_is_refused(credential: str, told: str) -> None:
    assert told in refused(credential)


# ---------------------------------------------------------------------------------------------------- what it says

TWO = "<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        pytest.param({"audience": "https://other.example"}, "the audience", id="for another service"),
        pytest.param({"audience": f"{API}.evil.example"}, "the audience", id="for a service with a name like ours"),
        pytest.param({"issuer": "https://evil.example"}, "the issuer", id="of another issuer"),
        pytest.param(
            {"more_conditions": TWO},
            "the audience", id="for two audiences at once",
        ),
        pytest.param({"more_conditions": "<saml:Condition/>"}, "not known", id="under a condition that is not known"),
        pytest.param({"confirmation": 'Recipient="https://other.example"'}, "recipient", id="for another recipient"),
        pytest.param({"confirmation": 'NotOnOrAfter="2026-01-15T12:05:00Z"'}, "recipient", id="for no recipient"),
    ],
)  # fmt: skip
def test_an_assertion_for_somebody_else_does_not_count(facts: dict[str, str], told: str) -> None:
    assert told in refused(encoded(IDP.sign(assertion(**facts))), guarded(recipient=f"{API}/token"))


def test_an_assertion_comes_once() -> None:
    gateway, credential = guarded(), encoded(IDP.sign(assertion()))
    assert send(credential, gateway).allowed

    assert "was used before" in refused(credential, gateway)
    assert "was used before" in refused(deflated(IDP.sign(assertion())), gateway)


def test_an_assertion_for_one_time_comes_once_even_where_others_may_come_again() -> None:
    gateway = guarded(one_time=False)
    again, once = (
        encoded(IDP.sign(assertion(more_conditions=each))) for each in ("", "<saml:OneTimeUse/>")
    )  # fmt: skip

    assert [send(again, gateway).allowed for _ in range(2)] == [True, True]
    assert send(once, gateway).allowed
    assert "was used before" in refused(once, gateway)


@pytest.mark.parametrize("one_time", [True, False], ids=["once", "again"])
def test_an_assertion_that_has_expired_does_not_count(one_time: bool) -> None:
    clock = VirtualClock(NOW)
    gateway = guarded(clock, one_time=one_time, leeway="10s")
    credential = encoded(IDP.sign(assertion()))
    assert one_time or send(credential, gateway).allowed
    clock.advance("309s")
    assert one_time or send(credential, gateway).allowed

    clock.advance("1s")

    assert "has expired" in refused(credential, gateway, Reason.TOKEN_EXPIRED)


def test_an_assertion_does_not_count_before_its_time() -> None:
    early = VirtualClock("2026-01-15T11:57:59Z")

    assert "not valid yet" in refused(encoded(IDP.sign(assertion())), guarded(early))


def test_a_certificate_that_has_expired_does_not_count() -> None:
    late = VirtualClock("2027-06-01T00:00Z")
    ends = 'NotOnOrAfter="2030-01-01T00:00:00Z"'
    credential = encoded(IDP.sign(assertion(confirmation=ends, conditions=ends)))

    assert "certificate has expired" in refused(credential, guarded(late))


def test_a_credential_that_was_sent_twice_is_refused() -> None:
    mine, credential = "SAML x", encoded(IDP.sign(assertion()))

    decision = guarded().decide("GET", "/", headers=[("authorization", mine), ("authorization", f"SAML {credential}")])

    assert (decision.status, decision.reason) == (400, Reason.MALFORMED_REQUEST)
