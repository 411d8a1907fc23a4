"""Lines of ratios with their targets, and the table they make."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

__all__ = ["Line", "at_least", "at_most", "line", "markdown", "say", "table", "write"]

RESULTS: Final = Path(__file__).parent / "results"
_PACKAGES: Final = (
    "gatewaykit", "uvicorn", "uvloop", "httptools", "starlette", "fastapi", "slowapi", "limits", "fastjsonschema",
    "airspeed", "orjson", "jsonschema-rs",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """What the median is to reach."""

    bound: float
    at_most: bool

    def met_by(self, median: float) -> bool:
        return median <= self.bound if self.at_most else median >= self.bound

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.bound:g}"


def at_most(bound: float) -> Target:
    return Target(bound, True)


def at_least(bound: float) -> Target:
    return Target(bound, False)


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison: the least, the median and the greatest of what its rounds gave."""

    suite: str
    what: str
    least: float
    median: float
    greatest: float
    unit: str = "x"
    target: Target | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        return None if self.target is None else self.target.met_by(self.median)

    @property
    def verdict(self) -> str:
        return {None: "", True: "met", False: "MISSED"}[self.met]


def line(
    suite: str, what: str, values: Iterable[float], target: Target | None = None, *, unit: str = "x", note: str = ""
) -> Line:
    """A line of the values that the rounds gave."""
    ordered = sorted(values)
    return Line(suite, what, ordered[0], statistics.median(ordered), ordered[-1], unit, target, note)


def table(lines: Sequence[Line]) -> str:
    """The lines for a terminal."""
    width = max(len(each.what) for each in lines)
    rows = [f"{'':<9} {'':<{width}} {'min':>8} {'median':>8} {'max':>8}      target"]
    for each in lines:
        numbers = " ".join(f"{_number(value):>8}" for value in (each.least, each.median, each.greatest))
        target = "" if each.target is None else f"{each.target} {each.verdict}"
        note = f"  ({each.note})" if each.note else ""
        rows.append(f"{each.suite:<9} {each.what:<{width}} {numbers} {each.unit:<4} {target}{note}".rstrip())
    return "\n".join(rows)


def markdown(lines: Sequence[Line], conditions: Sequence[str]) -> str:
    """The lines as a page."""
    rows = [
        "# Benchmark results", "",
        "Written by `make bench`; how to read it is in [the reference](../../docs/reference/benchmarks.md).", "",
        *[f"* {each}" for each in conditions], "",
        "| suite | what | min | median | max | unit | target | |",
        "|---|---|--:|--:|--:|---|---|---|",
    ]  # fmt: skip
    for each in lines:
        what = f"{each.what} ({each.note})" if each.note else each.what
        numbers = " | ".join(map(_number, (each.least, each.median, each.greatest)))
        target = "" if each.target is None else str(each.target)
        rows.append(f"| {each.suite} | {what} | {numbers} | {each.unit} | {target} | {each.verdict} |")
    return "\n".join(rows) + "\n"


def write(name: str, lines: Sequence[Line], conditions: Sequence[str]) -> list[Path]:
    """Both forms of the table, in `benchmarks/results/`."""
    RESULTS.mkdir(exist_ok=True)
    page, raw = RESULTS / f"{name}.md", RESULTS / f"{name}.json"
    page.write_text(markdown(lines, conditions))
    records = [{**asdict(each), "target": each.target and str(each.target), "met": each.met} for each in lines]
    raw.write_text(json.dumps({"conditions": list(conditions), "lines": records}, indent=1) + "\n")
    return [page, raw]


def machine() -> list[str]:
    """What the numbers were measured on."""
    model, count = "unknown processor", 0
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = text.partition(":")
        if name.strip() == "model name":
            model, count = value.strip(), count + 1
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue  # the suite that needs it says so
    return [
        f"{count} x {model}; {platform.system()} {platform.release()}; Python {platform.python_version()}",
        ", ".join(found),
    ]


def say(text: str) -> None:
    """One line of progress."""
    print(text, flush=True)


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
