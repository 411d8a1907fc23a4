"""Validating a body of 1 kB: against the same libraries called by hand.

    python -m benchmarks --only validation

Our side is the hook of a bound `validate(...)`: a Request with its body goes in, a Request or a Refusal comes out. By
hand is what a handler would call: parse, validate, and be told by an exception or a bool. Both sides parse the body.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, Final

import fastjsonschema
import jsonschema_rs
import orjson

from benchmarks.inproc import measure
from benchmarks.report import Line, at_least, at_most, line, say
from benchmarks.stacks import facts
from benchmarks.stacks.ours import validate_exactly
from gatewaykit import validate
from gatewaykit.clock import VirtualClock
from gatewaykit.core.http import Request
from gatewaykit.ports import Policy, Runtime
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.upstream.scripted import ScriptedTransport

__all__ = ["run"]

_WHAT: Final = "a body of 1 kB"
_HEADERS: Final = [(b"content-type", b"application/json")]
_REFUSED: Final = (b"", b"{", b'{"id": 7}', facts.ORDER.replace(b"ABC-1005", b"abc-1005"), facts.ORDER[:-1])


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    say("  one body, against the same libraries called by hand")
    deciders = {
        "ours": _ours(validate_exactly()), "hand": _by_hand(),
        "ours fast": _ours(validate(body=facts.SCHEMA)), "hand fast": _fast_by_hand(),
    }  # fmt: skip
    for name, decide in deciders.items():
        if not decide(facts.ORDER)() or any(decide(body)() for body in _REFUSED):
            raise RuntimeError(f"{name} does not decide as it should")
    times = measure({name: decide(facts.ORDER) for name, decide in deciders.items()}, rounds=21 if quick else 61)
    added = [(ours - hand) / 1000 for ours, hand in zip(times.rounds["ours"], times.rounds["hand"], strict=True)]
    return [
        line("validation", f"{_WHAT}, added to json + fastjsonschema by hand", added, unit="us"),
        line("validation", f"{_WHAT} / json + fastjsonschema by hand", times.ratios("ours", "hand"), at_most(1.1)),
        line(
            "validation", f"{_WHAT}, with the extra / orjson + jsonschema-rs by hand",
            times.ratios("ours fast", "hand fast"), at_most(1.2),
        ),
        line("validation", f"{_WHAT}, without the extra / with it", times.ratios("ours", "ours fast"), at_least(6)),
        line(
            "validation", f"{_WHAT}, json + fastjsonschema / orjson + jsonschema-rs, both by hand",
            times.ratios("hand", "hand fast"), note="what these libraries give",
        ),
    ]  # fmt: skip


Decide = Callable[[bytes], Callable[[], Any]]
"""Gives, for a body, the function that is timed; its answer is true where the body is accepted."""


def _ours(policy: Policy) -> Decide:
    clock = VirtualClock("2026-01-15T12:00Z")
    runtime = Runtime(
        clock=clock, throttles=MemoryThrottleStore(clock), transport=ScriptedTransport(), entropy=os.urandom
    )
    hook = policy.bind(runtime).on_request
    assert hook is not None

    def decide(body: bytes) -> Callable[[], Any]:
        request = Request("POST", "/orders", headers=_HEADERS, body=body)
        return lambda: isinstance(hook(request), Request)

    return decide


def _by_hand() -> Decide:
    check, refused = fastjsonschema.compile(facts.SCHEMA, use_default=False), fastjsonschema.JsonSchemaException

    def accepts(body: bytes) -> bool:
        try:
            check(json.loads(body))
        except (ValueError, refused):
            return False
        return True

    return lambda body: lambda: accepts(body)


def _fast_by_hand() -> Decide:
    is_valid = jsonschema_rs.Draft7Validator(facts.SCHEMA).is_valid

    def accepts(body: bytes) -> bool:
        try:
            return is_valid(orjson.loads(body))
        except ValueError:
            return False

    return lambda body: lambda: accepts(body)
