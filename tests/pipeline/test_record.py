"""The operator's log of failures."""

from __future__ import annotations

import pytest

from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import UpstreamError
from gatewaykit.pipeline.record import log_failure
from gatewaykit.testing import make_request


@pytest.mark.parametrize(
    ("cause", "traced"),
    [(UpstreamError("refused", "nobody listens"), False), (KeyError("x"), True)],
    ids=["far", "here"],
)
def test_a_traceback_is_for_our_own_code(cause: Exception, traced: bool, caplog: pytest.LogCaptureFixture) -> None:
    refusal = Refusal(Reason.ISSUER_UNREACHABLE, f"introspection endpoint: {cause}", cause=cause)

    log_failure(make_request("GET", "/a"), refusal)

    [record] = caplog.records
    assert str(cause) in record.getMessage()
    assert (record.exc_info is not None) == traced
