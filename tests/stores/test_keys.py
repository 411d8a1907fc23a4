"""Stores of API keys: a file and a database."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from inspect import isawaitable
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from gatewaykit.clock import SYSTEM, VirtualClock
from gatewaykit.core.identity.api_key import ApiKey, hashed
from gatewaykit.errors import ConfigError, StoreError
from gatewaykit.stores.kept_keys import KeptKeys
from gatewaykit.stores.keys_file import KeysFile
from gatewaykit.stores.keys_sqlite import SqliteKeys
from gatewaykit.testing import KeyStoreContract

ACME = "acme-key-0123456789"
KEY = ApiKey(id="k1", name="acme", value=hashed(ACME))


class OnDisk(KeyStoreContract):
    kind: type[KeysFile] | type[SqliteKeys]
    name: str

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.place = str(tmp_path / self.name)

    async def make_store(self, clock: VirtualClock) -> KeptKeys:
        return self.kind(self.place, clock, create=True)


class TestJson(OnDisk):
    kind, name = KeysFile, "keys.json"


class TestYaml(OnDisk):
    kind, name = KeysFile, "keys.yaml"


class TestSqlite(OnDisk):
    kind, name = SqliteKeys, "keys.db"


EACH = pytest.mark.parametrize(
    ("kind", "name"),
    [(KeysFile, "keys.json"), (KeysFile, "keys.yaml"), (SqliteKeys, "keys.db")],
    ids=["json", "yaml", "sqlite"],
)


async def written(kind: Any, place: Path, clock: Any = SYSTEM) -> Any:
    store = kind(str(place), clock, create=True)
    assert await store.put((KEY, None))
    await store.aclose()
    return store


async def found(store: KeptKeys, value: str = ACME) -> ApiKey | None:
    answer = store.find(sha256(value.encode()).digest())
    return await answer if isawaitable(answer) else answer


@EACH
async def test_between_two_checks_no_look_up_touches_the_disk_or_waits(kind: Any, name: str, tmp_path: Path) -> None:
    clock = VirtualClock()
    store = kind(str(tmp_path / name), clock)
    await written(kind, tmp_path / name)
    store.open()
    empty(tmp_path)

    assert store.find(sha256(ACME.encode()).digest()) == KEY
    clock.advance(1.9)
    assert store.find(sha256(ACME.encode()).digest()) == KEY
    await store.aclose()


@EACH
async def test_a_first_look_that_fails_is_an_error_with_what_to_do(kind: Any, name: str, tmp_path: Path) -> None:
    store = kind(str(tmp_path / name))

    with pytest.raises(ConfigError, match=r"No such file.*gatewaykit keys create"):
        store.open()
    with pytest.raises(StoreError, match="No such file"):
        await found(store)
    with pytest.raises(StoreError, match="No such file"):
        await store.put((KEY, None))
    assert not {"keys.json", "keys.yaml", "keys.db"} & {*names(tmp_path)}


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def empty(directory: Path) -> None:
    for path in directory.iterdir():
        path.unlink()


def garbled(place: Path) -> None:
    (place.with_name("new")).write_text("]{ nonsense: [")
    (place.with_name("new")).rename(place)


@EACH
@pytest.mark.parametrize("spoil", [garbled, Path.unlink], ids=["garbage", "gone"])
async def test_the_last_good_table_stays_and_the_log_says_so_once(
    spoil: Callable[[Path], None], kind: Any, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, place = VirtualClock(), tmp_path / name
    await written(kind, place)
    store = kind(str(place), clock)
    store.open()
    spoil(place)

    for _ in range(3):
        clock.advance(2)
        assert await found(store) == KEY

    (said,) = caplog.records
    assert said.levelno == logging.ERROR
    assert str(place) in said.getMessage()
    assert "the keys from before stay in force" in said.getMessage()
    empty(tmp_path)
    again = kind(str(place), create=True)
    assert await again.put((ApiKey(id="k2", name="other", value=hashed("other-key-0123456789")), None))
    clock.advance(2)
    assert await found(store) is None
    assert await found(store, "other-key-0123456789") is not None
    await again.aclose()
    await store.aclose()


@EACH
def test_no_value_is_on_the_disk_and_nobody_else_may_read_what_is(kind: Any, name: str, tmp_path: Path) -> None:
    asyncio.run(written(kind, tmp_path / name))

    assert all(ACME.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is not JSON"),
        ("[" * 100_000, "the file is not JSON"),
        ("[]", "is no list of keys"),
        ('{"version": 2, "keys": []}', "version: has version 2; this gatewaykit reads version 1"),
        ('{"version": 1, "keys": [5]}', "keys[0]: is no record of a key"),
        ('{"version": 1, "keys": [{"id": "a", "value": "in-the-clear-01234"}]}', "keys[0].value: stands here in the"),
        ('{"version": 1, "keys": [{"id": "a", "sha256": "in-the-clear-0123456789"}]}', "keys[a]: after 'sha256:'"),
    ],
    ids=["empty", "deep", "a list", "of tomorrow", "no record", "a value", "a value for a digest"],
)
def test_a_file_that_is_no_store_says_what_is_wrong_and_no_value(text: str, problem: str, tmp_path: Path) -> None:
    place = tmp_path / "keys.json"
    place.write_text(text)

    with pytest.raises(ConfigError) as caught:
        KeysFile(str(place)).open()

    assert problem in str(caught.value)
    assert "in-the-clear" not in str(caught.value)


def test_a_file_that_is_no_utf_8_or_no_yaml_says_so(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b"\xff")
    (tmp_path / "bad.yaml").write_text("a: [")

    for name, problem in (("latin.json", "can't decode"), ("bad.yaml", "the file is not YAML")):
        with pytest.raises(ConfigError, match=problem):
            KeysFile(str(tmp_path / name)).open()


def test_a_file_that_anybody_may_write_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = tmp_path / "keys.json"
    place.write_text('{"version": 1, "keys": []}')
    place.chmod(0o646)

    KeysFile(str(place)).open()

    assert "can be written by anybody" in caplog.text


def test_a_link_stays_and_the_file_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "keys.json", tmp_path / "keys.json"
    real.write_text('{"version": 1, "keys": []}')
    real.chmod(0o640)
    link.symlink_to(real)

    assert asyncio.run(KeysFile(str(link)).put((KEY, None)))

    assert link.is_symlink()
    assert json.loads(real.read_text())["keys"][0]["id"] == "k1"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_file_stays_its_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "keys.json"
    place.write_text('{"version": 1, "keys": []}')
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: place.stat().st_uid + 1)
    monkeypatch.setattr(os, "chown", lambda name, user, group: given.append((user, group)))

    assert asyncio.run(KeysFile(str(place)).put((KEY, None)))

    assert given == [(place.stat().st_uid, place.stat().st_gid)]


async def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await written(KeysFile, tmp_path / "keys.json")
    before = names(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="cannot be written: No space left on device"):
            await store.remove("k1")

    assert names(tmp_path) == before
    assert list(await store.list()) == [KEY]


def test_a_database_of_something_else_or_of_tomorrow_is_refused(tmp_path: Path) -> None:
    for name, statement, problem in (
        ("other.db", "CREATE TABLE pets (name)", "holds no keys of gatewaykit"),
        ("later.db", "PRAGMA user_version = 9", "its schema has version 9; this gatewaykit knows version 1"),
    ):
        database = sqlite3.connect(tmp_path / name)
        database.execute(statement)
        database.close()

        with pytest.raises(ConfigError, match=problem):
            SqliteKeys(str(tmp_path / name)).open()


async def test_a_record_that_is_no_key_is_refused(tmp_path: Path) -> None:
    await written(SqliteKeys, tmp_path / "keys.db")
    database = sqlite3.connect(tmp_path / "keys.db")
    database.execute("UPDATE keys SET record = 'nonsense'")
    database.commit()
    database.close()

    with pytest.raises(ConfigError, match="a record is not JSON"):
        SqliteKeys(str(tmp_path / "keys.db")).open()


_WRITER = """
import asyncio, sys
from gatewaykit.core.identity.api_key import ApiKey, hashed
from gatewaykit.deploy.key_stores import key_store

async def main():
    store = key_store(sys.argv[1], create=True)
    for number in range(10):
        name = f"{sys.argv[2]}-{number}"
        assert await store.put((ApiKey(id=name, name=name, value=hashed(name + "-0123456789abcdef")), None))
    await store.aclose()

asyncio.run(main())
"""


@pytest.mark.parametrize("spec", ["keys.json", "sqlite:///keys.db"])
def test_two_processes_that_write_at_once_lose_nothing(spec: str, tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, spec, who], cwd=tmp_path, stderr=subprocess.PIPE)
        for who in ("a", "b", "c")
    ]
    complaints = [writer.communicate(timeout=60)[1] for writer in writers]

    assert complaints == [b"", b"", b""]
    kind: Any = KeysFile if spec == "keys.json" else SqliteKeys
    store = kind(str(tmp_path / spec.removeprefix("sqlite:///")))
    store.open()
    assert len(asyncio.run(store.list())) == 30
    asyncio.run(store.aclose())


def test_those_who_make_the_database_at_once_all_find_it(tmp_path: Path) -> None:
    for number in range(300):  # without the defence one in 150 finds it locked
        stores = [SqliteKeys(str(tmp_path / f"{number}.db"), create=True) for _ in range(2)]
        meeting = Barrier(len(stores))

        def opened(store: SqliteKeys, meeting: Barrier = meeting) -> None:
            meeting.wait()
            store.open()

        with ThreadPoolExecutor(len(stores)) as threads:
            list(threads.map(opened, stores))

        for store in stores:
            asyncio.run(store.aclose())
