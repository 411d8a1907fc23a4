"""`gatewaykit cache stats|flush|purge|explain FILE`: what caches keep, and why.

What is kept in the memory of a process belongs to that process: it is read and changed where it is kept for all, in
Redis.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from gatewaykit.cli.request_options import add_request, request_of
from gatewaykit.cli.sources import add_json, add_source, open_source
from gatewaykit.cli.usage_error import UsageError
from gatewaykit.errors import ConfigError, Problem, StoreError

if TYPE_CHECKING:
    from gatewaykit.cli.output import Output
    from gatewaykit.cli.sources import Opened
    from gatewaykit.ports import CacheSpace

__all__ = ["add", "run"]

T = TypeVar("T")


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "cache", help="show what caches keep, forget it, and say why a response is kept or not"
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    stats = verbs.add_parser("stats", help="count what is kept, for each cache")
    flush = verbs.add_parser("flush", help="forget everything")
    purge = verbs.add_parser("purge", help="forget what has an address or a tag")
    explain = verbs.add_parser("explain", help="say what is kept for a request, or why nothing is")
    for each in (stats, flush, purge, explain):
        add_source(each)
        add_json(each)
        each.set_defaults(run=run)
    for each in (stats, flush, purge):
        each.add_argument("--cache", metavar="NAME", help="the cache that is meant, such as edge:edge; all without it")
    which = purge.add_mutually_exclusive_group(required=True)
    which.add_argument("--prefix", metavar="HOST/PATH", help="what the address begins with, such as shop.example/pets/")
    which.add_argument("--tag", help="a tag of Surrogate-Key or Cache-Tag")
    add_request(explain)
    explain.add_argument(
        "--fetch", action="store_true", help="make the request too, and say what became of the response"
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    if arguments.verb == "explain":
        return _explain(arguments, output)
    opened = open_source(arguments, unbound=True, unenforced=True, reads=arguments.verb == "stats")
    spaces = _spaces(opened, arguments.cache)
    try:
        rows = _run(opened, _each(spaces, arguments))
    except StoreError as error:
        raise ConfigError(Problem(where="kept_in", what=str(error))) from error
    if output.as_json:
        output.json(rows)
    elif arguments.verb == "stats":
        heading = [output.style("bold", name) for name in ("CACHE", "RESPONSES", "BYTES")]
        output.table([heading, *([row["cache"], f"{row['entries']:,}", f"{row['bytes']:,}"] for row in rows)], 0)
    else:
        for row in rows:
            done = "flushed" if arguments.verb == "flush" else f"{row['purged']:,} forgotten"
            output.line(f"{row['cache']}  {output.style('green', done)}")
    return 0


def _spaces(opened: Opened, name: str | None) -> dict[str, CacheSpace]:
    found = {each: space for gateway in opened.gateways.values() for each, space in gateway.caches.items()}
    if name is not None and name not in found:
        from gatewaykit.definition.near import near_miss

        near = near_miss(name, found)
        hint = f" (did you mean {near!r}?)" if near else f"; there are {', '.join(found)}" if found else ""
        raise UsageError(f"--cache: there is no cache {name!r}{hint}")
    chosen = {each: space for each, space in sorted(found.items()) if name in (None, each)}
    if not chosen:
        raise UsageError(f"{opened.name} has no cache")
    here = [each for each, space in chosen.items() if not hasattr(space, "prefix")]
    if len(here) == len(chosen):
        mend = "Keep them in Redis: kept_in: redis://HOST:6379/0, or the store of the file"
        raise UsageError(f"{', '.join(here)}: kept in memory, so only the process that serves has it", mend=mend)
    return {each: space for each, space in chosen.items() if each not in here}


async def _each(spaces: Mapping[str, CacheSpace], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for name, space in spaces.items():
        row: dict[str, Any] = {"cache": name}
        if arguments.verb == "stats":
            use = await _now(space.use())
            row |= {"entries": use.entries, "bytes": use.bytes}
        elif arguments.verb == "flush":
            await _now(space.flush())
        else:
            row["purged"] = await _now(space.purge(prefix=arguments.prefix, tag=arguments.tag))
        rows.append(row)
    return rows


def _explain(arguments: argparse.Namespace, output: Output) -> int:
    request = request_of(arguments)
    sent = [key for key in arguments.key if "=" not in key]
    arguments.key = [key for key in arguments.key if "=" in key]
    request["headers"] += [("x-api-key", key) for key in sent]
    opened = open_source(arguments, unbound=not arguments.fetch, reads=True)
    gateway, path = opened.find(arguments.path)

    async def look() -> dict[str, Any]:
        explanation = await gateway.explain_waiting(arguments.method, path, **request)
        told = explanation.decision.cache
        found: dict[str, Any] = {"kept": [text for text in told.split("; ") if text]}
        if explanation.decision.refusal is not None:
            found["refused"] = explanation.decision.detail or explanation.decision.refusal.reason.text
        if arguments.fetch:
            invocation = await gateway.invoke(arguments.method, path, **request)
            found |= {"fetched": list(invocation.cache), "status": invocation.status}
        return found

    found = _run(opened, look())
    if output.as_json:
        output.json(found)
        return 0
    if "refused" in found:
        output.line(f"{output.style('red', 'refused')}  before any cache: {found['refused']}")
    for text in found["kept"]:
        output.line(text)
    if not found["kept"] and "refused" not in found:
        output.line("no cache looks at this request")
    for text in found.get("fetched", ()):
        output.line(f"{output.style('bold', 'fetched')}  {text}")
    return 0


def _run(opened: Opened, work: Awaitable[T]) -> T:
    import asyncio

    async def whole() -> T:
        try:
            return await work
        finally:
            for gateway in opened.gateways.values():
                await gateway.aclose()

    return asyncio.run(whole())


async def _now(answer: T | Awaitable[T]) -> T:
    return await answer if isinstance(answer, Awaitable) else answer
