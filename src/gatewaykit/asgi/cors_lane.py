"""The short cut of a middleware that is CORS and nothing else: the same rules, without a Request.

Nothing is learned here that a handler could want, and the fields depend on one header field of the request. So the
answer is looked up, and a response is amended by what is ready. Whatever is out of the ordinary (a refusal, a response
that has such fields already, an app that raises) goes the way of every other chain. `benchmarks/bench_policies.py`
guards the speed, `tests/asgi/test_cors_lane.py` that both ways say the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

from gatewaykit.core.reasons import Refusal

if TYPE_CHECKING:
    from gatewaykit.asgi.types import Message, Scope, Send
    from gatewaykit.core.cors import Screen
    from gatewaykit.core.http import HeaderList

__all__ = ["CorsLane"]

_MEMO_SIZE: Final = 256
_MEMO_LENGTH: Final = 1024


class CorsLane:
    """The rules of the one policy of a chain, over bare ASGI. Its functions are plain: a frame less for each request.

    `pending(scope)` gives a list of one, the fields that the answer to a request wants; None where the request has to
    go the long way. `amended(send, pending)` is what the app gets for `send`; it empties the list once the response
    has started.
    """

    __slots__ = ("_preflight", "_preflights", "amended", "pending")

    def __init__(self, screen: Screen) -> None:
        self._preflight = screen.preflight
        self._preflights: dict[tuple[bytes | None, ...], HeaderList] = {}
        self.pending = _pending(screen)
        self.amended = _amended(screen)

    def preflight(self, fields: Sequence[tuple[bytes, bytes]]) -> HeaderList | None:
        """The fields that answer a preflight; None where it is none, or is refused."""
        headers = dict(fields)
        get = headers.get
        key = (
            get(b"origin"),
            get(b"access-control-request-method"),
            get(b"access-control-request-headers"),
            get(b"access-control-request-private-network"),
        )
        if (ready := self._preflights.get(key)) is not None:
            return ready
        if key[0] is None or key[1] is None:
            return None
        answer = self._preflight(headers)
        if isinstance(answer, Refusal):
            return None
        if len(self._preflights) < _MEMO_SIZE and sum(len(part or b"") for part in key) <= _MEMO_LENGTH:
            self._preflights[key] = answer.headers
        return answer.headers


def _pending(screen: Screen) -> Callable[[Scope], list[HeaderList] | None]:
    enforce, without_origin, listed, fields_for = (
        screen.enforce,
        screen.without_origin,
        screen.listed.get,
        screen.fields,
    )

    def pending(scope: Scope) -> list[HeaderList] | None:
        for name, value in scope["headers"]:
            if name == b"origin":
                if enforce or scope["method"] == "OPTIONS":
                    return None
                return [listed(value) or fields_for(value)]
        return [without_origin]

    return pending


def _amended(screen: Screen) -> Callable[[Send, list[HeaderList]], Send]:
    merged = screen.merged

    def amended(send: Send, pending: list[HeaderList]) -> Send:
        def amend(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start" and pending:
                message = {**message}
                message["headers"] = merged([*message.get("headers", ())], pending.pop())
            return send(message)

        return amend

    return amended
