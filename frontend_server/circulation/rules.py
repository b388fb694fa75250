"""The rules of this library about lending, as values."""

from __future__ import annotations

from dataclasses import dataclass

from frontend_server.circulation.fines import DailyFine


@dataclass(frozen=True)
class LendingRules:
    """What a library decides about lending."""

    loan_limit: int
    """The most loans that a user may have open at a time."""
    daily_fine: DailyFine
    renewal_limit: int = 3
    """The most renewals of a loan."""
    day_limit: int = 365
    """The most days of a loan, renewals included. The contract states it, too."""
