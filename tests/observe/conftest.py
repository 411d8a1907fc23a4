"""What policies are bound to in tests: a virtual clock and an empty store."""

from __future__ import annotations

import os

import pytest

from gatewaykit.clock import VirtualClock
from gatewaykit.ports import Runtime
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.upstream.scripted import ScriptedTransport


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock("2026-01-15T12:00Z")


@pytest.fixture
def runtime(clock: VirtualClock) -> Runtime:
    return Runtime(clock=clock, throttles=MemoryThrottleStore(clock), transport=ScriptedTransport(), entropy=os.urandom)
