"""What stands at the door: API keys, lists of addresses, and the throttle before an authorizer.

    python -m benchmarks --only guards

A key is timed as one decision, against the same decision by hand; the others as what they add to the same request.
"""

from __future__ import annotations

import asyncio
import tempfile
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final

from benchmarks.inproc import answer_of, http_scope, measure, request_to
from benchmarks.report import Line, at_most, line, say
from benchmarks.stacks import facts
from gatewaykit import ApiKey, Identity, PolicyMiddleware, Request, VirtualClock, address_filter, api_key, authenticate
from gatewaykit.core.address_list import AddressList, compile_addresses
from gatewaykit.core.identity.api_key import hashed
from gatewaykit.deploy.key_stores import key_store
from gatewaykit.deploy.runtime import make_runtime

__all__ = ["run"]

_VALUES: Final = [f"key-number-{number:021}" for number in range(1000)]
_NETWORKS: Final = [
    f"{a}.{b}.{c}.0/{24 + c % 5}" for a in range(20, 60) for b in range(50) for c in range(0, 80, 16)
]  # ten thousand
_SCOPE: Final = http_scope(headers=[(b"authorization", b"Bearer alice")])


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    rounds = 21 if quick else 61
    return [*_keys(rounds), *_addresses(rounds), *_preauth(rounds)]


def _keys(rounds: int) -> list[Line]:
    say("  API keys, against the same by hand")
    request = Request("GET", "/", headers=[(b"x-api-key", _VALUES[500].encode())])
    keys = [ApiKey(id=value, name=value, value=hashed(value)) for value in _VALUES]
    by_hand = {sha256(value.encode()).digest(): Identity(principal=value, kind="api_key") for value in _VALUES}

    def hand() -> None:
        raw = request.headers.get(b"x-api-key")
        assert raw is not None
        digest = sha256(raw).digest()
        caller = by_hand.get(digest)
        if caller is not None and compare_digest(digest, digest):
            request.identity = caller

    def asking(hook: Any) -> Any:
        def ask() -> None:
            request.identity = None
            if hook(request) is not request:
                raise RuntimeError("the key was refused")

        return ask

    with tempfile.TemporaryDirectory() as home:
        place = str(Path(home) / "keys.json")
        asyncio.run(key_store(place, create=True).put(*((key, None) for key in keys)))
        runtime = make_runtime(clock=VirtualClock())
        table, stored = (api_key(each).bind(runtime).on_request for each in (keys, place))
        times = measure({"hand": hand, "table": asking(table), "stored": asking(stored)}, rounds=rounds)
    return [
        line("guards", "a key of a table / by hand", times.ratios("table", "hand"), at_most(1.5)),
        line("guards", "a key of a file / of a table", times.ratios("stored", "table"), note="between two looks at it"),
    ]


def _addresses(rounds: int) -> list[Line]:
    say("  lists of addresses")
    many, few = compile_addresses(_NETWORKS, "many"), compile_addresses(_NETWORKS[:5], "few")
    assert isinstance(many, AddressList)
    assert isinstance(few, AddressList)
    addresses = [f"203.0.{number}.7" for number in range(100)]
    request = Request("GET", "/")
    known = address_filter(deny=_NETWORKS).bind(make_runtime()).on_request
    assert known is not None

    def looking(found: AddressList) -> Any:
        def look() -> None:
            for address in addresses:
                found.find(address)

        return look

    times = measure(
        {"many": looking(many), "few": looking(few), "known": lambda: [known(request) for _ in addresses]},
        rounds=rounds,
    )
    each = [total / len(addresses) for total in times.rounds["known"]]
    return [
        line("guards", "a list of 10 000 networks / of 5", times.ratios("many", "few"), at_most(1.2)),
        line("guards", "address_filter, an address seen before", [ns / 1000 for ns in each], at_most(0.5), unit="us"),
    ]


def _preauth(rounds: int) -> list[Line]:
    say("  the throttle before an authorizer")

    def app(**options: Any) -> Any:
        return PolicyMiddleware(facts.bare, policies=[authenticate(lambda _: Identity(principal="alice"))], **options)

    guarded, alone = app(), app(preauth_throttle=False)
    if answer_of(guarded, _SCOPE) != answer_of(alone, _SCOPE):
        raise RuntimeError("the throttle changed an answer")
    times = measure({"guarded": request_to(guarded, _SCOPE), "alone": request_to(alone, _SCOPE)}, rounds=rounds)
    return [line("guards", "preauth_throttle, added", times.added_us("guarded", "alone"), at_most(2.5), unit="us")]
