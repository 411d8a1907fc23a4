"""Truststores: what is in, what is left out, and what makes one useless."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.truststore import MAX_BYTES, Truststore, read_truststore
from tests.peers.certificates import issue, weak_key

ROOT, OTHER = issue("CN=root", ca=True), issue("CN=other", ca=True)
CLIENT = issue()
BROKEN = ROOT.pem.replace("MII", "MIJ")


@pytest.mark.parametrize(
    ("text", "count", "warning"),
    [
        pytest.param(ROOT.pem, 1, "", id="one"),
        pytest.param(f"# ours\n{ROOT.pem}\n# theirs\n{OTHER.pem}", 2, "", id="several, with remarks between"),
        pytest.param(ROOT.pem + ROOT.pem, 1, "", id="the same twice"),
        pytest.param(ROOT.pem.replace("CERTIFICATE", "X509 CERTIFICATE"), 1, "", id="an old name"),
        pytest.param(BROKEN + ROOT.pem, 1, "certificate 1 cannot be read: ", id="a broken one"),
        pytest.param(
            ROOT.pem + OTHER.pem[:-40] + ROOT.pem, 1,
            "certificates that begin and do not end as they should, and are left out: 1", id="one cut off",
        ),
        pytest.param(
            ROOT.pem + issue("CN=w", ca=True, key=weak_key()).pem, 1,
            "certificate 2 (CN=w) is left out: its RSA key has 1024 bits, and needs 2048", id="a weak one",
        ),
        pytest.param(
            ROOT.pem + issue("CN=k", ca=True, key=ec.generate_private_key(ec.SECP256K1())).pem, 1,
            "certificate 2 (CN=k) is left out: its key is on the curve secp256k1", id="an odd curve",
        ),
        pytest.param(issue(ca=True, key=rsa.generate_private_key(65537, 2048)).pem, 1, "", id="RSA of 2048 bits"),
        pytest.param(CLIENT.pem, 1, "certificate 1 (C=US,O=Shop,CN=client) is no CA", id="no CA"),
        pytest.param(ROOT.pem + ROOT.key_pem, 1, "it holds a private key", id="with its key"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_a_warning(text: str, count: int, warning: str) -> None:
    truststore = read_truststore(text.encode())

    assert isinstance(truststore, Truststore)
    assert len(truststore.certificates) == count
    assert len(truststore.warnings) == bool(warning)
    assert all(each.startswith(warning) for each in truststore.warnings)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "no certificate in it can be used", id="empty"),
        pytest.param(BROKEN.encode(), "no certificate in it can be used; certificate 1 cannot be read", id="broken"),
        pytest.param(ROOT.key_pem.encode(), "no certificate in it can be used; it holds a private key", id="a key"),
        pytest.param(b"x" * (MAX_BYTES + 1), "it has 1000001 bytes; 1000000 are the most", id="too many bytes"),
        pytest.param(
            b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" * 1001,
            "it has 1001 certificates; 1000 are the most", id="too many certificates (02 section 8)",
        ),
    ],
)  # fmt: skip
def test_a_useless_truststore_says_why(data: bytes, why: str) -> None:
    truststore = read_truststore(data)

    assert isinstance(truststore, str)
    assert truststore.startswith(why)


@given(
    st.binary(),
    st.sampled_from([b"", ROOT.pem.encode(), b"-----BEGIN CERTIFICATE-----\n", b"\n-----END CERTIFICATE-----"]),
)
def test_any_bytes_give_a_truststore_or_a_reason(data: bytes, around: bytes) -> None:
    assert isinstance(read_truststore(around + data + around), (Truststore, str))
