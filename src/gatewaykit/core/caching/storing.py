"""Whether a shared cache may keep a response, and which of its fields (RFC 9111 sections 3, 3.1 and 3.5)."""

from __future__ import annotations

from typing import Final

from gatewaykit.core.caching.directives import Directives, field_names
from gatewaykit.core.caching.freshness import HEURISTIC
from gatewaykit.core.caching.variants import STAR, vary_names
from gatewaykit.core.http import HeaderList, header_values

__all__ = ["can_be_sent", "is_endless", "is_for_one", "is_whole", "kept_headers", "why_not_stored"]

_UNDERSTOOD: Final = HEURISTIC | {302, 303, 307, 400, 401, 403, 406, 408, 409, 415, 429, 500, 502, 503, 504} - {206}
_OF_THE_CONNECTION: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authentication-info proxy-authorization proxy-connection te "
    b"trailer transfer-encoding upgrade".split()
)
_MADE_ANEW: Final = frozenset((b"age", b"content-length", b"cache-status"))


def why_not_stored(
    status: int,
    headers: HeaderList,
    directives: Directives,
    *,
    caller: str,
    explicit: bool,
    fresh_s: float,
) -> str:
    """The reason why a response to a GET must not be kept; "" where it may be.

    `caller` names what of the request says who asks and is not in the key, such as `Authorization`; "" for nothing.
    `explicit` says whether the response says for how long it is fresh.
    """
    if "no-store" in directives and not ("must-understand" in directives and status in _UNDERSTOOD):
        return "the response says no-store"
    if "must-understand" in directives and status not in _UNDERSTOOD:
        return f"status {status} is not understood"
    if status < 200 or status in (206, 304):
        return f"a {status} is no whole response"
    if not can_be_sent(headers):
        return "a header field holds CR, LF or NUL"
    if is_endless(headers):
        return "an event stream has no end"
    if "private" in directives:
        return "the response is private"
    if vary_names(headers) == STAR:
        return "the response varies by everything"
    if _sets_cookie(headers):
        return "the response sets a cookie"
    if caller:
        allowed = ("public", "s-maxage", "must-revalidate") if caller == "Authorization" else ("public", "s-maxage")
        if not any(name in directives for name in allowed):
            return f"the request came with {caller}, and the response does not say that it is for all"
    validators = header_values(headers, b"etag") or header_values(headers, b"last-modified")
    if fresh_s <= 0 and not validators:
        return "it is stale at once, and has no validator"
    if not explicit and fresh_s <= 0 and status not in HEURISTIC and "public" not in directives:
        return f"a {status} does not say for how long it is fresh"
    return ""


def is_endless(headers: HeaderList) -> bool:
    """Is it a stream of events? Who comes later is to get what comes later, not what there was."""
    return any(
        value.partition(b";")[0].strip().lower() == b"text/event-stream"
        for value in header_values(headers, b"content-type")
    )


def is_for_one(headers: HeaderList, directives: Directives) -> bool:
    """Is a response, as it says itself, for the request alone that it answers? Nobody else who waits may have it."""
    return "private" in directives or _sets_cookie(headers)


def is_whole(headers: HeaderList, body: bytes) -> bool:
    """Is it as long as the response said? What is not was cut short (RFC 9111 section 3.3)."""
    return all(value.strip() == b"%d" % len(body) for value in header_values(headers, b"content-length"))


def can_be_sent(headers: HeaderList) -> bool:
    """No field would end where it does not: no CR, LF or NUL in it. A response that has one is not kept."""
    return not any(each in name + value for name, value in headers for each in (b"\r", b"\n", b"\0"))


def kept_headers(headers: HeaderList, directives: Directives) -> HeaderList:
    """The fields that are kept: none of the connection, none that `no-cache="…"` excludes, none that is made anew."""
    listed = {name.strip().lower() for value in header_values(headers, b"connection") for name in value.split(b",")}
    left = _OF_THE_CONNECTION | _MADE_ANEW | listed | field_names(directives, "no-cache")
    return [(name.lower(), value) for name, value in headers if name.lower() not in left]


def _sets_cookie(headers: HeaderList) -> bool:
    return any(name.lower() in (b"set-cookie", b"set-cookie2") for name, _ in headers)
