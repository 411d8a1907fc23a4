"""What is read of a certificate, in API Gateway's shape."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timezone

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.mtls import ClientCertificate, facts_of, read_certificates, serial_text, time_text
from tests.peers.certificates import issue

ROOT = issue("C=US,O=Shop,CN=root", ca=True)
CLIENT = issue("C=US,O=Shop,OU=tills,CN=till 1", ROOT, serial=0xA10B, begins=datetime(2019, 5, 28, 12, 30, 2))


def test_a_certificate_is_shown_as_api_gateway_shows_it() -> None:
    context = facts_of(CLIENT.certificate).context

    assert context == {
        "clientCertPem": CLIENT.pem,
        "subjectDN": "C=US,O=Shop,OU=tills,CN=till 1",
        "issuerDN": "C=US,O=Shop,CN=root",
        "serialNumber": "a1:0b",
        "validity": {"notBefore": "May 28 12:30:02 2019 GMT", "notAfter": context["validity"]["notAfter"]},
    }


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1"), (10, "a"), (0xA1, "a1"), (0xA10B, "a1:0b"), (0x1A10B, "01:a1:0b"), (0, "0"), (-5, "-5")],
)
def test_serial_numbers_are_bytes_in_hexadecimal(number: int, text: str) -> None:
    assert serial_text(number) == text


def test_a_day_of_one_digit_is_padded_with_a_space() -> None:
    assert time_text(datetime(2021, 8, 5, 9, 36, 4, tzinfo=timezone.utc)) == "Aug  5 09:36:04 2021 GMT"


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("CN=a", "CN=a"),
        ("CN=b,O=a", "CN=b,O=a"),
        ("E=a@b.example", "emailAddress=a@b.example"),
        ("CN=a+O\\=b", "CN=a\\+O\\\\=b"),
    ],
    ids=["one part", "in the order of the certificate", "an e-mail address", "escaped"],
)
def test_names_are_written_like_aws_writes_them(subject: str, text: str) -> None:
    assert facts_of(issue(subject).certificate).subject_dn == text


def test_a_comma_in_a_value_forges_no_part() -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a,O=Admins")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(CLIENT.key.public_key())
    made = builder.serial_number(1).not_valid_before(datetime(2020, 1, 1)).not_valid_after(datetime(2030, 1, 1))
    from cryptography.hazmat.primitives.hashes import SHA256

    facts = facts_of(made.sign(CLIENT.key, SHA256()))

    assert facts.subject_dn == "CN=a\\,O=Admins"
    assert facts.names == ()


def test_alternative_names_say_their_kind() -> None:
    names = [
        x509.DNSName("a.example"), x509.UniformResourceIdentifier("spiffe://shop/till"), x509.RFC822Name("a@b.example"),
        x509.IPAddress(ipaddress.ip_address("10.0.0.1")), x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
    ]  # fmt: skip

    facts = facts_of(issue(names=names).certificate)

    assert facts.names == ("DNS:a.example", "URI:spiffe://shop/till", "email:a@b.example", "IP:10.0.0.1")


@pytest.mark.parametrize(
    ("parts", "count"),
    [
        ([CLIENT.pem], 1),
        ([CLIENT.der], 1),
        ([CLIENT.pem.encode(), ROOT.der], 2),
        ([CLIENT.pem + ROOT.pem], 2),
        (["Bag Attributes\n" + CLIENT.pem + "\n"], 1),
        ([], 0),
    ],
    ids=["PEM", "DER", "mixed", "one text", "with remarks", "nothing"],
)
def test_chains_are_read_in_every_form(parts: list[str | bytes], count: int) -> None:
    chain = read_certificates(parts)

    assert isinstance(chain, tuple)
    assert len(chain) == count
    assert chain[:1] == (CLIENT.certificate,)[:count]


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([b"x"], "certificate 1 cannot be read: "),
        ([CLIENT.pem, ""], "certificate 2 cannot be read: "),
        ([CLIENT.key_pem], "certificate 1 cannot be read: "),
        ([CLIENT.pem] * 11, "the chain has more than 10 certificates"),
        (["\ud800"], "certificate 1 cannot be read: "),
    ],
    ids=["no certificate", "an empty one behind", "a key", "too many", "no text"],
)
def test_a_chain_that_cannot_be_read_says_why(parts: list[str | bytes], why: str) -> None:
    chain = read_certificates(parts)

    assert isinstance(chain, str)
    assert chain.startswith(why)


def changed(der: bytes) -> st.SearchStrategy[bytes]:
    """`der` with some bytes replaced."""

    def replace(changes: list[tuple[int, int]]) -> bytes:
        made = bytearray(der)
        for at, byte in changes:
            made[at] = byte
        return bytes(made)

    return st.lists(st.tuples(st.integers(0, len(der) - 1), st.integers(0, 255)), max_size=4).map(replace)


@given(st.one_of(st.binary(), changed(CLIENT.der)))
def test_any_bytes_give_a_certificate_or_a_reason(data: bytes) -> None:
    chain = read_certificates([data])

    assert isinstance(chain, str) or isinstance(facts_of(chain[0]), ClientCertificate)
