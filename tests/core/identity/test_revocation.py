"""Reading revocation lists; what they say of a chain is in `test_certificate_chain.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.identity.revocation import Revocations, read_revocations
from tests.peers.certificates import issue, openssl, revocation_list

ROOT = issue("CN=root", ca=True)
LIST = revocation_list(ROOT)
DER = x509.load_pem_x509_crl(LIST).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("data", "count"),
    [(LIST, 1), (LIST + b"and\n" + LIST, 2), (DER, 1)],
    ids=["PEM", "several", "DER"],
)
def test_lists_are_read(data: bytes, count: int) -> None:
    revocations = read_revocations(data)

    assert isinstance(revocations, Revocations)
    assert len(revocations.lists) == count


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cannot be read"),
        (LIST.replace(b"MI", b"MJ"), "cannot be read"),
        (ROOT.pem.encode(), "cannot be read"),
        (revocation_list(ROOT, extra=[(x509.DeltaCRLIndicator(1), True)]), "for a part only"),
    ],
    ids=["nothing", "broken", "a certificate", "a list of changes"],
)
def test_what_is_no_whole_list_is_refused(data: bytes, why: str) -> None:
    revocations = read_revocations(data)

    assert isinstance(revocations, str)
    assert why in revocations


@pytest.mark.needs("openssl")
def test_a_list_signed_with_sha_1_is_refused(tmp_path: Path) -> None:
    ROOT.files(tmp_path, "root")
    (tmp_path / "index.txt").touch()
    (tmp_path / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_crl_days=9\n")
    openssl(tmp_path, "ca -gencrl -config ca.cnf -cert root.pem -keyfile root.key -md sha1 -out list.pem")

    revocations = read_revocations((tmp_path / "list.pem").read_bytes())

    assert isinstance(revocations, str)
    assert "too weak a digest" in revocations


@given(
    st.one_of(
        st.binary(),
        st.builds(
            lambda at, byte: DER[:at] + bytes([byte]) + DER[at + 1 :], st.integers(0, len(DER)), st.integers(0, 255)
        ),
    )
)
def test_any_bytes_give_lists_or_a_reason(data: bytes) -> None:
    assert isinstance(read_revocations(data), (Revocations, str))
