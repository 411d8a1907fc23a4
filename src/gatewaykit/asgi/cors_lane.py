"""The short cut of a middleware that is CORS and nothing else: the same rules, without a Request.

Nothing is learned here that a handler could want, and the fields depend on one header field of the request. So the
answer is looked up, and a response is amended by what is ready. Whatever is out of the ordinary (a refusal, a response
that has such fields already, an app that raises) goes the way of every other chain. `benchmarks/bench_policies.py`
guards the speed, `tests/asgi/test_cors_lane.py` that both ways say the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

from gatewaykit.asgi.scope import AsgiRequest
from gatewaykit.core.http import Head
from gatewaykit.core.reasons import Refusal

if TYPE_CHECKING:
    from gatewaykit.asgi.types import Message, Receive, Scope, Send
    from gatewaykit.core.cors import Screen
    from gatewaykit.core.http import HeaderList, Request
    from gatewaykit.pipeline.chain import Chain

__all__ = ["CorsLane"]

_MEMO_SIZE: Final = 256
_MEMO_LENGTH: Final = 1024


class CorsLane:
    """The rules of the one policy of `chain`, over bare ASGI. Its methods are plain: a frame less for each request."""

    __slots__ = ("_preflight", "_preflights", "amending")

    def __init__(self, chain: Chain, screen: Screen) -> None:
        self._preflight = screen.preflight
        self.amending = self._amending(chain, screen)
        """A send that puts the fields on, and a list that is no longer empty once the response has started; None where
        the request has to go the long way."""
        self._preflights: dict[tuple[bytes | None, ...], HeaderList] = {}

    def preflight(self, fields: Sequence[tuple[bytes, bytes]]) -> HeaderList | None:
        """The fields that answer a preflight; None where it is none, or is refused."""
        headers = dict(fields)
        key = (
            headers.get(b"origin"),
            headers.get(b"access-control-request-method"),
            headers.get(b"access-control-request-headers"),
            headers.get(b"access-control-request-private-network"),
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

    @staticmethod
    def _amending(chain: Chain, screen: Screen) -> Callable[[Scope, Receive, Send], tuple[Send, list[bool]] | None]:
        on_head = cast("Callable[[Request, Head], None]", chain.way.amend)
        enforce, without_origin, listed, fields_for = (
            screen.enforce,
            screen.without_origin,
            screen.listed,
            screen.fields,
        )

        def amending(scope: Scope, receive: Receive, send: Send) -> tuple[Send, list[bool]] | None:
            extra = without_origin
            for name, value in scope["headers"]:
                if name == b"origin":
                    if enforce or scope["method"] == "OPTIONS":
                        return None
                    extra = listed.get(value) or fields_for(value)
            started: list[bool] = []

            def amend(message: Message) -> Awaitable[None]:
                if message["type"] == "http.response.start":
                    started.append(True)
                    headers = message.get("headers", ())
                    for name, _ in headers:
                        if len(name) == 4 or len(name) > 26:  # it may be Vary, or a field that the policy owns
                            head = Head(message["status"], [*headers])
                            on_head(AsgiRequest(scope, receive), head)
                            return send({**message, "headers": head.headers})
                    message = {**message}
                    message["headers"] = [*headers, *extra]
                return send(message)

            return amend, started

        return amending
