"""Where access keys come from."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatewaykit.clock import VirtualClock
from gatewaykit.core.context import ApiFacts
from gatewaykit.core.iam.credentials import Credentials
from gatewaykit.errors import ConfigError, UpstreamError
from gatewaykit.policies.credentials import bound_find, credentials_env, credentials_lookup, provider_of
from gatewaykit.policies.credentials_file import credentials_file
from gatewaykit.policies.iam import iam
from gatewaykit.ports import Runtime
from gatewaykit.upstream.scripted import Reply, ScriptedTransport

SECRET = "secret-of-somebody"
USERS = {"users": {"alice": {"access_keys": [{"id": "AKID", "secret": SECRET}]}}}
URL = "http://keys.test/keys/{access_key_id}"


def problems(make: Any) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        make()
    assert SECRET not in str(raised.value)
    return [str(each) for each in raised.value.problems]


def known(find: Any, key_id: str = "AKID") -> Credentials:
    found = find(key_id)
    assert isinstance(found, Credentials)
    return found


def test_users_are_of_the_apis_account_where_none_is_named(runtime: Runtime) -> None:
    runtime = replace(runtime, facts=ApiFacts(account_id="111111111111"))
    named = {"account": "222222222222", **USERS}

    accounts = [known(bound_find(provider_of(data, "x"), runtime)).principal.account for data in (USERS, named)]

    assert accounts == ["111111111111", "222222222222"]


def test_credentials_may_be_given_as_they_are(runtime: Runtime) -> None:
    alice = known(bound_find(provider_of(USERS, "x"), runtime))

    find = bound_find(provider_of({"AKID": alice}, "x"), runtime)

    assert find("AKID") is alice
    assert find("AKIDOTHER") is None


def test_a_provider_and_a_function_are_taken_as_they_are(runtime: Runtime) -> None:
    class Provider:
        def find(self, access_key_id: str) -> None:
            return None

    provider = Provider()

    assert bound_find(provider_of(provider, "x"), runtime) == provider.find
    assert bound_find(provider_of(len, "x"), runtime) is len


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (3, "x: int gives no credentials"), ({}, "x: no access keys"), ({"users": {}}, "x: no access keys"),
        ({"user": {}}, "credentials.user: there is no setting 'user' (did you mean 'users'?)"),
        ("missing.yaml", "missing.yaml: the credentials cannot be read: No such file or directory"),
    ],
    ids=["a number", "nothing", "nobody", "a near miss", "no file"],
)  # fmt: skip
def test_what_gives_no_credentials_is_a_problem(given: object, problem: str) -> None:
    assert problems(lambda: provider_of(given, "x"))[0].startswith(problem)


# ---------------------------------------------------------------------------------------------------- environment


def test_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> None:
    monkeypatch.setenv("SHOP_KEYS", json.dumps(USERS))

    assert known(bound_find(credentials_env("SHOP_KEYS"), runtime)).secret == SECRET


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "SHOP_KEYS: the environment variable is not set"),
        (f"{{{SECRET}", "SHOP_KEYS: the environment variable holds no JSON"),
        (f'["{SECRET}"]', "SHOP_KEYS: the environment variable holds no JSON object"),
        ('{"users": {"a": {"keys": []}}}', "SHOP_KEYS.users.a.keys: there is no setting 'keys'"),
    ],
    ids=["unset", "no JSON", "a list", "a mistake"],
)
def test_what_is_wrong_in_the_environment_is_said(
    monkeypatch: pytest.MonkeyPatch, value: str | None, problem: str
) -> None:
    monkeypatch.delenv("SHOP_KEYS", raising=False)
    if value is not None:
        monkeypatch.setenv("SHOP_KEYS", value)

    assert problems(lambda: credentials_env("SHOP_KEYS"))[0].startswith(problem)


# ---------------------------------------------------------------------------------------------------- a file

FILE = """\
account: 012345678901
policies:
  read: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: execute-api:Invoke, Resource: "*"}]}
users:
  alice:
    policies: [read]
    access_keys:
      - {id: AKID, secret: 01234567890123456789, active: true}
"""


def test_a_file_is_read_without_guessing_types(tmp_path: Path, runtime: Runtime) -> None:
    path = tmp_path / "users.yaml"
    path.write_text(FILE)

    found = known(bound_find(provider_of(str(path), "x"), runtime))

    assert (found.principal.account, found.secret, found.active) == ("012345678901", "01234567890123456789", True)


def test_a_file_may_be_json(tmp_path: Path, runtime: Runtime) -> None:
    path = tmp_path / "users.json"
    path.write_text(json.dumps(USERS))

    assert known(bound_find(credentials_file(path), runtime)).secret == SECRET


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("u.yaml", FILE.replace("secret: 0", "secrte: 0").replace("[read]", "[raed]"), [
            "u.yaml:6: users.alice.policies[0]: there is no policy 'raed' (did you mean 'read'?)",
            "u.yaml:8: users.alice.access_keys[0].secrte: there is no setting 'secrte' (did you mean 'secret'?)",
            "u.yaml:8: users.alice.access_keys[0]: has no secret of 16 characters or more. Shorter ones are found by "
            "trying",
        ]),
        ("u.yaml", "users: {a: 1, a: 2}", ["u.yaml:1: 'a' is there twice"]),
        ("u.yaml", "users: [",
            ["u.yaml:1:9: the file is no YAML: expected the node content, but found '<stream end>'"]),
        ("u.yaml", "\x00", ["u.yaml: the file is no YAML"]),
        ("u.yaml", "- a", ["u.yaml: the file holds no mapping. Write users: and their keys"]),
        ("u.yaml", "", ["u.yaml: no access keys: every request would be refused"]),
        ("u.yaml", "a: &a [*a]", ["u.yaml:1: the file is too deep, or holds too much"]),
        ("u.json", "{", ["u.json:1:2: the file is no JSON: Expecting property name enclosed in double quotes"]),
        ("u.json", "[" * 100_000, ["u.json: the file is too deep"]),
        ("u.json", '{"users": 1}', ["u.json: users: is no mapping"]),
    ],
    ids=["three", "twice", "no YAML", "NUL", "a list", "empty", "itself", "no JSON", "deep", "a number"],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, found: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text)

    assert problems(lambda: credentials_file(name)) == found


def test_a_file_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "u.yaml"
    path.write_bytes(b"\xff\xfe")

    assert problems(lambda: credentials_file(path)) == [f"{path}: the credentials cannot be read: it is not UTF-8"]


# ---------------------------------------------------------------------------------------------------- a service


class Service:
    """A service that knows keys; `reply` is what it answers next."""

    def __init__(self, runtime: Runtime, **options: Any) -> None:
        self.reply: Any = Reply(body=json.dumps(USERS).encode())
        self.transport = ScriptedTransport(lambda request: self.reply)
        self.find = bound_find(credentials_lookup(URL, **options), replace(runtime, transport=self.transport))

    async def ask(self, key_id: str = "AKID") -> Credentials | None:
        found = self.find(key_id)
        return await found if asyncio.iscoroutine(found) else found  # type: ignore[return-value]  # one of both

    @property
    def asked(self) -> int:
        return len(self.transport.requests)


async def test_a_service_is_asked_once_while_its_answer_is_kept(clock: VirtualClock, runtime: Runtime) -> None:
    service = Service(runtime, keep="5m", headers={"authorization": "Bearer t"})

    first, second = await service.ask(), await service.ask()
    clock.advance("5m")
    await service.ask()

    assert first is second
    assert first is not None
    assert first.secret == SECRET
    assert service.asked == 2
    request = service.transport.requests[0]
    assert (request.target, request.headers) == (b"/keys/AKID", [(b"authorization", b"Bearer t")])


async def test_simultaneous_requests_are_one_call(runtime: Runtime) -> None:
    service = Service(runtime)

    await asyncio.gather(*(service.ask() for _ in range(5)))

    assert service.asked == 1


@pytest.mark.parametrize("reply", [Reply(status=404), Reply(body=b'{"users": {}}')], ids=["404", "another key"])
async def test_that_a_key_is_unknown_is_remembered_shortly(clock: VirtualClock, runtime: Runtime, reply: Reply) -> None:
    service = Service(runtime)
    service.reply = reply

    assert [await service.ask(), await service.ask()] == [None, None]
    assert service.asked == 1
    clock.advance("10s")
    assert await service.ask() is None
    assert service.asked == 2


@pytest.mark.parametrize("key_id", ["", "a/b", "../x", "a b", "k" * 129])
async def test_a_service_is_not_asked_for_what_is_no_access_key(runtime: Runtime, key_id: str) -> None:
    service = Service(runtime)

    assert await service.ask(key_id) is None
    assert service.asked == 0


FAILING = [
    Reply(status=500), Reply(status=302), Reply(body=b"{"), Reply(body=b"[" * 100_000), Reply(body=b'{"users": 1}'),
    Reply(body=b"x" * 200_000), UpstreamError("refused", "down"),
]  # fmt: skip


@pytest.mark.parametrize("reply", FAILING, ids=["500", "302", "no JSON", "deep", "no users", "large", "down"])
async def test_while_a_service_fails_old_answers_serve_for_a_while(
    clock: VirtualClock, runtime: Runtime, reply: Any
) -> None:
    service = Service(runtime, keep="5m", stale="1h")
    before = await service.ask()
    service.reply = reply

    clock.advance("64m")
    stale = await service.ask()
    clock.advance("1m")

    assert stale is before
    with pytest.raises(UpstreamError):
        await service.ask()


async def test_no_more_keys_are_remembered_than_told(runtime: Runtime) -> None:
    service = Service(runtime, most=1)
    service.reply = Reply(status=404)

    for key_id in ("A", "B", "A"):
        await service.ask(key_id)

    assert service.asked == 3


def test_secrets_are_not_shown(runtime: Runtime) -> None:
    lookup = credentials_lookup(URL, headers={"authorization": f"Bearer {SECRET}"})

    assert SECRET not in repr((lookup, iam(lookup), iam(USERS), known(bound_find(provider_of(USERS, "x"), runtime))))


def test_a_lookup_has_to_be_bound() -> None:
    with pytest.raises(RuntimeError, match="bound to a runtime"):
        credentials_lookup(URL).find("AKID")


def test_what_is_wrong_with_a_lookup_is_said_at_once() -> None:
    found = problems(lambda: credentials_lookup("http://keys.test/", keep="x", stale=-1, timeout=None, most=0))  # type: ignore[arg-type]  # on purpose

    assert [each.partition(":")[0] for each in found] == [
        f"credentials_lookup.{name}" for name in ("keep", "stale", "timeout", "url", "most")
    ]
    assert problems(lambda: credentials_lookup("ftp://keys.test/{access_key_id}"))[0].startswith(
        "credentials_lookup.url"
    )
