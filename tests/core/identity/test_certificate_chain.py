"""Which presented chains lead to a truststore, and what is said of the others."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from gatewaykit.core.identity.certificate_chain import Trusted, compile_verification
from gatewaykit.core.identity.mtls import read_certificates
from gatewaykit.core.identity.revocation import read_revocations
from gatewaykit.core.identity.truststore import Truststore, read_truststore
from tests.peers.certificates import (
    DAY,
    NOW,
    Pair,
    issue,
    revocation_list,
    signed_with_sha1,
    tutorial,
    version_1,
    weak_key,
)  # fmt: skip

LATER = NOW.timestamp() + 43200  # what the openssl program makes during the run has begun by then

ROOT = issue("O=Shop,CN=root", ca=True)
INNER = issue("O=Shop,CN=inner", ROOT, ca=True, path_length=0)
CLIENT = issue(issuer=ROOT)
FAR = issue(issuer=INNER)
SAME_NAME = issue("O=Shop,CN=root", ca=True)  # and another key
BELOW = issue(issuer=issue("O=Shop,CN=b", INNER, ca=True))
THREE = issue("CN=3", issue("CN=2", ROOT, ca=True), ca=True)
DEEP = issue("CN=deep", issue("CN=4", THREE, ca=True))
FOUR_DEEP = issue("CN=four", THREE)


def judge(
    chain: list[str], *trusted: Pair, at: float | None = None, crl: bytes | None = None, stale: bool = False
) -> str:
    """ "" for a chain that holds."""
    truststore = read_truststore("".join(each.pem for each in trusted or (ROOT,)).encode())
    assert isinstance(truststore, Truststore)
    revocations = None if crl is None else read_revocations(crl, stale=stale)
    assert not isinstance(revocations, str), revocations
    presented = read_certificates(chain)
    assert not isinstance(presented, str)
    judged = compile_verification(truststore, revocations)(presented, LATER if at is None else at)
    return "" if isinstance(judged, Trusted) else judged


@pytest.mark.parametrize(
    ("chain", "trusted"),
    [
        pytest.param(CLIENT.chain, (ROOT,), id="issued by the root"),
        pytest.param(FAR.chain, (ROOT,), id="through an intermediate that the client sends"),
        pytest.param([*FAR.chain, ROOT.pem], (ROOT,), id="the root is sent along"),
        pytest.param([FAR.pem], (ROOT, INNER), id="through an intermediate in the truststore"),
        pytest.param([FAR.pem], (INNER,), id="an intermediate alone is trusted"),
        pytest.param([CLIENT.pem], (CLIENT,), id="this very certificate is trusted"),
        pytest.param([ROOT.pem], (ROOT,), id="self-signed"),
        pytest.param(FOUR_DEEP.chain, (ROOT,), id="four deep"),
        pytest.param(issue(issuer=ROOT, uses=None).chain, (ROOT,), id="no extended key usage"),
        pytest.param(
            issue(issuer=ROOT, uses=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)).chain, (ROOT,), id="any usage"
        ),
        pytest.param(
            issue(issuer=ROOT, key=rsa.generate_private_key(65537, 2048)).chain, (ROOT,), id="an RSA key of 2048 bits"
        ),
        pytest.param(issue(issuer=ROOT, key=ec.generate_private_key(ec.SECP521R1())).chain, (ROOT,), id="P-521"),
        pytest.param(CLIENT.chain, (SAME_NAME, ROOT), id="two CAs of one name"),
    ],
)
def test_a_chain_that_leads_to_the_truststore_holds(chain: list[str], trusted: tuple[Pair, ...]) -> None:
    assert judge(chain, *trusted) == ""


NOT_UNDERSTOOD = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
ONLY_SHOPS = x509.NameConstraints([x509.DNSName("shop.example")], None)


@pytest.mark.parametrize(
    ("chain", "trusted", "why"),
    [
        pytest.param(
            CLIENT.chain, (SAME_NAME,), "no chain leads from O=Shop,CN=root to the truststore", id="another CA"
        ),
        pytest.param([FAR.pem], (ROOT,), "no chain leads from O=Shop,CN=inner", id="the intermediate is not sent"),
        pytest.param(issue(issuer=CLIENT).chain, (ROOT,), "cA must be asserted", id="a client signs another"),
        pytest.param(issue(issuer=CLIENT).chain, (CLIENT,), "cA must be asserted", id="a trusted client signs another"),
        pytest.param(BELOW.chain, (ROOT,), "no chain", id="below a path length of 0"),
        pytest.param(DEEP.chain, (ROOT,), "no chain .*depth", id="five deep"),
        pytest.param(
            issue(issuer=ROOT, begins=NOW - 2 * DAY, ends=NOW - DAY).chain, (ROOT,), "it has expired on [A-Z]",
            id="expired",
        ),
        pytest.param(
            issue(issuer=ROOT, begins=NOW + DAY).chain, (ROOT,), "it is not valid before [A-Z]", id="not yet valid"
        ),
        pytest.param(
            issue(issuer=issue("CN=old", ROOT, ca=True, ends=NOW - timedelta(hours=1))).chain, (ROOT,), "no chain",
            id="an expired intermediate",
        ),
        pytest.param(
            issue(issuer=ROOT, uses=(ExtendedKeyUsageOID.SERVER_AUTH,)).chain, (ROOT,), "does not hold clientAuth",
            id="a server's certificate",
        ),
        pytest.param(
            issue(issuer=ROOT, digital_signature=False).chain, (ROOT,), "does not hold digitalSignature",
            id="a key that may not sign",
        ),
        pytest.param(issue(issuer=ROOT, key=weak_key()).chain, (ROOT,), "has 1024 bits", id="RSA of 1024 bits"),
        pytest.param(
            issue(issuer=ROOT, key=ec.generate_private_key(ec.SECP256K1())).chain, (ROOT,), "curve secp256k1",
            id="another curve",
        ),
        pytest.param(
            issue(issuer=ROOT, key=ed25519.Ed25519PrivateKey.generate()).chain, (ROOT,), "not RSA or ECDSA",
            id="Ed25519",
        ),
        pytest.param(
            issue(issuer=issue("CN=weak", ROOT, ca=True, key=weak_key())).chain, (ROOT,), "no chain",
            id="an intermediate with a weak key",
        ),
        pytest.param(
            issue(issuer=issue("CN=mute", ROOT, ca=True, signs_certificates=False)).chain, (ROOT,), "may not sign",
            id="a CA that may not sign certificates",
        ),
        pytest.param(
            issue(issuer=ROOT, extra=[(NOT_UNDERSTOOD, True)]).chain, (ROOT,), r"1\.2\.3\.4.* critical extension",
            id="an unknown critical extension",
        ),
        pytest.param(
            issue(issuer=issue("CN=s", ROOT, ca=True, extra=[(ONLY_SHOPS, True)]), names=[x509.DNSName("a.example")])
            .chain,
            (ROOT,), "no chain", id="a name outside the constraints",
        ),
    ],
)  # fmt: skip
def test_any_other_is_refused_with_its_reason(chain: list[str], trusted: tuple[Pair, ...], why: str) -> None:
    assert re.search(why, judge(chain, *trusted)), judge(chain, *trusted)


@pytest.mark.needs("openssl")
def test_sha_1_proves_nothing(tmp_path: Path) -> None:
    client, inner = signed_with_sha1(ROOT, tmp_path), signed_with_sha1(ROOT, tmp_path, ca=True)

    assert "signed with sha1" in judge(client.chain)
    assert "no chain" in judge(issue(issuer=inner).chain)


def test_a_chain_holds_until_the_first_of_its_certificates_ends() -> None:
    inner = issue("CN=inner", ROOT, ca=True, ends=NOW + DAY)
    truststore = read_truststore(ROOT.pem.encode())
    presented = read_certificates(issue(issuer=inner).chain)
    assert isinstance(truststore, Truststore)
    assert not isinstance(presented, str)

    judged = compile_verification(truststore)(presented, NOW.timestamp())

    assert isinstance(judged, Trusted)
    assert judged.until_s == (NOW + DAY).timestamp()


# ------------------------------------------------------------------------------------------------ version 1


@pytest.fixture(scope="module")
def by_tutorial(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Root and client certificate of AWS's tutorial."""
    root, client, _ = tutorial(tmp_path_factory.mktemp("tutorial"))
    return root.read_text(), client.read_text()


def judge_pem(chain: list[str], trusted: str, at: float | None = None) -> str:
    truststore, presented = read_truststore(trusted.encode()), read_certificates(chain)
    assert isinstance(truststore, Truststore)
    assert not isinstance(presented, str)
    judged = compile_verification(truststore)(presented, LATER if at is None else at)
    return "" if isinstance(judged, Trusted) else judged


@pytest.mark.needs("openssl")
def test_what_awss_tutorial_makes_is_let_in(by_tutorial: tuple[str, str]) -> None:
    root, client = by_tutorial

    assert judge_pem([client], root) == ""
    assert judge_pem([client, root], root) == ""
    assert judge_pem([client], client) == ""  # this very certificate


MUTE = issue("CN=mute", ROOT, ca=True, signs_certificates=False)
OTHER_ROOT = issue("CN=other", ca=True)
NO_CA = issue("CN=no extensions at all", ROOT)


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(
    ("issuer", "trusted", "why"),
    [
        pytest.param(INNER, ROOT, "", id="through an intermediate"),
        pytest.param(ROOT, OTHER_ROOT, "nobody there has signed it", id="another CA"),
        pytest.param(SAME_NAME, ROOT, "nobody there has signed it", id="a CA of the same name"),
        pytest.param(NO_CA, ROOT, "may not issue", id="issued by a client"),
        pytest.param(NO_CA, NO_CA, "may not issue", id="issued by a client that is trusted"),
        pytest.param(MUTE, ROOT, "may not issue", id="issued by a CA that may not"),
        pytest.param(issue("CN=b", INNER, ca=True), ROOT, "may not issue|no chain", id="below a path length of 0"),
        pytest.param(issue("CN=4", THREE, ca=True), ROOT, "too deep", id="five deep"),
        pytest.param(issue("CN=x", OTHER_ROOT, ca=True), ROOT, "no chain leads from CN=other", id="an unknown root"),
    ],
)
def test_the_issuer_of_a_version_1_certificate_is_judged(issuer: Pair, trusted: Pair, why: str, tmp_path: Path) -> None:
    judged = judge_pem(version_1(issuer, tmp_path).chain, trusted.pem)

    assert bool(judged) == bool(why)
    assert re.search(why, judged), judged


@pytest.mark.needs("openssl")
def test_a_version_1_certificate_expires_like_any_other(by_tutorial: tuple[str, str]) -> None:
    root, client = by_tutorial

    assert "it has expired" in judge_pem([client], root, at=NOW.timestamp() + 4000 * 86400)


@pytest.mark.needs("openssl")
def test_a_version_1_certificate_is_no_ca(by_tutorial: tuple[str, str], tmp_path: Path) -> None:
    below = version_1(version_1(ROOT, tmp_path), tmp_path)

    assert "no chain leads" in judge_pem(below.chain, ROOT.pem)


# ------------------------------------------------------------------------------------------------ revocation

REVOKED = issue(issuer=ROOT, serial=0xA10B)


@pytest.mark.parametrize(
    ("client", "crl", "stale", "why"),
    [
        pytest.param(CLIENT, revocation_list(ROOT, [REVOKED]), False, "", id="another is revoked"),
        pytest.param(REVOKED, revocation_list(ROOT, [REVOKED]), False, "a1:0b of O=Shop,CN=root is rev", id="revoked"),
        pytest.param(
            REVOKED, revocation_list(ROOT) + revocation_list(ROOT, [REVOKED]), False, "is revoked",
            id="revoked in one of two lists",
        ),
        pytest.param(
            CLIENT, revocation_list(ROOT, ends=NOW - timedelta(hours=1)), False, "the list ended on", id="it ended"
        ),
        pytest.param(CLIENT, revocation_list(ROOT, ends=NOW - timedelta(hours=1)), True, "", id="and is accepted"),
        pytest.param(
            REVOKED, revocation_list(ROOT, [REVOKED], ends=NOW - timedelta(hours=1)), True, "is revoked",
            id="revoked in a list that ended",
        ),
        pytest.param(
            CLIENT, revocation_list(ROOT, begins=NOW + DAY), False, "does not say for when", id="the list begins later"
        ),
        pytest.param(
            CLIENT, revocation_list(ROOT, signer=SAME_NAME), False, "no revocation list is signed", id="a forged list"
        ),
        pytest.param(CLIENT, revocation_list(INNER), False, "no revocation list is signed", id="of another issuer"),
        pytest.param(FAR, revocation_list(INNER), False, "", id="only the nearest issuer has a list"),
        pytest.param(
            FAR, revocation_list(INNER) + revocation_list(ROOT, [INNER]), False, "CN=root is revoked",
            id="an intermediate is revoked",
        ),
        pytest.param(ROOT, revocation_list(INNER), False, "", id="self-signed, and trusted as it stands"),
        pytest.param(
            issue(issuer=(quiet := issue("CN=q", ROOT, ca=True, signs_lists=False))), revocation_list(quiet), False,
            "no revocation list is signed", id="by a CA that may not sign lists",
        ),
    ],
)  # fmt: skip
def test_revoked_certificates_and_unknown_ones_are_refused(client: Pair, crl: bytes, stale: bool, why: str) -> None:
    judged = judge(client.chain, crl=crl, stale=stale)

    assert (judged == "") == (why == "")
    assert why in judged


@pytest.mark.needs("openssl")
def test_a_ca_without_key_usage_may_sign_lists(by_tutorial: tuple[str, str], tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    openssl_root, client, _ = tutorial(tmp_path)
    key = load_pem_private_key((tmp_path / "RootCA.key").read_bytes(), None)
    root = Pair(x509.load_pem_x509_certificate(openssl_root.read_bytes()), key)

    assert judge([client.read_text()], root, crl=revocation_list(root)) == ""


def test_a_chain_with_a_revocation_list_holds_no_longer_than_the_list() -> None:
    truststore, presented = read_truststore(ROOT.pem.encode()), read_certificates(CLIENT.chain)
    revocations = read_revocations(revocation_list(ROOT, ends=NOW + DAY))
    assert isinstance(truststore, Truststore)
    assert not isinstance(presented, str)
    assert not isinstance(revocations, str)

    judged = compile_verification(truststore, revocations)(presented, NOW.timestamp())

    assert isinstance(judged, Trusted)
    assert judged.until_s == (NOW + DAY).timestamp()
