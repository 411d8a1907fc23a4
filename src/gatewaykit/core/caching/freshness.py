"""How old a response is, and for how long it is fresh (RFC 9111 section 4.2), with the bounds that a cache sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gatewaykit.core.caching.directives import MOST_S, Directives, parse_directives, seconds
from gatewaykit.core.caching.http_date import parse_date
from gatewaykit.core.caching.targeted import parse_targeted
from gatewaykit.core.http import HeaderList, header_values

__all__ = ["HEURISTIC", "Lifetimes", "initial_age_s", "lifetime_s", "response_directives"]

HEURISTIC: Final = frozenset((200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501))
"""Status codes that may be reused without having said for how long (RFC 9110 section 15.1)."""

_TENTH: Final = 0.1  # of the time since the last change, as section 4.2.2 suggests
_LONGEST_GUESS_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """Bounds on what responses say, as CloudFront has them. `default_s` is for those that say nothing; None: guess."""

    min_s: float = 0.0
    max_s: float = float(MOST_S)
    default_s: float | None = None


def response_directives(headers: HeaderList) -> tuple[Directives, bool]:
    """The directives that count for a shared cache at the edge, and whether they are the field meant for it alone."""
    if (targeted := parse_targeted(header_values(headers, b"cdn-cache-control"))) is not None:
        return targeted, True
    return parse_directives(header_values(headers, b"cache-control")), False


def initial_age_s(headers: HeaderList, request_s: float, response_s: float) -> float:
    """How old a response is when it comes in (section 4.2.3). An Age that is no number does not count."""
    first = b"".join(header_values(headers, b"age")[:1]).partition(b",")[0].strip()
    age = float(min(int(first), MOST_S)) if first.isdigit() and len(first) <= 18 else 0.0
    if first.isdigit() and len(first) > 18:
        age = float(MOST_S)
    date_s = _date(headers, b"date", response_s)
    apparent_s = 0.0 if date_s is None else max(0.0, response_s - date_s)
    return max(apparent_s, age + max(0.0, response_s - request_s))


def lifetime_s(
    status: int, headers: HeaderList, directives: Directives, response_s: float, bounds: Lifetimes, *, targeted: bool
) -> tuple[float, bool]:
    """For how long a response is fresh, and whether it says so itself."""
    said: float | None = seconds(directives, "s-maxage")
    if said is None:
        said = seconds(directives, "max-age")
    if said is None and not targeted and (expires := header_values(headers, b"expires")):
        until = parse_date(expires[0], response_s) if len(expires) == 1 else None
        since = _date(headers, b"date", response_s)
        said = 0.0 if until is None else max(0.0, until - (response_s if since is None else since))
    if said is not None:
        return min(max(said, bounds.min_s), bounds.max_s), True
    if "no-cache" in directives:
        return 0.0, False
    if bounds.default_s is not None:
        return min(max(bounds.default_s, bounds.min_s), bounds.max_s), False
    return min(max(_guess_s(status, headers, directives, response_s), bounds.min_s), bounds.max_s), False


def _guess_s(status: int, headers: HeaderList, directives: Directives, response_s: float) -> float:
    if status not in HEURISTIC and "public" not in directives:
        return 0.0
    changed_s = _date(headers, b"last-modified", response_s)
    date_s = _date(headers, b"date", response_s)
    if changed_s is None:
        return 0.0
    since_s = (response_s if date_s is None else date_s) - changed_s
    return min(max(0.0, since_s * _TENTH), _LONGEST_GUESS_S)


def _date(headers: HeaderList, name: bytes, now_s: float) -> float | None:
    values = header_values(headers, name)
    return parse_date(values[0], now_s) if len(values) == 1 else None
