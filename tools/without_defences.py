"""Does every attack test fail without the defence it is about? `make defences`

Takes one defence of tests/attacks/defences.py away at a time, in a copy of the source, and runs its tests there. Prints
a table, and exits with 1 where a test still passes: then it proves nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.attacks.defences import DEFENCES, Defence  # noqa: E402 - the root has to be on the path before

TIME_S = 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--only", metavar="TEXT", default="", help="attacks with this text in their name")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once (2)")
    arguments = parser.parse_args()
    chosen = [defence for defence in DEFENCES if arguments.only in defence.attack]
    held = 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for number, (defence, said) in enumerate(zip(chosen, pool.map(without, chosen), strict=True), 1):
            held += said == FAILS
            print(f"{number:3}/{len(chosen)}  {said:<24}  {defence.attack}", flush=True)
    print(f"{held} of {len(chosen)} attacks succeed without their defence, and their tests say so")
    return 0 if held == len(chosen) else 1


FAILS = "fails without it"


def without(defence: Defence) -> str:
    """What becomes of the tests of a defence that is not there."""
    with source_without(defence) as source:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header"]
        names = [f"tests/attacks/{name}" for name in defence.tests]
        environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
        for name in names:  # each has to notice
            file, _, test = name.partition("::")
            try:
                done = subprocess.run(
                    [*command, file, "-k", test], cwd=ROOT, env=environment, capture_output=True, text=True,
                    timeout=TIME_S, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                continue  # it hangs without its defence: that is noticed too
            if done.returncode not in (1, 2):
                return "STILL PASSES" if done.returncode == 0 else f"pytest says {done.returncode}"
            if "SyntaxError" in done.stdout:
                return "the change is no Python"
    return FAILS


@contextmanager
def source_without(defence: Defence) -> Iterator[Path]:
    """A copy of the source with the changes of a defence made."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        for file, text, instead in defence.changes:
            path = source / "gatewaykit" / file
            written = path.read_text("utf-8")
            if written.count(text) != 1:
                raise SystemExit(f"{defence.attack}: {file} has {written.count(text)} times: {text}")
            path.write_text(written.replace(text, instead), "utf-8")
        yield source


if __name__ == "__main__":
    sys.exit(main())
