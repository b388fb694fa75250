"""What the desk shows for each answer of the service, and what it remembers of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from library.frontend.v1 import circulation_service_pb2 as pb
from library.frontend.v1.lending_service_pb2 import RenewLoanRequest
from library.frontend.v1.member_service_pb2 import GetUserRequest
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from library_cli.desk.columns import money
from library_cli.desk_screen.dates import due, written
from library_cli.desk_screen.entries import Kind, NoAnswer, Refused, Steps
from library_cli.desk_screen.state import Desk, Slip, Terms, no_answer, sent
from library_cli.desk_screen.wording import name, overridable, sentence, title
from library_cli.plain_text import one_line
from library_cli.tables import as_json

NOT_OUT = "It was not out. "
"""How the service's message for an item begins that was not out, which the desk's own word says already."""


def change(desk: Desk, request: Any) -> Steps[bool]:
    """Make a call that changes something, and show its answer. Return whether it was carried out."""
    reply = yield from sent(desk, request)
    if isinstance(reply, NoAnswer):
        no_answer(desk, reply, changes=True)
        return False
    if isinstance(reply, Refused):
        yield from refuse(desk, request, reply)
        return False
    yield from SHOW[type(request)](desk, request, reply)
    return True


def refuse(desk: Desk, request: Any, reply: Refused) -> Steps[None]:
    """Show all reasons of a refusal, and keep the call if the staff can override it."""
    about = yield from _item_of(request, reply)
    first, *others = map(sentence, reply.refusals)
    reasons = [{"reason": each.reason, "message": sentence(each)} for each in reply.refusals]
    more = list(others)
    can_be_overridden = "overrides" in request.DESCRIPTOR.fields_by_name and overridable(reply.refusals)
    desk.refused = (request, reply) if can_be_overridden else None
    if can_be_overridden:
        more.append("To override it, with a reason: F8 or /override")
    desk.add(Kind.REFUSED, f"{about}: {first}" if about else first, *more, refusals=reasons)


def _item_of(request: Any, reply: Refused) -> Steps[str]:
    """Return the title of the item that a refused call was about; its barcode if it is unknown."""
    barcode: str = getattr(request, "barcode", "")
    if not barcode or "ITEM_NOT_FOUND" in reply.reasons:
        return ""
    found = yield pb.LookupItemRequest(barcode=barcode)
    return one_line(f'"{found.book_title}"') if isinstance(found, pb.LookupItemResponse) else barcode


def _check_out(desk: Desk, request: pb.CheckOutRequest, answer: pb.CheckOutResponse) -> Steps[None]:
    loan = answer.loan
    if not answer.renewed:
        desk.slips.append(Slip(loan, was_check_out=True))
    show_loan(desk, Kind.RENEWED if answer.renewed else Kind.LENT, loan, answer.refusals, answer.shifts)
    yield from ()


def _renew(desk: Desk, request: pb.RenewRequest, answer: pb.RenewResponse) -> Steps[None]:
    show_loan(desk, Kind.RENEWED, answer.loan, answer.refusals, answer.shifts)
    yield from ()


def _renew_loan(desk: Desk, request: RenewLoanRequest, loan: Loan) -> Steps[None]:
    show_loan(desk, Kind.RENEWED, loan, (), ())
    yield from ()


def show_loan(desk: Desk, kind: Kind, loan: Loan, overridden: Sequence[Any], shifts: Sequence[Any]) -> None:
    """Show a loan that was made or renewed. What was set for the next one has been used."""
    desk.terms, desk.refused = Terms(), None
    desk.keep(loan)
    more = [f"Moved from {_date(shift.from_date)} to {_date(shift.to_date)}: {shift.reason}" for shift in shifts]
    more += [f"Overridden: {each.reason}" for each in overridden]
    if fine := money(loan.fine):
        more.append(f"Fine so far: {fine}")
    desk.add(kind, f"{title(loan)}, due {due(loan)}", *more, loan=as_json(loan))


def _check_in(desk: Desk, request: pb.CheckInRequest, answer: pb.CheckInResponse) -> Steps[None]:
    loan, data = answer.loan, {"item": as_json(answer.item), "was_out": answer.was_out}
    aside = answer.outcome != pb.CHECK_IN_OUTCOME_SHELVE
    if not answer.was_out:
        desk.add(
            Kind.ASIDE if aside else Kind.NOT_OUT, f"{request.barcode}. {answer.message.removeprefix(NOT_OUT)}", **data
        )
        return
    desk.slips.append(Slip(loan, was_check_out=False))
    more = [] if aside else [answer.message]
    if fine := money(answer.fine):
        user = yield from _user_of(desk, loan)
        more.insert(0, f"FINE {fine} for {user}: it was due {due(loan)}, returned {written(loan.return_time)}")
        data["fine"] = as_json(answer.fine)
    desk.drop(loan)
    text = f"{title(loan)}. {answer.message}" if aside else title(loan)
    desk.add(Kind.ASIDE if aside else Kind.RETURNED, text, *more, loan=as_json(loan), **data)


def _user_of(desk: Desk, loan: Loan) -> Steps[str]:
    if desk.user is not None and desk.knows(loan):
        return name(desk.user)
    user = yield GetUserRequest(id=loan.user_id)
    return name(user) if isinstance(user, User) else loan.user_id


def _cancel_check_out(desk: Desk, request: pb.CancelCheckOutRequest, loan: Loan) -> Steps[None]:
    _forget_slip(desk, loan)
    desk.drop(loan)
    desk.add(Kind.UNDONE, f"{title(loan)} is not lent. Take it back from the user.", loan=as_json(loan))
    yield from ()


def _cancel_check_in(desk: Desk, request: pb.CancelCheckInRequest, loan: Loan) -> Steps[None]:
    _forget_slip(desk, loan)
    desk.keep(loan)
    desk.add(Kind.UNDONE, f"{title(loan)} is on loan again, due {due(loan)}", loan=as_json(loan))
    yield from ()


def _forget_slip(desk: Desk, loan: Loan) -> None:
    for slip in [slip for slip in desk.slips if slip.loan.id == loan.id]:
        desk.slips.remove(slip)


def _date(day: Any) -> str:
    return f"{day.year:04}-{day.month:02}-{day.day:02}"


SHOW: dict[type[Any], Callable[[Desk, Any, Any], Steps[None]]] = {
    pb.CheckOutRequest: _check_out,
    pb.CheckInRequest: _check_in,
    pb.RenewRequest: _renew,
    RenewLoanRequest: _renew_loan,
    pb.CancelCheckOutRequest: _cancel_check_out,
    pb.CancelCheckInRequest: _cancel_check_in,
}
"""What shows the answer to each call that changes something."""
