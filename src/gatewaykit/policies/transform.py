"""`transform(...)`: change headers, queries and bodies by steps, without a template.

Request bodies are read whole, if their type is one that a step changes. Response bodies pass row by row where no step
needs the whole, and are collected otherwise; their head is held back until the first byte is made, so that a body that
cannot be changed is an error and no half of an answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.body import MAX_LENGTH_DIGITS, too_large
from gatewaykit.core.http import Request, Response, parse_query
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.transform.bodies import BodySteps, Plan, compile_plans, kind_of
from gatewaykit.core.transform.heads import SetValues, editing_headers, editing_query, never_dropped
from gatewaykit.core.transform.unusable import TooLarge, Unusable
from gatewaykit.errors import ConfigError, Problem
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.step_reading import Side, read_side
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.core.http import Head, HeaderList
    from gatewaykit.core.transform.bodies import Transformer
    from gatewaykit.policies.steps import Step
    from gatewaykit.ports import Answer, BodyWrapper, Runtime

__all__ = ["Transform", "transform"]

_BODILESS: Final = frozenset((204, 205, 304))
_OF_THE_BYTES: Final = frozenset(
    (b"accept-ranges", b"content-digest", b"content-md5", b"digest", b"etag", b"repr-digest")
)
"""Fields about the very bytes of a body. A changed body has others."""

_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform(Policy):
    """Compiled steps; made by `transform`."""

    phase = "transform"

    request: Side
    response: Side
    strict: bool = False
    errors: bool = False
    max_body_bytes: int | None = None

    def bind(self, runtime: Runtime) -> Policy:
        return _Bound(self, self.max_body_bytes or runtime.max_body_bytes)


def transform(
    *,
    request: Sequence[Step | Mapping[str, Any] | str] = (),
    response: Sequence[Step | Mapping[str, Any] | str] = (),
    strict: bool = False,
    errors: bool = False,
    max_body_bytes: int | None = None,
) -> Transform:
    """Change requests on their way in and responses on their way out, by steps of `gatewaykit.steps`.

    Steps on bodies apply to bodies of their kind: JSON (`application/json`, `…+json`, and a request that names no
    type), CSV (`text/csv`), XML. Bodies of any other kind pass as they are; with `strict=True` they are refused.
    Responses with a status of 400 or more keep their bodies, unless `errors=True`; what the gateway itself answers
    always does. Steps on headers come after those on the body.

    A request body that cannot be changed is a 400 (415 where it is encoded), a response body a 502; what stands behind
    is asked for responses without a Content-Encoding. `max_body_bytes` is the most of a body that is held in memory,
    before and after; None is the gateway's limit.

    >>> from gatewaykit import steps, transform
    >>> api = transform(response=[steps.unwrap("data"), steps.drop_fields("[*].secret")])
    """
    sides = read_side(request, "request"), read_side(response, "response")
    problems = [problem for side in sides for problem in side.problems]
    if not problems and not request and not response:
        problems.append(Problem(where="transform", what="there are no steps", mend="Give request= or response="))
    for option, value in (("strict", strict), ("errors", errors)):
        if not isinstance(value, bool):
            problems.append(Problem(where=f"transform.{option}", what=f"{value!r} is not true or false"))
    if max_body_bytes is not None and (
        isinstance(max_body_bytes, bool) or not isinstance(max_body_bytes, int) or max_body_bytes < 1
    ):
        problems.append(Problem(where="transform.max_body_bytes", what=f"{max_body_bytes!r} is not a number of bytes"))
    if problems:
        raise ConfigError(problems)
    return Transform(request=sides[0], response=sides[1], strict=strict, errors=errors, max_body_bytes=max_body_bytes)


class _Bound(Bound):
    """The hooks; those that have nothing to do are not there."""

    def __init__(self, steps: Transform, limit: int) -> None:
        asked, response = steps.request, steps.response
        edit = editing_headers(response.headers)

        def on_head(request: Request, head: Head) -> None:
            head.headers = edit(head.headers)

        self.rewrites = bool(asked.headers or asked.query or asked.body or response.body)
        super().__init__(
            "transform",
            on_request=_Requests(steps, limit) if self.rewrites else None,
            on_head=on_head if response.headers else None,
        )
        if response.body is not None:
            self.wrap_body = _Responses(response.body, steps, limit)


class _Bodies:
    """Which bodies of one side are changed, and how."""

    def __init__(self, steps: BodySteps) -> None:
        self._plans, self._content_types = compile_plans(steps), steps.content_types

    def plan(self, content_type: bytes, encoding: bytes) -> tuple[Plan, str] | str | None:
        """The plan for a body and its charset; None where it is not changed, a text that says why it cannot be."""
        kind, charset = kind_of(content_type, self._content_types)
        plan = None if kind is None else self._plans.get(kind)
        if plan is None:
            return None
        if encoding.strip().lower() not in (b"", b"identity"):
            return f"transform: a body with the Content-Encoding {encoding.decode('latin-1')} is not read"
        return (plan, charset) if charset else "transform: CSV in this charset is not read"


class _Requests:
    """The hook of the request side."""

    def __init__(self, steps: Transform, limit: int) -> None:
        side = steps.request
        self._bodies = None if side.body is None else _Bodies(side.body)
        self._headers = editing_headers(side.headers) if side.headers else None
        self._never_dropped = never_dropped(side.headers)
        self._query = editing_query(side.query) if side.query else None
        self._wants_plain = steps.response.body is not None
        self._strict, self._limit = steps.strict, limit

    def __call__(self, request: Request) -> Answer | Awaitable[Answer]:
        if self._bodies is None or request.kind == "websocket" or not _may_have_body(request):
            return self._finish(request)
        headers = request.headers
        content_type = headers.get(b"content-type", b"") or b"application/json"
        found = self._bodies.plan(content_type, headers.get(b"content-encoding", b""))
        if found is None and self._strict:
            found = f"transform: there are no steps for a body of type {content_type.decode('latin-1')} (strict)"
        if found is None:
            return self._finish(request)
        if isinstance(found, str) and b"content-length" in request.headers:
            return Refusal(Reason.MEDIA_TYPE_UNSUPPORTED, found)  # there is a body, and nobody need read it
        if request.body is None:
            return self._read(request, found)
        return self._change(request, request.body, found)

    async def _read(self, request: Request, found: tuple[Plan, str] | str) -> Answer:
        declared = request.headers.get(b"content-length", b"")
        if declared.isdigit() and (len(declared) > MAX_LENGTH_DIGITS or int(declared) > self._limit):
            return too_large(self._limit)
        body = await request.source.read(self._limit)
        return body if isinstance(body, Refusal) else self._change(request, body, found)

    def _change(self, request: Request, body: bytes, found: tuple[Plan, str] | str) -> Answer:
        request.body = body
        if not body:
            return self._finish(request)
        if isinstance(found, str):
            return Refusal(Reason.MEDIA_TYPE_UNSUPPORTED, found)
        if len(body) > self._limit:
            return too_large(self._limit)
        plan, charset = found
        changed = plan.start(charset, self._limit).feed(body, False)
        if isinstance(changed, Unusable):
            reason = Reason.BODY_TOO_LARGE if isinstance(changed, TooLarge) else Reason.BODY_NOT_TRANSFORMED
            return Refusal(reason, f"transform: {changed.detail}")
        headers = [field for field in request.header_list if field[0].lower() not in _FRAMING]
        request.body = changed
        self._set_headers(request, [*_of_changed(headers, plan), (b"content-length", b"%d" % len(changed))])
        return self._finish(request)

    def _finish(self, request: Request) -> Answer:
        if self._wants_plain and b"accept-encoding" in request.headers:
            self._set_headers(request, _PLAIN(request.header_list))
        if self._headers is not None:
            headers = self._headers(request.header_list)
            if b"connection" in request.headers:
                headers = self._never_dropped(headers)
            self._set_headers(request, headers)
        if self._query is not None:
            request.query_string = self._query(request.query_string)
            request.query = parse_query(request.query_string)
        return request

    @staticmethod
    def _set_headers(request: Request, headers: HeaderList) -> None:
        request.header_list = headers
        request.headers = {name.lower(): value for name, value in headers}


def _may_have_body(request: Request) -> bool:
    """Whether there is a body; over HTTP/2 that may show only when it is read."""
    if request.body is not None:
        return bool(request.body)
    length = request.headers.get(b"content-length")
    if length is not None:
        return length != b"0"
    return b"transfer-encoding" in request.headers or not request.http_version.startswith("1")


_PLAIN: Final = editing_headers([SetValues({"accept-encoding": "identity"})])


class _Responses:
    """The hook that wraps the bodies of responses."""

    def __init__(self, body: BodySteps, steps: Transform, limit: int) -> None:
        self._bodies, self._limit = _Bodies(body), limit
        self._strict, self._errors = steps.strict, steps.errors

    def __call__(self, request: Request, head: Head) -> BodyWrapper | None:
        status = head.status
        if request.refusal is not None or status < 200 or status in _BODILESS or (status >= 400 and not self._errors):
            return None
        fields = {name.lower(): value for name, value in head.headers}
        content_type = fields.get(b"content-type", b"")
        found = self._bodies.plan(content_type, fields.get(b"content-encoding", b""))
        if status == 206 and (found is not None or content_type.lower().startswith(b"multipart/byteranges")):
            found = "transform: a part of a body cannot be changed, only a whole one"
        elif found is None and self._strict:
            found = f"transform: there are no steps for a body of type {content_type.decode('latin-1')} (strict)"
        if isinstance(found, str):
            return _Refusing(found)
        if found is None:
            return None
        plan, charset = found
        head.headers = _of_changed(head.headers, plan)
        if request.method == "HEAD":
            head.headers = [field for field in head.headers if field[0].lower() != b"content-length"]
            if isinstance(head, Response):
                head.body = _nothing()  # of a length that is not known; it is not 0
            return None
        return _Changing(plan.start(charset, self._limit))


def _of_changed(headers: HeaderList, plan: Plan) -> HeaderList:
    """The fields of a body that the plan changed."""
    if plan.content_type is None:
        return [field for field in headers if field[0].lower() not in _OF_THE_BYTES]
    kept = [field for field in headers if field[0].lower() not in _OF_THE_BYTES and field[0].lower() != b"content-type"]
    return [*kept, (b"content-type", plan.content_type)]


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


class _Changing:
    """Wraps a body that is changed."""

    holds_head = True

    def __init__(self, transformer: Transformer) -> None:
        self._feed = transformer.feed

    def __call__(self, chunk: bytes, more: bool, /) -> bytes | Refusal:
        changed = self._feed(chunk, more)
        if not isinstance(changed, Unusable):
            return changed
        large = isinstance(changed, TooLarge)
        reason = Reason.INTEGRATION_RESPONSE_TOO_LARGE if large else Reason.INTEGRATION_RESPONSE_INVALID
        return Refusal(reason, f"transform: {changed.detail}")


class _Refusing:
    """Wraps a body that may not pass: refused at its first byte."""

    holds_head = True

    def __init__(self, detail: str) -> None:
        self._detail = detail

    def __call__(self, chunk: bytes, more: bool, /) -> bytes | Refusal:
        return Refusal(Reason.INTEGRATION_RESPONSE_INVALID, self._detail) if chunk else b""
