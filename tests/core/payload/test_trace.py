"""X-Amzn-Trace-Id."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.payload.trace import event_trace, trace_header

FRESH = bytes.fromhex("65000000" + "0123456789abcdef01234567" + "aaaabbbbccccdddd")
NEW = "Root=1-65000000-0123456789abcdef01234567;Parent=aaaabbbbccccdddd;Sampled=0"
ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"


@pytest.mark.parametrize(
    ("sent", "trace"),
    [
        pytest.param(None, NEW, id="none sent"),
        pytest.param("", NEW, id="empty"),
        pytest.param(
            f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1", f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1", id="row 7"
        ),
        pytest.param(ROOT, f"{ROOT};Parent=aaaabbbbccccdddd;Sampled=0", id="row 8"),
        pytest.param(f"{ROOT};Sampled=1", f"{ROOT};Parent=aaaabbbbccccdddd;Sampled=1", id="sampling is the client's"),
        pytest.param(
            f"{ROOT};Self=1-65-ab",
            f"{ROOT};Parent=aaaabbbbccccdddd;Sampled=0;Self=1-65-ab",
            id="other fields stay behind",
        ),
        pytest.param("Parent=53995c3f42cd8ad8", NEW, id="no root"),
        pytest.param("Root=1-5759e988-short", NEW, id="bad root"),
        pytest.param(f"{ROOT};x", NEW, id="no field"),
        pytest.param(f"{ROOT}\r\nX-Evil: 1", NEW, id="line break"),
        pytest.param(ROOT + ";a=b" * 9, NEW, id="too many fields"),
    ],
)
def test_a_trace_keeps_what_the_client_sent_and_adds_what_is_missing(sent: str | None, trace: str) -> None:
    assert trace_header(sent, FRESH) == trace


@given(st.text(), st.binary(min_size=24, max_size=24))
def test_any_text_gives_a_trace_that_is_a_safe_header(sent: str, fresh: bytes) -> None:
    assert re.fullmatch(r"[A-Za-z0-9=;:-]+", trace_header(sent, fresh))


def test_an_event_shows_only_the_root_of_a_fresh_trace() -> None:
    assert event_trace(None, NEW) == "Root=1-65000000-0123456789abcdef01234567"
    assert event_trace(ROOT, f"{ROOT};Parent=a;Sampled=0") == f"{ROOT};Parent=a;Sampled=0"
