"""A user's data are exported and erased, and old loans no longer name their users."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from frontend_server.members import blocks, members, privacy
from frontend_server.store.models import IS_DUE, HistoryEntry, Loan, User
from library.frontend.v1.member_service_pb2 import (
    AnonymizeLoansRequest,
    AnonymizeLoansResponse,
    BlockUserRequest,
    EnrollUserRequest,
    EraseUserRequest,
    ExportUserRequest,
    ExportUserResponse,
)
from library.v1 import user_pb2
from library.v1.history_pb2 import HISTORY_EVENT_USER_BLOCKED, HISTORY_EVENT_USER_ENROLLED
from library.v1.user_pb2 import USER_STATE_CLOSED
from library_domain.errors import UserClosed, UserHasLoans, UserNotFound
from library_domain.stores import FACTS
from service_kit.clock import DAY, timestamp
from service_kit.errors import FieldInvalid
from service_kit.idempotency import AnsweredRequest
from service_kit.ids import new_id
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, at_once

SECRETS = ("Ada", "Lovelace", "ada@example.org", "C-77", "Class-4b", "Reads large print", "Damaged book")


@pytest.fixture
def ada(frontend: LocalFrontend) -> user_pb2.User:
    """A user with all fields, a block, and three loans that were returned."""
    user = frontend.enroll(
        EnrollUserRequest(
            email="ada@example.org",
            first_name="Ada",
            last_name="Lovelace",
            card_number="C-77",
            user_category="Student",
            group="Class-4b",
            branch="main",
            note="Reads large print",
            request_id=new_id(),
        )
    )
    for title in ("Emma", "Persuasion", "Villette"):
        loan = frontend.borrow(frontend.book(title).id, user.id, request_id=new_id())
        frontend.bring_back(loan.id)
    request = BlockUserRequest(user_id=user.id, reason="Damaged book", request_id=new_id())
    request.end_time.CopyFrom(timestamp(frontend.clock() + DAY))
    return blocks.block_user(frontend.store, request, frontend.clock)


def erase(frontend: LocalFrontend, user_id: str) -> user_pb2.User:
    return privacy.erase_user(frontend.store, EraseUserRequest(user_id=user_id), frontend.clock)


def exported(frontend: LocalFrontend, user_id: str, page_size: int) -> list[ExportUserResponse]:
    request, pages = ExportUserRequest(user_id=user_id, page_size=page_size), []
    while True:
        pages.append(privacy.export_user(frontend.store, request, frontend.clock))
        request.page_token = pages[-1].next_page_token
        if not request.page_token:
            return pages


def anonymize(frontend: LocalFrontend, before: int, **fields: Any) -> AnonymizeLoansResponse:
    request = AnonymizeLoansRequest(before=timestamp(before), **fields)
    return privacy.anonymize_loans(frontend.store, request, frontend.clock)


def test_an_export_has_the_user_the_loans_and_the_history_in_pages(frontend: LocalFrontend, ada: user_pb2.User) -> None:
    frontend.borrow(frontend.book().id, frontend.user().id)
    for page_size in (1, 2, 3, 4, 1_000):
        pages = exported(frontend, ada.id, page_size)
        assert pages[0].user == ada
        assert not any(page.HasField("user") for page in pages[1:])
        assert [loan.book_title for page in pages for loan in page.loans] == ["Emma", "Persuasion", "Villette"]
        entries = [entry for page in pages for entry in page.history]
        assert {entry.user_id for entry in entries} == {ada.id}
        assert [entries[0].event, entries[-1].event] == [HISTORY_EVENT_USER_ENROLLED, HISTORY_EVENT_USER_BLOCKED]
        assert all(len(page.loans) + len(page.history) <= page_size for page in pages)
    with pytest.raises(UserNotFound):
        exported(frontend, new_id(), 10)
    token = exported(frontend, ada.id, 1)[0].next_page_token
    with pytest.raises(FieldInvalid, match="page_token"):
        privacy.export_position(ExportUserRequest(user_id=new_id(), page_token=token))


def test_an_erased_user_has_nothing_left_and_is_pushed(frontend: LocalFrontend, ada: user_pb2.User) -> None:
    frontend.mark_all_pushed()
    erased = erase(frontend, ada.id)
    assert erased == members.get_user(frontend.store, ada.id)
    assert erased == user_pb2.User(
        id=ada.id,
        state=USER_STATE_CLOSED,
        create_time=ada.create_time,
        update_time=erased.update_time,
        etag=erased.etag,
    )
    contents = str(frontend.contents())
    assert [secret for secret in SECRETS if secret in contents] == []
    assert "Emma" in contents
    assert frontend.users("ada", include_closed=True) == []
    assert Loan.select().where(Loan.user_id == "").count() == 3
    assert HistoryEntry.select().where(HistoryEntry.user_id == ada.id).count() == 0
    assert User.select().where(IS_DUE).count() == 1
    assert Loan.select().where(IS_DUE).count() == 3
    assert [page.loans for page in exported(frontend, ada.id, 10)] == [[]]
    assert erase(frontend, ada.id) == erased
    facts = {name: frontend.store.database.execute_sql(query).fetchall() for name, query in FACTS["frontend"].items()}
    assert (facts["erased_users"], facts["last_erasure"]) == ([(1,)], [(frontend.clock(),)])
    with pytest.raises(UserClosed):
        frontend.change(ada.id, "first_name", first_name="Ada")
    assert (
        frontend.enroll(EnrollUserRequest(first_name="Ada", card_number="C-77", email="ada@example.org")).id != ada.id
    )


def test_answers_about_other_users_are_kept(
    frontend: LocalFrontend, ada: user_pb2.User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privacy, "SCANNED_ANSWERS", 1)
    request = EnrollUserRequest(first_name="Ben", request_id=new_id())
    ben = frontend.enroll(request)
    erase(frontend, ada.id)
    assert frontend.enroll(request) == ben
    answers = [bytes(row.answer) for row in AnsweredRequest.select()]
    assert sorted(map(len, answers))[:-1] == [0] * 5, "those of Ada: enrolled, three loans, blocked"


def test_a_user_with_a_loan_is_not_erased(frontend: LocalFrontend, clock: SettableClock, ada: user_pb2.User) -> None:
    clock.advance(days=2)  # the block has ended
    loan = frontend.borrow(frontend.book("Shirley").id, ada.id)
    before = frontend.contents()
    with pytest.raises(UserHasLoans):
        erase(frontend, ada.id)
    assert frontend.contents() == before
    frontend.bring_back(loan.id)
    assert erase(frontend, ada.id).card_number == ""


def test_a_user_is_either_lent_to_or_erased(frontend: LocalFrontend) -> None:
    for _ in range(5):
        user, book = frontend.user(), frontend.book()
        calls: list[Callable[[], Any]] = [
            partial(erase, frontend, user.id),
            partial(frontend.borrow, book.id, user.id),
        ]
        outcomes = at_once(frontend.store, calls)
        assert sum(isinstance(each, Exception) for each in outcomes) == 1, outcomes
        kept = User.get(User.id == user.id)
        loans = Loan.select().where(Loan.user_id == user.id).count()
        assert (kept.card_number is None) == (loans == 0)
    frontend.check()


def test_loans_of_long_ago_no_longer_name_their_user(
    frontend: LocalFrontend, clock: SettableClock, ada: user_pb2.User
) -> None:
    clock.advance(days=10)
    boundary = clock.now
    open_loan = frontend.borrow(frontend.book("Shirley").id, ada.id)
    later = frontend.borrow(frontend.book("Romola").id, ada.id)
    frontend.bring_back(later.id)
    clock.advance(days=1)
    frontend.mark_all_pushed()
    count = User.get().active_loan_count

    before = frontend.contents()
    assert anonymize(frontend, boundary, validate_only=True).loan_count == 3
    assert frontend.contents() == before

    counts, token = [], ""
    while True:
        response = anonymize(frontend, boundary, page_size=2, page_token=token, request_id=new_id())
        counts.append(response.loan_count)
        token = response.next_page_token
        if not token:
            break
    assert counts == [2, 1]
    named = {loan.book_title for loan in Loan.select().where(Loan.user_id == ada.id)}
    assert named == {"Shirley", "Romola"}
    due = {loan.book_title for loan in Loan.select().where(IS_DUE)}
    assert due == {"Emma", "Persuasion", "Villette"}
    anonymous = [loan.id for loan in Loan.select().where(Loan.user_id == "")]
    entries = HistoryEntry.select().where(HistoryEntry.loan_id.in_(anonymous))
    assert {entry.user_id for entry in entries} <= {""}
    assert User.get().active_loan_count == count == 1
    assert frontend.loan(open_loan.id).user_id == ada.id
    assert anonymize(frontend, boundary).loan_count == 0
    frontend.check()


def test_a_time_to_come_and_a_token_of_other_arguments_are_refused(
    frontend: LocalFrontend, clock: SettableClock, ada: user_pb2.User
) -> None:
    clock.advance(days=1)
    with pytest.raises(FieldInvalid, match="before"):
        anonymize(frontend, clock.now + 1)
    token = anonymize(frontend, clock.now, page_size=1, validate_only=True).next_page_token
    assert token
    with pytest.raises(FieldInvalid, match="page_token"):
        anonymize(frontend, clock.now - DAY, page_token=token, validate_only=True)
