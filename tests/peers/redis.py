"""Real redis-servers on free ports, that a test may kill, pause and start again; and one that answers garbage.

Alone, as a cluster of three masters and a replica, and as a master with a replica that three sentinels watch.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, ClassVar

from gatewaykit.stores.resp import NOTHING, command, new_parser

__all__ = ["Cluster", "RedisServer", "Watched", "answering", "cluster", "free_port", "running", "watched"]

_LONGEST_S = 20.0
_SLOTS = 16384


class RedisServer:
    """One server. Its data live in memory only: after `restart` it knows no keys and no scripts."""

    def __init__(self, home: Path, port: int, *more: str) -> None:
        self.port, self.socket = port, home / "redis.sock"
        self._command = [
            "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--dir", str(home), "--unixsocket", str(self.socket), "--daemonize", "no",
            "--repl-diskless-sync-delay", "0", *more,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, port: int, password: str, own: str) -> None:
        """Be a sentinel instead."""
        settings = self.socket.with_name("sentinel.conf")
        settings.write_text(
            f'port {self.port}\nbind 127.0.0.1\nrequirepass "{own}"\nsentinel sentinel-pass "{own}"\n'
            f'sentinel monitor shop 127.0.0.1 {port} 2\nsentinel auth-pass shop "{password}"\n'
            "sentinel down-after-milliseconds shop 500\nsentinel failover-timeout shop 2000\n"
        )
        self._command = ["redis-server", str(settings), "--sentinel"]

    def start(self) -> None:
        """Start, and wait until it listens."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _LONGEST_S
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("redis-server did not start") from None
                time.sleep(0.01)  # a real program is polled

    def kill(self) -> None:
        """As a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """As an operator does; it may write what it knows."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
        self._process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It keeps its connections and answers nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def ask(self, *words: str | bytes | int, password: str = "") -> Any:
        """The answer to one command."""
        login = [[b"AUTH", password.encode()]] if password else []
        asked = [*login, [word if isinstance(word, bytes) else str(word).encode() for word in words]]
        parser = new_parser()
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"".join(map(command, asked)))
            for _ in asked:
                while (reply := parser.gets()) is NOTHING:
                    parser.feed(connection.recv(65536))
        return reply

    def say(self, *words: str | bytes) -> bytes:
        """The raw beginning of an answer to one command."""
        parts = [word.encode() if isinstance(word, str) else word for word in words]
        wire = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(wire)
            return connection.recv(65536)


@contextmanager
def running(*more: str, port: int | None = None) -> Iterator[RedisServer]:
    """A server; `more` are options of its command line."""
    with TemporaryDirectory() as home:
        server = _started(Path(home), port, *more)
        try:
            yield server
        finally:
            server.kill()


def _started(home: Path, port: int | None, *more: str) -> RedisServer:
    for _ in range(2 if port is None else 0):
        server = RedisServer(home, free_port(), *more)
        try:
            server.start()
        except RuntimeError:  # another program took the port in between
            server.kill()
        else:
            return server
    server = RedisServer(home, free_port() if port is None else port, *more)
    server.start()
    return server


class Cluster:
    """Three masters, and a replica of the first."""

    def __init__(self, nodes: list[RedisServer]) -> None:
        self.nodes, self.masters, self.replica = nodes, nodes[:3], nodes[3]

    def owner(self, key: str) -> RedisServer:
        """The master that has a key."""
        slot = self.masters[0].ask("CLUSTER", "KEYSLOT", key)
        return self.masters[min(slot * 3 // _SLOTS, 2)]

    def named(self, owner: RedisServer) -> str:
        """A gateway whose keys a master has."""
        return next(name for name in map(str, range(1000)) if self.owner(f"gatewaykit:{{{name}}}:") is owner)

    def move(self, key: str, to: RedisServer) -> Iterator[str]:
        """Move the slot of a key, one step at each turn; yields what is next."""
        source, slot = self.owner(key), self.masters[0].ask("CLUSTER", "KEYSLOT", key)
        _ok(to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.ask("CLUSTER", "MYID")))
        _ok(source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", to.ask("CLUSTER", "MYID")))
        yield "keys"
        while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1):
            source.ask("MIGRATE", "127.0.0.1", to.port, "", 0, 1000, "KEYS", *keys)
            yield "a key"
        for node in (to, *self.masters):
            _ok(node.ask("CLUSTER", "SETSLOT", slot, "NODE", to.ask("CLUSTER", "MYID")))


@contextmanager
def cluster(*more: str, own: Callable[[], list[str]] = list) -> Iterator[Cluster]:
    """A cluster that serves. `own` gives each node options of its own."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "600", *more]
    with ExitStack() as stack:
        ports = [free_port() for _ in range(4)]
        nodes = [stack.enter_context(running(*options, *own(), "--cluster-port", str(port))) for port in ports]
        for number, node in enumerate(nodes):
            _ok(node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1))
            if number < 3:
                first, after = (-(-_SLOTS * end // 3) for end in (number, number + 1))
                _ok(node.ask("CLUSTER", "ADDSLOTSRANGE", first, after - 1))
            for other, port in zip(nodes[:number], ports):
                _ok(node.ask("CLUSTER", "MEET", "127.0.0.1", other.port, port))
        _until(lambda: all(b"cluster_known_nodes:4" in node.ask("CLUSTER", "INFO") for node in nodes))
        master = nodes[0].ask("CLUSTER", "MYID")
        _until(lambda: nodes[3].ask("CLUSTER", "REPLICATE", master) == b"OK")
        _until(lambda: b"master_link_status:up" in nodes[3].ask("INFO", "replication"))
        _until(lambda: all(b"cluster_state:ok" in node.ask("CLUSTER", "INFO") for node in nodes))
        _until(lambda: all(node.ask("CLUSTER", "NODES").count(b"slave") == 1 for node in nodes))
        yield Cluster(nodes)


@dataclass
class Watched:
    """A master, its replica, and the sentinels that watch them as `shop`."""

    master: RedisServer
    replica: RedisServer
    sentinels: list[RedisServer]

    PASSWORD: ClassVar = "of the servers"
    SENTINELS: ClassVar = "of the sentinels"


@contextmanager
def watched() -> Iterator[Watched]:
    """A master that fails over in about a second. Servers and sentinels have passwords of their own."""
    secured = ["--requirepass", Watched.PASSWORD, "--masterauth", Watched.PASSWORD]
    with ExitStack() as stack:
        master = stack.enter_context(running(*secured))
        replica = stack.enter_context(running(*secured, "--replicaof", "127.0.0.1", str(master.port)))
        sentinels = []
        for _ in range(3):
            home = stack.enter_context(TemporaryDirectory())
            sentinel = RedisServer(Path(home), free_port())
            sentinel.watch(master.port, Watched.PASSWORD, Watched.SENTINELS)
            stack.callback(sentinel.kill)
            sentinel.start()
            sentinels.append(sentinel)

        def knows_all(sentinel: RedisServer) -> bool:
            said = sentinel.ask("SENTINEL", "MASTER", "shop", password=Watched.SENTINELS)
            return {b"num-slaves": b"1", b"num-other-sentinels": b"2"}.items() <= dict(
                zip(said[::2], said[1::2])
            ).items()

        _until(lambda: all(map(knows_all, sentinels)))
        yield Watched(master, replica, sentinels)


@contextmanager
def answering(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """The port of a server that answers each read with what `answer` makes of it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_one(connection: socket.socket) -> None:
        with connection:
            try:
                while said := connection.recv(65536):
                    connection.sendall(answer(said))
            except OSError:
                pass

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            Thread(target=serve_one, args=(connection,), daemon=True).start()

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ok(reply: Any) -> None:
    assert reply == b"OK", reply


def _until(condition: Callable[[], bool]) -> None:
    """Poll real programs."""
    deadline = time.monotonic() + _LONGEST_S
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)  # real programs are polled
