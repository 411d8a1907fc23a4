"""The edge cache on the public suite of tests for HTTP caches: `make cache-tests CACHE_TESTS=DIRECTORY`.

DIRECTORY is a checkout of the suite, with its dependencies installed (`npm install` there). This starts the suite's own
origin, `gatewaykit serve` before it as a caching reverse proxy, and the suite's own client; counts as the suite does
(what depends on a test that did not pass does not count); and writes benchmarks/results/cache_tests.md.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "benchmarks" / "results" / "cache_tests.md"
WANTED: Final = {"required": 150, "optimal": 85}

EXPLAINED: Final = {
    "headers-store-Set-Cookie": "a response that sets a cookie is never shared, so it is not kept at all",
    "headers-store-Set-Cookie2": "as for Set-Cookie: an old client may take it for one",
    "interim-not-cached": "interim responses (103 Early Hints) of a back end are not passed on, as ASGI has no message "
    "for them; they are not kept either, which is what the test is about",
}
"""Required tests that fail, and why."""

CONFIG: Final = """\
apis:
  suite: {{upstream: "http://127.0.0.1:{origin}", profile: web}}
policies:
  - edge_cache: {{stale_if_error: 60s}}
"""


def main(arguments: list[str]) -> int:
    """Run the suite, or the one test that is named. 1 where less is reached than is asked for."""
    if not arguments or not (Path(arguments[0]) / "tests" / "index.mjs").is_file():
        print("give the directory of a checkout of the suite (CACHE_TESTS=…)", file=sys.stderr)
        return 2
    suite, only = Path(arguments[0]).resolve(), "".join(arguments[1:2])
    with tempfile.TemporaryDirectory() as directory:
        origin, gateway = _free_port(), _free_port()
        config = Path(directory) / "gateway.yaml"
        config.write_text(CONFIG.format(origin=origin), "utf-8")
        serve = [sys.executable, "-m", "gatewaykit", "serve", str(config), "--port", str(gateway), "--log", "off"]
        node = ["node", "test-engine/server/server.mjs"]
        settings = {"npm_config_protocol": "http", "npm_config_port": str(origin), "npm_config_pidfile": "/dev/null"}
        with (
            subprocess.Popen(node, cwd=suite, env={**os.environ, **settings}, stdout=subprocess.DEVNULL) as one,
            subprocess.Popen(serve, stdout=subprocess.DEVNULL) as other,
        ):
            try:
                _wait_for(origin)
                _wait_for(gateway)
                settings = {
                    "npm_config_base": f"http://127.0.0.1:{gateway}",
                    "npm_config_id": only,
                    "npm_package_config_id": only,
                }
                client = ["node", "--no-warnings", "test-engine/cli.mjs"]
                answer = subprocess.run(
                    client, cwd=suite, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True, check=True
                )
            finally:
                one.terminate()
                other.terminate()
    if only:
        print(answer.stdout)
        return 0
    tests = _tests(suite)
    found = json.loads(answer.stdout[answer.stdout.index("{\n") :])
    report, reached = _report(tests, {name: _outcome(name, tests, found) for name in tests}, found)
    RESULTS.write_text(report, "utf-8")
    print(report)
    return 0 if all(reached[kind] >= least for kind, least in WANTED.items()) else 1


def _tests(suite: Path) -> dict[str, Mapping[str, Any]]:
    """What the suite says of its tests."""
    code = "import t from './tests/index.mjs'; console.log(JSON.stringify(t))"
    listed = subprocess.run(
        ["node", "--input-type=module", "-e", code], cwd=suite, capture_output=True, text=True, check=True
    )
    return {
        test["id"]: {**test, "suite": group["id"]} for group in json.loads(listed.stdout) for test in group["tests"]
    }


def _outcome(name: str, tests: Mapping[str, Mapping[str, Any]], found: Mapping[str, Any]) -> str:
    """`pass`, `fail`, `dependency`, `setup`, or `untested`."""
    result = found.get(name)
    if result is None:
        return "untested"
    if any(_outcome(each, tests, found) != "pass" for each in tests[name].get("depends_on", ())):
        return "dependency"
    if result is True:
        return "pass"
    return "setup" if result[0] == "Setup" else "fail"


def _report(
    tests: Mapping[str, Mapping[str, Any]], outcomes: Mapping[str, str], found: Mapping[str, Any]
) -> tuple[str, dict[str, int]]:
    kinds = ("required", "optimal", "check")
    of_kind = {kind: [name for name in tests if tests[name].get("kind", "required") == kind] for kind in kinds}
    reached = {kind: sum(outcomes[name] == "pass" for name in names) for kind, names in of_kind.items()}
    lines = [
        "# The edge cache on the public tests for HTTP caches", "",
        "`make cache-tests CACHE_TESTS=…`: `gatewaykit serve` as a caching reverse proxy, with the policy `edge_cache`",
        "and its option `stale_if_error: 60s`. Counted as the suite counts. The best recorded shared caches reach 132",
        "required and 70 optimal; nginx 100 and 58.", "",
        "| Kind | Tests | Pass | Fail | Setup failed | Depends on one that did not pass | For browsers only | Target |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for kind, names in of_kind.items():
        many = {what: sum(outcomes[name] == what for name in names) for what in set(outcomes.values())}
        columns = [many.get(what, 0) for what in ("pass", "fail", "setup", "dependency", "untested")]
        target = f">= {WANTED[kind]}" if kind in WANTED else "(a choice, no verdict)"
        lines.append(f"| {kind} | {len(names)} | {' | '.join(map(str, columns))} | {target} |")
    for kind in ("required", "optimal"):
        lines += [
            "",
            f"## {kind.capitalize()} tests that do not pass",
            "",
            "| Test | Outcome | Why |",
            "| --- | --- | --- |",
        ]
        for name in of_kind[kind]:
            if outcomes[name] not in ("pass", "untested"):
                said = found[name][1] if found[name] is not True else "it passes; what it depends on does not"
                why = EXPLAINED.get(name, re.sub(r"[|`]", "'", said))
                lines.append(f"| {name} | {outcomes[name]} | {why} |")
    return "\n".join(lines) + "\n", reached


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            with urlopen(f"http://127.0.0.1:{port}/", timeout=5):
                return
        except OSError as error:
            if getattr(error, "code", None):  # an answer all the same
                return
            time.sleep(0.05)
    raise SystemExit(f"nothing listens at port {port}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
