"""The refusals that the staff can override at the desk."""

OVERRIDABLE = frozenset(
    {
        *("BOOK_UNAVAILABLE", "ITEM_NOT_LENDABLE", "ITEM_ON_LOAN", "RULE_NOT_LENDABLE"),
        *("LOAN_OVERDUE", "RENEWAL_LIMIT_REACHED", "RENEWAL_TOO_EARLY"),
        *("MEMBERSHIP_EXPIRED", "USER_BLOCKED", "LOAN_LIMIT_REACHED", "ITEM_TYPE_LIMIT_REACHED", "LOAN_TOO_LONG"),
    }
)
"""Names of `ErrorReason` without their prefix. The contract states them at CheckOut and Renew."""
