"""One chain: policies in their order around an endpoint, sorted out once so that a request pays for what is there.

Rules
* Request hooks run in order; the first that does not answer `request` ends it. An answer that is no Request, Response
  or Refusal is awaited; what that gives must be one, else the chain fails closed with a 500.
* A response passes the policies that were reached, innermost first: all `on_body`, then all `wrap_body`, then all
  `on_head`. A policy that refuses is reached; those behind it are not.
* The body is read just before the first policy that wants it, so that an earlier refusal leaves it unread. Where there
  can be none, nothing waits for it; but an app finds it read whenever a policy wanted it.
* A hook that raises is a failure: it is logged once, and the client gets a 500 from the same renderer.
* `on_end` hooks run once per request, whatever happened; one that raises does not stop the others.
* A policy with `around` is given what is behind it as a chain of its own. Where a request is only asked about
  (`ASKED`), that is not called, and the policy's own `on_request` speaks for it.
"""

from __future__ import annotations

from asyncio import CancelledError, current_task
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from gatewaykit.core.body import MAX_LENGTH_DIGITS, BodyRefused, BodyTooLarge, ClientGone, too_large
from gatewaykit.core.http import Head, Request, Response
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import StoreError, UpstreamError, words_of
from gatewaykit.pipeline.record import log_failure, log_hook_failure
from gatewaykit.pipeline.way import Way

if TYPE_CHECKING:
    from gatewaykit.core.gateway_response import Renderer
    from gatewaykit.ports import Answer, Behind, BodyWrapper, Endpoint, Outcome, Policy
    from gatewaykit.ports import Hook as Step

    Guard: TypeAlias = Callable[[Request, Awaitable[Outcome]], Awaitable[Outcome]]

__all__ = ["ASKED", "Chain", "collect", "drop_content_length", "failure", "taken"]

ASKED: Final = "asked"
"""Stands in `Request.kept` where somebody asks what would become of a request: nothing behind policies is called."""

_OUTCOMES = frozenset((Response, Refusal))
_MOSTLY_BODILESS: Final = ("GET", "HEAD")
_FRAMED: Final = ("1.1", "1.0")  # here a request without either field has no body (RFC 9112 section 6.3)
_NO_LOOP: Final = "no running event loop"  # what asyncio says where another library drives the coroutines


class Chain:
    """Bound policies around an optional endpoint (none: the shell calls an app instead).

    `app` is that app as an endpoint, for policies that call what is behind them by themselves.
    """

    __slots__ = (
        "_app", "_steps", "endpoint", "ends", "max_body_bytes", "policies", "render", "rewrites", "straight", "way",
    )  # fmt: skip

    ends: tuple[Callable[[Request], None], ...]
    """The `on_end` hooks, innermost first: what `end` runs."""

    def __init__(
        self,
        policies: Sequence[Policy],
        endpoint: Endpoint | None,
        render: Renderer,
        max_body_bytes: int,
        app: Endpoint | None = None,
    ) -> None:
        self._app = app
        self.policies, self.endpoint, self.render, self.max_body_bytes = (
            tuple(policies),
            endpoint,
            render,
            max_body_bytes,
        )
        self.way = Way(self.policies)
        self.ends = tuple(policy.on_end for policy in reversed(self.policies) if policy.on_end is not None)
        limits = [_limit(policy.reads_body, max_body_bytes) for policy in self.policies]
        last = None if endpoint is None else _limit(endpoint.reads_body, max_body_bytes)
        wanted = [limit for limit in (*limits, last) if limit is not None]
        self.rewrites = any(policy.rewrites for policy in self.policies)
        # bodies pass by untouched, and the request as it came
        self.straight = not (wanted or self.way.bodies or self.way.wraps or self.rewrites)
        steps: list[tuple[Step, Way]] = []
        for position, policy in enumerate(self.policies):
            way = Way(self.policies[: position + 1])
            if limits[position] is not None and all(limit is None for limit in limits[:position]):
                steps.append((_take_body(min(wanted), endpoint is not None), way))
            if policy.around is not None:
                steps.append((self._around(policy, policy.around, position), way))
            elif policy.on_request is not None:
                steps.append((policy.on_request, way))
        if last is not None and len(wanted) == 1:
            steps.append((_take_body(last, True), self.way))
        self._steps = tuple((step, way, number) for number, (step, way) in enumerate(steps, 1))

    def _around(self, policy: Policy, around: Callable[[Behind], Step], position: int) -> Step:
        inner = Chain(
            self.policies[position + 1 :], self.endpoint or self._app, self.render, self.max_body_bytes, self._app
        )
        hook, asked = around(inner.whole), policy.on_request

        def on_request(request: Request) -> Answer | Awaitable[Answer]:
            if request.kept is not None and ASKED in request.kept:
                return request if asked is None else asked(request)
            return hook(request)

        return on_request

    async def whole(self, request: Request) -> Response:
        """`run` and `end` in one: `end` follows the `close` of the response, or is past where its body is here."""
        try:
            response = await self.run(request)
            body, close = response.body, response.close
            if isinstance(body, bytes) and close is not None:
                await close()
        except BaseException:  # a cancellation too
            self.end(request)
            raise
        if isinstance(body, bytes):
            response.close = None
            self.end(request)
            return response

        async def closed() -> None:
            response.close = None
            try:
                if close is not None:
                    await close()
            finally:
                self.end(request)

        response.close = closed
        return response

    def start(self, request: Request) -> Answer | Awaitable[Answer]:
        """Run the request hooks. Gives an answer at once where no hook has to wait, else an awaitable of it."""
        try:
            for step in self._steps:
                if (answer := step[0](request)) is not request:
                    break
            else:
                return request
        except Exception as error:  # noqa: BLE001 - a policy's own failure: closed, logged, answered with a 500
            request.reached = step[1]
            return failure(request, error)
        hook, way, following = step
        if type(answer) is Refusal or type(answer) is Response:
            request.reached = way
            return _checked(answer, hook)
        return self._go_on(request, answer, following)

    async def _go_on(self, request: Request, answer: object, following: int) -> Answer:
        """The rest of `start`, from a hook that has to wait: the one before `following`."""
        hook, way, _ = self._steps[following - 1]
        try:
            while True:
                if answer is not request:
                    if type(answer) is CoroutineType or isinstance(answer, Awaitable):  # the second is dear
                        try:
                            answer = await answer
                        except CancelledError:
                            raise _cancellation() from None
                    if answer is not request:
                        checked = _checked(answer, hook)
                        break
                if following == len(self._steps):
                    return request
                hook, way, following = self._steps[following]
                answer = hook(request)
        except Exception as error:  # noqa: BLE001 - as in start
            checked = failure(request, error)
        request.reached = way
        return checked

    async def run(self, request: Request, guard: Guard | None = None) -> Response:
        """Request hooks, endpoint and response hooks. The caller sends the response, then calls `end`.

        `guard(request, awaitable)` awaits an endpoint that waits, on behalf of whoever wants to give up on it.
        """
        answer: Any = self.start(request)  # as in the rest of this: a cast is a call
        if answer is not request and type(answer) not in _OUTCOMES:
            answer = await answer
        if answer is not request:
            return await self.finish(request, answer, request.reached)
        endpoint: Any = self.endpoint
        try:
            outcome: Any = endpoint(request)
            if type(outcome) not in _OUTCOMES:
                try:
                    outcome = await (outcome if guard is None else guard(request, outcome))
                except CancelledError:
                    raise _cancellation() from None
                if type(outcome) not in _OUTCOMES:
                    raise TypeError(f"the endpoint answered {type(outcome).__name__}, not a Response or a Refusal")
        except Exception as error:  # noqa: BLE001 - an integration's own failure: closed, logged, answered with a 500
            outcome = failure(request, error)
        return await self.finish(request, outcome, self.way)

    async def finish(self, request: Request, outcome: Outcome, way: Way) -> Response:
        """The response that goes out: rendered where it is a refusal, and amended by the policies of `way`."""
        if isinstance(outcome, Refusal):
            request.refusal = outcome
            if outcome.status is None and outcome.reason.status >= 500:
                log_failure(request, outcome)
            response = self.render(request, outcome)
        else:
            response = outcome
        try:
            if way.bodies or way.wraps:
                response = await self._through_bodies(request, response, way)
            if way.amend is not None:
                way.amend(request, response)
        except Exception as error:  # noqa: BLE001 - a response hook's own failure: nothing half-amended goes out
            if response.close is not None:
                await response.close()
            refusal = request.refusal = failure(request, error)
            log_failure(request, refusal)
            response = self.render(request, refusal)
        request.status = response.status
        return response

    async def _through_bodies(self, request: Request, response: Response, way: Way) -> Response:
        if way.bodies and not isinstance(response.body, bytes):
            whole = await collect(response.body, self.max_body_bytes)
            if response.close is not None:
                await response.close()
            if whole is None:
                request.refusal = Refusal(Reason.INTEGRATION_RESPONSE_TOO_LARGE, f"over {self.max_body_bytes} bytes")
                log_failure(request, request.refusal)
                return self.render(request, request.refusal)
            response = Response(response.status, response.headers, whole)
        for hook in way.bodies:
            changed = hook(request, response)
            response = changed if type(changed) is Response else await cast("Awaitable[Response]", changed)
        for wrap in way.wraps:
            if (wrapper := wrap(request, response)) is not None:
                if not getattr(wrapper, "observes", False):
                    drop_content_length(response)
                body = response.body
                try:
                    if isinstance(body, bytes):
                        response.body = taken(wrapper(body, False))
                    else:
                        response.body = chunks = _wrapped(body, wrapper)
                        if getattr(wrapper, "holds_head", False):
                            response.body = _resumed(await anext(chunks, b""), chunks)
                except BodyRefused as error:
                    if response.close is not None:
                        await response.close()
                    request.refusal = error.refusal
                    log_failure(request, error.refusal)
                    return self.render(request, error.refusal)
        return response

    def end(self, request: Request) -> None:
        """Run the `on_end` hooks. Call it exactly once, after everything."""
        for hook in self.ends:
            try:
                hook(request)
            except Exception as error:  # noqa: BLE001 - the request is over; the other hooks run all the same
                log_hook_failure(request, hook, error)

    def ending(self, endpoint: Endpoint) -> Chain:
        """The same policies around another endpoint."""
        return Chain(self.policies, endpoint, self.render, self.max_body_bytes, self._app)

    async def aclose(self) -> None:
        """Close what the policies and the endpoint opened."""
        for policy in self.policies:
            await policy.aclose()
        if self.endpoint is not None:
            await self.endpoint.aclose()


def failure(request: Request, error: Exception) -> Refusal:
    """What an unexpected exception amounts to. The client learns nothing; the operator gets the type and the text."""
    if isinstance(error, BodyTooLarge):
        return too_large(error.limit)
    if isinstance(error, BodyRefused):
        return error.refusal
    if isinstance(error, ClientGone):
        return Refusal(Reason.CLIENT_GONE, str(error))
    if isinstance(error, StoreError):
        return Refusal(Reason.STORE_FAILED, str(error))
    if isinstance(error, UpstreamError):  # in the middle of a body that a policy wants whole
        return Refusal(Reason.INTEGRATION_RESPONSE_INVALID, str(error))
    words = words_of(error)
    if words == _NO_LOOP:
        words = f"{words}: what has to wait needs asyncio. Run the server with its asyncio worker, not with trio's"
    return Refusal(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {words}", cause=error)


def taken(changed: bytes | Refusal) -> bytes:
    """What a wrapper gave. Raises BodyRefused for a refusal."""
    if isinstance(changed, Refusal):
        raise BodyRefused(changed)
    return changed


def drop_content_length(head: Head) -> None:
    """Take the Content-Length away from a body whose length is no longer known."""
    head.headers = [field for field in head.headers if field[0].lower() != b"content-length"]


def _checked(answer: object, hook: Step) -> Outcome:
    """What ends a request, if it may."""
    if type(answer) is Refusal:
        return answer
    if type(answer) is Response:
        return _copied(answer)
    name = getattr(hook, "__qualname__", repr(hook))
    raise TypeError(f"{name} answered {answer!r}; a request hook returns the request, a Response or a Refusal")


def _copied(response: Response) -> Response:
    """A policy may answer every request with one constant; the hooks amend a copy of it."""
    return Response(response.status, [*response.headers], response.body, response.close)


def _cancellation() -> BaseException:
    """What to raise for a cancellation: itself where this request is cancelled; else something waited for was."""
    try:
        task = current_task()
    except RuntimeError:  # no event loop: whoever drives the chain by hand
        return CancelledError()
    if task is None or task.cancelling():
        return CancelledError()
    return RuntimeError("something it waited for was cancelled")


def _limit(reads_body: bool | int, default: int) -> int | None:
    if reads_body is False:
        return None
    return default if reads_body is True else int(reads_body)


def _take_body(limit: int, may_leave: bool) -> Step:
    digits = len(str(limit))

    def take_body(request: Request) -> Answer | Awaitable[Answer]:
        if request.body is None:
            headers = request.headers
            declared = headers.get(b"content-length")
            if declared is None:
                if (
                    may_leave
                    and request.method in _MOSTLY_BODILESS
                    and request.http_version in _FRAMED
                    and b"transfer-encoding" not in headers
                ):
                    request.body = b""
                    return request
            elif (
                len(declared) >= digits
                and declared.isdigit()
                and (len(declared) > MAX_LENGTH_DIGITS or int(declared) > limit)
            ):
                return too_large(limit)
            return _read(request, limit)
        if len(request.body) > limit:
            return too_large(limit)
        return request

    return take_body


async def _read(request: Request, limit: int) -> Answer:
    body = await request.source.read(limit)
    if type(body) is Refusal:
        return body
    request.body = body
    return request


async def collect(chunks: AsyncIterator[bytes], limit: int) -> bytes | None:
    """The whole of a streamed body; None when it is over `limit` bytes."""
    parts, size = [], 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            return None
        parts.append(chunk)
    return b"".join(parts)


async def _wrapped(chunks: AsyncIterator[bytes], wrapper: BodyWrapper) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if changed := taken(wrapper(chunk, True)):
            yield changed
    if last := taken(wrapper(b"", False)):
        yield last


async def _resumed(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for chunk in chunks:
        yield chunk
