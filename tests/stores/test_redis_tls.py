"""Redis over TLS, and with users: against real servers."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from gatewaykit.core.idempotency import NEW
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket
from gatewaykit.core.window import KINDS, Window
from gatewaykit.deploy.throttle_stores import gateway_name, redis_address
from gatewaykit.errors import StoreError
from gatewaykit.stores.idempotency_redis import RedisIdempotencyStore
from gatewaykit.stores.redis import RedisThrottleStore
from tests.peers.certificates import issue
from tests.peers.certificates import server as certificate_of_a_server
from tests.peers.redis import RedisServer, cluster, free_port, running

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.xdist_group("redis")]

_NAMES = itertools.count()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of an authority, a server, a client, and of somebody else."""
    home, authority, other = tmp_path_factory.mktemp("tls"), issue("CN=authority", ca=True), issue("CN=other", ca=True)
    authority.files(home, "ca")
    other.files(home, "other-ca")
    certificate_of_a_server(authority).files(home, "server")
    elsewhere = issue("CN=elsewhere", authority, names=[x509.DNSName("elsewhere")], uses=None)
    elsewhere.files(home, "elsewhere")
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    issue("CN=node", authority, names=names, uses=None).files(home, "node")  # a node is also a client of the others
    issue("CN=client", authority).files(home, "client")
    issue("CN=client", other).files(home, "stranger")
    return home


@pytest.fixture(scope="module")
def tls_port(home: Path) -> Iterator[int]:
    """A server that wants a client certificate."""
    port = free_port()
    with running(*_tls(home, port)):
        yield port


def _tls(home: Path, port: int, *more: str) -> list[str]:
    files = {"cert": "server.pem", "key": "server.key", "ca-cert": "ca.pem"}
    options = [word for name, file in files.items() for word in (f"--tls-{name}-file", str(home / file))]
    return ["--tls-port", str(port), *options, *more]


async def left_at(spec: str) -> int:
    """What is left of a new bucket of five."""
    store = RedisThrottleStore(redis_address(spec), gateway=f"tls-{next(_NAMES)}")
    try:
        return (await store.bucket("b", Bucket(1e-3, 5))("key")).remaining
    finally:
        await store.aclose()


async def test_a_server_that_wants_a_client_certificate_is_shown_one(home: Path, tls_port: int) -> None:
    files = f"ca_file={home}/ca.pem&cert_file={home}/client.pem&key_file={home}/client.key"

    assert await left_at(f"rediss://localhost:{tls_port}/1?timeout=10s&{files}") == 4


REFUSED = [
    ("ca_file={home}/other-ca.pem", r"its certificate is not trusted: .* \(see ca_file\)"),
    ("", r"its certificate is not trusted: .* \(see ca_file\)"),
    ("ca_file={home}/ca.pem", "(?i)certificate.required"),
    ("ca_file={home}/ca.pem&cert_file={home}/stranger.pem&key_file={home}/stranger.key", "(?i)unknown.ca"),
]


@pytest.mark.parametrize(("files", "why"), REFUSED, ids=["wrong CA", "system's CAs", "no certificate", "a stranger's"])
async def test_a_connection_that_proves_nothing_is_refused_with_the_reason(
    home: Path, tls_port: int, files: str, why: str
) -> None:
    with pytest.raises(StoreError, match=why):
        await left_at(f"rediss://localhost:{tls_port}?timeout=10s&{files.format(home=home)}")


async def test_a_server_of_another_name_is_refused(home: Path) -> None:
    port = free_port()
    own = ["--tls-cert-file", f"{home}/elsewhere.pem", "--tls-key-file", f"{home}/elsewhere.key"]
    spec = f"rediss://localhost:{port}?timeout=10s&ca_file={home}/ca.pem"
    with running(*_tls(home, port, *own)), pytest.raises(StoreError, match=r"not trusted: Hostname mismatch, .*localh"):
        await left_at(spec)


async def test_a_server_without_tls_is_a_store_error(home: Path) -> None:
    with running() as server, pytest.raises(StoreError, match="cannot connect"):
        await left_at(f"rediss://localhost:{server.port}?connect_timeout=200ms&timeout=10s&ca_file={home}/ca.pem")


async def test_the_nodes_of_a_cluster_are_spoken_to_over_tls(home: Path) -> None:
    ports: list[int] = []

    def own() -> list[str]:
        ports.append(free_port())
        node = ["--tls-cert-file", f"{home}/node.pem", "--tls-key-file", f"{home}/node.key", "--tls-auth-clients", "no"]
        return _tls(home, ports[-1], *node, "--tls-cluster", "yes", "--tls-replication", "yes")

    with cluster(own=own):
        seeds = ",".join(f"localhost:{port}" for port in ports[:2])
        left = {await left_at(f"rediss+cluster://{seeds}?timeout=10s&ca_file={home}/ca.pem") for _ in range(6)}

    assert left == {4}  # six gateways, whose keys are on all three


async def test_sentinels_and_the_master_they_name_are_spoken_to_over_tls(home: Path) -> None:
    port, watcher, plain = free_port(), free_port(), free_port()
    secured = "tls-replication yes\ntls-auth-clients no\n"
    files = f"tls-cert-file {home}/server.pem\ntls-key-file {home}/server.key\ntls-ca-cert-file {home}/ca.pem\n"
    settings = home / "sentinel.conf"
    settings.write_text(
        f"port {plain}\nbind 127.0.0.1\ntls-port {watcher}\n{secured}{files}"
        f"sentinel monitor shop 127.0.0.1 {port} 1\nsentinel down-after-milliseconds shop 500\n"
    )
    sentinel = RedisServer(home, plain, str(settings))
    sentinel._command = ["redis-server", str(settings), "--sentinel"]
    with running(*_tls(home, port, "--tls-replication", "yes", "--tls-auth-clients", "no")):
        sentinel.start()
        try:
            spec = f"rediss+sentinel://localhost:{watcher}/shop?timeout=10s&ca_file={home}/ca.pem"
            assert await left_at(spec) == 4
            with pytest.raises(StoreError, match="not trusted"):
                await left_at(spec.replace("ca.pem", "other-ca.pem"))
        finally:
            sentinel.kill()


DOCUMENTED = (
    "~gatewaykit:* +select +client|setname +role +cluster|slots +exists +script|load +eval +evalsha "
    "+time +get +set +expire +pexpire +hget +hset +hdel +hkeys +hgetall +strlen +getrange +append"
)


async def test_a_user_with_the_documented_rights_can_do_all_that_is_done() -> None:
    with running("--user", "default", "off", "--user", "gateway", "on", ">s3cret#/", *DOCUMENTED.split()) as server:
        spec = f"redis://gateway:s3cret%23%2F@127.0.0.1:{server.port}?timeout=10s&gateway=acl"
        store = RedisThrottleStore(redis_address(spec), gateway=gateway_name(spec))
        keys = RedisIdempotencyStore(redis_address(spec), gateway=gateway_name(spec))
        limits = [Bucket(1e-3, 5), Quota(5, "DAY", offset=1), *(Window(5, 60.0, kind) for kind in KINDS)]
        await store.ping()
        answer = await store.limits("all", limits)(["key"] * len(limits))
        await store.charge("all", limits)(["key"] * len(limits), 1)
        await store.charge("all", limits)(["key"] * len(limits), -1)
        await store.extend("plan:p", Quota(5, "DAY"), "key", 3)
        used = await store.usage("plan:p", Quota(5, "DAY"), ["key"], 0, 1)
        begun = await keys.begin(b"k" * 32, b"r" * 32, b"h" * 16, 1.0)
        await keys.finish(b"k" * 32, b"h" * 16, b"answer", 1.0)
        await keys.release(b"k" * 32, b"h" * 16)
        await keys.aclose()
        await store.aclose()

    assert answer.refused is None
    assert list(used) == ["key"]
    assert begun is NEW
    assert DOCUMENTED in " ".join((Path(__file__).parents[2] / "docs/how-to/limits-in-redis.md").read_text().split())


@pytest.mark.parametrize(
    ("who", "why"),
    [("gateway:wrong@", "WRONGPASS"), ("nobody:s3cret@", "WRONGPASS"), ("", "NOAUTH"), ("reader:s3cret@", "NOPERM")],
    ids=["wrong password", "unknown user", "nobody", "no rights"],
)
async def test_a_user_who_may_not_is_a_store_error_that_says_no_password(who: str, why: str) -> None:
    users = ["--user", "default", "off", "--user", "gateway", "on", ">s3cret", "allkeys", "+@all"]
    users += ["--user", "reader", "on", ">s3cret", "allkeys", "+get", "+select"]
    with running(*users) as server, pytest.raises(StoreError, match=why) as raised:
        await left_at(f"redis://{who}127.0.0.1:{server.port}?timeout=10s")

    assert "s3cret" not in str(raised.value)
    assert "wrong" not in str(raised.value)
