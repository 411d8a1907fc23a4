"""`gatewaykit advise LOG…`: what limits would have denied of an access log, and limits for a rate of false denials."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.cli.sources import add_json
from gatewaykit.cli.usage_error import UsageError
from gatewaykit.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatewaykit.cli.log_files import LogEvents
    from gatewaykit.cli.output import Output
    from gatewaykit.core.advice import Burst, LeastQuota, Replay, Survey
    from gatewaykit.core.limits import Limit
    from gatewaykit.core.quota import Quota

__all__ = ["add", "run"]

_BY: Final = ("address", "user", "key", "route", "everyone")
_ROWS: Final = 10
_BAR: Final = 30
_NEARLY: Final = 0.9


def add(commands: Any) -> None:
    parser = commands.add_parser("advise", help="replay an access log against limits, and propose some")
    parser.add_argument(
        "logs", nargs="+", metavar="LOG", help="an access log, gzip'd or not; several in any order; - reads stdin"
    )
    parser.add_argument(
        "--by", default="address", metavar="WHAT",
        help=f"what to count by: {', '.join(_BY)}, or field:NAME of a JSON or XML log (address)",
    )  # fmt: skip
    tried = parser.add_argument_group("limits to try; without one, limits are proposed")
    tried.add_argument("--rate", metavar="RATE", help="requests a second, or 5/minute")
    tried.add_argument("--burst", metavar="N", type=int, help="requests at once; without it, the least for the rate")
    tried.add_argument("--quota", metavar="N/PERIOD", help="requests per DAY, WEEK or MONTH, such as 1000/DAY")
    parser.add_argument(
        "--false-denials",
        default="0.1%",
        metavar="SHARE",
        help="the share of requests that proposals may deny, in percent or as 0.001 (0.1 percent)",
    )
    parser.add_argument(
        "--period", choices=["DAY", "WEEK", "MONTH"], default="DAY", help="of the quota that is proposed (DAY)"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from contextlib import closing

    from gatewaykit.cli.log_files import LogEvents, read_logs

    options = _options(arguments)
    with closing(LogEvents()) as events:
        read_logs(events, arguments.logs, arguments.by)
        return _advise(arguments, output, events, *options)


def _advise(
    arguments: argparse.Namespace,
    output: Output,
    events: LogEvents,
    rate: float | None,
    quota: Quota | None,
    share: float,
) -> int:
    from gatewaykit.core import advice

    if not events.requests:
        _reading(output, events, arguments.by)
        raise UsageError(
            f"no request with {_a(arguments.by)} in {', '.join(arguments.logs)}",
            mend="Count by something that the log has: --by" if events.without_key else "",
        )
    seen = advice.survey(events)
    limits: list[Limit] = []
    if rate is not None and arguments.burst is not None:
        from gatewaykit.core.throttle import Bucket

        limits.append(Bucket(rate, arguments.burst))
    limits += [quota] if quota else []
    tried = advice.replay(events, limits, seen) if limits else None
    proposed = None
    if not limits or (rate is not None and arguments.burst is None):
        may_deny = int(share * events.requests)
        least = advice.least_quota(events, arguments.period, may_deny // 2) if _covers(seen, arguments.period) else None
        rest = may_deny - (least.denied if least else 0)
        curve = advice.curve(events, rest, seen) if rate is None else [advice.least_burst(events, rate, rest, seen)]
        proposed = least, curve, advice.best(curve)
    if output.as_json:
        output.json(_plain(arguments, events, seen, tried, proposed))
        return 0
    _reading(output, events, arguments.by)
    _about(output, events, seen, arguments.by)
    if tried:
        _show_tried(output, events, seen, tried)
    if proposed:
        _show_proposed(output, events, share, *proposed)
        if proposed[0] is None:
            output.line(f"  No quota is proposed: the log covers less than a {arguments.period.lower()}")
    return 0


def _covers(seen: Survey, period: str) -> bool:
    """A log of a whole period, or nearly: of a part of one it cannot be told what the whole needs."""
    from gatewaykit.core.quota import window

    start, end = window(period, seen.first_s)
    return seen.last_s - seen.first_s >= _NEARLY * (end - start)


def _options(arguments: argparse.Namespace) -> tuple[float | None, Quota | None, float]:
    from gatewaykit.core.quota import Quota
    from gatewaykit.definition.near import near_miss
    from gatewaykit.units import parse_rate

    problems, rate, quota = [], None, None

    def problem(option: str, what: str, near: str = "", mend: str = "") -> None:
        problems.append(Problem(where=option, what=what, near=near, mend=mend))

    if arguments.by not in _BY and not re.fullmatch(r"field:.+", arguments.by):
        near = near_miss(arguments.by, _BY)
        problem("--by", f"there is no {arguments.by!r}", near, "" if near else f"Give {', '.join(_BY)} or field:NAME")
    if arguments.rate is not None:
        try:
            rate = parse_rate(float(arguments.rate) if re.fullmatch(r"[0-9.]+", arguments.rate) else arguments.rate)
        except ValueError as error:
            problem("--rate", str(error))
    if arguments.burst is not None and arguments.burst < 0:
        problem("--burst", "a burst is a whole number of requests, 0 or more")
    if arguments.burst is not None and arguments.rate is None:
        problem("--burst", "a burst needs a rate", mend="Give --rate, too")
    if arguments.quota is not None:
        number, _, period = arguments.quota.partition("/")
        try:
            quota = Quota(int(number), period.upper())
        except ValueError as error:
            problem("--quota", f"{arguments.quota!r}: {error}", mend="Write 1000/DAY")
    share = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(%?)", arguments.false_denials)
    of = float(share[1]) / (100 if share[2] else 1) if share else 1.0
    if of >= 1:
        problem("--false-denials", f"{arguments.false_denials!r} is no share of requests", mend="Write 0.1% or 0.001")
    if sum(name == "-" for name in arguments.logs) > 1:
        problem("LOG", "standard input can be read once")
    if problems:
        raise ConfigError(problems)
    return rate, quota, of


# ---------------------------------------------------------------------------------------------------- text


def _reading(output: Output, events: LogEvents, by: str) -> None:
    if output.as_json:
        return
    if events.bad:
        output.line(f"{events.bad:,} of {events.lines:,} lines could not be read:")
        output.table([(f"{name}:{number}", what) for name, number, what in events.bad_lines])
    if events.without_key:
        output.line(f"Left out, without {_a(by)}: {events.without_key:,}")
    if events.late:
        output.line(f"Lines that are far out of order, and count at the time that was reached: {events.late:,}")


def _about(output: Output, events: LogEvents, seen: Survey, by: str) -> None:
    from gatewaykit.units import instant_text

    keys = "" if by == "everyone" else f" of {events.keys:,} {_keys(by, events.keys)}"
    output.line(
        f"{events.requests:,} {_many(events.requests, 'request')}{keys}, "
        f"{instant_text(seen.first_s)} to {instant_text(seen.last_s)}; at most {seen.peak:,} of one in a second"
    )
    if events.refused_then:
        output.line(f"{events.refused_then:,} of them were answered 429; they are counted as any other")
    if not events.fine:
        output.line("The times are whole seconds: a true burst may be up to one second of the rate away")


def _show_tried(output: Output, events: LogEvents, seen: Survey, tried: Replay) -> None:
    from gatewaykit.units import instant_text

    output.line()
    output.line(output.style("bold", " and ".join(map(_limit_text, tried.limits)) + " would have denied"))
    of_keys = f", to {len(tried.keys):,} of {events.keys:,} keys" if events.keys > 1 else ""
    output.line(
        f"  {tried.denied:,} of {events.requests:,} requests ({_share(tried.denied, events.requests)}){of_keys}"
    )
    if len(tried.limits) > 1:
        for place, limit in enumerate(tried.limits):
            output.line(f"  {tried.by_limit[place]:,} by {_limit_text(limit)}")
    if not tried.denied:
        return
    output.line()
    worst = _worst(tried)
    heading = [output.style("bold", cell) for cell in ("KEY", "REQUESTS", "DENIED", "", "FIRST", "LAST")]
    rows = [
        [
            _cut(events.names[key]), f"{seen.counts[key]:,}", f"{to.count:,}", _share(to.count, seen.counts[key]),
            instant_text(to.first_s), instant_text(to.last_s),
        ]
        for key, to in worst
    ]  # fmt: skip
    output.table([heading, *rows])
    if len(tried.keys) > len(worst):
        output.line(f"  and {len(tried.keys) - len(worst):,} more")
    output.line()
    length = (seen.last_s - seen.first_s) / len(tried.slots)
    most = max(requests for requests, _ in tried.slots)
    heading = [output.style("bold", cell) for cell in ("FROM", "REQUESTS", "DENIED", "")]
    lines = [
        [instant_text(seen.first_s + place * length), f"{requests:,}", f"{denied:,}", _bar(requests, denied, most)]
        for place, (requests, denied) in enumerate(tried.slots)
        if length or requests
    ]
    output.table([heading, *lines])


def _show_proposed(
    output: Output, events: LogEvents, share: float, least: LeastQuota | None, curve: Sequence[Burst], best: Burst
) -> None:
    output.line()
    may_deny = int(share * events.requests)
    output.line(
        output.style("bold", f"Proposed, to deny no more than {may_deny:,} requests ({100 * share:.6g} %) in all")
    )
    rows = [["rate", _rate(best.rate)], ["burst", f"{best.burst:,}"]]
    rows += [["quota", f"{least.limit:,} a {least.period.lower()}"]] if least else []
    output.table(rows)
    both = f" and {least.denied:,}" if least else ""
    output.line(f"  {'They deny' if least else 'It denies'} {best.denied:,}{both} of {events.requests:,} requests")
    output.line()
    heading = [output.style("bold", cell) for cell in ("RATE", "LEAST BURST", "DENIES", "BURST THAT DENIES NONE", "")]
    output.table([
        heading,
        *(
            [
                _rate(each.rate), f"{each.burst:,}", f"{each.denied:,}", f"{each.for_none:,}",
                "proposed" if each is best else "",
            ]
            for each in curve
        ),
    ])  # fmt: skip
    if least:
        output.line(f"  A quota that denies none: {least.for_none:,} a {least.period.lower()}")


def _worst(tried: Replay) -> list[tuple[int, Any]]:
    return sorted(tried.keys.items(), key=lambda pair: -pair[1].count)[:_ROWS]


def _limit_text(limit: Limit) -> str:
    from gatewaykit.core.throttle import Bucket

    if isinstance(limit, Bucket):
        return f"{_rate(limit.rate)} with a burst of {limit.burst:,}"
    return f"a quota of {limit.limit:,} a {str(getattr(limit, 'period', '')).lower()}"


def _rate(rate: float) -> str:
    return f"{rate:.6g}/s" if rate >= 1 or not rate else f"{rate:.6g}/s ({60 * rate:.3g}/minute)"


def _bar(requests: int, denied: int, most: int) -> str:
    """As long as there were requests; the part that was denied in another letter."""
    length = -(-requests * _BAR // most)
    crossed = -(-denied * length // requests) if requests else 0
    return "x" * crossed + "-" * (length - crossed)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.3g} %"


def _cut(text: str) -> str:
    """A key as a cell: whoever made it up steers no terminal."""
    text = text if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= 60 else f"{text[:59]}…"


def _a(by: str) -> str:
    return {"address": "an address", "everyone": "everyone"}.get(by, f"a {by.removeprefix('field:')}")


def _keys(by: str, count: int) -> str:
    name = by.removeprefix("field:")
    return _many(count, name, "addresses" if name == "address" else "")


def _many(count: int, one: str, more: str = "") -> str:
    return one if count == 1 else more or f"{one}s"


# ---------------------------------------------------------------------------------------------------- JSON


def _plain(
    arguments: argparse.Namespace,
    events: LogEvents,
    seen: Survey,
    tried: Replay | None,
    proposed: tuple[LeastQuota | None, Sequence[Burst], Burst] | None,
) -> dict[str, Any]:
    from dataclasses import asdict

    found: dict[str, Any] = {
        "by": arguments.by,
        "lines": events.lines,
        "unreadable": events.bad,
        "unreadable_lines": [{"file": name, "line": at, "what": what} for name, at, what in events.bad_lines],
        "without_key": events.without_key,
        "out_of_order": events.late,
        "requests": events.requests,
        "answered_429": events.refused_then,
        "keys": events.keys,
        "first_s": seen.first_s,
        "last_s": seen.last_s,
        "whole_seconds": not events.fine,
    }
    if tried:
        length = (seen.last_s - seen.first_s) / len(tried.slots)
        found["tried"] = {
            "limits": [{**asdict(limit), "denied": tried.by_limit[at]} for at, limit in enumerate(tried.limits)],
            "denied": tried.denied,
            "keys_denied": len(tried.keys),
            "keys": [
                {"key": events.names[key], "requests": seen.counts[key], **asdict(to)} for key, to in _worst(tried)
            ],
            "times": [
                {"from_s": seen.first_s + at * length, "requests": requests, "denied": denied}
                for at, (requests, denied) in enumerate(tried.slots)
            ],
        }
    if proposed:
        least, curve, best = proposed
        found["proposed"] = {
            "throttle": best._asdict(),
            "quota": least and least._asdict(),
            "rates": [each._asdict() for each in curve],
        }
    return found
