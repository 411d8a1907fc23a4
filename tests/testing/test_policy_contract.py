"""The contract holds for the project's own policies, and catches what breaks it."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from gatewaykit import (
    Identity,
    Policy,
    Reason,
    Refusal,
    Request,
    VirtualClock,
    access_log,
    api_key,
    authenticate,
    by,
    cors,
    quota,
    steps,
    throttle,
    transform,
    validate,
)  # fmt: skip
from gatewaykit.ports import Runtime
from gatewaykit.testing import PolicyContract

KEY = "a-key-of-sixteen-or-more"


class TestCors(PolicyContract):
    def make_policy(self) -> Policy:
        return cors(origins=["https://shop.example"])


class TestCorsThatRefuses(PolicyContract):
    headers: ClassVar = {"origin": "https://shop.example"}

    def make_policy(self) -> Policy:
        return cors(origins=["https://shop.example"], credentials=True, enforce=True)


class TestApiKey(PolicyContract):
    headers: ClassVar = {"x-api-key": KEY}

    def make_policy(self) -> Policy:
        return api_key({"acme": KEY})


class TestApiKeyOfSomebodyElse(PolicyContract):
    lets_through = False

    def make_policy(self) -> Policy:
        return api_key({"acme": KEY})


class Noon(Policy):
    """Lets requests through at one time of one day only."""

    def bind(self, runtime: Runtime) -> Policy:
        clock = runtime.clock

        class Bound(Policy):
            def on_request(self, request: Request) -> Request | Refusal:
                return request if clock.wall() == NOON.wall() else Refusal(Reason.FORBIDDEN)

        return Bound()


NOON = VirtualClock("2026-01-01T12:00Z")


class TestNoon(PolicyContract):
    clock = NOON

    def make_policy(self) -> Policy:
        return Noon()


class TestThrottle(PolicyContract):
    def make_policy(self) -> Policy:
        return throttle(rate=1, burst=1, key=by.address)


class TestWindow(PolicyContract):
    def make_policy(self) -> Policy:
        return throttle(rate="1/minute", algorithm="sliding_window", key=by.address)


class TestQuota(PolicyContract):
    def make_policy(self) -> Policy:
        return quota(limit=5, period="DAY", key=by.address)


class TestValidate(PolicyContract):
    headers: ClassVar = {"content-type": "application/json"}

    def make_policy(self) -> Policy:
        return validate(body={"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}})


class TestTransformOfHeaders(PolicyContract):
    headers: ClassVar = {"x-user": "a"}

    def make_policy(self) -> Policy:
        return transform(
            request=[steps.rename_headers({"x-user": "x-tenant"}), steps.set_query({"v": "2"})],
            response=[steps.remove_headers("server")],
        )


class TestTransformOfBodies(PolicyContract):
    headers: ClassVar = {"content-type": "application/json"}

    def make_policy(self) -> Policy:
        both = [steps.csv_to_json(), steps.xml_to_json(), steps.drop_fields("secret", "[*].secret")]
        return transform(request=both, response=both)


class TestTransformThatIsStrict(PolicyContract):
    headers: ClassVar = {"content-type": "text/plain"}
    lets_through = False

    def make_policy(self) -> Policy:
        return transform(request=[steps.wrap("a")], strict=True)


class TestAuthenticate(PolicyContract):
    headers: ClassVar = {"authorization": "Bearer alice"}

    def make_policy(self) -> Policy:
        async def who(request: Request) -> Identity | Refusal:
            if request.header("authorization") == "Bearer alice":
                return Identity(principal="alice")
            return Refusal(Reason.UNAUTHENTICATED)

        return authenticate(who, challenge="Bearer")


class TestAccessLog(PolicyContract):
    def make_policy(self) -> Policy:
        return access_log(sink=lambda line: None)


class Broken(PolicyContract):
    """Policies that break the contract, each in one way."""

    policy: Policy
    timeout_s = 0.05

    def make_policy(self) -> Policy:
        return self.policy


class ForgetsToAnswer(Policy):
    def on_request(self, request: Request) -> Any:
        if request.headers.get(b"x-api-key"):
            return request
        return None


class BreaksOnBytes(Policy):
    def on_request(self, request: Request) -> Any:
        request.headers.get(b"authorization", b"").decode()
        return request


class ChangesTheHeaders(Policy):
    def on_request(self, request: Request) -> Any:
        request.header_list.append((b"x-added", b"1"))
        return request


class ChangesTheScope(Policy):
    def on_request(self, request: Any) -> Any:
        request.scope["path"] = "/elsewhere"
        return request


class BreaksAtTheEnd(Policy):
    def on_end(self, request: Request) -> None:
        raise LookupError("no")


class ReadsInChunks(Policy):
    """Takes the first chunk for the body."""

    def on_request(self, request: Any) -> Any:
        return self._look(request)

    async def _look(self, request: Any) -> Any:
        message = await request.receive()
        return request if message["body"].startswith(b'{"a"') else Refusal(Reason.BODY_INVALID)


class SwallowsTheStore(Policy):
    def bind(self, runtime: Any) -> Policy:
        from gatewaykit.core.throttle import Bucket

        take = runtime.throttles.bucket("x", Bucket(rate=1, burst=1))

        class Bound(Policy):
            def on_request(self, request: Request) -> Any:
                taken = None
                try:
                    taken = take("key")
                except Exception:  # noqa: BLE001 - the mistake under test
                    pass
                return request if taken.allowed else Refusal(Reason.THROTTLED)

        return Bound()


class NeedsMore(Policy):
    def on_request(self, request: Request) -> Any:
        return Refusal(Reason.FORBIDDEN, "no")


@pytest.mark.parametrize(
    ("policy", "test"),
    [
        pytest.param(NeedsMore(), "test_it_lets_its_request_through", id="refuses all"),
        pytest.param(ForgetsToAnswer(), "test_it_answers_hostile_requests_without_failing", id="forgets to answer"),
        pytest.param(BreaksOnBytes(), "test_it_answers_hostile_requests_without_failing", id="decodes as UTF-8"),
        pytest.param(ChangesTheHeaders(), "test_it_changes_neither_the_scope_nor_the_headers", id="headers"),
        pytest.param(ChangesTheScope(), "test_it_changes_neither_the_scope_nor_the_headers", id="scope"),
        pytest.param(
            BreaksAtTheEnd(), "test_on_end_runs_once_and_does_not_raise_when_the_app_breaks", id="raises at the end"
        ),
        pytest.param(ReadsInChunks(), "test_the_way_a_body_arrives_changes_nothing", id="reads the first chunk only"),
        pytest.param(ReadsInChunks(), "test_it_looks_at_a_websocket_handshake_without_failing", id="body of a socket"),
        pytest.param(SwallowsTheStore(), "test_it_does_not_fail_when_its_store_does", id="swallows a store's failure"),
    ],
)
def test_a_policy_that_breaks_the_contract_is_caught(policy: Policy, test: str) -> None:
    contract = Broken()
    contract.policy = policy

    with pytest.raises(AssertionError):
        getattr(contract, test)()


def test_a_contract_without_a_policy_says_so() -> None:
    with pytest.raises(NotImplementedError, match="make_policy"):
        PolicyContract().make_policy()
