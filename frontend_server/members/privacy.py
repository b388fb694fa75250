"""All that is stored about a user: exporting it, erasing it, and cutting the tie between users and old loans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frontend_server.access import audit
from frontend_server.access.standing import check_standing
from frontend_server.access.stored import forget_sign_in, stored_sign_in
from frontend_server.history.entries import forget_user, forget_user_of_loans
from frontend_server.members.accounts import facts, locked_user, message, update_row
from frontend_server.members.eligibility import closing_refusals
from frontend_server.members.own_fields import check_time
from frontend_server.refusals import raise_if_refused
from frontend_server.store.models import HistoryEntry, Loan, User, lock_sync_state
from library.frontend.v1.member_service_pb2 import (
    AnonymizeLoansRequest,
    AnonymizeLoansResponse,
    EraseUserRequest,
    ExportUserRequest,
    ExportUserResponse,
)
from library.v1 import user_pb2
from library.v1.history_pb2 import HISTORY_EVENT_USER_ERASED
from library.v1.user_pb2 import USER_STATE_CLOSED
from library_domain.access.callers import ANYBODY, Caller
from library_domain.errors import UserNotFound
from library_domain.history import history_message
from library_domain.loans import loan_message
from library_domain.users import block_columns, own_columns
from service_kit.clock import Clock, micros
from service_kit.errors import FieldInvalid
from service_kit.idempotency import AnsweredRequest, once
from service_kit.paging import MAX_PAGE_BYTES, next_page_token, page_size, position, row_position, token_refused
from service_kit.revisions import take_revisions
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.unreadable import read_rows, readable, shown

LOANS, HISTORY = "loan", "history"
"""The parts of an export after the user: the first word of a place in it."""

SCANNED_ANSWERS = 2_000
"""How many kept answers are read at a time to find those about a user."""


def export_user(store: Store, request: ExportUserRequest, clock: Clock, caller: Caller = ANYBODY) -> ExportUserResponse:
    """Return a page of all that is stored about a user. Raises `UserNotFound`."""
    part, after = export_position(request)
    now = clock()
    with store.reading(), readable("user", request.user_id):
        row = User.get_or_none(User.id == request.user_id)
        if row is None:
            raise UserNotFound(user_id=request.user_id)
        rows: list[tuple[str, Any]] = []
        if part == LOANS:
            rows += [(LOANS, loan) for loan in _rows_of(Loan, request, after, page_size(request) + 1)]
            after = 0
        if (room := page_size(request) + 1 - len(rows)) > 0:
            rows += [(HISTORY, entry) for entry in _rows_of(HistoryEntry, request, after, room)]
        sign_in = stored_sign_in(row.id, caller)
    response = ExportUserResponse()
    if not request.page_token:
        response.user.CopyFrom(message(row))
        response.sign_in.CopyFrom(sign_in)
    return _filled(response, request, rows, now)


def export_position(request: ExportUserRequest) -> tuple[str, int]:
    """Return the part of the export in which a page begins, and the key after which. Raises `FieldInvalid`."""
    place = position(request)
    if not place:
        return LOANS, 0
    part, _, key = place.partition(" ")
    if part not in (LOANS, HISTORY) or not (key.isascii() and key.isdecimal() and len(key) <= 18):
        raise token_refused()
    return part, int(key)


def _rows_of(model: Any, request: ExportUserRequest, after: int, limit: int) -> Sequence[Any]:
    query = model.select().where(model.user_id == request.user_id, model.key > after).order_by(model.key)
    return read_rows(query.limit(limit), model)


def _filled(
    response: ExportUserResponse, request: ExportUserRequest, rows: Sequence[tuple[str, Any]], now: int
) -> ExportUserResponse:
    """Add the rows of a page, and the token of the next. A damaged row is left out and logged."""
    for count, (part, row) in enumerate(rows):
        if count == page_size(request) or response.ByteSize() > MAX_PAGE_BYTES:
            last_part, last = rows[count - 1]
            response.next_page_token = next_page_token(request, f"{last_part} {last.key}")
            return response
        if part == LOANS:
            if (loan := shown(row, lambda each: loan_message(each, now), row.key)) is not None:
                response.loans.append(loan)
        elif (entry := shown(row, history_message, row.key)) is not None:
            response.history.append(entry)
    return response


def erase_user(store: Store, request: EraseUserRequest, clock: Clock, caller: Caller = ANYBODY) -> user_pb2.User:
    """Erase the personal data of a user. Raises `UserNotFound`, `UserHasLoans` and `RoleRequired`."""

    def erase() -> user_pb2.User:
        check_standing(caller, request.user_id.lower(), may_be_own=True)
        lock_sync_state(store)
        audit.lock_entries_about(store, request.user_id)
        for model in (HistoryEntry, Loan):
            _lock(store, model, model.user_id == request.user_id)
        row = locked_user(store, request.user_id)
        card = row.card_number or ""
        raise_if_refused(closing_refusals(facts(row), ""))
        if is_erased(row):
            return message(row)
        forget_sign_in(store, row.id)
        columns = {**own_columns(user_pb2.User()), **block_columns([]), "state": USER_STATE_CLOSED}
        update_row(row, columns, clock, HISTORY_EVENT_USER_ERASED)
        audit.forget_user(row.id, card)
        forget_user(row.id)
        _forget_user_of(Loan.user_id == row.id)
        _empty_answers_about(row.id)
        return message(row)

    with readable("user", request.user_id):
        return once(store, request, user_pb2.User, erase, clock)


def is_erased(row: User) -> bool:
    """Return whether the data of a user were erased: no other user is without a card number."""
    return row.state == USER_STATE_CLOSED and row.card_number is None


def check_anonymization(request: AnonymizeLoansRequest) -> None:
    """Raise `FieldInvalid` for a time that is not a time, and for a page token of other arguments."""
    check_time("before", request.before)
    _loan_position(request)


def anonymize_loans(store: Store, request: AnonymizeLoansRequest, clock: Clock) -> AnonymizeLoansResponse:
    """Cut the tie between users and a page of the loans that were returned before a time. Raises `FieldInvalid`."""
    check_anonymization(request)
    if micros(request.before) > clock():
        raise FieldInvalid(("before", "must not be a time to come"))

    def anonymize() -> AnonymizeLoansResponse:
        lock_sync_state(store)
        loans = _anonymizable(request)
        on_page = loans[: page_size(request)]
        _lock(store, HistoryEntry, HistoryEntry.loan_id.in_([loan_id for _, loan_id in on_page]))
        # A check-in that was cancelled meanwhile has opened its loan again, so the condition is checked again.
        keys = Loan.key.in_([key for key, _ in on_page])
        locked = [loan_id for (loan_id,) in _lock(store, Loan, keys & _is_anonymizable(request))]
        forget_user_of_loans(locked)
        _forget_user_of(Loan.id.in_(locked))
        return _anonymized(request, loans, len(locked))

    if request.validate_only:
        with store.reading():
            loans = _anonymizable(request)
        return _anonymized(request, loans, min(len(loans), page_size(request)))
    return once(store, request, AnonymizeLoansResponse, anonymize, clock)


def _anonymizable(request: AnonymizeLoansRequest) -> list[tuple[Any, ...]]:
    """Return key and id of the loans of a page, and of one more."""
    loans = Loan.select(Loan.key, Loan.id).where(Loan.key > _loan_position(request), _is_anonymizable(request))
    return tuples(loans.order_by(Loan.key).limit(page_size(request) + 1))


def _is_anonymizable(request: AnonymizeLoansRequest) -> Any:
    return Loan.return_time.is_null(False) & (Loan.return_time < micros(request.before)) & (Loan.user_id != "")


def _anonymized(request: AnonymizeLoansRequest, loans: Sequence[tuple[Any, ...]], count: int) -> AnonymizeLoansResponse:
    response = AnonymizeLoansResponse(loan_count=count)
    if len(loans) > page_size(request):
        response.next_page_token = next_page_token(_without_id(request), loans[page_size(request) - 1][0])
    return response


def _loan_position(request: AnonymizeLoansRequest) -> int:
    return row_position(_without_id(request))


def _without_id(request: AnonymizeLoansRequest) -> AnonymizeLoansRequest:
    """Return the request without its id, which differs from page to page."""
    plain = AnonymizeLoansRequest()
    plain.CopyFrom(request)
    plain.request_id = ""
    return plain


def _lock(store: Store, model: Any, condition: Any) -> list[tuple[Any, ...]]:
    """Lock rows until the transaction ends, and return their ids. The caller has locked `sync_state`."""
    return tuples(store.locking(model.select(model.id).where(condition).order_by(model.key)))


def _forget_user_of(condition: Any) -> None:
    """Cut the tie between loans and their user, and make the loans due for the push. They share a revision."""
    Loan.update(user_id="", revision=take_revisions(), park_reason="").where(condition).execute()


def _empty_answers_about(user_id: str) -> None:
    """Empty the answers that are kept for request ids and contain the id of a user, some at a time."""
    wanted, last = user_id.encode(), ""
    columns = (AnsweredRequest.request_id, AnsweredRequest.answer)
    while True:
        query = AnsweredRequest.select(*columns).where(AnsweredRequest.request_id > last)
        batch = tuples(query.order_by(AnsweredRequest.request_id).limit(SCANNED_ANSWERS))
        if not batch:
            return
        last = batch[-1][0]
        about = [request_id for request_id, answer in batch if wanted in bytes(answer)]
        if about:
            AnsweredRequest.update(answer=b"").where(AnsweredRequest.request_id.in_(about)).execute()
