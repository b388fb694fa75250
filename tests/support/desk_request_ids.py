"""A case for each method of the desk that changes something: `DESK_CASES`."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from library.frontend.v1 import circulation_service_pb2 as pb
from library.frontend.v1.lending_service_pb2 import ReturnBookRequest
from library.v1.history_pb2 import (
    HISTORY_EVENT_CHECK_IN,
    HISTORY_EVENT_CHECK_IN_CANCELLED,
    HISTORY_EVENT_CHECK_IN_NOT_OUT,
    HISTORY_EVENT_DUE_TIME_MOVED,
)
from library_domain.local_dates import date_message
from tests.support.request_id_case import Case
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.request_id_cases import Desk

_DAYS = itertools.count(20)


def _barcode(desk: Desk) -> str:
    """Return the barcode of a new item that the frontend has."""
    request = pb.ListItemsRequest(book_id=desk.book(copies=1).id)
    wait_until(lambda: bool(desk.frontend.circulation.ListItems(request).items))
    barcode: str = desk.frontend.circulation.ListItems(request).items[0].barcode
    return barcode


def _lent(desk: Desk, **fields: Any) -> Any:
    request = pb.CheckOutRequest(barcode=_barcode(desk), user_id=desk.user().id, **fields)
    return desk.frontend.circulation.CheckOut(request).loan


def _events(desk: Desk, *events: int, **subject: Any) -> int:
    entries = desk.frontend.circulation.ListHistory(pb.ListHistoryRequest(**subject)).entries
    return sum(entry.event in events for entry in entries)


def checking_out(desk: Desk) -> Case:
    fields: dict[str, Any] = {"barcode": _barcode(desk), "user_id": desk.user().id}

    def count(answer: bytes) -> int:
        return 1 + desk.loan_now(pb.CheckOutResponse.FromString(answer).loan.id).renewal_count

    return Case(
        pb.CheckOutRequest(**fields),
        pb.CheckOutRequest(days=3, **fields),
        lambda answer: desk.frontend.circulation.CheckIn(pb.CheckInRequest(barcode=fields["barcode"])),
        count,
    )


def checking_in(desk: Desk) -> Case:
    loan = _lent(desk)
    events = (HISTORY_EVENT_CHECK_IN, HISTORY_EVENT_CHECK_IN_NOT_OUT)

    def lend_again(answer: bytes) -> None:
        desk.frontend.circulation.CheckOut(pb.CheckOutRequest(barcode=loan.barcode, user_id=loan.user_id))

    return Case(
        pb.CheckInRequest(barcode=loan.barcode),
        pb.CheckInRequest(barcode=_lent(desk).barcode),
        lend_again,
        lambda answer: _events(desk, *events, item_id=loan.item_id),
    )


def renewing_an_item(desk: Desk) -> Case:
    loan = _lent(desk)
    return Case(
        pb.RenewRequest(barcode=loan.barcode),
        pb.RenewRequest(barcode=loan.barcode, days=3),
        lambda answer: desk.frontend.circulation.CheckIn(pb.CheckInRequest(barcode=loan.barcode)),
        lambda answer: desk.loan_now(loan.id).renewal_count,
    )


def cancelling_a_check_out(desk: Desk) -> Case:
    def request() -> Any:
        return pb.CancelCheckOutRequest(loan_id=_lent(desk).id)

    return Case(request(), request(), lambda answer: None, lambda answer: 1)  # a second one would be refused


def cancelling_a_check_in(desk: Desk) -> Case:
    def returned() -> str:
        loan = _lent(desk)
        desk.frontend.lending.ReturnBook(ReturnBookRequest(loan_id=loan.id))
        loan_id: str = loan.id
        return loan_id

    loan_id = returned()
    return Case(
        pb.CancelCheckInRequest(loan_id=loan_id),
        pb.CancelCheckInRequest(loan_id=returned()),
        lambda answer: desk.frontend.lending.ReturnBook(ReturnBookRequest(loan_id=loan_id)),
        lambda answer: _events(desk, HISTORY_EVENT_CHECK_IN_CANCELLED, loan_id=loan_id),
    )


def moving_due_dates(desk: Desk) -> Case:
    days = next(_DAYS)
    loan = _lent(desk, days=days)
    due = datetime.fromtimestamp(loan.due_time.seconds, UTC).date()

    def request(later: int) -> Any:
        new_date = date_message(due + timedelta(days=later))
        return pb.MoveDueDatesRequest(first_date=date_message(due), last_date=date_message(due), new_date=new_date)

    return Case(
        request(200),
        request(201),
        lambda answer: desk.frontend.lending.ReturnBook(ReturnBookRequest(loan_id=loan.id)),
        lambda answer: _events(desk, HISTORY_EVENT_DUE_TIME_MOVED, loan_id=loan.id),
    )


_SERVICE = "library.frontend.v1.CirculationService"
DESK_CASES: dict[str, Callable[[Desk], Case]] = {
    f"{_SERVICE}/CheckOut": checking_out,
    f"{_SERVICE}/CheckIn": checking_in,
    f"{_SERVICE}/Renew": renewing_an_item,
    f"{_SERVICE}/CancelCheckOut": cancelling_a_check_out,
    f"{_SERVICE}/CancelCheckIn": cancelling_a_check_in,
    f"{_SERVICE}/MoveDueDates": moving_due_dates,
}
