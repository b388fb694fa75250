"""What the desk asks for: items to check out, check in and renew by their barcodes, and slips to cancel."""

from __future__ import annotations

from collections.abc import Callable

from google.type.date_pb2 import Date

from library.frontend.v1 import circulation_service_pb2 as desk_pb2
from library.v1.loan_pb2 import Loan
from tests.soak.desk import Desk, Plan, is_as, may_have_borrowed
from tests.soak.ledger import Known, is_open
from tests.soak.library import LOAN_LIMIT
from tests.soak.patron_plans import renewal, user_refusals

ITEM_REFUSALS = frozenset({"ITEM_ON_LOAN", "ITEM_NOT_LENDABLE", "BOOK_REMOVED", "BOOK_UNAVAILABLE"})
"""Why an item that this caller lent once may not be lent now: others lend it too."""


def _loan(desk: Desk, fits: Callable[[Loan], bool] = lambda loan: True) -> Known | None:
    """A loan of an item: a book whose items have not reached the frontend is lent without one."""
    return desk.some(desk.ledger.loans, lambda loan: bool(loan.barcode) and fits(loan))


def check_out(desk: Desk) -> Plan | None:
    user, loan = desk.user(), _loan(desk)
    if user is None or loan is None or may_have_borrowed(desk, user.last.id):
        return None
    out = desk.ledger.open_loans_of(user.last.id)
    if any(each.last.barcode in ("", loan.last.barcode) for each in out):
        return None  # the call could renew the loan
    request = desk_pb2.CheckOutRequest(
        user_id=user.last.id, barcode=loan.last.barcode, days=desk.chance.randint(1, 100), staff="Ada"
    )

    def check(answer: desk_pb2.CheckOutResponse) -> str:
        found = (answer.loan.barcode, answer.loan.user_id, answer.loan.days)
        return "" if found == (request.barcode, request.user_id, request.days) else f"lent {answer} for {request}"

    refusals = user_refusals(user) | ITEM_REFUSALS | ({"LOAN_LIMIT_REACHED"} if len(out) >= LOAN_LIMIT else set())
    full = sum(each.is_settled for each in out) >= LOAN_LIMIT
    must_be_refused = full or bool(user.last.blocks)
    return Plan([request], makes=True, refusals=frozenset(refusals), must_be_refused=must_be_refused, check=check)


def check_in(desk: Desk) -> Plan | None:
    """Take back an item. It is sent until it is answered: done later, it could end a loan of somebody else."""
    entry = _loan(desk, is_open)
    if entry is None:
        return None

    def check(answer: desk_pb2.CheckInResponse) -> str:
        is_right = answer.was_out and answer.loan.id == entry.last.id and answer.loan.HasField("return_time")
        return "" if is_right else f"checked in {entry.last}, and answered {answer}"

    request = desk_pb2.CheckInRequest(barcode=entry.last.barcode, staff="Ada")
    return Plan([request], about=entry, check=check, can_be_given_up=False)


def renew_item(desk: Desk) -> Plan | None:
    """Renew the loan of an item. It is sent until it is answered: done later, it could renew another loan."""
    entry = _loan(desk, is_open)
    if entry is None:
        return None
    more = desk.chance.randint(1, 60)
    refusals, must_be_refused, check = renewal(desk, entry.last, more)
    request = desk_pb2.RenewRequest(barcode=entry.last.barcode, days=more, staff="Ada")
    return Plan(
        [request],
        about=entry,
        refusals=refusals,
        must_be_refused=must_be_refused,
        check=lambda answer: check(answer.loan),
        can_be_given_up=False,
    )


def cancel_check_out(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.loans, is_open)
    if entry is None:
        return None
    return Plan(
        [desk_pb2.CancelCheckOutRequest(loan_id=entry.last.id)],
        about=entry,
        refusals=frozenset({"CANNOT_CANCEL"}),
        must_be_refused=entry.last.renewal_count > 0,
        check=lambda loan: "" if loan.HasField("return_time") else f"cancelled, and is out: {loan}",
    )


def cancel_check_in(desk: Desk) -> Plan | None:
    entry = desk.some(desk.ledger.loans, lambda loan: not is_open(loan))
    if entry is None:
        return None
    return Plan(
        [desk_pb2.CancelCheckInRequest(loan_id=entry.last.id)],
        about=entry,
        refusals=frozenset({"CANNOT_CANCEL"}),
        check=lambda loan: "" if is_open(loan) else f"is to be out again, and is not: {loan}",
    )


def move_no_due_dates(desk: Desk) -> Plan:
    """Move the loans that are due on days long ago: the loans that are due later are those of other callers, too."""
    request = desk_pb2.MoveDueDatesRequest(
        first_date=Date(year=2001, month=1, day=1), last_date=Date(year=2001, month=12, day=31)
    )
    return Plan([request], check=lambda answer: f"moved {answer}" if answer.moved_count else "")


def explain_rule(desk: Desk) -> Plan | None:
    user, loan = desk.user(), _loan(desk)
    if user is None or loan is None:
        return None
    return Plan([desk_pb2.ExplainRuleRequest(user_id=user.last.id, barcode=loan.last.barcode)])


def look_up_item(desk: Desk) -> Plan | None:
    entry = _loan(desk, is_open)
    if entry is None:
        return None
    check = is_as(entry.last)
    return Plan([desk_pb2.LookupItemRequest(barcode=entry.last.barcode)], check=lambda answer: check(answer.loan))


DESK_PLANS: dict[str, tuple[Callable[[Desk], Plan | None], int]] = {
    "CheckOut": (check_out, 15),
    "CheckIn": (check_in, 12),
    "Renew": (renew_item, 5),
    "CancelCheckOut": (cancel_check_out, 2),
    "CancelCheckIn": (cancel_check_in, 2),
    "MoveDueDates": (move_no_due_dates, 1),
    "ExplainRule": (explain_rule, 2),
    "LookupItem": (look_up_item, 2),
    "GetLibrarySettings": (lambda desk: Plan([desk_pb2.GetLibrarySettingsRequest()]), 1),
}
"""By method of the frontend's CirculationService, with its weight: all but the lists."""
