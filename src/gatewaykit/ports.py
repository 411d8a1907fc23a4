"""The protocols between the layers: policies, endpoints, stores, transports and body sources."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from gatewaykit.core.caching.entry import Entry
from gatewaykit.core.context import ApiFacts
from gatewaykit.core.idempotency import Begun
from gatewaykit.core.limits import Decided
from gatewaykit.core.permits import Entered
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket, Taken
from gatewaykit.core.window import Window

if TYPE_CHECKING:
    from gatewaykit.clock import Clock
    from gatewaykit.core.http import Head, HeaderList, Request, Response
    from gatewaykit.core.iam.credentials import Credentials
    from gatewaykit.core.identity.api_key import ApiKey
    from gatewaykit.core.reasons import Refusal

__all__ = [
    "Answer", "Begun", "Behind", "BodySource", "BodyWrapper", "Bucket", "CacheSpace", "CacheStore", "CacheUse",
    "ChargeVerb", "CredentialsProvider", "Decided", "Endpoint", "Entered", "Entry", "Hook", "IdempotencyStore",
    "KeyStore", "LimitsVerb", "Outcome", "PermitStore", "Permits", "Policy", "Quota", "Runtime", "Taken",
    "ThrottleStore", "Transport", "UpstreamRequest", "UpstreamResponse", "UsageStore", "Window",
]  # fmt: skip

Answer: TypeAlias = "Request | Response | Refusal"
"""What a request hook says: the request itself (go on), a whole response, or a refusal."""

Outcome: TypeAlias = "Response | Refusal"
"""What an endpoint says."""

Hook: TypeAlias = "Callable[[Request], Answer | Awaitable[Answer]]"
"""What `Policy.on_request` is."""

Behind: TypeAlias = "Callable[[Request], Awaitable[Response]]"
"""Runs what is behind a policy. A response with a streamed body has a `close`: await it when done, in any case."""


class BodyWrapper(Protocol):
    """Sees a response body chunk by chunk and gives what is sent instead. `more` is False on the last call.

    A Refusal in place of bytes ends the response: it is what the client gets, or, where the head is out already, a
    broken connection. A wrapper with a true attribute `holds_head` keeps the head back until it gives a byte, or the
    body is over. One with a true attribute `observes` gives back what it is given, so a Content-Length still holds.
    """

    def __call__(self, chunk: bytes, more: bool, /) -> bytes | Refusal: ...


class Policy:
    """A policy is an object with any of these hooks; a hook left at None costs nothing.

    * `on_request(request)` decides: `request` goes on, a `Response` or `Refusal` ends it. It may return an awaitable of
      one. Anything else is a TypeError: forgetting to answer fails closed.
    * `on_head(request, head)` may amend status and headers of every response, refusals and 500s included.
    * `on_body(request, response)` sees a whole buffered response and returns one (or an awaitable of one).
    * `wrap_body(request, head)` gives a `BodyWrapper`, or None to leave this body alone.
    * `on_end(request)` runs exactly once, whatever happened.
    * `around(behind)` is for a policy that calls what is behind it by itself, such as a cache. It is called once, when
      the chain is built, and gives what is then its `on_request`. `behind(request)` runs the policies behind this one
      and what they stand before; a failure comes back as the response it is, with `request.refusal` set. Give it
      `request.detached()` where it may last longer than the request of the client.

    `reads_body` is True (the gateway's limit) or a number of bytes when `on_request` wants `request.body`. One that
    gives the request other headers, another query or another body says so in `rewrites`, and sets new objects: they
    are what an app is shown.
    A policy that needs a clock or a store has `bind(runtime)`, which returns the object with the hooks; it is called
    once, when the chain is built.
    """

    name: str = ""
    phase: str = ""  # its place in a definition's order of phases; "" for policies that are none of the gateway's own
    counts_by_api_key: bool = False  # in a definition it holds only for methods that need a key, as usage plans do
    reads_body: bool | int = False
    rewrites: bool = False  # `on_request` may set header_list and headers, query_string and query, or body
    answers_preflight: bool = False  # a cross-origin policy: it also sees the preflights of its rule's verb
    on_request: Hook | None = None
    around: Callable[[Behind], Hook] | None = None
    on_head: Callable[[Request, Head], None] | None = None
    on_body: Callable[[Request, Response], Response | Awaitable[Response]] | None = None
    wrap_body: Callable[[Request, Head], BodyWrapper | None] | None = None
    on_end: Callable[[Request], None] | None = None

    def bind(self, runtime: Runtime) -> Policy:
        return self

    async def aclose(self) -> None:
        """Free what `bind` opened."""


class Endpoint(Protocol):
    """What stands at the end of a chain: an integration. With `reads_body`, the body is in `request.body`."""

    @property
    def reads_body(self) -> bool | int: ...

    def __call__(self, request: Request, /) -> Outcome | Awaitable[Outcome]: ...

    async def aclose(self) -> None: ...


class BodySource(Protocol):
    """The request body where it has not been read yet."""

    async def read(self, limit: int) -> bytes | Refusal:
        """The whole body, or a refusal when it is over `limit` bytes or the client left."""

    def stream(self, limit: int) -> AsyncIterator[bytes]:
        """Chunks as they come. Raises `ClientGone` or `BodyTooLarge` from `core.body`."""


# ---------------------------------------------------------------------------------------------------- limits


class LimitsVerb(Protocol):
    """Takes `cost` tokens of each limit whose key is given, or none of any."""

    def __call__(self, keys: Sequence[str | None], cost: int = 1, /) -> Decided | Awaitable[Decided]: ...


class ChargeVerb(Protocol):
    """Takes `amount` tokens of each limit whose key is given, whatever is there; under 0, it gives them back."""

    def __call__(self, keys: Sequence[str | None], amount: int, /) -> Awaitable[None] | None: ...


class ThrottleStore(Protocol):
    """Limits. A verb is bound once, at start-up; each call of it is one atomic step (one round trip where remote)."""

    def bucket(self, name: str, bucket: Bucket) -> Callable[[str], Taken | Awaitable[Taken]]:
        """A verb that takes one token from the bucket of a key. `name` keeps the buckets of two policies apart."""

    def quota(self, name: str, quota: Quota) -> Callable[[str], Taken | Awaitable[Taken]]:
        """A verb that counts one request of a key against its quota."""

    def window(self, name: str, window: Window) -> Callable[[str], Taken | Awaitable[Taken]]:
        """A verb that counts one request of a key in its window."""

    def limits(self, name: str | Sequence[str], limits: Sequence[Bucket | Quota | Window]) -> LimitsVerb:
        """A verb that takes tokens of every limit, or none of any; it is given a key for each, in order.

        The limits have one name, or each its own.

        A limit whose key is None does not apply. All are asked before any is taken from: a refusal leaves every one as
        it was. Each is the very limit that `bucket`, `quota` or `window` gives for this name, so lists of one name
        share those they have in common. Places with the same limit and the same key are one limit, and count once.
        """

    def charge(self, name: str | Sequence[str], limits: Sequence[Bucket | Quota | Window]) -> ChargeVerb:
        """A verb that settles what a request has really cost, where that was not known when `limits` was asked.

        More than 0 is taken although it may not be there: a bucket may then owe tokens, a quota be over its limit. Less
        than 0 is given back; no limit holds more than it can.
        """

    def looking(self) -> ThrottleStore:
        """The same limits with verbs that look and take nothing: what would have been answered."""

    async def aclose(self) -> None: ...


class Permits(Protocol):
    """Requests in flight under one limit. Each verb is one atomic step. `holder` is 16 random bytes of one request."""

    def enter(self, key: str, holder: bytes) -> Entered | Awaitable[Entered]:
        """A request begins, if it may."""

    def leave(self, key: str, holder: bytes) -> Awaitable[None] | None:
        """A request that had a permit is over."""


class PermitStore(Protocol):
    """A store of limits that also counts requests in flight. A store need not be one."""

    def permits(self, name: str, most: int, hold_s: float) -> Permits:
        """The permits of a limit. In a store that others share, each ends by itself after `hold_s` seconds."""


class UsageStore(Protocol):
    """A store of limits that also knows what was used when. A store need not be one."""

    def usage(
        self, name: str, quota: Quota, keys: Sequence[str], first_s: float, last_s: float
    ) -> Mapping[str, Sequence[tuple[int, int]]] | Awaitable[Mapping[str, Sequence[tuple[int, int]]]]:
        """For each key and each day (UTC), from that around `first_s` to that around `last_s`: used, and left."""

    def extend(self, name: str, quota: Quota, key: str, remaining: int) -> Awaitable[None] | None:
        """Leave a key so many requests in the window that is running. What it has used stays counted."""


# ---------------------------------------------------------------------------------------------------- credentials


class CredentialsProvider(Protocol):
    """Knows the access keys with which requests are signed."""

    @property
    def find(self) -> Callable[[str], Credentials | Awaitable[Credentials | None] | None]:
        """Gives the credentials of an access key; None for one that nobody has. What it raises refuses the request."""


# ---------------------------------------------------------------------------------------------------- idempotency


class IdempotencyStore(Protocol):
    """Idempotency keys: which are under way, and what was answered. Each verb is one atomic step.

    Keys and the requests they came with are digests of 32 bytes, a holder is 16 random ones. Raises StoreError where it
    cannot answer.
    """

    def begin(self, key: bytes, request: bytes, holder: bytes, hold_s: float) -> Begun | Awaitable[Begun]:
        """A request comes with a key. Where it is the first, it is this holder's for `hold_s` seconds."""

    def look(self, key: bytes, request: bytes) -> Begun | Awaitable[Begun]:
        """What `begin` would say. Nothing is written."""

    def finish(self, key: bytes, holder: bytes, answer: bytes, keep_s: float) -> bool | Awaitable[bool]:
        """Keep the answer for `keep_s` seconds. False, and nothing is kept, where the key is another's by now."""

    def release(self, key: bytes, holder: bytes) -> Awaitable[None] | None:
        """Forget a key that this holder has and did not use."""

    async def aclose(self) -> None:
        """Close what is open. It opens again when needed."""


# ---------------------------------------------------------------------------------------------------- cached responses


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUse:
    """What a space holds, and what became of it; the counts are of this process, since it started."""

    entries: int
    bytes: int  # of the entries, with their keys and heads
    hits: int = 0
    misses: int = 0
    stored: int = 0
    evicted: int = 0  # to make room, before their time was over
    refused: int = 0  # not taken in: too large, or a stranger among entries in use


class CacheSpace(Protocol):
    """The responses of one cache. Each verb is one atomic step (one round trip where remote).

    Keys are digests or short texts, made by the cache. What is expired is never given. Verbs raise StoreError where the
    store cannot answer: a cache goes on without it.
    """

    def get(
        self, key: bytes, variant: bytes = b"", *, again: bool = False
    ) -> Sequence[Entry | None] | Awaitable[Sequence[Entry | None]]:
        """What stands under the key itself and, where a variant is asked for too, under that: one of each.

        It counts as a hit or a miss; not where a marker is all that is found without a variant, since it tells where to
        look, and not where a request looks `again` for what it missed.
        """

    def put(
        self, key: bytes, entry: Entry, keep_s: float, *, variant: bytes = b"", claim: int = 0
    ) -> bool | Awaitable[bool]:
        """Keep an entry for so many seconds. False where it was not taken in.

        A `claim` that is not the newest of its key any more writes nothing: somebody else fetches by now.
        """

    def drop(self, key: bytes) -> Awaitable[None] | None:
        """Forget what stands under a key, with all its variants. Claims of it that are held do not count any more."""

    def purge(self, *, prefix: str | None = None, tag: str | None = None) -> int | Awaitable[int]:
        """Forget the entries whose `url` begins so, or that have the tag. How many these were."""

    def flush(self) -> Awaitable[None] | None:
        """Forget all of this space. Claims that are held do not count any more."""

    def claim(self, key: bytes, hold_s: float) -> int | Awaitable[int]:
        """The right to fetch what is missing, for so many seconds: a number above all given before. 0: another has it.

        Only stores that several processes share have it to give; others always give it.
        """

    def release(self, key: bytes, claim: int) -> Awaitable[None] | None:
        """Give a claim back that came to nothing."""

    def use(self) -> CacheUse | Awaitable[CacheUse]:
        """What is in it."""


class CacheStore(Protocol):
    """Where caches keep responses."""

    @property
    def shared(self) -> bool:
        """Whether other processes use it too."""

    def space(self, name: str) -> CacheSpace:
        """The responses of one cache; what has another name does not see them. Bound once, at start-up."""

    async def aclose(self) -> None:
        """Close what is open. It opens again when needed."""


# ---------------------------------------------------------------------------------------------------- API keys


class KeyStore(Protocol):
    """API keys that are kept somewhere. It holds digests only; `core.identity.api_key.judge` says what a key is worth.

    Each verb is one atomic step. Raises StoreError where it cannot answer.
    """

    def find(self, digest: bytes) -> ApiKey | Awaitable[ApiKey | None] | None:
        """The key one of whose values has this digest. What it says may be as old as its reload interval, no older."""

    async def list(self) -> Sequence[ApiKey]:
        """Every key, as it stands now."""

    async def put(self, *changes: tuple[ApiKey, ApiKey | None]) -> bool:
        """Write keys, each over what it was: None for a new one. All of them or, answering False, none.

        It is False where something else stands there by now, and where another key has one of the values. Raises
        ValueError for a key that is not hashed.
        """

    async def remove(self, id: str) -> bool:
        """Forget a key. False where there is none."""

    async def aclose(self) -> None:
        """Close what is open. It opens again when needed."""


# ---------------------------------------------------------------------------------------------------- upstream


@dataclass(slots=True)
class UpstreamRequest:
    """One HTTP/1.1 request, sent as given: nothing is added but framing (Content-Length or chunked) and Host.

    `target` is the request target in origin form, percent-encoded. `host` is the name or address to connect to and the
    TLS server name; a Host field is added from it (with the port, where not the scheme's default) when none is present.
    """

    method: str
    scheme: str
    host: str
    port: int
    target: bytes
    headers: HeaderList
    body: bytes | AsyncIterator[bytes] = b""


class UpstreamResponse(Protocol):
    """A response whose head has arrived. Read the body to its end, or close; either frees the connection."""

    status: int
    headers: HeaderList

    @property
    def complete(self) -> bool:
        """The whole body is here: reading it will not wait, and not fail."""

    def stream(self) -> AsyncIterator[bytes]: ...
    async def read(self, limit: int) -> bytes: ...
    async def aclose(self) -> None: ...


class Transport(Protocol):
    """Sends requests to back ends. Raises `UpstreamError` for every failure of the network or the peer."""

    async def send(self, request: UpstreamRequest, *, timeout_s: float) -> UpstreamResponse:
        """`timeout_s` bounds everything up to the response head; body chunks are bounded by the same, one by one."""

    async def aclose(self) -> None: ...


# ---------------------------------------------------------------------------------------------------- runtime


@dataclass(slots=True, kw_only=True)
class Runtime:
    """What policies and integrations are bound to, once, when a chain is built."""

    clock: Clock
    throttles: ThrottleStore
    transport: Transport
    entropy: Callable[[int], bytes]  # for ids, which are public; never for secrets
    profile: str = "web"  # "aws" or "web"
    look_only: bool = False  # built for `explain`, by `looking`: nothing is taken, and nothing logged
    max_body_bytes: int = 10 * 1024 * 1024
    open_keys: Callable[[str], KeyStore] | None = None  # the store of API keys at a path or address; one for each
    open_idempotency: Callable[[str], IdempotencyStore] | None = None  # that at an address; "" is where limits are kept
    open_cache: Callable[[str], CacheStore] | None = None  # the store of responses at an address; one for each
    facts: ApiFacts = field(default_factory=ApiFacts)  # account, API, region and stage: what resource names are made of
    trusted_proxies: tuple[str, ...] = ()  # addresses and networks of peers whose headers about the client count

    def looking(self) -> Runtime:
        """The same, with limits that are looked at and never taken from."""
        return replace(self, throttles=self.throttles.looking(), look_only=True)
