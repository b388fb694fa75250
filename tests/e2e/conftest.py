"""A loud line at the end of a run for each third-party client that a test wanted and did not find."""

from __future__ import annotations

import pytest

from tests.support.third_party import INSTALLED_BY, missing


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which clients are missing, so that a green run does not pass for one that tried them."""
    if missing:
        terminalreporter.section("NOT TRIED: third-party clients are missing", sep="!", yellow=True, bold=True)
    for program in sorted(missing):
        terminalreporter.line(f"WARNING: {program} is missing; install it by: {INSTALLED_BY[program]}", yellow=True)
