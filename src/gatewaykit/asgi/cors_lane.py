"""The short cut of a middleware that is CORS and nothing else: the same rules, without a Request.

Nothing is learned here that a handler could want, and the fields depend on one header field of the request. So the
answer is looked up, and a response is amended by what is ready. Whatever is out of the ordinary (a refusal, a response
that has such fields already, an app that raises) goes the way of every other chain. `benchmarks/bench_policies.py`
guards the speed, `tests/asgi/test_cors_lane.py` that both ways say the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from gatewaykit.core.cors import LENGTHS
from gatewaykit.core.reasons import Refusal
from gatewaykit.policies.cors import BoundCors

if TYPE_CHECKING:
    from gatewaykit.asgi.lanes import Lane
    from gatewaykit.asgi.types import Message, Scope, Send
    from gatewaykit.core.cors import Screen
    from gatewaykit.core.http import HeaderList
    from gatewaykit.ports import Policy

__all__ = ["cors_lane"]

_MEMO_SIZE: Final = 256
_MEMO_LENGTH: Final = 1024


class _Amending:
    """A request whose response gets fields. Each policy has a class of its own, as `limit_lane` does."""

    __slots__ = ("_fields", "_to")

    _merged: Callable[[HeaderList, HeaderList], HeaderList]

    _fields: HeaderList | None  # None once the response has begun
    _to: Send

    @property
    def started(self) -> bool:
        return self._fields is None

    def send(self, message: Message) -> Awaitable[None]:
        if (fields := self._fields) is not None and message["type"] == "http.response.start":
            self._fields = None
            headers = message.get("headers", ())
            if type(headers) is not list:
                headers = [*headers]
            for name, _ in headers:
                if len(name) in LENGTHS:  # it may be Vary, or a field of ours: a look in one more function
                    headers = self._merged([*headers], fields)
                    break
            else:
                headers = headers + fields  # a display of both takes longer
            message = {**message}
            message["headers"] = headers
        send = self._to
        return send(message)


def cors_lane(policy: Policy) -> Lane | None:
    """The short cut of a policy that is CORS."""
    if not isinstance(policy, BoundCors):
        return None
    screen = policy.screen
    own: type[_Amending] = type("Amending", (_Amending,), {"__slots__": (), "_merged": staticmethod(screen.merged)})
    enforce, without_origin, listed, fields_for = (
        screen.enforce, screen.without_origin, screen.listed.get, screen.fields,
    )  # fmt: skip
    preflight = _preflights(screen)

    def lane(scope: Scope, send: Send) -> _Amending | tuple[Message, Message] | None:
        fields, careful = without_origin, enforce
        if scope["method"] == "OPTIONS":
            if (ready := preflight(scope["headers"])) is not None:
                return ready
            careful = True
        for name, value in scope["headers"]:
            if name == b"origin":
                if careful:
                    return None
                fields = listed(value) or fields_for(value)
                break
        way = own()
        way._fields, way._to = fields, send
        return way

    return lane


def _preflights(screen: Screen) -> Callable[[HeaderList], tuple[Message, Message] | None]:
    known: dict[tuple[bytes | None, ...], HeaderList] = {}
    body = {"type": "http.response.body", "body": b""}

    def preflight(sent: HeaderList) -> tuple[Message, Message] | None:
        """The answer to a preflight; None where it is none, or is refused."""
        headers = dict(sent)
        get = headers.get
        key = (
            get(b"origin"),
            get(b"access-control-request-method"),
            get(b"access-control-request-headers"),
            get(b"access-control-request-private-network"),
        )
        fields = known.get(key)
        if fields is None:
            if key[0] is None or key[1] is None:
                return None
            answer = screen.preflight(headers)
            if isinstance(answer, Refusal):
                return None
            fields = answer.headers
            if len(known) < _MEMO_SIZE and sum(len(part or b"") for part in key) <= _MEMO_LENGTH:
                known[key] = fields
        return {"type": "http.response.start", "status": 204, "headers": [*fields]}, body

    return preflight
