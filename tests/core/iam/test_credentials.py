"""Access keys, and whether they hold."""

from __future__ import annotations

import pytest

from gatewaykit.core.iam.access import Principal
from gatewaykit.core.iam.credentials import DECOY, Credentials, identity_of, settled
from gatewaykit.core.iam.sigv4 import invalid
from gatewaykit.core.reasons import Reason

ALICE = Principal(arn="arn:aws:iam::123456789012:user/alice", account="123456789012", user_id="AIDALICE", org_id="o-1")
LASTING = Credentials(access_key_id="AKID", secret="secret-of-alice", principal=ALICE)
SESSION = Credentials(
    access_key_id="ASID", secret="secret-of-alice", session_token="token-of-alice", expires_s=100.0, principal=ALICE
)
INACTIVE = Credentials(access_key_id="AKID", secret="secret-of-alice", principal=ALICE, active=False)
MISMATCH = invalid("no match")


@pytest.mark.parametrize(
    ("credentials", "mismatch", "token", "reason"),
    [
        pytest.param(LASTING, None, None, None, id="lasting"),
        pytest.param(SESSION, None, b"token-of-alice", None, id="session"),
        pytest.param(LASTING, MISMATCH, None, Reason.SIGNATURE_INVALID, id="no match"),
        pytest.param(DECOY, None, None, Reason.ACCESS_KEY_UNKNOWN, id="unknown, though it matches"),
        pytest.param(DECOY, MISMATCH, None, Reason.ACCESS_KEY_UNKNOWN, id="unknown"),
        pytest.param(INACTIVE, None, None, Reason.ACCESS_KEY_UNKNOWN, id="inactive"),
        pytest.param(SESSION, MISMATCH, b"other", Reason.SIGNATURE_INVALID, id="a token is looked at last"),
        pytest.param(SESSION, None, b"other", Reason.ACCESS_KEY_UNKNOWN, id="another token"),
        pytest.param(SESSION, None, None, Reason.ACCESS_KEY_UNKNOWN, id="no token"),
        pytest.param(LASTING, None, b"other", Reason.ACCESS_KEY_UNKNOWN, id="a token of nobody"),
        pytest.param(LASTING, None, b"", Reason.ACCESS_KEY_UNKNOWN, id="an empty token"),
    ],
)
def test_an_access_key_holds_or_not(
    credentials: Credentials, mismatch: object, token: bytes | None, reason: Reason | None
) -> None:
    refused = settled(credentials, mismatch, token, 99.0)  # type: ignore[arg-type]  # a refusal or None

    assert (refused.reason if refused else None) is reason


def test_a_session_ends_at_its_very_second() -> None:
    refused = settled(SESSION, None, b"token-of-alice", 100.0)

    assert refused is not None
    assert refused.reason is Reason.SESSION_TOKEN_EXPIRED


def test_secrets_are_not_shown() -> None:
    assert "secret-of" not in repr(SESSION)
    assert "token-of" not in repr(SESSION)


def test_a_caller_is_told_as_the_context_tells_it() -> None:
    identity = identity_of(LASTING)

    assert (identity.kind, identity.principal) == ("iam", ALICE.arn)
    assert identity.claims == {
        "accountId": "123456789012", "accessKey": "AKID", "caller": "AIDALICE", "user": "AIDALICE",
        "userArn": ALICE.arn, "principalOrgId": "o-1",
    }  # fmt: skip


def test_without_an_organization_none_is_told() -> None:
    nobody = Credentials(access_key_id="A", secret="", principal=Principal(arn="a", account="b"))

    assert "principalOrgId" not in identity_of(nobody).claims
