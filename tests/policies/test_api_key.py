"""The API key policy."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from inspect import isawaitable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gatewaykit import PolicyMiddleware, VirtualClock, authenticate
from gatewaykit.core.http import Identity, Request
from gatewaykit.core.identity.api_key import ApiKey, digests_of, hashed
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.deploy.key_stores import key_store
from gatewaykit.deploy.runtime import make_runtime as deploy_runtime
from gatewaykit.errors import ConfigError, StoreError
from gatewaykit.pipeline.decision import drive
from gatewaykit.policies.api_key import ApiKeyPolicy, api_key
from gatewaykit.ports import Runtime
from gatewaykit.stores.kept_keys import RELOAD_S
from gatewaykit.testing import Client, PolicyContract

ACME = "acme-key-0123456789"


def ask(policy: ApiKeyPolicy, runtime: Runtime, request: Request) -> object:
    hook = policy.bind(runtime).on_request
    assert hook is not None
    answer = hook(request)
    return answer.reason if isinstance(answer, Refusal) else answer


def a_request(value: str | None = ACME, name: str = "X-Api-Key") -> Request:
    return Request("GET", "/", headers=[] if value is None else [(name.encode(), value.encode())])


def test_a_known_key_comes_through_and_is_the_caller(runtime: Runtime) -> None:
    request = a_request()

    assert ask(api_key({"acme": ACME}), runtime, request) is request
    assert request.api_key.id == "acme"
    assert request.identity == Identity(principal="acme", kind="api_key", key_id="acme", key_name="acme")


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, Reason.API_KEY_MISSING), ("", Reason.API_KEY_MISSING), ("some-other-key-012345", Reason.API_KEY_UNKNOWN)],
    ids=["missing (row 122)", "empty", "unknown"],
)
def test_other_requests_are_refused(runtime: Runtime, value: str | None, reason: Reason) -> None:
    request = a_request(value)

    assert ask(api_key({"acme": ACME}), runtime, request) is reason
    assert request.identity is None
    assert request.api_key is None


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (ApiKey(id="1", name="acme", value=ACME, stages=frozenset({"dev"})), None),
        (ApiKey(id="1", name="acme", value=ACME, stages=frozenset({"prod"})), Reason.API_KEY_NOT_IN_PLAN),
        (ApiKey(id="1", name="acme", value=ACME, enabled=False), Reason.API_KEY_DISABLED),
    ],
    ids=["in its plan", "outside its plan", "disabled"],
)
def test_a_key_has_to_be_enabled_and_in_its_plan(runtime: Runtime, key: ApiKey, reason: Reason | None) -> None:
    request = a_request()
    request.stage = "dev"
    caller = Identity(principal="acme", kind="api_key", key_id="1", key_name="acme")

    assert ask(api_key([key]), runtime, request) is (request if reason is None else reason)
    assert request.identity == (caller if reason is None else None)


def test_the_header_may_have_another_name(runtime: Runtime) -> None:
    request = a_request(name="Authorization")

    assert ask(api_key({"acme": ACME}, header="authorization"), runtime, request) is request


def test_an_identity_that_is_there_keeps_its_principal_and_gains_the_key(runtime: Runtime) -> None:
    request = a_request()
    request.identity = Identity(principal="alice", claims={"role": "admin"})

    assert ask(api_key({"acme": ACME}), runtime, request) is request
    assert request.identity == Identity(principal="alice", claims={"role": "admin"}, key_id="acme", key_name="acme")


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        (Identity(principal="alice", claims={"usageIdentifierKey": ACME}), None),
        (Identity(principal="alice", claims={"usageIdentifierKey": "\ud800 no key at all"}), Reason.API_KEY_UNKNOWN),
        (Identity(principal="alice"), Reason.API_KEY_MISSING),
        (None, Reason.API_KEY_MISSING),
    ],
    ids=["given", "not a key", "not given", "no identity"],
)
def test_the_authorizer_may_be_the_source(runtime: Runtime, identity: Identity | None, reason: Reason | None) -> None:
    request = a_request()
    request.identity = identity
    answer = ask(api_key({"acme": ACME}, source="authorizer"), runtime, request)

    assert answer is (request if reason is None else reason)


def test_the_trace_says_where_a_key_was_and_masks_it(runtime: Runtime) -> None:
    request = a_request()
    request.events = []

    ask(api_key({"acme": ACME}), runtime, request)

    assert request.events == [("credential", "an API key in the header x-api-key, ending in …6789")]


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        api_key({"acme": "short"}, source="headers", header="x key")  # type: ignore[arg-type]  # a user's mistake

    assert [problem.where for problem in caught.value.problems] == ["keys[acme]", "api_key.source", "api_key.header"]
    assert caught.value.problems[1].near == "header"


@pytest.mark.parametrize("keys", [None, 5], ids=repr)
def test_what_holds_no_keys_is_a_mistake(keys: object) -> None:
    with pytest.raises(ConfigError, match="holds no keys"):
        api_key(keys)  # type: ignore[arg-type]  # a user's mistake


OLD = "former-key-0123456789"
EXPIRING = [ApiKey(id="1", name="acme", value=ACME, expires_s=2e9, previous=OLD, previous_expires_s=1.9e9)]
STORED = [
    ApiKey(id="k1", name="acme", value=hashed(ACME), previous=hashed(OLD)),
    ApiKey(id="k2", name="off", value=hashed("disabled-key-0123456789"), enabled=False),
    ApiKey(id="k3", name="dev", value=hashed("dev-only-key-0123456789"), stages=frozenset({"dev"})),
]


def write(place: str, *keys: ApiKey) -> None:
    async def put() -> None:
        store = key_store(place, create=True)
        assert await store.put(*((key, None) for key in keys))
        await store.aclose()

    asyncio.run(put())


def in_a_file(directory: Path) -> str:
    write(str(directory / "keys.json"), *STORED)
    return str(directory / "keys.json")


def in_a_database(directory: Path) -> str:
    write(f"sqlite:///{directory}/keys.db", *STORED)
    return f"sqlite:///{directory}/keys.db"


class OfOnesOwn:
    """A store that waits, as one over a network does."""

    reload_s = 0.0

    def __init__(self) -> None:
        self.keys = {digest: key for key in STORED for digest in digests_of(key)}
        self.closed = 0

    async def find(self, digest: bytes) -> ApiKey | None:
        return self.keys.get(digest)

    async def list(self) -> list[ApiKey]:
        raise NotImplementedError

    put = remove = list

    async def aclose(self) -> None:
        self.closed += 1


STORES = pytest.mark.parametrize(
    "make", [in_a_file, in_a_database, lambda _: OfOnesOwn()], ids=["file", "database", "of one's own"]
)


def make_runtime(clock: VirtualClock | None = None) -> Runtime:
    return deploy_runtime(clock=clock or VirtualClock("2026-01-01T00:00Z"))


@STORES
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ACME, "k1"),
        (OLD, "k1"),
        ("nobodys-key-0123456789", Reason.API_KEY_UNKNOWN),
        ("disabled-key-0123456789", Reason.API_KEY_DISABLED),
        ("dev-only-key-0123456789", Reason.API_KEY_NOT_IN_PLAN),
        (None, Reason.API_KEY_MISSING),
    ],
    ids=["known", "from before the rotation", "unknown", "disabled", "another stage", "missing"],
)
def test_a_store_answers_as_a_table_does(make: Any, value: str | None, expected: object, tmp_path: Path) -> None:
    bound = api_key(make(tmp_path)).bind(make_runtime())
    request = a_request(value)
    request.stage = "prod"

    answer: Any = bound.on_request(request)  # type: ignore[misc]  # it has the hook
    answer = drive(answer) if isawaitable(answer) else answer

    assert (answer.reason if isinstance(answer, Refusal) else answer.api_key.id) == expected
    if not isinstance(answer, Refusal):
        assert request.identity == Identity(principal="acme", kind="api_key", key_id="k1", key_name="acme")
    asyncio.run(bound.aclose())


@STORES
def test_an_identity_that_is_there_gains_the_key_of_a_store(make: Any, tmp_path: Path) -> None:
    decision_of = PolicyMiddleware(
        an_app, policies=[authenticate(lambda request: Identity(principal="alice")), api_key(make(tmp_path))]
    )

    identity = decision_of.decide("GET", "/", headers={"x-api-key": ACME}).identity

    assert identity == Identity(principal="alice", key_id="k1", key_name="acme")
    asyncio.run(decision_of.aclose())


async def an_app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_a_store_is_closed_with_its_policy() -> None:
    store = OfOnesOwn()
    async with PolicyMiddleware(an_app, policies=[api_key(store)]):
        pass

    assert store.closed == 1


class TestAKeyInAFile(PolicyContract):
    headers: ClassVar[Mapping[str, str]] = {"x-api-key": ACME}

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.place = in_a_file(tmp_path)

    def make_policy(self) -> ApiKeyPolicy:
        return api_key(self.place)


class TestAKeyInAStoreThatWaits(PolicyContract):
    headers: ClassVar[Mapping[str, str]] = {"x-api-key": ACME}

    def make_policy(self) -> ApiKeyPolicy:
        return api_key(OfOnesOwn())


async def test_a_store_that_fails_lets_nobody_in() -> None:
    class Down(OfOnesOwn):
        async def find(self, digest: bytes) -> ApiKey | None:
            raise StoreError("down on purpose")

    answer = await Client(PolicyMiddleware(an_app, policies=[api_key(Down())])).get("/", headers={"x-api-key": ACME})

    assert answer.status == 503


@pytest.mark.parametrize("name", ["keys.json", "sqlite:///keys.db"])
def test_a_revoked_key_stops_within_the_interval_and_a_new_one_begins(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(name, *STORED)
    clock = VirtualClock()
    gateway = PolicyMiddleware(an_app, policies=[api_key(name)], clock=clock)

    def allowed(value: str) -> bool:
        return gateway.decide("GET", "/", headers={"x-api-key": value}).allowed

    assert allowed(ACME)
    other = key_store(name)
    assert asyncio.run(other.remove("k1"))
    assert asyncio.run(other.put((ApiKey(id="k9", value=hashed("brand-new-key-0123456789")), None)))
    asyncio.run(other.aclose())
    clock.advance(RELOAD_S)
    assert not allowed(ACME)
    assert allowed("brand-new-key-0123456789")
    asyncio.run(gateway.aclose())


async def test_a_file_is_read_again_in_a_thread_once_for_all_that_wait(tmp_path: Path) -> None:
    clock = VirtualClock()
    place = str(tmp_path / "keys.json")
    store = key_store(place, create=True)
    await store.put(*((key, None) for key in STORED))
    client = Client(PolicyMiddleware(an_app, policies=[api_key(place)], clock=clock))
    assert (await client.get("/", headers={"x-api-key": ACME})).status == 200
    await store.remove("k1")
    clock.advance(RELOAD_S)

    answers = await asyncio.gather(*(client.get("/", headers={"x-api-key": ACME}) for _ in range(20)))

    assert {answer.status for answer in answers} == {403}


@pytest.mark.parametrize(
    ("value", "at", "reason"),
    [
        (ACME, 1.99e9, None),
        (ACME, 2e9, Reason.API_KEY_EXPIRED),
        (OLD, 1.89e9, None),
        (OLD, 1.9e9, Reason.API_KEY_EXPIRED),
    ],
    ids=["in its time", "at its end", "former, in its time", "former, at its end"],
)
def test_values_expire_by_the_clock(value: str, at: float, reason: Reason | None) -> None:
    gateway = PolicyMiddleware(an_app, policies=[api_key(EXPIRING)], clock=VirtualClock(at))

    assert gateway.decide("GET", "/", headers={"x-api-key": value}).reason is reason


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("keys.txt", "'keys.txt' is no store of keys. Write a file such as"),
        ("keys.db", "'keys.db' is no store of keys (did you mean 'sqlite:///keys.db'?)"),
        ("sqlite://keys.db", "'sqlite://keys.db' is no store of keys (did you mean 'sqlite:///keys.db'?)"),
        ("sqlite3:///keys.db", "(did you mean 'sqlite:///keys.db'?)"),
        ("sqlite:///", "'sqlite:///' names no file"),
        ("redis://localhost", "'redis://localhost' is no store of keys"),
        ("", "'' is no store of keys"),
        ("gone.json", "gone.json: the file cannot be read: No such file or directory. Run: gatewaykit keys create"),
        ("sqlite:///gone.db", "gone.db: the database cannot be used: No such file or directory"),
        ("a\0b.json", "the file cannot be read"),
        ("sqlite:///a\0b.db", "the database cannot be used"),
    ],
)
def test_a_store_that_cannot_be_opened_stops_the_start(spec: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PolicyMiddleware(an_app, policies=[api_key(spec)])

    assert problem in str(caught.value)


def test_a_runtime_that_opens_no_stores_says_so(runtime: Runtime) -> None:
    with pytest.raises(ConfigError, match="cannot be opened by this runtime"):
        api_key("keys.json").bind(runtime)


def steps_of(call: Callable[[], object]) -> list[tuple[str, int]]:
    """Every line that runs of the code that decides about keys."""
    steps: list[tuple[str, int]] = []

    def trace(frame: Any, event: str, argument: Any) -> Any:
        if "api_key.py" in frame.f_code.co_filename:
            steps.append((frame.f_code.co_name, frame.f_lineno))
            return trace
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return steps


@pytest.mark.parametrize("keys", [{"acme": ACME}, EXPIRING, "file"], ids=["plain", "with an end", "in a file"])
def test_unknown_and_wrong_keys_take_the_same_path(keys: Any, tmp_path: Path) -> None:
    bound = api_key(in_a_file(tmp_path) if keys == "file" else keys).bind(make_runtime())
    on_request = bound.on_request
    assert on_request is not None
    values = [
        "nobodys-key-0123456789", ACME[:-1], ACME + "x", ACME[:-1] + "x", "x" + ACME[1:], ACME.upper(), hashed(ACME),
        "x", "x" * 65536,
    ]  # fmt: skip

    paths = {tuple(steps_of(lambda value=value: on_request(a_request(value)))) for value in values}  # type: ignore[misc]  # a default

    assert len(paths) == 1
    (path,) = paths
    assert [name for name, _ in path].count("judge") > 3  # the digests are compared, and not only looked up
    assert tuple(steps_of(lambda: on_request(a_request(ACME)))) != path


def test_no_keys_at_all_are_a_mistake() -> None:
    with pytest.raises(ConfigError, match="no keys: every request would be refused"):
        api_key({})
