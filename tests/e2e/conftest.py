"""A loud line at the end of a run for each third-party client that a test wanted and did not find."""

from __future__ import annotations

import pytest

from tests.support.third_party import NOT_TRIED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which clients are missing, so that a green run does not pass for one that tried them."""
    skips = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())]
    untried = sorted({skip[skip.index(NOT_TRIED) :].strip("')") for skip in skips if NOT_TRIED in skip})
    if untried:
        terminalreporter.section("NOT TRIED: third-party clients are missing", sep="!", yellow=True, bold=True)
    for told in untried:
        terminalreporter.line(f"WARNING: {told}", yellow=True)
