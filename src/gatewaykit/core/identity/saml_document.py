"""From the text of a credential to the assertion that was signed, and to nothing else. Needs the extra `saml`.

XML Signature says that some element was signed; attacks on SAML make a reader take another one. So a document is read
only if it leaves no choice: one Assertion, which is its root; one Signature, which is a child of it and has one
reference, to the root, by an ID that no other element has. What is read then is not the document, but the element that
signxml made anew from the very bytes that were signed, with a pinned certificate. Comments, CDATA, processing
instructions and document types, of which no identity provider has need, are refused before any XML is parsed.

SAML 2.0 core, section 5.4 (signatures); RFC 7522 section 2.1 (the encoding).
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from cryptography import x509
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidCertificate
from signxml.verifier import SignatureConfiguration, XMLVerifier

__all__ = ["ASSERTION", "MAX_CREDENTIAL", "MAX_XML", "Unusable", "decode", "parse", "signed_assertion"]

MAX_CREDENTIAL: Final = 65_536
"""Characters of a credential; servers take no longer header fields."""
MAX_XML: Final = 131_072
"""Bytes of the assertion, inflated where it was deflated."""

ASSERTION: Final = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_SIGNATURE: Final = "{http://www.w3.org/2000/09/xmldsig#}"
_ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_MAX_DEPTH: Final = 40
_MAX_ELEMENTS: Final = 2000
_MAX_NAMES: Final = (
    32  # namespaces in scope, attributes, and prefixes of a list: canonical XML sorts them, for each element
)
_DECLARATION: Final = re.compile(r"\s*<\?xml\s[^<>]*\?>")
_NEVER: Final = re.compile(r"<[!?]")
_C14N: Final = frozenset(method.value for method in CanonicalizationMethod if "COMMENTS" not in method.name)
_DIGESTS: Final = frozenset((DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512))
_METHODS: Final = frozenset(
    SignatureMethod[form.format(digest.name)] for form in ("RSA_{}", "ECDSA_{}", "{}_RSA_MGF1") for digest in _DIGESTS
)
_CONFIGURATION: Final = SignatureConfiguration(
    location="./", expect_references=1, signature_methods=_METHODS, digest_algorithms=_DIGESTS
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a credential is not even looked into."""

    why: str


def decode(credential: str) -> str | Unusable:
    """The XML of a credential: in base64 or base64url, deflated (as in a redirect) or not."""
    if len(credential) > MAX_CREDENTIAL:
        return Unusable(f"it has {len(credential)} characters, and {MAX_CREDENTIAL} are the most")
    try:
        raw = base64.b64decode(credential.translate(_TO_BASE64) + "=" * (-len(credential) % 4), validate=True)
    except (binascii.Error, ValueError):
        return Unusable("it is no base64")
    if not raw.lstrip().startswith((b"<", b"\xef\xbb\xbf<")):
        inflating = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            raw = inflating.decompress(raw, MAX_XML + 1)
        except zlib.error:
            return Unusable("it is neither XML nor deflated")
        if len(raw) > MAX_XML:
            return Unusable(f"it is over {MAX_XML} bytes")
        if not inflating.eof:
            return Unusable("what was deflated is cut off")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Unusable("it is no UTF-8")


def parse(text: str) -> Any | Unusable:
    """The root element of plain XML. An encoding that the text declares for itself is not believed."""
    text = text[declared.end() :] if (declared := _DECLARATION.match(text)) else text
    if never := _NEVER.search(text):
        found = text[never.start() : never.start() + 12]
        return Unusable(f"it has {found!r}: comments, CDATA, document types and instructions are not taken")
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, collect_ids=False
    )
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        return Unusable(f"it is no well-formed XML: {error}")
    for number, (depth, element) in enumerate(_elements(root)):
        if depth > _MAX_DEPTH or number >= _MAX_ELEMENTS:
            return Unusable(f"it has over {_MAX_ELEMENTS} elements, or some over {_MAX_DEPTH} deep")
        if max(len(element.nsmap), len(element.attrib), element.get("PrefixList", "").count(" ")) > _MAX_NAMES:
            return Unusable(f"an element has over {_MAX_NAMES} namespaces, attributes or prefixes")
    return root


def signed_assertion(root: Any, certificates: Sequence[x509.Certificate], now_s: float) -> Any | Unusable:
    """The assertion that one of `certificates` signed, made from the signed bytes."""
    if (problem := _ambiguity(root)) is not None:
        return Unusable(problem)
    moment = _EPOCH + timedelta(seconds=now_s)
    configuration = replace(_CONFIGURATION, verification_time=moment)
    failure: Exception | None = None
    for certificate in certificates:
        try:
            result: Any = XMLVerifier().verify(
                root, x509_cert=certificate, id_attribute="ID", expect_config=configuration
            )
        except InvalidCertificate as error:
            failure = failure or error
        except Exception as error:  # noqa: BLE001 - the XML is a stranger's, and signxml raises more than its own
            failure = error
        else:
            signed = result.signed_xml
            if signed is None or signed.tag != root.tag or signed.get("ID") != root.get("ID"):
                return Unusable("what was signed is not the assertion")
            return signed
    return Unusable(f"the signature does not hold: {type(failure).__name__}: {failure!s:.200}")


_TO_BASE64: Final = str.maketrans("-_", "+/")


def _elements(root: Any) -> Iterator[tuple[int, Any]]:
    """Every element, parents first, with its depth."""
    todo = [(1, root)]
    while todo:
        depth, element = todo.pop()
        yield depth, element
        todo.extend((depth + 1, child) for child in element)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _ambiguity(root: Any) -> str | None:
    """What would leave a choice of what was signed, or of what is read."""
    if root.tag != f"{ASSERTION}Assertion":
        return f"its root is {root.tag!r:.100}, not one assertion"
    ids: list[str] = []
    assertions = signatures = 0
    for element in root.iter():
        local = _local(element.tag)
        assertions += local in ("Assertion", "EncryptedAssertion")
        signatures += local == "Signature"
        ids += [value for name, value in element.items() if _local(name).lower() == "id"]
    if assertions != 1:
        return f"it has {assertions} assertions"
    if signatures != 1:
        return f"it has {signatures} signatures, in place of one"
    if len(set(ids)) != len(ids):
        return "two elements have one ID"
    signature = root.find(f"{_SIGNATURE}Signature")
    if signature is None:
        return "the signature is not the assertion's own"
    references = list(signature.iter(f"{_SIGNATURE}Reference"))
    if len(references) != 1 or not root.get("ID") or references[0].get("URI") != f"#{root.get('ID')}":
        return "the signature is not of the assertion, by its ID"
    if next(signature.iter(f"{_SIGNATURE}Object"), None) is not None:
        return "the signature has contents of its own"
    methods = [
        element.get("Algorithm")
        for name in ("Transform", "CanonicalizationMethod")
        for element in signature.iter(f"{_SIGNATURE}{name}")
    ]
    if unknown := [method for method in methods if method != _ENVELOPED and method not in _C14N]:
        return f"the signature uses {unknown[0]!r:.100}"
    return None
