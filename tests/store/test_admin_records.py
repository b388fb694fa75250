"""RecordStates on both engines: the newest version wins, in any order and however often it comes."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from itertools import product

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admin_server.reports.loans import list_loans
from admin_server.reports.status import get_status
from admin_server.reports.users import get_user
from admin_server.store.models import Book, Frontend, Loan, User
from admin_server.sync.pairing import accept_frontend
from admin_server.sync.records import MOST_RECORD_BYTES, record_states
from library.admin.v1.loan_service_pb2 import ListLoansRequest
from library.sync.v1.sync_service_pb2 import (
    RECORD_RESULT_RECORDED,
    RECORD_RESULT_REFUSED,
    RECORD_RESULT_UNCHANGED,
    RECORD_RESULT_UNKNOWN_KIND,
    RecordStatesRequest,
    RecordStatesResponse,
    State,
)
from library.v1 import book_pb2, loan_pb2, user_pb2
from library.v1.loan_pb2 import LOAN_STATE_ACTIVE, LOAN_STATE_OVERDUE, LOAN_STATE_RETURNED
from library.v1.user_pb2 import USER_STATE_CLOSED
from library_domain.errors import CursorExpired, OtherFrontend, UserNotFound
from service_kit.clock import DAY, timestamp
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from service_kit.revisions import GREATEST_REVISION
from service_kit.statements import tuples
from tests.support.admin import FRONTEND, Admin
from tests.support.clocks import SettableClock
from tests.support.stores import FreshDatabases, bound_store

OTHER_FRONTEND = str(uuid.UUID(int=0xE))

RECORDED, UNCHANGED, REFUSED = RECORD_RESULT_RECORDED, RECORD_RESULT_UNCHANGED, RECORD_RESULT_REFUSED


def results(response: RecordStatesResponse) -> list[int]:
    return [outcome.result for outcome in response.outcomes]


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
    record = admin.loan_record(1, 14, book_title="Emma", renewal_count=2)
    assert results(admin.record(record)) == [RECORDED]
    [loan] = admin.loans()
    record.loan.state = LOAN_STATE_ACTIVE
    assert loan == record.loan
    [borrower] = admin.borrowers()
    assert (borrower.user.id, borrower.user.email) == (record.loan.user_id, "")
    assert list(borrower.loans) == [loan]


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


# --- rows that make no sense ---

BAD_USERS: dict[str, Callable[[State], object]] = {
    "no id": lambda record: record.user.ClearField("id"),
    "invalid id": lambda record: setattr(record.user, "id", "x" * 37),
    "no e-mail": lambda record: record.user.ClearField("email"),
    "no state": lambda record: record.user.ClearField("state"),
    "no time": lambda record: record.user.ClearField("create_time"),
    "revision 0": lambda record: setattr(record, "revision", 0),
    "revision -1": lambda record: setattr(record, "revision", -1),
    "control character": lambda record: setattr(record.user, "last_name", "a\x00b"),
    "time out of range": lambda record: record.user.create_time.CopyFrom(Timestamp(seconds=2**62)),
    "time before all": lambda record: record.user.update_time.CopyFrom(Timestamp(seconds=-(2**62))),
    "unknown state": lambda record: setattr(record.user, "state", 2**31 - 1),
    "state below zero": lambda record: setattr(record.user, "state", -1),
    "the last revision of 64 bits": lambda record: setattr(record, "revision", 2**63 - 1),
    "the last but one": lambda record: setattr(record, "revision", 2**63 - 2),
    "a revision that no store reaches": lambda record: setattr(record, "revision", GREATEST_REVISION + 1),
    "nanos too large": lambda record: setattr(record.user.create_time, "nanos", 2**31 - 1),
    "nanos of a second": lambda record: setattr(record.user.update_time, "nanos", 10**9),
    "nanos below zero": lambda record: setattr(record.user.update_time, "nanos", -(2**31)),
    "a year 10,000": lambda record: setattr(record.user.update_time, "seconds", 253_402_300_800),
    "a row too large to be shown": lambda record: setattr(record.user, "last_name", "x" * MOST_RECORD_BYTES),
}
BAD_LOANS: dict[str, Callable[[State], object]] = {
    "no id": lambda record: record.loan.ClearField("id"),
    "no book": lambda record: record.loan.ClearField("book_id"),
    "no user": lambda record: record.loan.ClearField("user_id"),
    "no borrow time": lambda record: record.loan.ClearField("borrow_time"),
    "no due time": lambda record: record.loan.ClearField("due_time"),
    "revision 0": lambda record: setattr(record, "revision", 0),
    "invalid id": lambda record: setattr(record.loan, "id", "x" * 37),
    "invalid book": lambda record: setattr(record.loan, "book_id", "x" * 37),
    "invalid user": lambda record: setattr(record.loan, "user_id", "\x00"),
    "control character": lambda record: setattr(record.loan, "book_title", "a\x1bb"),
    "time out of range": lambda record: record.loan.due_time.CopyFrom(Timestamp(seconds=2**62)),
    "return out of range": lambda record: record.loan.return_time.CopyFrom(Timestamp(seconds=2**62)),
    "currency": lambda record: record.loan.fine.CopyFrom(Money(currency_code="EURO", units=1)),
    "absurd fine": lambda record: record.loan.fine.CopyFrom(Money(currency_code="EUR", units=2**62)),
    "the last revision of 64 bits": lambda record: setattr(record, "revision", 2**63 - 1),
    "a revision that no store reaches": lambda record: setattr(record, "revision", GREATEST_REVISION + 1),
    "nanos of the borrow time too large": lambda record: setattr(record.loan.borrow_time, "nanos", 2**31 - 1),
    "nanos of the due time below zero": lambda record: setattr(record.loan.due_time, "nanos", -(2**31)),
    "nanos of the return time below zero": lambda record: setattr(record.loan.return_time, "nanos", -1),
    "nanos of the fine too large": lambda record: setattr(record.loan.fine, "nanos", 2**31 - 1),
    "nanos of the fine below zero": lambda record: setattr(record.loan.fine, "nanos", -1),
    "a fine below zero": lambda record: setattr(record.loan.fine, "units", -(2**63)),
    "a currency of digits": lambda record: setattr(record.loan.fine, "currency_code", "E1R"),
    "a state of its own": lambda record: setattr(record.loan, "state", -(2**31)),
    "a row too large to be shown": lambda record: setattr(record.loan, "book_title", "x" * MOST_RECORD_BYTES),
}


def test_a_user_that_makes_no_sense_is_refused_and_delays_nobody(admin: Admin) -> None:
    for kind, spoil in BAD_USERS.items():
        before, bad, after = (admin.user_record(1) for _ in range(3))
        spoil(bad)
        response = admin.record(before, bad, after)
        assert results(response) == [RECORDED, REFUSED, RECORDED], kind
        assert response.outcomes[1].reason
        assert [user.id for user in admin.users()][-2:] == [before.user.id, after.user.id]
    assert len(admin.users()) == 2 * len(BAD_USERS)


def test_a_loan_that_makes_no_sense_is_refused_and_delays_nobody(admin: Admin) -> None:
    for kind, spoil in BAD_LOANS.items():
        before, bad, after = (admin.loan_record(1) for _ in range(3))
        spoil(bad)
        response = admin.record(before, bad, after)
        assert results(response) == [RECORDED, REFUSED, RECORDED], kind
        assert response.outcomes[1].reason
        assert [loan.id for loan in admin.loans()][-2:] == [before.loan.id, after.loan.id]
    assert len(admin.loans()) == 2 * len(BAD_LOANS)


@pytest.mark.parametrize("char", ["x", "\U0001f4d6"])
def test_outcomes_of_rows_with_long_ids_fit_into_a_message(admin: Admin, char: str) -> None:
    for count in (1, 4, 40, 100):
        long = char * (4_000_000 // len(char.encode()) // count)
        users = [State(user=user_pb2.User(id=long))] * count
        loans = [State(loan=loan_pb2.Loan(id=long))] * count
        for answer in (admin.record(*users), admin.record(*loans)):
            assert results(answer) == [REFUSED] * count
            assert answer.ByteSize() < 3_000_000
            assert all(long.startswith(outcome.id) and outcome.id for outcome in answer.outcomes)


@pytest.mark.parametrize("state", [USER_STATE_CLOSED, 77, 2**15 - 1])
def test_a_user_is_recorded_in_any_state_also_in_one_of_a_newer_frontend(admin: Admin, state: int) -> None:
    record = admin.user_record(1)
    record.user.state = state  # type: ignore[assignment]
    record.user.etag = "the frontend's own"
    assert results(admin.record(record)) == [RECORDED]
    assert results(admin.record(record)) == [UNCHANGED]
    record.user.ClearField("etag")
    assert get_user(admin.store, record.user.id) == record.user
    assert admin.users(include_closed=True) == [record.user]


def test_what_happened_is_recorded_though_it_would_be_refused_today(admin: Admin) -> None:
    long = " ".join(f"w{number}" for number in range(20_000))
    rows = [
        admin.user_record(1, first_name="\u200b", last_name="\u3164"),
        admin.user_record(2, first_name="", last_name=""),
        admin.user_record(3, email="no address"),
        admin.user_record(4, email="é" * 50_000 + "@" + "例" * 50_000, first_name=long, last_name="x" * 100_000),
    ]
    assert results(admin.record(*rows)) == [RECORDED] * 4
    assert admin.users() == [row.user for row in rows]
    assert admin.users(query="w77") == [rows[3].user]


def test_users_are_found_as_the_frontend_finds_them(admin: Admin) -> None:
    ada = admin.user_record(1, email="Ada.Byron@example.org", first_name="Ada", last_name="Lovelace")
    jose = admin.user_record(2, email="pepe@example.org", first_name="José", last_name="")
    other = admin.user_record(3, email="ada.byron@example.org.uk", first_name="Augusta", last_name="Leigh")
    admin.record(ada, jose, other)
    for query, found in [
        *(("lace", [ada]), ("ADA love", [ada]), ("jose", [jose]), ("os", [jose]), ("byron", [ada, other])),
        *(("ada.byron@EXAMPLE.org", [ada]), ("byron@example.org", [ada, other]), ("nobody", []), ("pepe lace", [])),
    ]:
        assert admin.users(query=query) == [row.user for row in found], query
        assert admin.users(query=query, page_size=1) == [row.user for row in found], query
    ada.revision, ada.user.last_name, ada.user.email = 4, "King", "king@example.org"
    admin.record(ada)
    assert admin.users(query="lace") == []
    assert admin.users(query="ada.byron@example.org") == [other.user], "nobody has it, so it is taken for words"
    assert admin.users(query="king") == admin.users(query="KING@example.org") == [ada.user]
    with pytest.raises(FieldInvalid):
        admin.users(query="?!")


def test_closed_users_are_listed_only_when_asked_for(admin: Admin) -> None:
    stays, leaves = admin.user_record(1), admin.user_record(2)
    leaves.user.state = USER_STATE_CLOSED
    again = admin.user_record(3)
    admin.record(stays, leaves, again)
    for query in ("", "a@example.org", "exam"):
        assert admin.users(query=query) == [stays.user, again.user]
        assert admin.users(query=query, include_closed=True, page_size=1) == [stays.user, leaves.user, again.user]


def test_a_refused_row_is_recorded_once_it_makes_sense(admin: Admin) -> None:
    record = admin.user_record(1)
    record.user.email = ""
    assert results(admin.record(record)) == [REFUSED]
    record.user.email = "a@example.org"
    assert results(admin.record(record)) == [RECORDED]


def test_a_row_of_an_unknown_kind_is_not_one_without_a_kind(admin: Admin) -> None:
    """The one is of a frontend that is newer than this service, the other of a broken one."""
    newer, broken = State.FromString(b"\x08\x01\x9a\x06\x00"), State(revision=2)  # field 99, which is empty
    user = admin.user_record(3)
    response = admin.record(newer, broken, user)
    assert results(response) == [RECORD_RESULT_UNKNOWN_KIND, REFUSED, RECORDED]
    assert [outcome.id for outcome in response.outcomes] == ["", "", user.user.id]
    assert response.newest_revision == 3


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


# --- reports ---


def test_users_are_listed_page_by_page_with_what_they_have_out(admin: Admin) -> None:
    people = [admin.user_record(number, email=f"p{number}@example.org") for number in range(1, 8)]
    admin.record(*people)
    first, second = people[0].user.id, people[1].user.id
    admin.record(
        admin.loan_record(8, user_id=first),
        admin.loan_record(9, user_id=first),
        admin.loan_record(10, user_id=first, returned=True),
        admin.loan_record(11, user_id=second),
    )
    for page_size in (1, 3, 7, 8):
        users = admin.users(page_size)
        assert [user.email for user in users] == [f"p{number}@example.org" for number in range(1, 8)]
        assert [user.active_loan_count for user in users] == [2, 1, 0, 0, 0, 0, 0]


def test_an_unknown_user_is_not_found(admin: Admin) -> None:
    record = admin.user_record(1)
    admin.record(record)
    assert get_user(admin.store, record.user.id) == record.user
    with pytest.raises(UserNotFound):
        get_user(admin.store, new_id())


def test_borrowers_are_those_with_books_out_each_with_those_loans(admin: Admin) -> None:
    people = [admin.user_record(number) for number in range(1, 6)]
    admin.record(*people)
    ids = [person.user.id for person in people]
    admin.record(
        *[admin.loan_record(number, user_id=ids[number % 3], book_title=f"T{number}") for number in range(10, 16)],
        admin.loan_record(20, user_id=ids[3], returned=True),
        stranger := admin.loan_record(21, book_title="Stranger"),
    )
    expected = {
        ids[1]: ["T10", "T13"],
        ids[2]: ["T11", "T14"],
        ids[0]: ["T12", "T15"],
        stranger.loan.user_id: ["Stranger"],
    }
    for page_size in (1, 2, 3, 4, 5):
        borrowers = admin.borrowers(page_size)
        assert {who.user.id: [loan.book_title for loan in who.loans] for who in borrowers} == expected
        assert len(borrowers) == 4
        assert [who.user.active_loan_count for who in borrowers if who.user.email] == [2, 2, 2]


def test_loans_are_listed_by_every_filter_by_the_clock(admin: Admin) -> None:
    books, users = [new_id() for _ in range(2)], [new_id() for _ in range(2)]
    records = [
        admin.loan_record(number, days, returned=returned, book_id=books[book], user_id=users[user])
        for number, (book, user, days, returned) in enumerate(
            [(b, u, d, r) for b in range(2) for u in range(2) for d in (1, 10) for r in (False, True)], 1
        )
    ]
    admin.record(*records)
    borrowed = admin.clock()
    for days, overdue_days in ((0, []), (1, []), (1.1, [1]), (11, [1, 10])):
        admin.clock.now = borrowed + round(days * DAY)

        def state_of(record: State, overdue_days: list[int] = overdue_days) -> int:
            if record.loan.HasField("return_time"):
                return LOAN_STATE_RETURNED
            return LOAN_STATE_OVERDUE if record.loan.days in overdue_days else LOAN_STATE_ACTIVE

        states = (0, LOAN_STATE_ACTIVE, LOAN_STATE_OVERDUE, LOAN_STATE_RETURNED)
        for book_id, user_id, state, only_open in product(("", *books), ("", *users), states, (False, True)):
            expected = [
                (record.loan.id, state_of(record))
                for record in records
                if book_id in ("", record.loan.book_id)
                and user_id in ("", record.loan.user_id)
                and state in (0, state_of(record))
                and not (only_open and record.loan.HasField("return_time"))
            ]
            filters = {"book_id": book_id, "user_id": user_id, "state": state, "only_open": only_open}
            found = admin.loans(page_size=3, **filters)
            assert [(loan.id, loan.state) for loan in found] == expected


def test_a_page_token_of_the_loans_that_are_out_is_good_for_those_only(admin: Admin) -> None:
    admin.record(*(admin.loan_record(number) for number in (1, 2)))
    request = ListLoansRequest(page_size=1, only_open=True)
    _, request.page_token = list_loans(admin.store, request, admin.clock)
    for other in (ListLoansRequest(), ListLoansRequest(only_open=True, state=LOAN_STATE_ACTIVE)):
        other.page_token = request.page_token
        with pytest.raises(FieldInvalid, match="page_token"):
            list_loans(admin.store, other, admin.clock)
    [second], end = list_loans(admin.store, request, admin.clock)
    assert (second.id, end) == (admin.loans()[1].id, "")


def test_the_status_counts_what_there_is(admin: Admin) -> None:
    empty = get_status(admin.store)
    assert (empty.book_count, empty.user_count, empty.loan_count, empty.frontend_id) == (0, 0, 0, "")
    admin.remove(admin.add("Gone").id)
    admin.add("Here", copies=3)
    admin.record(admin.user_record(1))
    admin.record(admin.loan_record(2), admin.loan_record(3, returned=True))
    status = get_status(admin.store)
    assert (status.book_count, status.user_count, status.loan_count, status.open_loan_count) == (2, 1, 2, 1)
    assert (status.title_count, status.copy_count, status.current_user_count) == (1, 3, 1), "as they are now"
    closed = admin.user_record(2)
    closed.user.state = USER_STATE_CLOSED
    admin.record(closed)
    status = get_status(admin.store)
    assert (status.user_count, status.current_user_count) == (2, 1)
    assert status.frontend_id == FRONTEND
    assert status.revision > empty.revision
    assert status.epoch == empty.epoch
    assert status.store_size_bytes > 4_096
    assert status.epoch_time == timestamp(admin.clock())
    admin.restart()
    assert get_status(admin.store).epoch != status.epoch


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
