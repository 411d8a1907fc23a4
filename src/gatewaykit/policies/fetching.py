"""What an edge cache fetches: the call behind it, and what becomes of the response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

from gatewaykit.core.caching.cache_key import cookies_of
from gatewaykit.core.caching.caller import unkeyed_caller
from gatewaykit.core.caching.entry import Entry
from gatewaykit.core.caching.freshness import initial_age_s, lifetime_s, response_directives
from gatewaykit.core.caching.http_date import format_date
from gatewaykit.core.caching.serving import fitted, fresh_for_s, served
from gatewaykit.core.caching.storing import is_for_one, is_whole, kept_headers, why_not_stored
from gatewaykit.core.caching.validation import CONDITIONS, updated, validators
from gatewaykit.core.caching.variants import STAR, selecting, variant_of, vary_names
from gatewaykit.core.http import header_values
from gatewaykit.errors import StoreError
from gatewaykit.policies.claiming import claimed
from gatewaykit.policies.flight import APART, Plan

if TYPE_CHECKING:
    from gatewaykit.clock import Clock
    from gatewaykit.core.caching.cache_key import CacheKey
    from gatewaykit.core.caching.freshness import Lifetimes
    from gatewaykit.core.caching.serving import Terms
    from gatewaykit.core.http import HeaderList, Request, Response
    from gatewaykit.ports import Behind, CacheSpace

__all__ = ["Fetching", "Place"]

_FAILURES: Final = frozenset((500, 502, 503, 504))
_MOST_HEAD_BYTES: Final = 64 * 1024


class Place(NamedTuple):
    """Where a request's response stands. `names` are the fields that responses of this address vary by, if known."""

    key: bytes
    declared: tuple[tuple[bytes, bytes], ...]
    variant: bytes
    names: tuple[bytes, ...] | None


class Fetching:
    """One fetch, for one request. `stale` is what is kept and has to be validated."""

    def __init__(
        self,
        request: Request,
        behind: Behind,
        place: Place,
        stale: Entry | None,
        *,
        space: CacheSpace,
        clock: Clock,
        key: CacheKey,
        bounds: Lifetimes,
        terms: Terms,
        forwards_cookies: bool,
        shared: bool,
        wait_s: float,
        hint: Callable[[Place], None],
        failed: Callable[[StoreError], None],
    ) -> None:
        self._request, self._behind, self._place, self._stale = request, behind, place, stale
        self._space, self._clock, self._key, self._bounds, self._terms = space, clock, key, bounds, terms
        self._forwards_cookies, self._shared, self._wait_s = forwards_cookies, shared, wait_s
        self._hint, self._failed = hint, failed
        self._claim = 0
        self._request_s = self._response_s = 0.0
        self._from_cache = self._is_alone = False
        self._stored: bool | None = None
        self._plan: Plan | None = None
        self.span = _part_asked_for(request) if request.method == "GET" and b"range" in request.headers else ()

    def outcome(self) -> bytes:
        """What Cache-Status says beside the reason of the call."""
        if self._stored is None:
            return b"; collapsed" if not self._request_s else b""
        return b"; stored" if self._stored else b""

    async def head(self) -> Response:
        """A HEAD goes through as it is."""
        return await self._behind(self._origin())

    async def alone(self) -> Response:
        """The call for this request only: it has no claim, waits for nobody's, and nothing of it is kept."""
        self._is_alone = True
        return await self.call()

    async def call(self) -> Response:
        """The call, or what another process fetched meanwhile."""
        if not self.span and not self._is_alone:
            found = await self._claimed()
            if found is not None:
                return found
        origin = self._origin()
        self._request_s = self._clock.wall()
        response = await self._behind(origin)
        self._response_s = self._clock.wall()
        stale = None if self.span else self._stale
        if stale is not None and response.status == 304:
            await _closed(response)
            return await self._validated(stale, response)
        failed = origin.refusal is not None or response.status in _FAILURES
        if stale is not None and failed and fresh_for_s(stale, self._response_s) + self._terms.on_error_s(stale) > 0:
            await _closed(response)
            response = self._again(stale)
        self._plan = self._planned(response)
        if not self._stored:
            await self._released()
        return response

    def settle(self, response: Response) -> Plan:
        """Who may have the response, and whether it is kept."""
        return self._plan or Plan(shared=True, fits=self._fits(response))

    def _planned(self, response: Response) -> Plan:
        if self._from_cache:
            return Plan(shared=True, fits=self._fits(response))
        caller = self._caller()
        directives, targeted = response_directives(response.headers)
        fresh_s, explicit = lifetime_s(
            response.status, response.headers, directives, self._response_s, self._bounds, targeted=targeted
        )
        if "no-cache" in directives and not directives["no-cache"]:
            fresh_s = 0.0
        age_s = initial_age_s(response.headers, self._request_s, self._response_s)
        why = why_not_stored(
            response.status, response.headers, directives, caller=caller, explicit=explicit, fresh_s=fresh_s - age_s
        )
        if not why and sum(len(name) + len(value) for name, value in response.headers) > _MOST_HEAD_BYTES:
            why = "its head is too large"
        if self.span:
            why = why or "only a part was asked for"
        if self._is_alone:
            why = why or "it was fetched for this request only"
        if why:
            self._request.note("cache", f"not stored: {why}")
            self._stored = False
            told_apart = caller or is_for_one(response.headers, directives)
            if not told_apart and (response.status >= 500 or response.status == 206):
                return Plan(shared=True, fits=self._fits(response))
            return APART
        self._stored = True
        entry = Entry(
            response.status, self._dated(kept_headers(response.headers, directives)), b"", self._response_s,
            fresh_s - age_s, age_s,
            (), _tags(response.headers), self._url(),
        )  # fmt: skip
        names = vary_names(response.headers)
        return Plan(
            shared=True, fits=self._fits(response), lost=self._released,
            done=lambda body: self._keep(entry, names, body) if is_whole(response.headers, body) else self._released(),
        )  # fmt: skip

    def _dated(self, headers: HeaderList) -> HeaderList:
        """With the time it came in, where a response says no other (RFC 9110 section 6.6.1)."""
        if any(name == b"date" for name, _ in headers):
            return headers
        return [*headers, (b"date", format_date(self._response_s))]

    def fitted(self, response: Response) -> Response:
        """The response as this request wants it: its own conditions and range."""
        if self.span and response.status == 206:
            return response
        return fitted(response, self._request.method, self._request.header_list, self._clock.wall())

    # ------------------------------------------------------------------------------------------------- the call

    def _origin(self) -> Request:
        origin = self._request.detached()
        headers = origin.header_list
        if not self.span and self._request.method == "GET":
            headers = [field for field in headers if field[0].lower() not in CONDITIONS]
        if not self._forwards_cookies:
            headers = self._with_cookies(headers)
        if self._stale is not None and not self.span and self._request.method == "GET":
            headers += validators(self._stale.headers)
        origin.header_list = headers
        origin.headers = {name.lower(): value for name, value in headers}
        if (wanted := self._key.query) is not None:
            pairs = [(name, value) for name, values in origin.query.items() if name in wanted for value in values]
            origin.query_string = urlencode(pairs, errors="surrogatepass").encode()
            origin.query = {name: values for name, values in origin.query.items() if name in wanted}
        return origin

    def _with_cookies(self, headers: HeaderList) -> HeaderList:
        sent = cookies_of(headers)
        kept = [
            b"%b=%b" % (name.encode("latin-1"), value) for name in self._key.cookies for value in sent.get(name, ())
        ]
        others = [field for field in headers if field[0].lower() != b"cookie"]
        return [*others, (b"cookie", b"; ".join(kept))] if kept else others

    async def _claimed(self) -> Response | None:
        if not self._shared:
            try:
                claim = self._space.claim(self._place.key, self._wait_s)
                self._claim = claim if isinstance(claim, int) else await claim
            except StoreError as error:
                self._failed(error)
            return None
        # One claim for all variants of an address: which one it will be is known when the response is there.
        self._claim, found = await claimed(
            self._space, self._place.key, self._look, hold_s=self._wait_s, wait_s=self._wait_s, clock=self._clock
        )
        return found

    async def _look(self) -> Response | None:
        """What another process has fetched, if it is there by now: newer than what has to be validated."""
        found = self._space.get(self._place.key, self._place.variant, again=True)
        entries = await found if isinstance(found, Awaitable) else found
        entry = entries[0]
        if entry is not None and not entry.status:
            names = tuple(name for name, _ in entry.vary)
            variant = variant_of(self._place.declared, selecting(self._request.header_list, names))
            if variant != self._place.variant:
                found = self._space.get(self._place.key, variant, again=True)
                entries = await found if isinstance(found, Awaitable) else found
            entry = entries[1]
        if entry is None or fresh_for_s(entry, self._clock.wall()) <= 0:
            return None
        if self._stale is not None and entry.stored_s <= self._stale.stored_s:
            return None
        return self._again(entry)

    def _again(self, entry: Entry) -> Response:
        self._from_cache = True
        return served(entry, "GET", [], self._clock.wall(), conditional=False)

    async def _validated(self, stale: Entry, response: Response) -> Response:
        """A 304: what is kept is good for as long as that says. It may say that it is for this request only."""
        headers = updated(stale.headers, response.headers)
        directives, targeted = response_directives(headers)
        fresh_s, _ = lifetime_s(stale.status, headers, directives, self._response_s, self._bounds, targeted=targeted)
        if "no-cache" in directives and not directives["no-cache"]:
            fresh_s = 0.0
        age_s = initial_age_s(response.headers, self._request_s, self._response_s)
        why = why_not_stored(
            stale.status, headers, directives, caller=self._caller(), explicit=True, fresh_s=fresh_s - age_s
        )
        if self._is_alone:
            why = why or "it was fetched for this request only"
        entry = Entry(
            stale.status, kept_headers(headers, directives), stale.body, self._response_s, fresh_s - age_s, age_s,
            stale.vary, _tags(headers), stale.url,
        )  # fmt: skip
        self._stored = not why
        if why:
            self._request.note("cache", f"not stored: {why}")
            self._plan = APART
            await self._released()
        else:
            await self._put(entry, tuple(sorted({*vary_names(headers), *(self._place.names or ())})))
        return self._again(entry)

    def _caller(self) -> str:
        return unkeyed_caller(self._request, self._key.headers, cookies=not self._forwards_cookies)

    # ------------------------------------------------------------------------------------------------- what is kept

    async def _keep(self, entry: Entry, names: tuple[bytes, ...], body: bytes) -> None:
        whole = Entry(
            entry.status, entry.headers, body, entry.stored_s, entry.fresh_s, entry.age_s, entry.vary, entry.tags,
            entry.url,
        )  # fmt: skip
        known = self._place.names or ()
        await self._put(whole, tuple(sorted({*names, *known})))

    async def _put(self, entry: Entry, names: tuple[bytes, ...]) -> None:
        if not await self._is_put(entry, names):
            await self._released()  # who waits for it has to fetch it

    async def _is_put(self, entry: Entry, names: tuple[bytes, ...]) -> bool:
        place, space = self._place, self._space
        keep_s = self._terms.keep_s(entry)
        try:
            if not names and not place.declared:
                return await _done(space.put(place.key, entry, keep_s, claim=self._claim))
            variant = variant_of(place.declared, selecting(self._request.header_list, names))
            marker = Entry(
                0, [], b"", entry.stored_s, vary=tuple((name, b"") for name in names), tags=entry.tags, url=entry.url
            )
            self._hint(Place(place.key, place.declared, variant, names))
            return await _done(space.put(place.key, marker, max(keep_s, 3600.0), claim=self._claim)) and await _done(
                space.put(place.key, entry, keep_s, variant=variant, claim=self._claim)
            )
        except StoreError as error:
            self._failed(error)
            return False

    async def _released(self) -> None:
        if self._claim and self._shared:
            try:
                released = self._space.release(self._place.key, self._claim)
                if released is not None:
                    await released
            except StoreError as error:
                self._failed(error)

    def _fits(self, response: Response) -> Callable[[Request], bool]:
        names, own = vary_names(response.headers), self._request.header_list
        if not names:
            return lambda request: True
        if names == STAR:
            return lambda request: False
        wanted = selecting(own, names)
        return lambda request: selecting(request.header_list, names) == wanted

    def _url(self) -> str:
        request = self._request
        query = b"?" + request.query_string if request.query_string else b""
        return (request.headers.get(b"host", b"").lower() + request.wire_path + query).decode("latin-1")


def _part_asked_for(request: Request) -> tuple[tuple[bytes, bytes], ...]:
    """The range and the conditions of a request: those of what is behind, so another's answer fits only the same."""
    return selecting(request.header_list, (b"range", *sorted(CONDITIONS)))


def _tags(headers: HeaderList) -> tuple[str, ...]:
    tags = [tag for value in header_values(headers, b"surrogate-key") for tag in value.split()]
    tags += [tag.strip() for value in header_values(headers, b"cache-tag") for tag in value.split(b",")]
    return tuple(dict.fromkeys(tag.decode("latin-1") for tag in tags if tag))


async def _closed(response: Response) -> None:
    if response.close is not None:
        await response.close()


async def _done(put: bool | Awaitable[bool]) -> bool:
    return put if isinstance(put, bool) else await put
