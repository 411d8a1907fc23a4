"""The clock that stands still, and the one that does not."""

from __future__ import annotations

import pytest

from gatewaykit import SystemClock, VirtualClock
from gatewaykit.clock import SYSTEM


def test_a_virtual_clock_stands_still_until_told_to_move() -> None:
    clock = VirtualClock("2026-01-01T00:00Z")

    assert (clock.wall(), clock.monotonic()) == (1767225600.0, 0.0)
    clock.advance("1h")
    clock.advance(0.5)

    assert (clock.wall(), clock.monotonic()) == (1767229200.5, 3600.5)


def test_a_virtual_clock_may_start_at_seconds() -> None:
    assert VirtualClock(5).wall() == 5.0


@pytest.mark.parametrize("by", [-1, "back", "-1s"])
def test_time_does_not_go_back(by: str | float) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        VirtualClock().advance(by)


def test_the_systems_clock_moves() -> None:
    earlier = SYSTEM.monotonic()

    assert SystemClock().monotonic() >= earlier
    assert SYSTEM.wall() > VirtualClock("2020-01-01").wall()
