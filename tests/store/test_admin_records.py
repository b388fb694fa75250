"""RecordStates on both engines: the newest version wins, in any order and however often it comes."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from google.type.money_pb2 import Money
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admin_server.store.models import Book, Frontend, Loan, User
from admin_server.sync.pairing import accept_frontend
from admin_server.sync.records import record_states
from library.sync.v1.sync_service_pb2 import (
    RecordStatesRequest,
    State,
)
from library.v1 import book_pb2
from library.v1.loan_pb2 import LOAN_STATE_ACTIVE
from library_domain.errors import CursorExpired, OtherFrontend
from service_kit.ids import new_id
from service_kit.statements import tuples
from tests.support.admin import FRONTEND, Admin
from tests.support.clocks import SettableClock
from tests.support.record_results import RECORDED, UNCHANGED, results
from tests.support.stores import FreshDatabases, bound_store

OTHER_FRONTEND = str(uuid.UUID(int=0xE))


def test_a_recorded_user_is_there(admin: Admin) -> None:
    record = admin.user_record(7, email="Ada@example.org")
    response = admin.record(record)
    assert (results(response), response.newest_revision) == ([RECORDED], 7)
    assert response.outcomes[0].id == record.user.id
    assert admin.users() == [record.user]


def test_the_newest_version_wins(admin: Admin) -> None:
    user_id = new_id()
    old, new = (admin.user_record(revision, id=user_id, first_name=f"v{revision}") for revision in (3, 5))
    assert results(admin.record(new)) == [RECORDED]
    assert results(admin.record(old)) == [UNCHANGED]
    assert results(admin.record(new)) == [UNCHANGED]
    assert [user.first_name for user in admin.users()] == ["v5"]


def test_versions_in_one_call_are_taken_in_any_order(admin: Admin) -> None:
    user_id = new_id()
    versions = [admin.user_record(revision, id=user_id, first_name=f"v{revision}") for revision in (2, 3, 1)]
    assert results(admin.record(*versions)) == [RECORDED, RECORDED, UNCHANGED]
    assert [user.first_name for user in admin.users()] == ["v3"]


def test_a_loan_is_recorded_though_neither_book_nor_user_is_known(admin: Admin) -> None:
    terms: dict[str, Any] = {"branch": "west", "time_zone": "Europe/Berlin", "rule_id": new_id()}
    item: dict[str, Any] = {"item_id": new_id(), "barcode": "30001000000018", "item_type": "DVD"}
    record = admin.loan_record(1, 14, book_title="Emma", renewal_count=2, **terms, **item)
    assert results(admin.record(record)) == [RECORDED]
    [loan] = admin.loans()
    record.loan.state = LOAN_STATE_ACTIVE
    assert loan == record.loan
    [borrower] = admin.borrowers()
    assert (borrower.user.id, borrower.user.email) == (record.loan.user_id, "")
    assert list(borrower.loans) == [loan]


def test_a_loan_of_a_frontend_without_branches_was_lent_by_the_first_branch(admin: Admin) -> None:
    admin.record(admin.loan_record(1))
    assert admin.loans()[0].branch == "main"


def test_a_fine_is_kept_exactly(admin: Admin) -> None:
    record = admin.loan_record(1, returned=True, fine=Money(currency_code="EUR", units=12, nanos=340_000_000))
    admin.record(record)
    assert admin.loans()[0].fine == record.loan.fine


def test_copies_out_are_counted_and_not_added_up(admin: Admin) -> None:
    book = admin.add("Emma", copies=5)
    first, second = (admin.loan_record(number, book_id=book.id) for number in (1, 2))
    for _ in range(3):
        admin.record(first, second)
    assert admin.get(book.id).available_copies == 3
    back = admin.loan_record(3, returned=True, book_id=book.id, id=first.loan.id)
    admin.record(back)
    admin.record(first)  # late, and old
    assert admin.get(book.id).available_copies == 4


def test_a_book_with_more_loans_than_copies_has_none_to_lend_and_no_fewer(admin: Admin) -> None:
    book = admin.add("Emma")
    admin.record(*(admin.loan_record(number, book_id=book.id) for number in (1, 2)))
    assert admin.get(book.id).available_copies == 0


@pytest.mark.parametrize("kind", ["users", "loans"])
def test_rows_with_a_receipt_of_a_lost_past_are_not_recorded(
    databases: FreshDatabases, admin_url: str, kind: str
) -> None:
    """The frontend is to learn of the loss before anything hides it, and then sends all of its rows."""
    clock = SettableClock()
    backup = databases.copy(admin_url)
    with bound_store("admin", admin_url) as store:
        receipt = Admin(store, clock).record(Admin(store, clock).user_record(1)).receipt
    with bound_store("admin", backup) as store:
        admin = Admin(store, clock)
        users = RecordStatesRequest(frontend_id=FRONTEND, states=[admin.user_record(2)], receipt=receipt)
        loans = RecordStatesRequest(frontend_id=FRONTEND, states=[admin.loan_record(3)], receipt=receipt)
        calls: dict[str, Callable[[], object]] = {
            "users": lambda: record_states(store, users),
            "loans": lambda: record_states(store, loans),
        }
        with pytest.raises(CursorExpired):
            calls[kind]()
        assert not User.select().exists()
        assert not Loan.select().exists()


# --- whose rows ---


def test_a_second_frontend_is_refused_until_an_operator_accepts_it(admin: Admin) -> None:
    admin.record(admin.user_record(1))
    with pytest.raises(OtherFrontend) as refused:
        admin.record(admin.user_record(2), frontend_id=OTHER_FRONTEND)
    assert refused.value.metadata == {"frontend_id": FRONTEND, "other_frontend_id": OTHER_FRONTEND}
    with pytest.raises(OtherFrontend):
        admin.record(admin.loan_record(2), frontend_id=OTHER_FRONTEND)
    assert (len(admin.users()), len(admin.loans())) == (1, 0)

    accept_frontend(admin.store, OTHER_FRONTEND)
    assert results(admin.record(admin.user_record(2), frontend_id=OTHER_FRONTEND)) == [RECORDED]
    with pytest.raises(OtherFrontend):
        admin.record(admin.user_record(3))
    accept_frontend(admin.store, OTHER_FRONTEND)  # again changes nothing
    assert Frontend.select().count() == 1


def test_a_frontend_can_be_accepted_before_its_first_call(admin: Admin) -> None:
    accept_frontend(admin.store, OTHER_FRONTEND)
    with pytest.raises(OtherFrontend):
        admin.record(admin.user_record(1))


def test_a_frontend_that_is_accepted_again_learns_what_was_recorded_of_it(admin: Admin) -> None:
    admin.record(admin.user_record(140))
    accept_frontend(admin.store, OTHER_FRONTEND)
    accept_frontend(admin.store, FRONTEND)
    assert admin.record(admin.user_record(102)).newest_revision == 140  # else it would not move past its old self


# --- the newest revision, by which a frontend learns that its own store is old ---


def test_the_newest_revision_of_any_row_is_returned(admin: Admin) -> None:
    assert admin.record(admin.user_record(5)).newest_revision == 5
    assert admin.record(admin.loan_record(9), admin.loan_record(7)).newest_revision == 9
    assert admin.record(admin.user_record(6)).newest_revision == 9
    admin.restart()
    assert admin.record(admin.user_record(1)).newest_revision == 9


def test_a_refused_row_is_not_a_recorded_version(admin: Admin) -> None:
    absurd = admin.user_record(2**63 - 2)
    absurd.user.email = ""
    assert admin.record(admin.user_record(5), absurd).newest_revision == 5


# --- everything five times over, shuffled ---


def stored(admin: Admin) -> list[object]:
    """All that is recorded, in an order that does not depend on the order of recording."""
    with admin.store.reading():
        users = tuples(User.select(*[column for column in User._meta.sorted_fields if column.name != "key"]))
        loans = tuples(Loan.select(*[column for column in Loan._meta.sorted_fields if column.name != "key"]))
        books = tuples(Book.select(Book.id, Book.on_loan))
        newest = tuples(Frontend.select())
    return [sorted(users), sorted(loans, key=str), sorted(books), newest]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_everything_five_times_over_and_shuffled_ends_as_once(admin: Admin, seed: int, sizes: list[int]) -> None:
    rng = random.Random(seed)
    for model in (User, Loan, Frontend):
        model.delete().execute()
    Book.update(on_loan=0).execute()
    book_ids = [book.id for book in admin.books()] or [admin.add(f"T{number}", copies=4).id for number in range(4)]
    user_ids = [new_id() for _ in range(4)]
    loan_ids = [new_id() for _ in range(8)]
    revision, records = 0, list[State]()
    returned: set[str] = set()
    for _ in range(30):
        revision += 1
        if rng.random() < 0.3:
            user_id = rng.choice(user_ids)
            records.append(admin.user_record(revision, id=user_id, first_name=f"v{revision}"))
            continue
        loan_id = rng.choice(loan_ids)
        if rng.random() < 0.4:
            returned.add(loan_id)
        number = loan_ids.index(loan_id)
        fields = {"id": loan_id, "book_id": book_ids[number % 4], "user_id": user_ids[number % 3]}
        records.append(admin.loan_record(revision, rng.randint(1, 30), returned=loan_id in returned, **fields))

    for record in records:
        admin.record(record)
    once = stored(admin)
    for model in (User, Loan, Frontend):
        model.delete().execute()
    Book.update(on_loan=0).execute()

    shuffled = records * 5
    rng.shuffle(shuffled)
    place = turn = 0
    while place < len(shuffled):
        size = sizes[turn % len(sizes)]
        admin.record(*shuffled[place : place + size])
        place, turn = place + size, turn + 1
    assert stored(admin) == once


def test_an_update_of_the_entry_and_a_loan_at_the_same_time_are_both_kept(admin: Admin) -> None:
    book = admin.add("Emma", copies=3)
    admin.record(admin.loan_record(1, book_id=book.id))
    admin.update(book_pb2.Book(id=book.id, total_copies=4))
    admin.record(admin.loan_record(2, book_id=book.id))
    assert (admin.get(book.id).total_copies, admin.get(book.id).available_copies) == (4, 2)


def test_what_was_recorded_when_any_revision_was_believed_is_replaced(admin: Admin) -> None:
    """As it is left by a version of this service without bounds: on SQLite the revision may be a REAL."""
    user, loan = admin.user_record(3), admin.loan_record(4)
    admin.record(user)
    admin.record(loan)
    with admin.store.writing():
        for table in ("user_account", "loan"):
            admin.store.database.execute_sql(f"UPDATE {table} SET revision = 9223372036854775807")
        admin.store.database.execute_sql("UPDATE frontend SET newest_revision = 9223372036854775807")
    user.revision, user.user.first_name = 5, "Adele"
    answer = admin.record(user)
    assert (results(answer), answer.newest_revision) == ([RECORDED], 5)
    loan.revision = 6
    answer_for_loan = admin.record(loan)
    assert (results(answer_for_loan), answer_for_loan.newest_revision) == ([RECORDED], 6)
    assert admin.users()[0].first_name == "Adele"
