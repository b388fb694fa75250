"""Rows of a frontend that make no sense are refused and delay no other, on both engines."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from admin_server.reports.users import get_user
from admin_server.sync.records import MOST_RECORD_BYTES
from library.sync.v1.sync_service_pb2 import (
    RECORD_RESULT_UNKNOWN_KIND,
    State,
)
from library.v1 import loan_pb2, user_pb2
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from service_kit.errors import FieldInvalid
from service_kit.revisions import GREATEST_REVISION
from tests.support.admin import Admin
from tests.support.record_results import RECORDED, REFUSED, UNCHANGED, results

# --- rows that make no sense ---

BAD_USERS: dict[str, Callable[[State], object]] = {
    "no id": lambda record: record.user.ClearField("id"),
    "invalid id": lambda record: setattr(record.user, "id", "x" * 37),
    "time of a block": lambda record: record.user.blocks.add(end_time=Timestamp(seconds=2**62)),
    "end of the membership": lambda record: record.user.expire_time.CopyFrom(Timestamp(nanos=-1)),
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
    record.user.ClearField("state")
    assert results(admin.record(record)) == [REFUSED]
    record.user.state = USER_STATE_ACTIVE
    assert results(admin.record(record)) == [RECORDED]


def test_an_anonymised_user_and_loan_replace_what_was_recorded(admin: Admin) -> None:
    user, loan = admin.user_record(1, card_number="A-1", note="Tall"), admin.loan_record(2, returned=True)
    loan.loan.user_id = user.user.id
    assert results(admin.record(user, loan)) == [RECORDED] * 2
    user.user.MergeFrom(user_pb2.User(state=USER_STATE_CLOSED))
    for name in ("email", "first_name", "last_name", "card_number", "note"):
        user.user.ClearField(name)
    loan.loan.user_id = ""
    user.revision, loan.revision = 3, 4
    assert results(admin.record(user, loan)) == [RECORDED] * 2
    [kept] = admin.loans()
    assert (kept.id, kept.user_id, kept.return_time) == (loan.loan.id, "", loan.loan.return_time)
    assert "A-1" not in str(admin.users(include_closed=True))


def test_a_row_of_an_unknown_kind_is_not_one_without_a_kind(admin: Admin) -> None:
    """The one is of a frontend that is newer than this service, the other of a broken one."""
    newer, broken = State.FromString(b"\x08\x01\x9a\x06\x00"), State(revision=2)  # field 99, which is empty
    user = admin.user_record(3)
    response = admin.record(newer, broken, user)
    assert results(response) == [RECORD_RESULT_UNKNOWN_KIND, REFUSED, RECORDED]
    assert [outcome.id for outcome in response.outcomes] == ["", "", user.user.id]
    assert response.newest_revision == 3
