"""One bad row never stops the push: the admin takes all the others, and the bad one is parked with its reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from admin_server.store.models import Loan as RecordedLoan
from admin_server.store.models import User as RecordedUser
from frontend_server.store.models import IS_DUE, IS_PARKED, Loan, SyncState, User
from frontend_server.sync.parking import unpark
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.sync.v1.sync_service_pb2 import RecordStatesRequest
from service_kit.store import open_store
from tests.support.processes import Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import eventually, recorded_loans, replica, status
from tests.sync.libraries import Fault, Library, WireError

BATCH = 8


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine, batch_rows=BATCH)
    yield library
    library.close()


@pytest.mark.parametrize("bad", [[0], [BATCH - 1], [3, 4, BATCH + 2], list(range(BATCH + 2))])
@pytest.mark.parametrize("known", [0, 2])
def test_a_row_at_which_the_admin_fails_is_parked_and_all_others_are_recorded(
    library: Library, engine: Engine, bad: list[int], known: int
) -> None:
    """The admin answers INTERNAL for the whole batch, and does not name the row."""
    for number in range(known):
        library.enroll(f"known{number}")
    library.push()
    users = [library.enroll(f"bad{number}" if number in bad else f"good{number}").id for number in range(BATCH + 3)]
    _refuse(library, engine, "user_account", "email LIKE 'bad%'")

    library.push()

    assert _parked(library, User) == {users[number] for number in bad}
    assert _recorded(library) >= set(users) - _parked(library, User)
    assert _due(library) == 0
    with library.frontend.at_work():
        assert {row.park_reason for row in User.select().where(IS_PARKED)} == {
            "INTERNAL: something went wrong on the server"
        }

    with library.admin.at_work() as store, store.reading():
        store.database.execute_sql("DROP TRIGGER bad" + (" ON user_account" if engine == "postgresql" else ""))
    with library.frontend.at_work() as store:
        unpark(store)
    library.push()
    assert _recorded(library) >= set(users)


def test_a_bad_loan_delays_no_other(library: Library, engine: Engine) -> None:
    loans = _lend_five(library)
    with library.frontend.at_work():
        Loan.update(book_title="bad").where(Loan.id == loans[2]).execute()
    _refuse(library, engine, "loan", "book_title = 'bad'")

    library.push()

    assert _parked(library, Loan) == {loans[2]}
    with library.admin.at_work():
        assert {row.id for row in RecordedLoan.select()} == set(loans) - {loans[2]}


def test_an_admin_that_fails_at_every_row_parks_none(library: Library, engine: Engine) -> None:
    """It is not a row's fault, where a row fails too that was recorded before: they wait until it is put right."""
    library.enroll("known")
    library.push()
    user = library.enroll("rita").id
    with library.admin.at_work() as store, store.reading():
        store.database.execute_sql("ALTER TABLE user_account RENAME COLUMN last_name TO nowhere")

    with pytest.raises(WireError, match="INTERNAL"):
        library.push()

    assert not _parked(library, User)
    with library.admin.at_work() as store, store.reading():
        store.database.execute_sql("ALTER TABLE user_account RENAME COLUMN nowhere TO last_name")
    library.push()
    assert user in _recorded(library)


def test_the_first_user_after_a_start_may_be_the_bad_one(library: Library, engine: Engine) -> None:
    """One user is sent again at a start, to see whether this store is an old copy; any user will do."""
    users = [library.enroll(name).id for name in ("bad", "good")]
    library.push()
    _refuse(library, engine, "user_account", "email LIKE 'bad%'")
    library.start_frontend()
    users.append(library.enroll("late").id)

    library.push()

    assert _recorded(library) == set(users)


@pytest.mark.parametrize("names", [["title"], pytest.param(["title", "title"], marks=pytest.mark.slow)])
def test_loans_too_large_for_one_message_go_in_several(
    servers: Servers, databases: FreshDatabases, names: list[str]
) -> None:
    """A message has at most 4 MB; the admin's gRPC answers RESOURCE_EXHAUSTED to a larger one."""
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    book = admin.admin().catalog.AddBook(AddBookRequest(title="A book", copies=50), timeout=100)
    frontend = servers.start(
        "frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1"
    )
    patron = frontend.frontend()
    eventually(lambda: len(replica(patron)) == 1, "the book is there")
    admin.stop()
    user = patron.members.EnrollUser(
        EnrollUserRequest(email="rita@example.org", first_name="Rita", last_name="Reader"), timeout=100
    )
    request = BorrowBookRequest(book_id=book.id, user_id=user.id, days=7)
    loans = [patron.lending.BorrowBook(request, timeout=100) for _ in range(50)]
    store = open_store(frontend.database_url)
    long = "A book " * 20_000
    store.database.execute_sql("UPDATE loan SET book_title = ?", (long,))
    # And one that no message takes.
    for loan, _ in zip(loans, names, strict=False):
        store.database.execute_sql("UPDATE loan SET book_title = ? WHERE id = ?", (long * 40, loan.id))
    store.close()
    admin.start()

    eventually(lambda: status(patron).parked_row_count == len(names), "what no message takes is parked")
    eventually(lambda: not status(patron).waiting_loan_count, "the others are recorded")
    assert recorded_loans(admin.admin()).keys() == {loan.id for loan in loans[len(names) :]}
    assert status(patron).parked_rows[0].reason.startswith("RESOURCE_EXHAUSTED: ")


@pytest.mark.parametrize("seen_by", ["a pull of another process", "a push of another process"])
def test_users_go_first_also_when_a_resync_begins_while_loans_are_sent(library: Library, seen_by: str) -> None:
    """The restored admin knows neither: the pass begins again, with the proof and the users."""
    backup = library.admin.backup()
    loans = _lend_five(library)
    library.sync()
    with library.frontend.at_work():
        Loan.update(pushed_revision=0).execute()

    def admin_is_restored() -> None:
        library.admin.restore(backup)
        library.start_admin()
        library.wire.sent.clear()
        if seen_by == "a pull of another process":
            library.pull()
        else:
            library.wire.faults.extend([Fault.NONE, Fault.REQUEST_LOST])
            with pytest.raises(WireError):
                library.push()

    library.wire.meanwhile = admin_is_restored
    library.wire.faults.append(Fault.MEANWHILE)
    library.push()

    sent = [request for request in library.wire.sent if isinstance(request, RecordStatesRequest)]
    recorded: set[str] = set()
    for request in sent:
        recorded |= {state.user.id for state in request.states if state.HasField("user")}
        if not request.receipt:  # the restored admin takes it
            assert {state.loan.user_id for state in request.states if state.HasField("loan")} <= recorded
    library.sync()
    with library.admin.at_work():
        assert {row.id for row in RecordedLoan.select()} == set(loans)


def _lend_five(library: Library) -> list[str]:
    book = library.add_book("A book", copies=5)
    library.pull()
    return [library.lend(book, library.enroll(f"reader{number}").id).id for number in range(5)]


def _refuse(library: Library, engine: Engine, table: str, condition: str) -> None:
    """Let the admin's store refuse every row of a table of which the condition, on its columns, is true."""
    column, _, rest = condition.partition(" ")
    if engine == "sqlite":
        body = "BEGIN SELECT RAISE(ABORT, 'not here'); END"
        statements = [f"CREATE TRIGGER bad BEFORE INSERT ON {table} WHEN new.{column} {rest} {body}"]
    else:
        body = "BEGIN RAISE EXCEPTION 'not here'; END"
        when = f"WHEN (new.{column} {rest.replace('%', '%%')})"
        statements = [
            f"CREATE FUNCTION bad() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
            f"CREATE TRIGGER bad BEFORE INSERT ON {table} FOR EACH ROW {when} EXECUTE FUNCTION bad()",
        ]
    with library.admin.at_work() as store, store.reading():
        for statement in statements:
            store.database.execute_sql(statement)


def _parked(library: Library, model: type[User] | type[Loan]) -> set[str]:
    with library.frontend.at_work():
        return {row.id for row in model.select().where(IS_PARKED)}


def _recorded(library: Library) -> set[str]:
    with library.admin.at_work():
        return {row.id for row in RecordedUser.select()}


def _due(library: Library) -> int:
    with library.frontend.at_work():
        assert not SyncState.get().start_revision
        return sum(model.select().where(IS_DUE).count() for model in (User, Loan))
