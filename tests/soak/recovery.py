"""What a caller does later about loans whose state it does not know, so that the copies do not stay out for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from library.frontend.v1.circulation_service_pb2 import (
    CancelCheckInRequest,
    CancelCheckOutRequest,
    CheckInRequest,
)
from library.frontend.v1.lending_service_pb2 import (
    BorrowBookRequest,
    GetLoanRequest,
    ListLoansRequest,
    ReturnBookRequest,
)
from tests.soak.desk import Desk, Plan
from tests.soak.ledger import Known, can_be_returned_as, may_be_open
from tests.soak.sending import Outcome

LENDING = "library.frontend.v1.LendingService/"

MAY_END = (ReturnBookRequest, CheckInRequest, CancelCheckOutRequest, CancelCheckInRequest)
"""Changes that may have ended a loan, or left it ended."""

Send = Callable[[str, Plan], tuple[Outcome, bool]]
"""Makes a call of a method until its outcome is known; returns the outcome, and whether it is known."""


def recover(desk: Desk, send: Send) -> str:
    """Return a loan of unknown state, or adopt one that may have been made; return what is wrong, or nothing."""
    unknown = [loan for loan in desk.ledger.loans.values() if not loan.is_settled and may_be_open(loan)]
    borrowed = [request for request in desk.ledger.maybe_made if _is_searchable(desk, request)]
    if unknown and (not borrowed or desk.chance.random() < 0.5):
        return _give_back(desk, desk.chance.choice(unknown), send)
    return _adopt(desk, desk.chance.choice(borrowed), send) if borrowed else ""


def _give_back(desk: Desk, loan: Known, send: Send) -> str:
    """Return the loan: afterwards no earlier call can change it, however late it is done."""
    request = ReturnBookRequest(loan_id=loan.last.id, request_id=desk.new_id())
    outcome, is_known = send(f"{LENDING}ReturnBook", Plan([request]))
    if not is_known:
        loan.is_being_returned = True
        return ""
    if outcome.reason == "LOAN_RETURNED" and (loan.is_being_returned or isinstance(loan.maybe, MAY_END)):
        outcome, is_known = send(f"{LENDING}GetLoan", Plan([GetLoanRequest(id=loan.last.id)]))
        if not is_known:
            return ""
    if outcome.status != "OK" or not can_be_returned_as(loan, outcome.answer):
        return f"{loan.last}with the unknown change {loan.maybe} was returned, which led to {outcome}"
    desk.ledger.note(outcome.answer)
    loan.maybe, loan.is_being_returned = None, False
    return ""


def _adopt(desk: Desk, request: Any, send: Send) -> str:
    """Look for the loan that a call of unknown outcome may have made; if it is there, it is this caller's."""
    listing = ListLoansRequest(user_id=request.user_id, book_id=request.book_id, page_size=1_000)
    outcome, is_known = send(f"{LENDING}ListLoans", Plan([listing]))
    if not is_known:
        return ""
    if outcome.status != "OK":
        return f"{listing} was refused: {outcome}"
    found = [loan for loan in outcome.answer.loans if loan.id not in desk.ledger.loans and loan.days == request.days]
    if found:
        desk.ledger.note(found[0])
        desk.ledger.maybe_made.remove(request)
    return ""


def _is_searchable(desk: Desk, request: Any) -> bool:
    """Whether it is a borrow by a user of this caller; the ids of bad input may be anything."""
    books = {book.id for book in desk.shared} | desk.ledger.books.keys()
    return isinstance(request, BorrowBookRequest) and request.user_id in desk.ledger.users and request.book_id in books
