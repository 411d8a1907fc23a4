"""`idempotency(...)`: a request that a client sends again is carried out once, and answered again.

draft-ietf-httpapi-idempotency-key-header-07: 400 for a key that is missing or no key, 409 while the first request is
under way, 422 for a key that came with another request. API Gateway has nothing of the kind.

Rules
* A key is bound to its caller, and to the method, path, query, media type and body that it came with.
* What policies behind this one refuse was not carried out: the key is free again. So it is after a 5xx of the back end,
  which may be tried again, unless `keep_errors` is set.
* Where nobody knows what became of the request (a timeout, a client that left, a process that died), the key stays held
  for `hold`, and is free after that: nothing runs twice in the meantime.
* An answer is kept before the client gets it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from gatewaykit.core.http import Request, Response, header_values
from gatewaykit.core.idempotency import Begun, Verdict, digest, pack, parse_key, unpack
from gatewaykit.core.outcome import may_have_run
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import ConfigError, Problem, StoreError
from gatewaykit.policies import by
from gatewaykit.policies.bound import Bound
from gatewaykit.policies.option_reading import Options
from gatewaykit.ports import Policy

if TYPE_CHECKING:
    from gatewaykit.policies.by import KeyFunction
    from gatewaykit.ports import Answer, IdempotencyStore, Runtime

__all__ = ["Idempotency", "idempotency"]

_LOG: Final = logging.getLogger("gatewaykit")
_VERBS: Final = ("begin", "look", "finish", "release", "aclose")
_MOST_BYTES: Final = 1_000_000  # what every store takes in one piece
_CREDENTIALS: Final = (b"authorization", b"x-api-key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency(Policy):
    """Idempotency keys; made by `idempotency`."""

    methods: frozenset[str]
    header: bytes
    required: bool
    keep_s: float
    hold_s: float
    keep_errors: bool
    max_answer_bytes: int
    caller: KeyFunction
    store: IdempotencyStore | str

    def bind(self, runtime: Runtime) -> Policy:
        store = self.store
        if isinstance(store, str):
            if runtime.open_idempotency is None:
                raise ConfigError(Problem(where="idempotency.kept_in", what="this runtime has no store of them"))
            store = runtime.open_idempotency(store)
        return _Bound(self, store, runtime)


def idempotency(
    *,
    methods: Sequence[str] = ("POST", "PATCH"),
    required: bool = False,
    keep: str | float = "24h",
    hold: str | float = "60s",
    header: str = "Idempotency-Key",
    keep_errors: bool = False,
    max_answer_bytes: int = 256 * 1024,
    caller: KeyFunction | None = None,
    kept_in: str | IdempotencyStore = "",
) -> Idempotency:
    """Carry a request with an `Idempotency-Key` out once; who sends it again gets the same answer.

    It applies to requests by `methods`; with `required`, those without a key are refused (400). An answer is kept for
    `keep`; it says `Idempotent-Replayed: true` when it is given again. While the first request is under way a second
    one is refused (409), and a key that came with another request is too (422). `hold` is longer than a request ever
    takes: so long is a key held whose outcome nobody knows. Of an answer over `max_answer_bytes`, with its head, it is
    only kept that there was one. `keep_errors` keeps 5xx of the back end as well.

    `caller` says whose a key is, as `by.…` does; without it that is the identity or API key which policies before this
    one proved, else the Authorization, `X-API-Key` or Cookie header itself. List it behind those policies.

    `kept_in` says where keys are kept: `"memory://"` (this process), `"sqlite:///keys.db"` (processes of one machine),
    `"redis://…"`, or a `gatewaykit.ports.IdempotencyStore`; empty, it is where limits are kept. A store that cannot
    answer refuses (503): a request is never carried out unseen. Request bodies of these methods are read whole.

    >>> from gatewaykit import idempotency, rule
    >>> orders = rule("POST /orders", idempotency(required=True))
    """
    options = Options("idempotency")
    named = frozenset(method.upper() for method in options.texts("methods", methods))
    if not named:
        options.problem("methods", "there are none", mend="Name the methods that change something, such as POST")
    if safe := named & {"GET", "HEAD", "OPTIONS", "TRACE"}:
        options.problem("methods", f"{', '.join(sorted(safe))} changes nothing", mend="Leave it out")
    if caller is not None and (not callable(caller) or caller in by.MAKERS):
        options.problem("caller", f"{caller!r:.60} is no key function", mend=f"Give one of {by.CHOICES}")
    if isinstance(max_answer_bytes, bool) or max_answer_bytes not in range(_MOST_BYTES + 1):
        options.problem("max_answer_bytes", f"{max_answer_bytes!r:.60} is not a number of bytes up to {_MOST_BYTES}")
    if not isinstance(kept_in, str) and not all(hasattr(kept_in, verb) for verb in _VERBS):
        options.problem("kept_in", f"{kept_in!r:.60} is no store of idempotency keys")
    settings: dict[str, Any] = {
        "header": options.header("header", header).encode("ascii", "replace"),
        "required": options.flag("required", required),
        "keep_s": options.seconds("keep", keep, zero=False),
        "hold_s": options.seconds("hold", hold, zero=False),
        "keep_errors": options.flag("keep_errors", keep_errors),
    }
    options.check()
    return Idempotency(
        methods=named, max_answer_bytes=max_answer_bytes, caller=caller or _caller, store=kept_in, **settings
    )


class _Bound(Bound):
    def __init__(self, config: Idempotency, store: IdempotencyStore, runtime: Runtime) -> None:
        super().__init__("idempotency", on_request=self._asked)
        self._config, self._store = config, store
        self.in_this_process = getattr(store, "shared", True) is False
        self._entropy, self._look_only = runtime.entropy, runtime.look_only
        self._limit = runtime.max_body_bytes
        self.on_body = self._answered

    async def aclose(self) -> None:
        await self._store.aclose()

    def _asked(self, request: Request) -> Answer | Awaitable[Answer]:
        config = self._config
        if request.method not in config.methods or request.kind == "websocket":
            return request
        if config.header not in request.headers:
            return Refusal(Reason.IDEMPOTENCY_KEY_MISSING) if config.required else request
        values = header_values(request.header_list, config.header)
        if (key := parse_key(values)) is None:
            detail = f"{config.header.decode()} is no single key of 1 to 255 visible characters"
            return Refusal(Reason.IDEMPOTENCY_KEY_INVALID, detail)
        if request.body is None:
            return self._read(request, key)
        return self._begin(request, key)

    async def _read(self, request: Request, key: str) -> Answer:
        body = await request.source.read(self._limit)
        if type(body) is Refusal:
            return body
        request.body = body
        answer = self._begin(request, key)
        return answer if isinstance(answer, (Request, Response, Refusal)) else await answer

    def _begin(self, request: Request, key: str) -> Answer | Awaitable[Answer]:
        whose = self._config.caller(request) or "anonymous"
        place = digest(whose.encode("utf-8", "surrogatepass"), key.encode())
        asked = digest(
            request.method.encode(), request.wire_path, request.query_string,
            request.headers.get(b"content-type", b""), request.headers.get(b"content-encoding", b""),
            request.body or b"",
        )  # fmt: skip
        holder = self._entropy(16)
        begun = (
            self._store.look(place, asked)
            if self._look_only
            else self._store.begin(place, asked, holder, self._config.hold_s)
        )
        if isinstance(begun, Begun):
            return self._judge(request, begun, place, holder)
        return self._judge_later(request, begun, place, holder)

    async def _judge_later(self, request: Request, begun: Awaitable[Begun], place: bytes, holder: bytes) -> Answer:
        return self._judge(request, await begun, place, holder)

    def _judge(self, request: Request, begun: Begun, place: bytes, holder: bytes) -> Answer:
        if begun.verdict is Verdict.START:
            if not self._look_only:
                if request.kept is None:
                    request.kept = {}
                request.kept[self] = place, holder
            return request
        if begun.verdict is Verdict.MISMATCH:
            return Refusal(Reason.IDEMPOTENCY_KEY_REUSED)
        if begun.verdict is Verdict.BUSY:
            detail = f"the first one has at most {begun.retry_after_s:.3g} s left"
            return Refusal(Reason.REQUEST_IN_PROGRESS, detail, headers=((b"retry-after", b"1"),))
        if not begun.answer:
            return Refusal(Reason.ANSWER_NOT_KEPT, f"over {self._config.max_answer_bytes} bytes")
        response = unpack(begun.answer)
        if response is None:
            return Refusal(Reason.STORE_FAILED, "what is kept of this idempotency key is no answer")
        response.headers.append((b"idempotent-replayed", b"true"))
        return response

    def _answered(self, request: Request, response: Response) -> Response | Awaitable[Response]:
        held = None if request.kept is None else request.kept.pop(self, None)
        return response if held is None else self._settle(request, response, *held)

    async def _settle(self, request: Request, response: Response, place: bytes, holder: bytes) -> Response:
        config, refusal = self._config, request.refusal
        if refusal is not None and may_have_run(refusal):
            return response
        try:
            if refusal is not None or (response.status >= 500 and not config.keep_errors):
                released = self._store.release(place, holder)
                if released is not None:
                    await released
                return response
            answer = pack(response, cast(bytes, response.body))
            if len(answer) > config.max_answer_bytes:
                answer = b""
            kept = self._store.finish(place, holder, answer, config.keep_s)
            if not isinstance(kept, bool):
                kept = await kept
            if not kept:
                _LOG.warning("a request took longer than the %g s its idempotency key was held for", config.hold_s)
        except StoreError as error:  # it is carried out: the client gets its answer, and the key stays held
            _LOG.warning("an answer could not be kept under its idempotency key: %s", error)
        return response


def _caller(request: Request) -> str:
    """Whose a key is: who was proved, else what the client says of itself. Texts of different kinds never meet."""
    identity = request.identity
    if identity is not None and (identity.principal or identity.key_id):
        return _named("identity", identity.kind, identity.key_id or "", identity.principal)
    if request.api_key is not None:
        return _named("key", request.api_key.id)
    sent = [request.headers.get(name, b"") for name in _CREDENTIALS]
    if not any(sent):
        sent.append(b";".join(header_values(request.header_list, b"cookie")))
    return f"sent {digest(*sent).hex()}" if any(sent) else ""


def _named(*parts: str) -> str:
    """One text of several, which may have any characters in them."""
    return digest(*(part.encode("utf-8", "surrogatepass") for part in parts)).hex()
