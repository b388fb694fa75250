"""What a scan does: a card opens its user; a barcode is lent to the open user, or without one taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from library.frontend.v1 import circulation_service_pb2 as pb
from library.frontend.v1.lending_service_pb2 import ListLoansRequest
from library.frontend.v1.member_service_pb2 import ListUsersRequest
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import USER_STATE_CLOSED, User
from library_cli.desk_screen.answers import SHOW, refuse
from library_cli.desk_screen.dates import timestamp
from library_cli.desk_screen.entries import Kind, NoAnswer, Refused, Steps
from library_cli.desk_screen.state import Desk, no_answer, sent
from library_cli.desk_screen.wording import loan_line, name, sentence
from library_cli.tables import as_json
from library_domain.barcodes import ITEM_DIGIT, has_check_digit, normalized_barcode

MOST_LOANS = 1000
"""Loans that are read when a user is opened."""


def scan(desk: Desk, text: str) -> Steps[None]:
    """Open the user of a card; lend, renew or take back an item.

    A number of the library's own series for items is sought among the items first, another one among the cards first.
    """
    try:
        number = normalized_barcode(text)
    except ValueError as problem:
        desk.add(Kind.REFUSED, f"A card or barcode {problem}. To find a user by name, type ?NAME.")
        return
    is_item = number.startswith(ITEM_DIGIT) and has_check_digit(number)
    if not is_item and (yield from _open_card(desk, number)):
        return
    request = request_for(desk, number)
    reply = yield from sent(desk, request)
    if isinstance(reply, NoAnswer):
        no_answer(desk, reply, changes=True)
    elif not isinstance(reply, Refused):
        desk.last_barcode = number
        yield from SHOW[type(request)](desk, request, reply)
    elif not (is_item and "ITEM_NOT_FOUND" in reply.reasons and (yield from _open_card(desk, number))):
        desk.last_barcode = number
        yield from refuse(desk, request, reply)


def request_for(desk: Desk, barcode: str) -> Any:
    """Return the call that a barcode leads to."""
    if desk.checks_in or desk.user is None:
        request = pb.CheckInRequest(barcode=barcode, branch=desk.branch)
        if desk.checks_in and desk.return_time is not None:
            request.return_time.CopyFrom(timestamp(desk.return_time))
        return request
    lend = pb.CheckOutRequest(user_id=desk.user.id, barcode=barcode, branch=desk.branch)
    desk.terms.put_into(lend)
    return lend


def _open_card(desk: Desk, number: str) -> Steps[bool]:
    """Open the user of a card. Return whether the line is done."""
    users = yield from users_found(desk, ListUsersRequest(card_number=number, include_closed=True))
    if users is None:
        return True
    if not users:
        return False
    if desk.checks_in:
        desk.add(Kind.WARNING, "This is a card. End the check-in mode first, with F2 or /checkin.")
        return True
    yield from open_user(desk, users[0])
    return True


def users_found(desk: Desk, request: ListUsersRequest) -> Steps[Sequence[User] | None]:
    """Return the users that match; None if no service answered or it refused, which is shown."""
    reply = yield request
    if isinstance(reply, NoAnswer):
        no_answer(desk, reply, changes=False)
        return None
    if isinstance(reply, Refused):
        desk.add(Kind.REFUSED, *map(sentence, reply.refusals))
        return None
    users: Sequence[User] = reply.users
    return users


def open_user(desk: Desk, user: User) -> Steps[None]:
    """Open a user with all open loans."""
    if user.state == USER_STATE_CLOSED:
        desk.close_user()
        desk.add(Kind.REFUSED, f"The account of {name(user)} is closed. The person has to enrol again.")
        return
    loans: list[Loan] = []
    request = ListLoansRequest(user_id=user.id, only_open=True, page_size=MOST_LOANS)
    reply = yield request
    if isinstance(reply, NoAnswer):
        no_answer(desk, reply, changes=False)
        return
    if not isinstance(reply, Refused):
        loans.extend(reply.loans)
    desk.close_user()
    desk.user, desk.loans = user, {loan.id: loan for loan in loans}
    if desk.loan_limit is None:
        settings = yield pb.GetLibrarySettingsRequest()
        if not isinstance(settings, (NoAnswer, Refused)):
            desk.loan_limit = settings.loan_limit
    view = desk.view()
    data = {"user": as_json(user), "loans": [as_json(loan) for loan in view.loans]}
    kind = Kind.WARNING if view.warnings else Kind.USER
    first, *notes = view.user_lines
    desk.add(kind, first, *view.warnings, *notes, *map(loan_line, view.loans), **data)
