"""Answering from what is kept: how long it is fresh, how long it may be stale, and what a request gets of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gatewaykit.core.caching.directives import Directives, parse_directives, seconds
from gatewaykit.core.caching.freshness import response_directives
from gatewaykit.core.caching.ranges import span_of
from gatewaykit.core.caching.validation import is_unchanged, not_modified_headers, range_still_holds
from gatewaykit.core.http import HeaderList, Response, header_values

if TYPE_CHECKING:
    from gatewaykit.core.caching.entry import Entry

__all__ = ["Terms", "age_s", "fitted", "fresh_for_s", "is_acceptable", "served", "told_of"]

_BACKWARDS_S: Final = 60.0
"""A clock that is further behind than when an entry was made says nothing about its age."""

_NEVER_STALE: Final = ("must-revalidate", "proxy-revalidate", "no-cache", "s-maxage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """For how long after it was fresh an entry may be used, where it does not say so itself, and is kept."""

    while_revalidate_s: float = 0.0
    if_error_s: float = 0.0
    keep_stale_s: float = 3600.0

    def while_revalidating_s(self, entry: Entry) -> float:
        """How stale it may be while it is fetched anew (RFC 5861 section 3)."""
        return _grace_s(_said(entry), "stale-while-revalidate", self.while_revalidate_s)

    def on_error_s(self, entry: Entry) -> float:
        """How stale it may be while what is behind fails (RFC 5861 section 4)."""
        return _grace_s(_said(entry), "stale-if-error", self.if_error_s)

    def keep_s(self, entry: Entry) -> float:
        """For how long it is of use, from when it came in."""
        said = _said(entry)
        validated = any(name in (b"etag", b"last-modified") for name, _ in entry.headers)
        stale_s = max(
            _grace_s(said, "stale-while-revalidate", self.while_revalidate_s),
            _grace_s(said, "stale-if-error", self.if_error_s),
            self.keep_stale_s if validated else 0.0,
        )
        return max(0.0, entry.fresh_s) + stale_s


def fresh_for_s(entry: Entry, now_s: float) -> float:
    """How long it is fresh still; 0 or less where it is stale."""
    elapsed_s = now_s - entry.stored_s
    return 0.0 if elapsed_s < -_BACKWARDS_S else entry.fresh_s - elapsed_s


def age_s(entry: Entry, now_s: float) -> int:
    """Its age in whole seconds."""
    return int(entry.age_s + max(0.0, now_s - entry.stored_s))


def served(entry: Entry, method: str, asked: HeaderList, now_s: float, *, conditional: bool) -> Response:
    """What a request gets of an entry: all of it, one range, or 304. `conditional` False: the request asks for all."""
    headers = [*entry.headers, (b"age", b"%d" % age_s(entry, now_s))]
    if not conditional:
        return Response(entry.status, headers, entry.body)
    return fitted(Response(entry.status, headers, entry.body), method, asked, now_s)


def fitted(response: Response, method: str, asked: HeaderList, now_s: float) -> Response:
    """A whole response, made to fit the conditions and the range of a request."""
    body = response.body
    if is_unchanged(asked, response.headers, response.status, now_s):
        return Response(304, not_modified_headers(response.headers), b"", response.close)
    values = header_values(asked, b"range")
    if not values or method != "GET" or response.status != 200 or not isinstance(body, bytes):
        return response
    if not range_still_holds(asked, response.headers, now_s):
        return response
    span = span_of(values, len(body))
    if span is None:
        return response
    headers = [field for field in response.headers if field[0] not in (b"content-length", b"content-range")]
    if span.start == span.end:
        return Response(416, [*headers, (b"content-range", b"bytes */%d" % len(body))], b"")
    where = b"bytes %d-%d/%d" % (span.start, span.end - 1, len(body))
    return Response(206, [*headers, (b"content-range", where)], body[span.start : span.end])


def told_of(entry: Entry, now_s: float) -> str:
    """An entry in words, for the operator."""
    left_s = fresh_for_s(entry, now_s)
    fresh = f"fresh for {left_s:.0f} s" if left_s > 0 else f"stale for {-left_s:.0f} s"
    told = f"kept: {entry.status}, {len(entry.body)} bytes, {age_s(entry, now_s)} s old, {fresh}"
    return f"{told}, tags {' '.join(entry.tags)}" if entry.tags else told


def is_acceptable(asked: HeaderList, entry: Entry, now_s: float) -> bool:
    """Does the entry meet what the client asks of caches (section 5.2.1)? Pragma counts where Cache-Control is not."""
    lines = header_values(asked, b"cache-control")
    if not lines:
        return not any(b"no-cache" in value.lower() for value in header_values(asked, b"pragma"))
    wanted = parse_directives(lines)
    if "no-cache" in wanted or "no-store" in wanted:
        return False
    oldest_s, spare_s = seconds(wanted, "max-age"), seconds(wanted, "min-fresh")
    if oldest_s is not None and age_s(entry, now_s) >= oldest_s:
        return False
    return spare_s is None or fresh_for_s(entry, now_s) >= spare_s


def _said(entry: Entry) -> Directives:
    return response_directives(entry.headers)[0]


def _grace_s(said: Directives, name: str, otherwise_s: float) -> float:
    if any(each in said for each in _NEVER_STALE):
        return 0.0
    own_s = seconds(said, name)
    return otherwise_s if own_s is None else own_s
