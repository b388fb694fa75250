"""Sentences for people at the desk: what was refused, and what to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from library_cli.desk.columns import money, name_of
from library_cli.desk_screen.dates import due, rfc3339
from library_cli.grpc_errors import ServiceRefusal
from library_cli.plain_text import one_line

TIMES = ("due_time", "until", "earliest_date", "last_date", "return_time")
"""Fields of an error's metadata that are times."""

NEVER_OVERRIDDEN = frozenset(
    {
        *("ITEM_NOT_FOUND", "BOOK_REMOVED", "USER_NOT_FOUND", "USER_CLOSED", "USER_NOT_ACTIVE"),
        *("ITEM_NOT_ON_LOAN", "LOAN_NOT_FOUND", "LOAN_RETURNED", "CANNOT_CANCEL"),
        *("CLOCK_BEHIND", "DUE_TIME_UNCHANGED", "DUE_TIME_PASSED", "FIELD_INVALID", "REQUEST_ID_REUSED"),
        "OVERRIDE_NOT_PERMITTED",
    }
)
"""Reasons that an override does not change."""

SENTENCES = {
    "BOOK_REMOVED": "The book has left the catalogue. Keep the item at the desk.",
    "BOOK_UNAVAILABLE": "The book does not circulate at present. Put the item aside.",
    "DUE_TIME_PASSED": "It would be due {due_time}, which has passed. Set a later date with /due DATE.",
    "DUE_TIME_UNCHANGED": "A renewal now would not make it due later than {due_time}.",
    "ITEM_NOT_FOUND": "No item and no card has the number {barcode}. Scan it again, or type the number.",
    "ITEM_NOT_LENDABLE": "The item is {state}. Put it aside.",
    "ITEM_NOT_ON_LOAN": "Nobody has the item, so there is nothing to renew.",
    "ITEM_ON_LOAN": "Another user has the item, until {due_time}. Check it in first: close the user and scan it.",
    "ITEM_TYPE_LIMIT_REACHED": "The limit for this type of item is {item_type_limit}. One must come back first.",
    "LOAN_LIMIT_REACHED": "The limit is {loan_limit} loans. Something must come back first.",
    "LOAN_OVERDUE": "It was due {due_time}, so it cannot be renewed. It must come back.",
    "LOAN_TOO_LONG": "{days} days are too many: the most is {most_days}. Set fewer with /days.",
    "MEMBERSHIP_EXPIRED": "The membership ended on {last_date}. Extend it first.",
    "RENEWAL_LIMIT_REACHED": "It has no renewal left ({renewal_limit} at most, {day_limit} days in total).",
    "RENEWAL_TOO_EARLY": "It can be renewed from {earliest_date} on.",
    "RULE_NOT_LENDABLE": "Such an item is not lent to such a user.",
    "USER_BLOCKED": "The user is blocked until {until}. The user's blocks have the reason.",
    "USER_CLOSED": "The account is closed. The person has to enrol again.",
    "USER_NOT_ACTIVE": "The account is in a state that the frontend service does not know. Upgrade the service.",
}


def sentence(refusal: ServiceRefusal) -> str:
    """Return a refusal as a sentence with what to do; the service's own message for a reason without one."""
    values: defaultdict[str, str] = defaultdict(lambda: "?", refusal.metadata)
    values.update({name: rfc3339(values[name]) for name in TIMES if name in refusal.metadata})
    template = SENTENCES.get(refusal.reason)
    return one_line(template.format_map(values) if template else refusal.message)


def overridable(refusals: Sequence[ServiceRefusal]) -> list[str]:
    """Return the reasons that the staff can override; none if one of the others would refuse the call anyway."""
    reasons = [each.reason for each in refusals]
    return [] if NEVER_OVERRIDDEN.intersection(reasons) else reasons


def title(loan: Loan) -> str:
    return one_line(f'"{loan.book_title}"')


def name(user: User) -> str:
    return one_line(name_of(user)) or user.card_number or user.id


def loan_line(loan: Loan) -> str:
    """Return an open loan as a line: due date, title, and the fine so far."""
    fine = money(loan.fine_so_far)
    return one_line(f"{due(loan)}  {loan.book_title}") + (f"  fine so far {fine}" if fine else "")
