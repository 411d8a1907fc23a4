"""What chains are bound to: stores, transport, clock and randomness, made from the few settings a user gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gatewaykit.asgi.ids import IDS
from gatewaykit.clock import SYSTEM, Clock
from gatewaykit.core.body import MAX_BODY_BYTES
from gatewaykit.deploy.cache_stores import opening_cache
from gatewaykit.deploy.idempotency_stores import opening_idempotency
from gatewaykit.deploy.throttle_stores import FORMS, throttle_store, throttle_store_problems
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.ports import Runtime, ThrottleStore, Transport

if TYPE_CHECKING:
    from gatewaykit.ports import KeyStore, UpstreamRequest, UpstreamResponse

__all__ = ["PROFILES", "SharedStore", "make_runtime"]

PROFILES = ("aws", "web")
_VERBS = ("bucket", "quota", "window", "limits", "charge", "looking", "aclose")


class SharedStore(NamedTuple):
    """A store of limits that several runtimes share, and its address."""

    address: str
    throttles: ThrottleStore

    @classmethod
    def at(cls, store: str | ThrottleStore, clock: Clock | None) -> SharedStore:
        """The store at an address, or one that is there. Raises ConfigError."""
        if isinstance(store, str):
            return cls(store, throttle_store(store, SYSTEM if clock is None else clock))
        return cls("memory://", store)


def make_runtime(
    *,
    store: str | ThrottleStore | SharedStore = "memory://",
    transport: Transport | None = None,
    clock: Clock | None = None,
    profile: str = "web",
    max_body_bytes: int = MAX_BODY_BYTES,
    trusted_proxies: Sequence[str] = (),
) -> Runtime:
    """A runtime. Raises ConfigError, with all problems, for a store or profile that does not exist."""
    problems = []
    limits = store if isinstance(store, str) else "memory://"
    if isinstance(store, SharedStore):
        limits, store = store
    if profile not in PROFILES:
        problems.append(Problem(where="profile", what=f"is {profile!r}", mend="Write 'aws' or 'web'."))
    if isinstance(max_body_bytes, bool) or not isinstance(max_body_bytes, int) or max_body_bytes < 0:
        problems.append(Problem(where="max_body_bytes", what=f"is {max_body_bytes!r}", mend="Write a number of bytes."))
    if isinstance(store, str):
        problems += throttle_store_problems(store)
    elif not all(hasattr(store, verb) for verb in _VERBS):
        problems.append(
            Problem(
                where="store",
                what=f"{store!r} is no store of limits",
                mend=f"{FORMS}, or give an object with the verbs of gatewaykit.ports.ThrottleStore.",
            )
        )
    if problems:
        raise ConfigError(problems)
    clock = SYSTEM if clock is None else clock
    if isinstance(store, str):
        store = throttle_store(store, clock)
    return Runtime(
        clock=clock,
        throttles=store,
        transport=_LazyTransport() if transport is None else transport,
        entropy=IDS.take,
        profile=profile,
        max_body_bytes=max_body_bytes,
        trusted_proxies=tuple(trusted_proxies),
        open_keys=_opening_keys(clock),
        open_idempotency=opening_idempotency(clock, limits),
        open_cache=opening_cache(clock, limits),
    )


def _opening_keys(clock: Clock) -> Callable[[str], KeyStore]:
    """Each store is opened once, however many policies ask for it."""
    opened: dict[str, KeyStore] = {}

    def open_keys(spec: str) -> KeyStore:
        if spec not in opened:
            from gatewaykit.deploy.key_stores import key_store

            opened[spec] = key_store(spec, clock)
        return opened[spec]

    return open_keys


class _LazyTransport:
    """The HTTP transport, made on its first request: most gateways in tests never open a connection."""

    def __init__(self) -> None:
        self._transport: Transport | None = None

    async def send(self, request: UpstreamRequest, *, timeout_s: float) -> UpstreamResponse:
        if self._transport is None:
            from gatewaykit.upstream.http import HttpTransport

            self._transport = HttpTransport()
        return await self._transport.send(request, timeout_s=timeout_s)

    async def aclose(self) -> None:
        if self._transport is not None:
            await self._transport.aclose()
