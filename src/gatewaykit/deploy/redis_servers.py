"""The servers that an address of Redis names, and the files of its TLS: what they are, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["SCHEMES", "servers", "servers_problems", "tls_problems"]

SCHEMES: Final = (
    "redis", "rediss", "unix", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel",
)  # fmt: skip

_PORT: Final = {"cluster": 6379, "sentinel": 26379}
_TLS_FILES: Final = ("ca_file", "cert_file", "key_file")


def servers(spec: str) -> dict[str, Any]:
    """What an address without problems says of servers, in the words of RedisAddress."""
    url = urlsplit(spec)
    scheme, _, topology = url.scheme.partition("+")
    said: dict[str, Any] = {"user": unquote(url.username or ""), "password": unquote(url.password or "")}
    if scheme == "unix":
        return said | {"path": unquote(url.path)}
    said["tls"] = scheme == "rediss"
    master, database = _of_path(url, topology)
    if database:
        said["database"] = int(database)
    if topology:
        seeds = tuple((one.hostname or "", one.port or _PORT[topology]) for one in _each(url))
        return said | {"topology": topology, "seeds": seeds, "master": unquote(master)}
    return said | {"host": url.hostname or "127.0.0.1", "port": url.port or 6379}


def servers_problems(spec: str) -> Iterator[tuple[str, str]]:
    """What is wrong with the servers of an address, and how to mend it. Parts that may hold a password are not said."""
    try:
        url = urlsplit(spec)
        topology = url.scheme.partition("+")[2]
        hosts = [(one.hostname, one.port) for one in _each(url)]
        if not topology and len(hosts) > 1:
            yield (
                "the address names several servers",
                f"Write '{url.scheme}+cluster://…' or '{url.scheme}+sentinel://…'",
            )
            return
    except ValueError:  # its words may have a part of a password in them
        yield "the address cannot be read", "Write a port up to 65535, and # / ? in a password as %23 %2F %3F"
        return
    if url.scheme == "unix" and not url.path.strip("/"):
        yield "the address names no socket", "Write 'unix:///run/redis/redis.sock'"
    if topology and not all(host for host, _ in hosts):
        yield "the address names no server", f"Write '{url.scheme}://HOST:{_PORT[topology]},HOST:{_PORT[topology]}'"
    if topology == "sentinel":
        if not re.fullmatch(r"/[^/]+(?:/\d{0,5})?", url.path):
            yield f"{url.path!r:.40} names no master", f"Write it as in '{url.scheme}://HOST:26379/mymaster/0'"
    elif topology:
        if url.path.strip("/") not in ("", "0"):
            yield f"{url.path!r:.40} is no database of a cluster", "A cluster has only the database 0: leave it out"
    elif url.scheme != "unix" and not re.fullmatch(r"/?\d{0,5}", url.path):
        yield f"{url.path!r:.40} is no number of a database", "Write it as in 'redis://HOST:6379/0'"
    if url.fragment:
        yield "the address has a '#' in it", "Write %23 for it in a password"


def tls_problems(scheme: str, options: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong with options that only some kinds of address have. The files are read."""
    scheme, _, topology = scheme.partition("+")
    for name in ("sentinel_user", "sentinel_password"):
        if name in options and topology != "sentinel":
            yield f"{name} is for sentinels", "Write 'redis+sentinel://HOST:26379/MASTER', or leave it out"
    if options.get("db", "0") != "0" and topology == "cluster":
        yield "db: a cluster has only the database 0", "Leave it out"
    files = [name for name in _TLS_FILES if options.get(name)]
    if scheme != "rediss":
        for name in files:
            yield f"{name} is for TLS", f"Write '{'+'.join(filter(None, ('rediss', topology)))}://', or leave it out"
        return
    if "key_file" in files and "cert_file" not in files:
        yield "key_file has no cert_file beside it", "Name the certificate that belongs to the key"
        return
    unread = [*_unread(files, options)]
    yield from unread
    if not unread and files:
        from gatewaykit.stores.redis_address import RedisAddress, tls_context

        try:
            tls_context(RedisAddress(tls=True, **{name: options[name] for name in files}))  # type: ignore[arg-type]  # texts
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", None) or error
            yield (
                f"{' and '.join(files)} cannot be used: {why}",
                "Give certificates and keys in PEM, without a passphrase",
            )


def _unread(files: list[str], options: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in files:
        try:
            with open(options[name], "rb"):
                pass
        except (OSError, ValueError) as error:
            yield f"{name}: {options[name]!r:.100} cannot be read: {getattr(error, 'strerror', None) or error}", ""


def _each(url: SplitResult) -> list[SplitResult]:
    """Each server of a list."""
    _, _, hosts = url.netloc.rpartition("@")
    return [urlsplit(f"//{host}") for host in hosts.split(",")]


def _of_path(url: SplitResult, topology: str) -> tuple[str, str]:
    """The name of a master, and the number of a database."""
    path = url.path.strip("/")
    if topology != "sentinel":
        return "", path
    master, _, database = path.partition("/")
    return master, database
