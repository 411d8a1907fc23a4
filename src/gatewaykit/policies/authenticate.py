"""`authenticate(callable)`: your own function says who is calling.

WWW-Authenticate: RFC 9110 section 11.6.1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from gatewaykit.core.http import Identity, Request
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError, Problem, words_of
from gatewaykit.policies.bound import Bound
from gatewaykit.ports import Policy
from gatewaykit.units import parse_duration
from gatewaykit.waiting import TimeUp, within

if TYPE_CHECKING:
    from gatewaykit.ports import Runtime

__all__ = ["Authenticate", "authenticate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate(Policy):
    """A custom authorizer; made by `authenticate`."""

    phase = "authenticate"

    authorizer: Callable[[Request], Any]
    timeout_s: float | None = None
    challenge: str = ""
    reads_body: bool | int = False

    def bind(self, runtime: Runtime) -> Policy:
        return Bound("authenticate", on_request=_asking(self), reads_body=self.reads_body)


def authenticate(
    authorizer: Callable[[Request], Identity | Refusal | Awaitable[Identity | Refusal]],
    *,
    timeout_s: str | float | None = None,
    challenge: str = "",
    reads_body: bool | int = False,
) -> Authenticate:
    """Ask `authorizer(request)`, sync or async, who is calling: it returns an `Identity`, or a `Refusal`.

    A refusal ends the request: `Refusal(Reason.UNAUTHENTICATED)` is a 401, `Refusal(Reason.FORBIDDEN)` a 403. An
    authorizer that raises, or takes longer than `timeout_s` (async ones only), refuses with Reason.AUTHORIZER_FAILED;
    one that answers anything else, None included, with Reason.AUTHORIZER_MISCONFIGURED: both are a 500, so nobody
    comes in by mistake. `challenge="Bearer"` adds WWW-Authenticate to 401s (web profile). A sync authorizer runs on
    the event loop and must not wait. `reads_body=True` gives it `request.body`.

    >>> from gatewaykit import Identity, Reason, Refusal, authenticate
    >>> async def who(request):
    ...     if request.header("authorization") == "Bearer alice-token":
    ...         return Identity(principal="alice")
    ...     return Refusal(Reason.UNAUTHENTICATED)
    >>> policy = authenticate(who, challenge="Bearer")
    """
    problems = []
    if not callable(authorizer):
        problems.append(Problem(where="authenticate", what=f"{authorizer!r} cannot be called"))
    limit_s = None
    if timeout_s is not None:
        try:
            limit_s = parse_duration(timeout_s)
        except ValueError as error:
            problems.append(Problem(where="authenticate.timeout_s", what=str(error)))
    if limit_s == 0:
        problems.append(Problem(where="authenticate.timeout_s", what="0 leaves no time for any answer"))
    if not isinstance(reads_body, int) or reads_body < 0:
        what = f"{reads_body!r} is neither true or false nor a number of bytes"
        problems.append(Problem(where="authenticate.reads_body", what=what))
    if not isinstance(challenge, str) or not challenge.isascii() or (challenge and not challenge.isprintable()):
        problems.append(Problem(where="authenticate.challenge", what=f"{challenge!r} cannot stand in a header field"))
    if problems:
        raise ConfigError(problems)
    return Authenticate(authorizer=authorizer, timeout_s=limit_s, challenge=challenge, reads_body=reads_body)


def _asking(config: Authenticate) -> Callable[[Request], Request | Refusal | Awaitable[Request | Refusal]]:
    authorizer, timeout_s = config.authorizer, config.timeout_s
    field = (b"www-authenticate", config.challenge.encode())

    def on_request(request: Request) -> Request | Refusal | Awaitable[Request | Refusal]:
        try:
            answer = authorizer(request)
        except Exception as error:  # noqa: BLE001 - whatever a user's function raises refuses the request
            return failed(error)
        if isinstance(answer, Identity):
            request.identity = answer
            return request
        if isinstance(answer, Awaitable):
            return later(request, answer)
        return settle(request, answer)

    async def later(request: Request, waiting: Awaitable[Any]) -> Request | Refusal:
        try:
            answer = await within(timeout_s, waiting)
        except Exception as error:  # noqa: BLE001 - as above
            return failed(error)
        return settle(request, answer)

    def settle(request: Request, answer: object) -> Request | Refusal:
        if isinstance(answer, Identity):
            request.identity = answer
            return request
        if not isinstance(answer, Refusal):
            detail = f"{_name(authorizer)} answered {type(answer).__name__}, not an Identity or a Refusal"
            return Refusal(Reason.AUTHORIZER_MISCONFIGURED, detail)
        status = answer.status or answer.reason.status
        if field[1] and status == 401 and all(name.lower() != field[0] for name, _ in answer.headers):
            return replace(answer, headers=(*answer.headers, field))
        return answer

    def failed(error: Exception) -> Refusal:
        told = f"{type(error).__name__}: {words_of(error)}"
        what = f"no answer in {timeout_s:g} s" if isinstance(error, TimeUp) else told
        return Refusal(Reason.AUTHORIZER_FAILED, f"{_name(authorizer)}: {what}", cause=error)

    return on_request


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", None) or type(cast(object, function)).__qualname__)
