"""The contract of a policy, as a test class for anyone's own.

class TestOfficeHours(PolicyContract):
    def make_policy(self):
        return OfficeHours(opens="08:00")

    headers = {"x-office": "berlin"}     # of a request that it lets through, if it asks for anything
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gatewaykit.core.reasons import Reason
from gatewaykit.errors import StoreError
from gatewaykit.gateway.middleware import PolicyMiddleware
from gatewaykit.ports import Policy, Transport
from gatewaykit.testing.client import Client

if TYPE_CHECKING:
    from gatewaykit.asgi.types import Receive, Scope, Send
    from gatewaykit.clock import Clock
    from gatewaykit.core.http import Request
    from gatewaykit.core.limits import Limit
    from gatewaykit.core.quota import Quota
    from gatewaykit.core.throttle import Bucket
    from gatewaykit.core.window import Window
    from gatewaykit.testing.client import Result

__all__ = ["HOSTILE_REQUESTS", "PolicyContract"]

HOSTILE_REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "no headers": {},
    "a thousand headers": {"headers": [(f"x-{number}", "v") for number in range(1000)]},
    "a huge header": {"headers": [("x-api-key", "k" * 65536), ("authorization", "a" * 65536)]},
    "repeated headers": {
        "headers": [(name, value) for name in ("x-api-key", "authorization", "origin") for value in ("a", "b", "")]
    },
    "headers that are no UTF-8": {
        "headers": [
            (name, b"\xff\xfe\x00") for name in ("x-api-key", "authorization", "origin", "cookie", "x-forwarded-for")
        ]
    },
    "empty headers": {
        "headers": [(name, "") for name in ("x-api-key", "authorization", "origin", "content-type", "content-length")]
    },
    "an odd method": {"method": "\u00fcber"},
    "a path with a NUL": {"path": "/%00"},
    "a path of slashes and dots": {"path": "///../.%2e//"},
    "a path that is no UTF-8": {"path": "/%ff%fe"},
    "a query that is no UTF-8": {"path": "/", "query_string": b"\xff=%ff&=&&;%"},
    "a huge query": {"path": "/?" + "a=1&" * 20000},
    "no client address": {"client": None},
    "a preflight of nonsense": {
        "method": "OPTIONS", "headers": [("origin", "null"), ("access-control-request-method", "\u00fc")],
    },
    "JSON that is none": {"method": "POST", "headers": [("content-type", "application/json")], "body": b'{"a":\xff'},
    "deep JSON": {"method": "POST", "headers": [("content-type", "application/json")], "body": b"[" * 100000},
}  # fmt: skip


class PolicyContract:
    """Subclass it under a name that starts with `Test`, and give `make_policy`; pytest runs the rest.

    `method`, `path`, `headers` and `body` describe a request that the policy lets through; where they are not enough,
    set `lets_through = False`, and only what holds for refusals is tested. A policy that looks at the time gets
    `clock = VirtualClock("2026-01-01T12:00Z")`: the system's would make its tests depend on the hour they run at.
    One that asks another service gets `transport = ScriptedTransport(…)`.
    """

    method: ClassVar[str] = "POST"
    path: ClassVar[str] = "/"
    headers: ClassVar[Mapping[str, str]] = {}
    body: ClassVar[bytes] = b'{"a": 1}'
    lets_through: ClassVar[bool] = True
    clock: ClassVar[Clock | None] = None
    transport: ClassVar[Transport | None] = None
    timeout_s: ClassVar[float] = 10.0

    def make_policy(self) -> Policy:
        """A policy, made anew."""
        raise NotImplementedError("give make_policy")

    def test_it_lets_its_request_through(self) -> None:
        ending = self._run()

        assert ending.reached_app == self.lets_through, ending.what()
        assert ending.reason is None or not self.lets_through, ending.what()

    def test_it_answers_hostile_requests_without_failing(self) -> None:
        for name, request in HOSTILE_REQUESTS.items():
            ending = self._run(**request)

            assert ending.result.complete, f"{name}: no whole response"
            assert ending.reason is not Reason.INTERNAL_ERROR, f"{name}: {ending.what()}"
            assert ending.ends == 1, f"{name}: on_end ran {ending.ends} times"

    def test_the_way_a_body_arrives_changes_nothing(self) -> None:
        whole = self._run()

        for feed in ("bytes", "chunks", [b"", self.body, b""]):
            ending = self._run(feed=feed)

            assert ending.result.status == whole.result.status, f"fed {feed}: {ending.what()}"
            assert ending.app_read == whole.app_read, f"fed {feed}: the app read {ending.app_read!r}"

    def test_a_client_that_leaves_in_its_body_ends_the_request(self) -> None:
        for after in (0, len(self.body) // 2):
            ending = self._run(disconnect_after=after)

            assert ending.ends == 1, f"after {after} bytes: on_end ran {ending.ends} times"
            assert ending.reason is not Reason.INTERNAL_ERROR, f"after {after} bytes: {ending.what()}"

    def test_it_changes_neither_the_scope_nor_the_headers(self) -> None:
        ending = self._run()

        assert ending.scope_after == ending.scope_before, "the server's scope was changed"
        assert ending.headers_after == ending.headers_before or ending.rewrites, "request.header_list was changed"

    def test_it_looks_at_a_websocket_handshake_without_failing(self) -> None:
        for denial in (True, False):
            ending = self._run_websocket(denial)

            assert ending.reason is not Reason.INTERNAL_ERROR, ending.what()
            assert ending.ends == 1, f"on_end ran {ending.ends} times"

    def test_on_end_runs_once_and_does_not_raise_when_the_app_breaks(self) -> None:
        ending = self._run(app_breaks=True)

        assert ending.ends == 1, f"on_end ran {ending.ends} times"
        assert ending.end_raised == [], f"on_end raised {ending.end_raised}"

    def test_it_fails_closed_when_it_raises(self) -> None:
        def raises(request: Request) -> Any:
            raise RuntimeError("broken on purpose")

        ending = self._run(on_request=raises)

        assert not ending.reached_app, "the app was reached through a policy that had raised"
        assert ending.result.status == 500, ending.what()

    def test_it_does_not_fail_when_its_store_does(self) -> None:
        ending = self._run(store=_BrokenStore())

        assert ending.reason is not Reason.INTERNAL_ERROR, ending.what()
        assert ending.result.complete, "no whole response"

    def test_it_can_be_closed_twice_and_used_again(self) -> None:
        async def scenario() -> bool:
            ending = _Ending(self.make_policy(), self.clock, self.transport)
            middleware = ending.middleware()
            await middleware.aclose()
            await middleware.aclose()
            await self._client(middleware).request(self.method, self.path, headers=self.headers, body=self.body)
            await middleware.aclose()
            return ending.reached_app

        assert asyncio.run(scenario()) == self.lets_through

    def _run(
        self, *, app_breaks: bool = False, on_request: Any = None, store: Any = "memory://", **request: Any
    ) -> _Ending:
        asked = {"method": self.method, "path": self.path, "headers": self.headers, "body": self.body, **request}
        ending = _Ending(self.make_policy(), self.clock, self.transport, app_breaks=app_breaks, on_request=on_request)

        async def scenario() -> None:
            middleware = ending.middleware(store)
            ending.result = await self._client(middleware).request(asked.pop("method"), asked.pop("path"), **asked)
            await middleware.aclose()

        asyncio.run(scenario())
        return ending

    def _client(self, middleware: Any) -> Client:
        return Client(middleware, timeout_s=self.timeout_s)

    def _run_websocket(self, denial: bool) -> _Ending:
        ending = _Ending(self.make_policy(), self.clock, self.transport)

        async def scenario() -> None:
            middleware = ending.middleware()
            async with self._client(middleware).websocket(self.path, headers=self.headers, denial=denial):
                pass
            await middleware.aclose()

        asyncio.run(scenario())
        return ending


class _Ending:
    """One request through the policy to a small app, and all that is worth knowing about it."""

    result: Result

    def __init__(
        self,
        policy: Policy,
        clock: Clock | None,
        transport: Transport | None,
        *,
        app_breaks: bool = False,
        on_request: Any = None,
    ) -> None:
        self.policy, self.clock, self.transport = policy, clock, transport
        self.app_breaks, self.on_request = app_breaks, on_request
        self.reached_app = False
        self.app_read: bytes | None = None
        self.reason: Reason | None = None
        self.detail = ""
        self.rewrites = False
        self.ends = 0
        self.end_raised: list[Exception] = []
        self.scope_before: Any = None
        self.scope_after: Any = None
        self.headers_before: Any = None
        self.headers_after: Any = None

    def middleware(self, store: Any = "memory://") -> Any:
        policies: Sequence[Policy] = [_Watching(self), _Watched(self)]
        inner = PolicyMiddleware(self._app, policies=policies, store=store, clock=self.clock, transport=self.transport)
        return _Snapshots(self, inner)

    def what(self) -> str:
        return f"{self.reason.name if self.reason else 'no refusal'}: {self.detail}"

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached_app = True
        if self.app_breaks:
            raise RuntimeError("broken on purpose")
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            return
        parts, more = [], True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        self.app_read = b"".join(parts)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


class _Snapshots:
    """Compares the server's scope before and after."""

    def __init__(self, ending: _Ending, inner: PolicyMiddleware) -> None:
        self._ending, self._inner = ending, inner
        self.aclose = inner.aclose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._ending.scope_before = copy.deepcopy(dict(scope))
        try:
            await self._inner(scope, receive, send)
        finally:
            self._ending.scope_after = dict(scope)


class _Watching(Policy):
    """Stands before the policy and sees how the request ends."""

    name = "watching"

    def __init__(self, ending: _Ending) -> None:
        self._ending = ending

    def on_request(self, request: Request) -> Request:
        self._ending.headers_before = list(request.header_list)
        return request

    def on_end(self, request: Request) -> None:
        self._ending.headers_after = list(request.header_list)
        if request.refusal is not None:
            self._ending.reason, self._ending.detail = request.refusal.reason, request.refusal.detail


class _Watched(Policy):
    """The policy, with its `on_end` counted and, where the test says so, its `on_request` replaced."""

    def __init__(self, ending: _Ending) -> None:
        self._ending = ending

    def bind(self, runtime: Any) -> Policy:
        ending = self._ending
        bound = ending.policy.bind(runtime)
        inner = bound.on_end

        def on_end(request: Request) -> None:
            ending.ends += 1
            try:
                if inner is not None:
                    inner(request)
            except Exception as error:
                ending.end_raised.append(error)
                raise

        watched = Policy()
        watched.name, watched.reads_body, watched.answers_preflight = (
            bound.name,
            bound.reads_body,
            bound.answers_preflight,
        )
        watched.rewrites = ending.rewrites = bound.rewrites
        watched.on_request = bound.on_request if ending.on_request is None else ending.on_request
        watched.on_head, watched.on_body, watched.wrap_body = bound.on_head, bound.on_body, bound.wrap_body
        watched.on_end = on_end
        watched.aclose = bound.aclose  # type: ignore[method-assign]  # the watched policy is what is closed
        return watched


class _BrokenStore:
    """A store that cannot answer."""

    def bucket(self, name: str, bucket: Bucket) -> Any:
        return self._fail

    def quota(self, name: str, quota: Quota) -> Any:
        return self._fail

    def window(self, name: str, window: Window) -> Any:
        return self._fail

    def limits(self, name: str | Sequence[str], limits: Sequence[Limit]) -> Any:
        return self._fail

    def charge(self, name: str | Sequence[str], limits: Sequence[Limit]) -> Any:
        return self._fail

    def permits(self, name: str, most: int, hold_s: float) -> _BrokenStore:
        return self

    def enter(self, key: str, holder: bytes) -> Any:
        return self._fail()

    def leave(self, key: str, holder: bytes) -> Any:
        return self._fail()

    def looking(self) -> _BrokenStore:
        return self

    async def aclose(self) -> None: ...

    def _fail(self, *_: object) -> Any:
        raise StoreError("the store is down, on purpose")
