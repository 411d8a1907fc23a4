"""Quotas in a SQLite database, with real processes: one that counts, others that would, and some that are killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gatewaykit import PolicyMiddleware, by, quota
from gatewaykit.core.quota import Quota
from gatewaykit.errors import ConfigError
from gatewaykit.stores.sqlite_file import lock_of
from gatewaykit.stores.sqlite_limits import SqliteThrottleStore
from gatewaykit.testing import Client

QUOTA = Quota(10**9, "MONTH")
COUNTING = """
import sys, threading
from gatewaykit.core.quota import Quota
from gatewaykit.stores.sqlite_limits import SqliteThrottleStore

store = SqliteThrottleStore(sys.argv[1], flush_s=float(sys.argv[2]))
verb = store.quota("plan:p", Quota(10**9, "MONTH"))
rounds = 0
write = store._file._write
def counted_write(values):
    global rounds
    write(values)
    rounds += 1
store._file._write = counted_write
used, safe, seen = 0, 0, 0
while True:
    verb("key")
    used += 1
    if rounds > seen + 1:  # a whole group was written since `mark`, so all counts before it are on the disk
        safe, seen, mark = (mark if seen else 0), rounds, used
        print(safe, used, flush=True)
    elif not seen and rounds:
        seen, mark = rounds, used
    threading.Event().wait(0.0005)
"""
ENDING = """
import asyncio, sys
from gatewaykit.core.quota import Quota
from gatewaykit.stores.sqlite_limits import SqliteThrottleStore
store = SqliteThrottleStore(sys.argv[1], flush_s=60)
verb = store.quota("plan:p", Quota(10**9, "MONTH"))
for _ in range(1000):
    verb("key")
if sys.argv[2] == "aclose":
    asyncio.run(store.aclose())
"""


async def on_disk(place: str) -> int:
    store = SqliteThrottleStore(place)
    left = store.looking().quota("plan:p", QUOTA)("key").remaining
    await store.aclose()
    return QUOTA.limit - left - 1


@pytest.mark.parametrize("lines", [2, 5, 9])
async def test_a_killed_process_loses_what_it_counted_since_the_last_whole_group_at_most(
    tmp_path: Path, lines: int
) -> None:
    place = str(tmp_path / "q.db")
    child = subprocess.Popen(  # noqa: ASYNC220 - the test has nothing else to do
        [sys.executable, "-c", COUNTING, place, "0.02"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(lines)]
    child.send_signal(signal.SIGKILL)
    said += child.stdout.readlines()
    child.wait()
    child.stdout.close()

    safe = int([line for line in said if line.endswith("\n")][-1].split()[0])
    assert await on_disk(place) >= safe > 0


@pytest.mark.parametrize("how", ["aclose", "exit"])
async def test_a_process_that_ends_loses_nothing(tmp_path: Path, how: str) -> None:
    place = str(tmp_path / "q.db")
    subprocess.run([sys.executable, "-c", ENDING, place, how], check=True)  # noqa: ASYNC221 - as above

    assert await on_disk(place) == 1000


async def test_a_second_process_is_told_who_counts_and_may_look(tmp_path: Path) -> None:
    place = str(tmp_path / "q.db")
    store = SqliteThrottleStore(place)
    store.quota("plan:p", QUOTA)("key")
    await store.flush()
    ask = "import sys; from gatewaykit.stores.sqlite_limits import *; from gatewaykit.core.quota import Quota\n"
    ask += "print(SqliteThrottleStore(sys.argv[1], reads={}).quota('plan:p', Quota(9, 'MONTH'))('key').remaining)"
    refused = subprocess.run([sys.executable, "-c", ask.format(False), place], capture_output=True, text=True)  # noqa: ASYNC221 - the test has nothing else to do
    looked = subprocess.run([sys.executable, "-c", ask.format(True), place], capture_output=True, text=True)  # noqa: ASYNC221 - the test has nothing else to do
    await store.aclose()

    assert f"in use by process {os.getpid()}, since" in refused.stderr
    assert looked.stdout == "7\n"


async def test_a_full_disk_is_logged_and_what_was_counted_is_written_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = str(tmp_path / "q.db")
    store = SqliteThrottleStore(place, flush_s=60)
    verb = store.quota("plan:p", QUOTA)
    database = store._file._database
    assert database is not None
    database.execute("PRAGMA max_page_count = 8")
    assert all(verb(f"{number}" * 100).allowed for number in range(2000))
    assert not store._file.flush()
    assert not store._file.flush()
    database.execute("PRAGMA max_page_count = 1000000")
    verb("key")
    assert store._file.flush()

    assert store.failures == 2
    assert caplog.text.count("quotas cannot be written") == 1
    assert "quotas can be written again" in caplog.text
    await store.aclose()
    assert await on_disk(place) == 1


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda place: Path(place).write_bytes(b"no database at all, but long enough" * 99), "file is not a database"),
        (
            lambda place: sqlite3.connect(place).execute("CREATE TABLE pets (name)").connection.close(),
            "holds no quotas",
        ),
        (lambda place: Path(place).mkdir(), "unable to open database file"),
    ],
    ids=["garbage", "another database", "a directory"],
)
def test_what_is_no_database_of_quotas_is_refused_at_start_up(spoil: object, problem: str, tmp_path: Path) -> None:
    place = str(tmp_path / "q.db")
    spoil(place)  # type: ignore[operator]  # one of the above

    with pytest.raises(ConfigError, match=problem):
        SqliteThrottleStore(place).quota("plan:p", QUOTA)


async def test_without_its_database_a_quota_is_a_503(tmp_path: Path) -> None:
    place = str(tmp_path / "q.db")
    limited = PolicyMiddleware(
        app, policies=[quota(limit=9, period="DAY", key=by.everyone)], store=SqliteThrottleStore(place)
    )
    first = await Client(limited).get("/")
    await limited.aclose()
    taken = lock_of(place, 0)  # as another process does, in between
    second = await Client(limited).get("/")
    taken.close()
    await limited.aclose()

    assert [first.status, second.status] == [200, 503]


async def app(scope: object, receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]  # ASGI's send
    await send({"type": "http.response.body", "body": b"fine"})  # type: ignore[operator]  # ASGI's send


FORKING = """
import os, sys
from gatewaykit.core.quota import Quota
from gatewaykit.errors import StoreError
from gatewaykit.stores.sqlite_limits import SqliteThrottleStore
verb = SqliteThrottleStore(sys.argv[1], flush_s=60).quota("plan:p", Quota(10**9, "MONTH"))
verb("key")
child = os.fork()
if not child:
    try:
        verb("key")
    except StoreError as error:
        os._exit(0 if f"in use by process {os.getppid()}," in str(error) else 2)
    os._exit(1)
_, status = os.waitpid(child, 0)
verb("key")
sys.exit(os.waitstatus_to_exitcode(status))
"""


async def test_the_child_of_a_fork_does_not_count_beside_its_parent(tmp_path: Path) -> None:
    place = str(tmp_path / "q.db")
    ended = subprocess.run([sys.executable, "-c", FORKING, place])  # noqa: ASYNC221 - as above

    assert ended.returncode == 0
    assert await on_disk(place) == 2
