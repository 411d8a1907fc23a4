"""Signing; against botocore in `tests/oracle/test_sigv4.py`."""

from __future__ import annotations

import pytest

from gatewaykit.core.iam.signing import Signer, presigned_target, signed_headers

SIGNER = Signer(access_key_id="AKID", secret="secret-of-somebody", session_token="token-of-somebody")


def test_secrets_are_not_shown() -> None:
    assert "secret-of" not in repr(SIGNER)
    assert "token-of" not in repr(SIGNER)


def test_an_earlier_signature_is_replaced() -> None:
    once = signed_headers(SIGNER, "GET", b"/", [(b"host", b"a")], b"", 0)

    assert signed_headers(SIGNER, "GET", b"/", once, b"", 0) == once


def test_without_a_host_nothing_is_signed() -> None:
    with pytest.raises(ValueError, match="covers the Host"):
        signed_headers(SIGNER, "GET", b"/", [], b"", 0)


@pytest.mark.parametrize("expires_s", [0, 604801])
def test_an_address_holds_for_a_week_at_most(expires_s: int) -> None:
    with pytest.raises(ValueError, match="1 to 604800 seconds"):
        presigned_target(SIGNER, "GET", b"/", [(b"host", b"a")], 0, expires_s=expires_s)
