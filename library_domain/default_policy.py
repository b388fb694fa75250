"""The policy with which a new library lends: one branch, and one rule for everything. Both services start with it.

It is not in the feed until it is changed: each service makes it from these values.
"""

from __future__ import annotations

from google.type.money_pb2 import Money

from library.v1.circulation_rule_pb2 import (
    DUE_MODE_IGNORE,
    FINE_CHARGED_AT_START,
    RENEW_FROM_DUE,
    CirculationRule,
)

MAIN_BRANCH = "main"
"""The code of the branch that exists from the start. Its time zone is that of the machine until it is changed."""

DEFAULT_RULE_ID = "0193cf10-0000-7000-8000-000000000001"
"""The id of the rule for everything. It cannot be deleted."""

SETTINGS_ID = "settings"
"""The id of the one row of the library's settings in a store. The message has none."""


def default_fine_rate() -> Money:
    """Return the daily fine of the admin's first rule, which is the default of the frontend's option `--daily-fine`."""
    return Money(currency_code="EUR", nanos=200_000_000)


def default_rule(fine_rate: Money) -> CirculationRule:
    """Return the rule for everything as it is from the start, with a fine for each day that a loan is late."""
    return CirculationRule(
        id=DEFAULT_RULE_ID,
        lendable=True,
        loan_days=14,
        max_loan_days=365,
        due_mode=DUE_MODE_IGNORE,
        renewal_limit=3,
        renew_from=RENEW_FROM_DUE,
        max_total_days=365,
        fine_rate=fine_rate,
        fine_period_days=1,
        fine_charged_at=FINE_CHARGED_AT_START,
    )
