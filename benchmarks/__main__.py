"""Run the benchmarks: `python -m benchmarks [--only SUITE] [--quick] [--name NAME]`."""

from __future__ import annotations

import argparse
import datetime
import importlib
import time
from typing import Final

from benchmarks.report import Line, machine, say, table, write

SUITES: Final = {
    "chain": "policies around an app, against hand-fused code and a FastAPI stack",
    "routing": "a gateway of many routes, against a hand-written tree and Starlette's router",
    "policies": "cors and throttle, each against its peers",
    "guards": "API keys, lists of addresses and the throttle before authentication",
    "validation": "a JSON body against its schema, against the same libraries called by hand",
    "iam": "IAM policies: twenty statements with conditions",
    "jwt": "verifying a JSON Web Token, against the same steps by hand and joserfc",
    "authorizers": "an authorizer's cached answer on its request",
    "tokens": "remembered answers of introspection, forward-auth and SAML; a first assertion",
    "templates": "mapping templates, against functions by hand and airspeed",
    "sigv4": "an AWS signature, against a straight line without checks and botocore",
    "import": "the cost of `import gatewaykit`",
    "limits": "a throttle as a middleware, and the hierarchy of limits, against slowapi and a bucket in a dict",
    "stores": "limits in Redis, against a bare connection and limits.aio",
    "cache": "hits of the caches, against messages in a dict and the caches of FastAPI",
    "windows": "fixed, moving and sliding windows, against the same strategies of limits",
    "proxy": "http_proxy, against nginx and Caddy",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="One table of ratios, with targets.")
    parser.add_argument("--only", choices=SUITES, action="append", help="run this suite; may be given several times")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: is everything still working?")
    parser.add_argument(
        "--name", default="", help="of the results files; by default `latest` or the suites', and none for --quick"
    )
    arguments = parser.parse_args()
    chosen = arguments.only or list(SUITES)
    started = time.monotonic()
    lines: list[Line] = []
    for suite in chosen:
        say(f"{suite}: {SUITES[suite]}")
        lines += importlib.import_module(f"benchmarks.bench_{suite}").run(arguments.quick)
    took = f"took {(time.monotonic() - started) / 60:.0f} minutes" + (", --quick" if arguments.quick else "")
    conditions = [f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}; {took}", *machine()]
    say("\n" + table(lines))
    name = arguments.name or ("" if arguments.quick else "latest" if not arguments.only else "-".join(chosen))
    for path in write(name, lines, conditions) if name else ():
        say(f"written: {path}")
    missed = sum(line.met is False for line in lines)
    say(f"{sum(line.met is True for line in lines)} targets met, {missed} missed")


if __name__ == "__main__":
    main()
