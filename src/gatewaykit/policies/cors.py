"""`cors(...)`: which web pages may call, and how.

Fetch standard, "CORS protocol". List it first: then errors of every later policy carry its fields too, and preflights
are answered before anything asks for a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatewaykit.core.cors import (
    DEFAULT_HEADERS,
    DEFAULT_METHODS,
    CorsRules,
    Screen,
    amending,
    deciding,
    rule_problems,
)  # fmt: skip
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.bound import Bound
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.ports import Runtime

__all__ = ["BoundCors", "Cors", "cors"]


class BoundCors(Bound):
    """The hooks, and the same rules for a shell that has nothing else to do."""

    def __init__(self, rules: CorsRules) -> None:
        super().__init__("cors", on_request=deciding(rules), on_head=amending(rules))
        self.screen = Screen(rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors(Policy):
    """Cross-origin rules; made by `cors`. In a rule it also sees the preflights of the rule's verb."""

    phase = "cors"
    answers_preflight = True

    rules: CorsRules

    def bind(self, runtime: Runtime) -> Policy:
        return BoundCors(self.rules)


def cors(
    origins: Sequence[str] = (),
    *,
    origin_regex: str | None = None,
    methods: Sequence[str] = DEFAULT_METHODS,
    headers: Sequence[str] = DEFAULT_HEADERS,
    expose: Sequence[str] = (),
    max_age_s: int = 600,
    credentials: bool = False,
    private_network: bool = False,
    enforce: bool = False,
) -> Cors:
    """Let pages of `origins` call: `["https://shop.example"]`, or `["*"]` for all; `origin_regex` matches whole ones.

    `methods` and `headers` are what a preflight may ask for (`"*"` for any), `expose` the response headers that pages
    may read, `max_age_s` how long browsers keep a preflight. `credentials=True` allows cookies and
    excludes every `"*"`. `private_network=True` lets pages of public sites reach a private address.

    A preflight is answered here with 204, or refused with 403 and Reason.CORS_REFUSED. Any other request from an origin
    that is not allowed goes on to the app, without the fields, as browsers expect; with `enforce=True` it is refused,
    WebSocket handshakes included (requests whose Origin names the host they were sent to are not cross-origin).
    Of two such policies around one request, the one listed first decides.

    >>> from gatewaykit import cors
    >>> shop = cors(origins=["https://shop.example"], methods=["GET", "POST"], credentials=True)
    """
    problems = [
        Problem(where=f"cors.{option}", what=f"{value!r} is one text, not a list of them", mend=f"Write [{value!r}]")
        for option, value in (("origins", origins), ("methods", methods), ("headers", headers), ("expose", expose))
        if isinstance(value, str)
    ]
    if not problems:
        rules = CorsRules(
            origins=tuple(origins), origin_regex=origin_regex, methods=tuple(methods), headers=tuple(headers),
            expose=tuple(expose), max_age_s=max_age_s, credentials=credentials, private_network=private_network,
            enforce=enforce,
        )  # fmt: skip
        problems = list(rule_problems(rules))
    if problems:
        raise ConfigError(problems)
    return Cors(rules=rules)
