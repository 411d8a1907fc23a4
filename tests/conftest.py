"""What every test can count on: real programs or a clear skip, free ports, reproducible properties."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.needs import missing

STRICT = os.environ.get("CI", "").lower() in ("1", "true", "yes") and not os.environ.get("GATEWAYKIT_ALLOW_SKIPS")
"""In CI a skipped test is a failure: what was not run was not shown to work."""

SKIPS_ALLOWED_IN_CI: dict[str, str] = {}
"""Beginning of a skip's reason -> why this skip may stand in CI."""

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
if examples := os.environ.get("GATEWAYKIT_FUZZ_EXAMPLES"):
    settings.register_profile(
        "fuzz", deadline=None, max_examples=int(examples), print_blob=True, suppress_health_check=list(HealthCheck)
    )
settings.load_profile("fuzz" if examples else "ci" if STRICT else "dev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse ids that differ from run to run: the processes of pytest-xdist could not agree on the tests."""
    if changing := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError("give these tests ids without an address in them:\n" + "\n".join(changing))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose real programs are missing, naming the packages; in CI, fail it."""
    absent = missing(name for mark in item.iter_markers("needs") for name in mark.args)
    if absent:
        packages = sorted({package for brought_by in absent.values() for package in brought_by})
        pytest.skip(f"needs {', '.join(absent)}: apt-get install {' '.join(packages)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.fixture
def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not STRICT or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = (report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)).removeprefix(
        "Skipped: "
    )
    if not reason.startswith(tuple(SKIPS_ALLOWED_IN_CI)):
        report.outcome = "failed"
        report.longrepr = f"skipped, which in CI is a failure: {reason}"
