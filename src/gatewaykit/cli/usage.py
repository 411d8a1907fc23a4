"""`gatewaykit usage FILE`: what the keys of usage plans have used, by day; and leaving a key more of its quota.

The counts are in the store of the file. A store in memory belongs to the process that serves: it cannot be read here.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.cli.sources import add_json, add_source, open_source
from gatewaykit.cli.usage_error import UsageError
from gatewaykit.errors import ConfigError, Problem, StoreError

if TYPE_CHECKING:
    from gatewaykit.cli.output import Output
    from gatewaykit.gateway.gateway import Gateway

__all__ = ["add", "run"]

_BAR: Final = 20


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "usage",
        help="show what keys have used of their usage plans, by day, or leave a key more",
        epilog="--key NAME, without a value, is the key whose usage is meant.",
    )
    add_source(parser)
    parser.add_argument("--plan", metavar="ID", help="the usage plan; all that have a quota where none is named")
    parser.add_argument("--from", metavar="DATE", dest="start", help="the first day, such as 2026-01-31 (30 days ago)")
    parser.add_argument("--to", metavar="DATE", dest="end", help="the last day (today, in UTC)")
    parser.add_argument(
        "--remaining", metavar="N", type=int, help="leave the key of --plan and --key so many requests in this period"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, output: Output) -> int:
    names = [key for key in arguments.key if "=" not in key]
    arguments.key = [key for key in arguments.key if "=" in key]
    extends = arguments.remaining is not None
    if len(names) > 1:
        raise UsageError("--key: name one key")
    if extends and not (arguments.plan and names):
        raise UsageError("--remaining needs --plan and --key: whose requests are left")
    opened = open_source(arguments, unbound=True, unenforced=True, reads=not extends)
    gateway = next(iter(opened.gateways.values()), None)
    if gateway is None:
        raise UsageError(f"{arguments.file} has no API")
    if (opened.config.store if opened.config else "memory://") == "memory://":
        mend = "Give the file a store: redis://HOST:6379/0, or sqlite:///limits.db"
        raise UsageError("limits are in memory, so only the process that serves knows what was used", mend=mend)
    import asyncio

    key = names[0] if names else None
    try:
        found = asyncio.run(_read(gateway, arguments, key))
    except ValueError as error:
        raise UsageError(str(error)) from None
    except StoreError as error:
        raise ConfigError(Problem(where="store", what=str(error))) from error
    if output.as_json:
        output.json(found)
    else:
        _show(output, found)
    return 0


async def _read(gateway: Gateway, arguments: argparse.Namespace, key: str | None) -> list[dict[str, Any]]:
    async with gateway:
        if arguments.remaining is not None:
            return [await gateway.extend_usage(arguments.plan, key or "", arguments.remaining)]
        plans = [plan.id for plan in gateway.usage_plans if plan.quota is not None]
        if arguments.plan:
            plans = [arguments.plan]
        elif not plans:
            raise ValueError("there is no usage plan with a quota, so nothing is counted")
        elif key is not None:
            plans = [plan.id for plan in gateway.usage_plans if plan.id in plans and key in plan.keys] or plans
        return [
            await gateway.usage(plan, key_id=key, start_date=arguments.start, end_date=arguments.end) for plan in plans
        ]


def _show(output: Output, found: list[dict[str, Any]]) -> None:
    """A row for each key and day on which it came, and for the last day."""
    from datetime import date, timedelta

    rows = [[output.style("bold", name) for name in ("PLAN", "KEY", "DAY", "USED", "LEFT", "")]]
    for plan in found:
        first = date.fromisoformat(plan["startDate"])
        for key, days in plan["items"].items():
            for number, (used, left) in enumerate(days):
                if used or number == len(days) - 1:
                    rows.append([
                        plan["usagePlanId"], key, str(first + timedelta(days=number)), str(used), str(left),
                        output.style("green" if left else "red", _bar(used, left)),
                    ])  # fmt: skip
    output.table(rows, 0)


def _bar(used: int, left: int) -> str:
    """How much of what there was on a day was used on it."""
    return "#" * (round(_BAR * used / (used + left)) if used else 0)
