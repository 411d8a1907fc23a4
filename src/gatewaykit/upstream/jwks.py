"""The keys of an issuer, fetched over the gateway's transport and kept for a while.

* One fetch is under way at a time, whoever asks: every authorizer with the same issuer and transport shares one
  `RemoteKeys`.
* Before the keys are old (`Lifetime.ahead_s`) the first request starts a fetch and goes on with what is there.
* Once they are old (`fresh_s`) requests wait for the fetch. Where it fails they go on with the old keys, for two hours
  after the last good fetch at most; after that they are refused.
* A token that names an unknown key starts a fetch too, but only once in `UNKNOWN_KEY_INTERVAL_S`: made-up names cannot
  make this gateway a flood.
* After a failure nobody is asked for a moment, which doubles up to half a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias
from weakref import WeakValueDictionary

from gatewaykit.core.identity.jwt.discovery import Lifetime, insecure, lifetime, metadata_addresses, read_metadata
from gatewaykit.core.identity.jwt.keys import KeySet, read_key_set
from gatewaykit.errors import UpstreamError
from gatewaykit.upstream.fetch import Fetched, call_to, fetch
from gatewaykit.waiting import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from gatewaykit.clock import Clock
    from gatewaykit.ports import Transport

__all__ = ["KeyAddress", "KeySource", "RemoteKeys", "StaticKeys", "remote_keys"]

UNKNOWN_KEY_INTERVAL_S: Final = 10.0
_TIMEOUT_S: Final = 1.5
_MOST_BYTES: Final = 150_000
_FIRST_PAUSE_S, _MOST_PAUSE_S = 1.0, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAddress:
    """Where keys come from: `url`, or what the metadata of `issuer` names where no `url` is given."""

    issuer: str = ""
    url: str = ""
    allow_http: bool = False

    def __str__(self) -> str:
        return self.url or self.issuer


class StaticKeys:
    """Keys that were given, and stay."""

    settled_s: Final = float("inf")

    def __init__(self, keys: KeySet) -> None:
        self.keys: KeySet | None = keys

    def prepare(self) -> Awaitable[str] | None:
        return None

    def prepare_unknown(self) -> Awaitable[str] | None:
        return None


class RemoteKeys:
    """Keys that are fetched. `keys` is what is there, None before the first fetch and once it is too old.

    Until `settled_s` on the monotonic clock there is nothing to do before they are used.
    """

    def __init__(self, address: KeyAddress, transport: Transport, clock: Clock) -> None:
        self.keys: KeySet | None = None
        self._address, self._transport, self._clock = address, transport, clock
        self._lifetime = Lifetime(0.0, 0.0, 0.0)
        self._body = b""
        self._fetched_s = self._failed_s = self._unknown_s = float("-inf")
        self._pause_s = 0.0
        self.settled_s = float("-inf")
        self._problem = ""
        self._flight: SingleFlight[None] = SingleFlight()

    def prepare(self) -> Awaitable[str] | None:
        """What to wait for before `keys` are used: it gives the reason where there are none. None: use them now."""
        now_s = self._clock.monotonic()
        age_s = now_s - self._fetched_s
        if self.keys is not None and age_s >= self._lifetime.most_s:
            self.keys, self._body = None, b""
        paused = now_s < self._failed_s + self._pause_s
        if self.keys is None:
            return self._failed() if paused else self._fetch()
        if age_s < self._lifetime.ahead_s or paused:
            return None
        if age_s >= self._lifetime.fresh_s:
            return self._fetch()
        self._flight.start("", self._load)
        return None

    def prepare_unknown(self) -> Awaitable[str] | None:
        """The same for a token whose key is unknown. None: it is no use asking again now."""
        now_s = self._clock.monotonic()
        if now_s < self._failed_s + self._pause_s:
            return self._failed()
        if not self._flight.under_way(""):  # a fetch that is under way may have been answered before the key was there
            if now_s < self._unknown_s + UNKNOWN_KEY_INTERVAL_S:
                return None
            self._unknown_s = now_s
        return self._fetch()

    async def _failed(self) -> str:
        return self._problem

    async def _fetch(self) -> str:
        await self._flight.run("", self._load)
        return self._problem

    async def _load(self) -> None:
        asked_s = self._clock.monotonic()
        try:
            fetched = await self._get(self._address.url or await self._discover())
            if fetched.body != self._body or self.keys is None:  # else what was verified with them stays verified
                self.keys, self._body = read_key_set(fetched.body), fetched.body
        except (UpstreamError, ValueError) as error:
            self._failed_s = self._clock.monotonic()
            self._pause_s = min(max(self._pause_s * 2, _FIRST_PAUSE_S), _MOST_PAUSE_S)
            self._problem = f"the keys of {self._address} cannot be had: {error}"
            return
        cache_control = fetched.header(b"cache-control")
        self._lifetime = lifetime(None if cache_control is None else cache_control.decode("latin-1"))
        self._fetched_s, self.settled_s = asked_s, asked_s + self._lifetime.ahead_s
        self._failed_s, self._pause_s, self._problem = float("-inf"), 0.0, ""

    async def _discover(self) -> str:
        issuer, problems = self._address.issuer, []
        for address in metadata_addresses(issuer):
            try:
                return read_metadata((await self._get(address)).body, issuer)
            except (UpstreamError, ValueError) as error:
                problems.append(f"{address}: {error}")
        raise ValueError("; ".join(problems))

    async def _get(self, address: str) -> Fetched:
        if insecure(address) and not self._address.allow_http:
            raise ValueError(f"{address[:200]!r} is no https address")
        call = call_to(address, timeout_s=_TIMEOUT_S, max_bytes=_MOST_BYTES)
        fetched = await fetch(self._transport, call, [(b"accept", b"application/json")])
        if fetched.status != 200:
            raise ValueError(f"the answer has the status {fetched.status}")
        return fetched


KeySource: TypeAlias = StaticKeys | RemoteKeys

_SHARED: WeakValueDictionary[tuple[KeyAddress, int, int], RemoteKeys] = WeakValueDictionary()


def remote_keys(address: KeyAddress, transport: Transport, clock: Clock) -> RemoteKeys:
    """The keys of an address. All who ask over the same transport, by the same clock, get the same object.

    It is let go with the last of them, and keeps both until then: so no other transport can have the same `id`.
    """
    key = (address, id(transport), id(clock))
    if (keys := _SHARED.get(key)) is None:
        keys = _SHARED[key] = RemoteKeys(address, transport, clock)
    return keys
