"""What this library has decided about lending."""

from __future__ import annotations

from dataclasses import dataclass

from frontend_server.circulation.fines import DailyFine

RENEWAL_LIMIT = 3
DAY_LIMIT = 365
"""A loan lasts at most so many days, renewals included; the contract says so, too."""


@dataclass(frozen=True)
class LendingRules:
    """What this library has decided."""

    loan_limit: int
    """How many loans a user may have out at a time."""
    daily_fine: DailyFine
