"""`gatewaykit serve FILE` and `gatewaykit serve --upstream URL`."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from gatewaykit import __version__
from gatewaykit.cli.check import counted, findings, shown
from gatewaykit.cli.output import discard_stdout
from gatewaykit.cli.routes import route_rows
from gatewaykit.cli.server_tls import add_tls, tls_of
from gatewaykit.cli.sources import add_json, add_source, open_source
from gatewaykit.cli.usage_error import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatewaykit.asgi.types import ASGIApp
    from gatewaykit.cli.output import Output
    from gatewaykit.cli.sources import Opened
    from gatewaykit.ports import Policy

__all__ = ["add", "run"]

_MOST_ROUTES: Final = 12  # more are counted, not listed
_MOST_KEYS: Final = 8
_MOST_WORKERS: Final = 256


def add(commands: Any) -> None:
    parser = commands.add_parser("serve", help="serve a definition, a gateway.yaml, or an upstream with policies")
    add_source(parser, upstream=True)
    group = parser.add_argument_group("the server")
    group.add_argument("--host", help="the address to listen on (127.0.0.1)")
    group.add_argument("--port", type=_port, help="the port to listen on, 0 for a free one (8080)")
    group.add_argument("--workers", metavar="N", type=_workers, default=1, help="serve with so many processes (1)")
    group.add_argument(
        "--accept-limits-per-worker", action="store_true", help="let each worker have the whole of every limit"
    )
    add_tls(group)
    group.add_argument(
        "--log", metavar="FORMAT", help="clf (the default), json, xml, csv, a format with $context variables, or off"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from gatewaykit.server.run import MissingServer, bind, serve, url_of
    from gatewaykit.server.workers import Workers

    opened = open_source(arguments, log=_access_log(arguments))
    if arguments.workers > 1:
        _check_workers(opened, arguments.accept_limits_per_worker)
    tls = tls_of(arguments, opened.config)
    server = opened.config.server if opened.config else None
    host = arguments.host or (server.host if server else "127.0.0.1")
    port = arguments.port if arguments.port is not None else (server.port if server else 8080)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        listener = bind(host, port)
    except (OSError, UnicodeError) as error:  # UnicodeError: no name of a host can be written so
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        mend = "Give another with --port, or 0 for a free one" if taken else ""
        raise UsageError(f"cannot listen on {host} port {port}: {_reason(error)}", mend=mend) from None

    def on_ready(url: str) -> None:
        try:
            _greet(opened, url, arguments, output)
        except BrokenPipeError:  # nobody reads what it says; it serves all the same
            discard_stdout()
        except UsageError:  # a full disk, say: no reason either
            pass

    try:
        if arguments.workers > 1:
            url = url_of(listener, tls)

            def work(ready: Callable[[], None]) -> None:
                serve(_app(opened), listener, tls=tls, on_ready=lambda _: ready())

            return Workers(arguments.workers, work).run(lambda: on_ready(url))
        serve(_app(opened), listener, tls=tls, on_ready=on_ready)
    except MissingServer as error:
        listener.close()
        raise UsageError(str(error)) from None
    except KeyboardInterrupt:  # Ctrl-C, after running requests were finished
        pass
    return 0


def _workers(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes, 1 to {_MOST_WORKERS}")
    return int(text)


def _check_workers(opened: Opened, accepted: bool) -> None:
    """Limits that each process would count for itself are not what was asked for."""
    from gatewaykit.server.workers import can_fork

    if not can_fork():
        raise UsageError("--workers needs a system that can fork")
    store = opened.config.store if opened.config else "memory://"
    counting = sorted({name for gateway in opened.gateways.values() for name in gateway.counting})
    if store.startswith("sqlite:"):
        raise UsageError("--workers: a SQLite store of limits is for one process", mend=_SHARED)
    if counting and not accepted and "memory" in store.partition("://")[0]:
        what = f"--workers: {', '.join(counting)} count in memory, so each worker would allow the whole limit"
        raise UsageError(what, mend=f"{_SHARED}, or accept it with --accept-limits-per-worker")


_SHARED: Final = "Give the file a store that processes share: redis://HOST:6379/0"


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return "this is no name of a host"
    return str(error.strerror) if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)


def _app(opened: Opened) -> ASGIApp:
    if list(opened.gateways) == ["/"]:
        return opened.gateways["/"]
    from gatewaykit.gateway.mounts import Mounts

    config = opened.config
    assert config is not None  # gateways elsewhere than at the root come from a gateway.yaml
    logs = [policy for policy in config.policies if getattr(policy, "phase", "") == "access_log"]
    return Mounts(opened.gateways, logs=logs, apps=list(config.apps.values()), trusted_proxies=config.trusted_proxies)


def _access_log(arguments: argparse.Namespace) -> Policy | None:
    if arguments.log == "off":
        return None
    from gatewaykit.observe.access_log import access_log

    return access_log(
        "clf" if arguments.log is None else arguments.log, sink=sys.stderr if arguments.json else sys.stdout
    )


def _greet(opened: Opened, url: str, arguments: argparse.Namespace, output: Output) -> None:
    """Said once the server answers."""
    entries = [entry for gateway in opened.gateways.values() for entry in gateway.report or ()]
    counts = counted(entries)
    wrong = [*findings(entries, ()), *(each for each in entries if each.security and each.status == "approximated")]
    attempt = _try(opened, url)
    if output.as_json:
        routes = [dict(zip(("verb", "resource", "policies", "integration"), row)) for row in route_rows(opened)]
        output.json(
            {"url": url, "demo_key": opened.demo_key or None, "counts": counts, "routes": routes, "try": attempt}
        )
        output.flush()
        return
    output.line(f"gatewaykit {__version__}: {opened.name}")
    facts = [["URL", output.style("bold", url + opened.stage_prefix)]]
    if opened.demo_key:
        facts.append(["Demo key", f"{output.style('bold', opened.demo_key)}  (header x-api-key)"])
    if counts:
        facts.append(["Definition", "keys: " + ", ".join(f"{count} {status}" for status, count in counts.items())])
    output.line()
    output.table(facts)
    if wrong:
        output.line("\nNot enforced as written")
        shown(output, sorted(wrong, key=lambda entry: not entry.security)[:_MOST_KEYS], arguments.accept)
        if len(wrong) > _MOST_KEYS:
            output.line(f"… and {len(wrong) - _MOST_KEYS} more: gatewaykit check {opened.name}")
    if opened.unbound:
        output.line("\nNot bound: calls of these functions fail")
        output.table([[name, f"--function {name}=module:callable"] for name in opened.unbound])
    rows = route_rows(opened)
    output.line("\nRoutes")
    output.table(rows[:_MOST_ROUTES])
    if len(rows) > _MOST_ROUTES:
        output.line(f"  … and {len(rows) - _MOST_ROUTES} more: gatewaykit routes {opened.name}")
    output.line("\nTry")
    output.line(f"  {attempt}\n")
    output.flush()


def _try(opened: Opened, url: str) -> str:
    """A curl line for the simplest route there is."""
    routes = [(mount, route) for mount, gateway in opened.gateways.items() for route in gateway.routes]
    routes.sort(key=lambda each: (each[1].verb not in ("GET", "ANY", ""), "{" in each[1].resource))
    if not routes:
        return f"curl {url}/"
    mount, route = routes[0]
    path = "/".join("1" if part.startswith("{") else part for part in route.resource.split("/"))
    verb = "" if route.verb in ("GET", "ANY", "") else f"-X {route.verb} "
    asks = "api_key" in route.policies
    key = f"-H 'x-api-key: {opened.demo_key or '…'}' " if asks else ""
    if url.startswith("https:"):
        key = f"--cacert … {'--cert … --key … ' if 'mtls' in route.policies else ''}{key}"
    return f"curl {verb}{key}{url}{opened.stage_prefix}{mount.rstrip('/')}{path or '/'}"


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to 65535")
    return int(text)
