"""`gatewaykit check FILE`: what becomes of every key of a definition."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from gatewaykit.cli.output import Output
from gatewaykit.cli.sources import add_json, add_source, open_source
from gatewaykit.deploy.throttle_stores import lease_of

if TYPE_CHECKING:
    from gatewaykit.cli.sources import Opened
    from gatewaykit.definition.ledger import Entry

__all__ = ["add", "counted", "findings", "run", "shown"]

_STYLES = {"enforced": "green", "approximated": "yellow", "ignored": "red", "unknown": "red"}


_LEASED = (
    "Token buckets are leased for {0:g} ms: any interval may have rate x {0:g} ms more, the whole never more. "
    "Quotas, windows and costs are exact"
)


def add(commands: Any) -> None:
    parser = commands.add_parser("check", help="say which keys of a definition are enforced, and which are not")
    add_source(parser)
    parser.add_argument("--schema", action=_PrintSchema, help="print the JSON Schema of gateway.yaml")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, output: Output) -> int:
    opened = open_source(arguments, unbound=True, unenforced=True, reads=True)
    entries = [entry for gateway in opened.gateways.values() for entry in gateway.report or ()]
    wrong = findings(entries, arguments.accept)
    limits, lease_s = _limits(opened), _lease_s(opened)
    cautions = [caution for gateway in opened.gateways.values() for caution in gateway.cautions]
    if output.as_json:
        keys = [_plain(entry) for entry in entries]
        told = {"counts": counted(entries), "findings": len(wrong), "keys": keys, "limits": limits}
        told |= {"lease_s": lease_s} if lease_s else {}
        output.json(told | {"cautions": [str(caution) for caution in cautions]})
        return 1 if wrong or cautions else 0
    _show_limits(output, limits)
    if lease_s:
        output.line(_LEASED.format(1000 * lease_s) + "\n")
    for caution in cautions:
        output.line(f"{output.style('yellow', 'caution')}  {caution}\n")
    lines = [entry for entry in entries if entry.status != "enforced" and not entry.harmless]
    shown(output, lines, arguments.accept)
    if lines:
        output.line()
    counts = counted(entries)
    if not counts:
        output.line(f"{opened.name} is fine; it has no definition to check")
        return 0
    output.table([[output.style(_STYLES[status], status), str(count)] for status, count in counts.items()], 0)
    if wrong:
        protecting = sum(entry.security for entry in wrong)
        text = f"{len(wrong)} of {sum(counts.values())} keys are not enforced"
        output.line(f"\n{text}; {protecting} of them protect the API" if protecting else f"\n{text}")
    else:
        output.line("\nNothing is ignored")
    return 1 if wrong or cautions else 0


def _limits(opened: Opened) -> list[dict[str, Any]]:
    """The limits of every method, for each plan."""
    return [
        {"verb": route.verb, "resource": mount.rstrip("/") + route.resource, "plan": each.plan or None,
         "limits": list(each.limits)}
        for mount, gateway in opened.gateways.items()
        for route in gateway.routes
        for each in route.limits
    ]  # fmt: skip


def _lease_s(opened: Opened) -> float:
    """For how long a process may spend tokens that it took in advance."""
    store = opened.config.store if opened.config else ""
    return lease_of(store) if isinstance(store, str) else 0.0


def _show_limits(output: Output, limits: list[dict[str, Any]]) -> None:
    """A table, where there is more to say than the account's limit; methods of a plan that none holds are told of."""
    if not any(each["plan"] or len(each["limits"]) > 1 for each in limits):
        return
    heading = [output.style("bold", name) for name in ("METHOD", "PATH", "PLAN", "LIMITS, IN ORDER")]
    rows = [[each["verb"], each["resource"], each["plan"] or "-", "; ".join(each["limits"]) or "-"] for each in limits]
    output.table([heading, *rows], 0)
    output.line()


def counted(entries: Iterable[Entry]) -> dict[str, int]:
    """How many keys have each status; only what there is. Keys that cannot do anything are left out."""
    counts = Counter("harmless" if entry.harmless and entry.status != "enforced" else entry.status for entry in entries)
    return {status: counts[status] for status in _STYLES if counts[status]}


def findings(entries: Iterable[Entry], accept: Collection[str]) -> list[Entry]:
    """The keys that somebody wrote for an effect they do not have."""
    return [
        entry
        for entry in entries
        if entry.status in ("ignored", "unknown")
        and not entry.harmless
        and entry.key not in accept
        and entry.place.pointer not in accept
    ]


def shown(output: Output, entries: Iterable[Entry], accept: Collection[str]) -> None:
    """A line for each key: where it stands, what became of it, and why."""
    rows = []
    for entry in entries:
        accepted = entry.key in accept or entry.place.pointer in accept
        note = f"{entry.note} (did you mean {entry.near!r}?)" if entry.near else entry.note
        if entry.security:
            note = output.style("dim", "accepted: ") + note if accepted else output.style("bold", "protects: ") + note
        rows.append([str(entry.place), output.style(_STYLES[entry.status], entry.status), entry.key, note])
    if rows:
        output.table(rows, 0)


class _PrintSchema(argparse.Action):
    """Like --version: prints, and is done, with no FILE."""

    def __init__(self, option_strings: Any, dest: str, help: str) -> None:
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *arguments: Any) -> None:
        from gatewaykit.deploy.config import config_schema

        Output(True).json(config_schema())
        parser.exit()


def _plain(entry: Entry) -> dict[str, Any]:
    place = entry.place
    return {
        "key": entry.key, "status": entry.status, "file": place.file, "line": place.line, "column": place.column,
        "pointer": place.pointer, "security": entry.security, "harmless": entry.harmless, "note": entry.note,
        "near": entry.near,
    }  # fmt: skip
