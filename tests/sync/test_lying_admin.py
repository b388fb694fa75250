"""An admin that is broken or lies costs the frontend a bounded number of calls, and never its patrons."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from frontend_server.store.models import IS_DUE, IS_PARKED, Book, Loan, SetAside, SyncState, User
from frontend_server.sync.answers import MOST_SMALL_PAGES, AnswerRefused, describe
from frontend_server.sync.pull import pull
from frontend_server.sync.push import MOST_PARKED, push
from frontend_server.sync.trials import REASON_LENGTH
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.sync.v1.sync_service_pb2 import (
    RECORD_RESULT_RECORDED,
    RECORD_RESULT_REFUSED,
    CatalogChange,
    ListCatalogChangesRequest,
    ListCatalogChangesResponse,
    RecordOutcome,
    RecordStatesResponse,
)
from library.sync.v1.sync_service_pb2_grpc import SyncServiceServicer, add_SyncServiceServicer_to_server
from library_domain.errors import CursorExpired
from service_kit.clock import SECOND, timestamp
from service_kit.errors import rich_status
from service_kit.revisions import GREATEST_BELIEVED, GREATEST_REVISION, head_revision
from service_kit.schedule import LONGEST_ERROR
from service_kit.store import Store
from tests.support.clients import STATUS_DETAILS, FrontendClient
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, new_book
from tests.support.processes import Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import catalogue, eventually, loans, recorded_loans, recorded_users, replica, status
from tests.sync.libraries import WireError

MEGABYTE = "x" * 1_000_000


@pytest.fixture
def branch(frontend_store: Store, clock: SettableClock) -> LocalFrontend:
    return LocalFrontend(frontend_store, clock)


def change(revision: int, **fields: Any) -> CatalogChange:
    return CatalogChange(revision=revision, book=new_book(f"Book {revision}", **fields))


def page(*changes: CatalogChange, cursor: str = "c1", more: bool = False) -> ListCatalogChangesResponse:
    return ListCatalogChangesResponse(changes=changes, next_cursor=cursor, has_more=more)


# --- pages ---

NUMBERS = itertools.count(1)
ENDLESS: dict[str, Callable[[ListCatalogChangesRequest], ListCatalogChangesResponse]] = {
    "nothing, the same cursor": lambda request: page(cursor=request.cursor or "c1", more=True),
    "nothing, other cursors": lambda request: page(cursor=f"c{next(NUMBERS)}", more=True),
    "two cursors in turn": lambda request: page(change(1), cursor="b" if request.cursor == "a" else "a", more=True),
    "ever new changes, one at a time": lambda request: page(
        change(number := next(NUMBERS)), cursor=f"c{number}", more=True
    ),
    "one change for ever": lambda request: page(change(1), cursor=f"c{next(NUMBERS)}", more=True),
    "no cursor": lambda request: page(change(1), cursor="", more=True),
}
WRONG: dict[str, Callable[[ListCatalogChangesRequest], ListCatalogChangesResponse]] = {
    "a cursor of a megabyte": lambda request: page(change(1), cursor=MEGABYTE),
    "a cursor with a NUL": lambda request: page(change(1), cursor="c\0"),
    "a cursor that is not ASCII": lambda request: page(change(1), cursor="é"),
    "a cursor with a line break": lambda request: page(change(1), cursor="c\n"),
    "no cursor at the end": lambda request: page(change(1), cursor=""),
    "more than was asked for": lambda request: page(*(change(n) for n in range(1, request.page_size + 2))),
}


@pytest.mark.parametrize("lie", [*ENDLESS, *WRONG])
def test_pages_without_progress_end_the_pull_after_a_few_calls(branch: LocalFrontend, lie: str) -> None:
    calls = 0

    def fetch(request: ListCatalogChangesRequest) -> ListCatalogChangesResponse:
        nonlocal calls
        calls += 1
        return (ENDLESS | WRONG)[lie](request)

    with pytest.raises(AnswerRefused) as refused:
        pull(branch.store, fetch, branch.clock)
    assert calls <= MOST_SMALL_PAGES + 1
    assert len(describe(refused.value)) < LONGEST_ERROR
    assert "\n" not in describe(refused.value)
    pull(branch.store, lambda request: page(change(10**6), cursor="good"), branch.clock)  # it is honest again
    assert SyncState.get().cursor == "good"


def refusing(error: Exception) -> WireError:
    assert isinstance(error, CursorExpired)
    status_ = rich_status(error, "request-1").SerializeToString()
    return WireError(error.status, str(error), ((STATUS_DETAILS, status_),))


def test_an_admin_that_refuses_its_own_cursors_causes_one_resync_in_a_pull_and_in_a_push(branch: LocalFrontend) -> None:
    branch.user()
    calls = 0

    def fetch(request: ListCatalogChangesRequest) -> ListCatalogChangesResponse:
        nonlocal calls
        calls += 1
        if calls % 2:
            return page(change(calls), cursor=f"c{calls}", more=True)
        raise refusing(CursorExpired())

    generation = SyncState.get().generation
    with pytest.raises(WireError):
        pull(branch.store, fetch, branch.clock)
    assert (calls, SyncState.get().generation) == (4, generation + 1)

    def record(request: Any) -> Any:
        nonlocal calls
        calls += 1
        with branch.store.writing():
            SyncState.update(cursor="again").execute()  # as a pull at the same time does
        raise refusing(CursorExpired())

    calls = 0
    with pytest.raises(WireError):
        push(branch.store, record, branch.clock)
    assert calls <= 2
    assert SyncState.get().generation == generation + 2


BAD_CHANGES: dict[str, Callable[[CatalogChange], object]] = {
    "an id with a NUL": lambda bad: setattr(bad.book, "id", "a\0b"),
    "an id of a megabyte": lambda bad: setattr(bad.book, "id", MEGABYTE),
    "a title with a NUL": lambda bad: setattr(bad.book, "title", "a\0b"),
    "a title of a megabyte": lambda bad: setattr(bad.book, "title", MEGABYTE),
    "a description of a megabyte": lambda bad: setattr(bad.book, "description", MEGABYTE),
    "a revision at the end of 64 bits": lambda bad: setattr(bad, "revision", 2**63 - 1),
    "a revision beyond all": lambda bad: setattr(bad, "revision", GREATEST_REVISION + 1),
    "no revision": lambda bad: bad.ClearField("revision"),
    "a negative revision": lambda bad: setattr(bad, "revision", -(2**63)),
    "nanos too large": lambda bad: setattr(bad.book.create_time, "nanos", 2**31 - 1),
    "nanos below zero": lambda bad: setattr(bad.book.update_time, "nanos", -1),
    "a year 10,000": lambda bad: setattr(bad.book.update_time, "seconds", 253_402_300_800),
    "a day that never was": lambda bad: setattr(bad.book.next_available_time, "seconds", -(2**62)),
    "a state of its own": lambda bad: setattr(bad.book, "state", 2**31 - 1),
    "copies below zero": lambda bad: setattr(bad.book, "total_copies", -(2**31)),
}


@pytest.mark.parametrize("lie", BAD_CHANGES)
def test_an_impossible_change_is_set_aside_and_its_page_applied(branch: LocalFrontend, lie: str) -> None:
    good, bad, last = change(1), change(2), change(3)
    book_id = bad.book.id
    BAD_CHANGES[lie](bad)
    pull(branch.store, lambda request: page(good, bad, last), branch.clock)
    assert {row.id for row in Book.select()} == {good.book.id, last.book.id}
    [row] = SetAside.select()
    assert len(row.reason) <= REASON_LENGTH
    assert len(row.id) <= 100
    bad = change(4)
    bad.book.id = book_id
    pull(branch.store, lambda request: page(bad, cursor="c2"), branch.clock)
    assert Book.select().where(Book.id == book_id).exists()


# --- answers to what is pushed ---


def answer(request: Any, **fields: Any) -> RecordStatesResponse:
    ids = [row.user.id or row.loan.id or row.history.id for row in request.states]
    outcomes = [RecordOutcome(id=each, result=RECORD_RESULT_RECORDED) for each in ids]
    return RecordStatesResponse(**{"outcomes": outcomes, "receipt": "r1", "newest_revision": 1, **fields})


REFUSED_ANSWERS: dict[str, Callable[[Any], Any]] = {
    "no outcomes": lambda request: answer(request, outcomes=[]),
    "an outcome too many": lambda request: answer(request, outcomes=[*answer(request).outcomes, RecordOutcome()]),
    "an outcome of another row": lambda request: answer(
        request, outcomes=[RecordOutcome(id=MEGABYTE, result=RECORD_RESULT_RECORDED)]
    ),
    "an outcome without a result": lambda request: answer(
        request, outcomes=[RecordOutcome(id=outcome.id) for outcome in answer(request).outcomes]
    ),
    "an unknown outcome": lambda request: answer(
        request,
        outcomes=[RecordOutcome(id=outcome.id, result=77) for outcome in answer(request).outcomes],  # type: ignore[arg-type]
    ),
    "no receipt": lambda request: answer(request, receipt=""),
    "a receipt of a megabyte": lambda request: answer(request, receipt=MEGABYTE),
    "a receipt with a NUL": lambda request: answer(request, receipt="r\0"),
    "the newest revision of all": lambda request: answer(request, newest_revision=2**63 - 1),
    "almost the newest of all": lambda request: answer(request, newest_revision=2**63 - 2),
    "beyond what is believed": lambda request: answer(request, newest_revision=GREATEST_BELIEVED + 1),
    "a negative newest revision": lambda request: answer(request, newest_revision=-1),
    "an ever newer revision": lambda request: answer(request, newest_revision=2**30 + 1000 * next(NUMBERS)),
}


@pytest.mark.parametrize("lie", REFUSED_ANSWERS)
def test_an_impossible_answer_settles_nothing_and_ends_the_push(branch: LocalFrontend, lie: str) -> None:
    user, book = branch.user(), branch.book(copies=2)
    branch.borrow(book.id, user.id)
    calls = 0

    def record(request: Any) -> Any:
        nonlocal calls
        calls += 1
        return REFUSED_ANSWERS[lie](request)

    for _ in range(3):
        calls = 0
        with pytest.raises(AnswerRefused) as refused:
            push(branch.store, record, branch.clock)
        assert calls <= 3
        assert len(describe(refused.value)) < LONGEST_ERROR
    assert (User.select().where(IS_DUE).count(), Loan.select().where(IS_DUE).count()) == (1, 1)
    assert isinstance(head_revision(), int)
    assert head_revision() <= GREATEST_BELIEVED + 100
    branch.bring_back(branch.borrow(book.id, branch.user().id).id)
    push(branch.store, answer, branch.clock)  # it is honest again
    assert not User.select().where(IS_DUE).exists()
    assert not Loan.select().where(IS_DUE).exists()


def test_a_plausible_newest_revision_is_accepted(branch: LocalFrontend) -> None:
    branch.user()
    sent: list[int] = []

    def record(request: Any) -> Any:
        sent.extend(row.revision for row in request.states)
        return answer(request, newest_revision=max(sent[-1], GREATEST_BELIEVED))

    push(branch.store, record, branch.clock)
    assert sent[-1] == GREATEST_BELIEVED + 1
    user = branch.user()
    push(branch.store, record, branch.clock)
    assert User.get(User.id == user.id).pushed_revision > GREATEST_BELIEVED + 1


@pytest.mark.parametrize("reason", [MEGABYTE, "a\0b", "é\n" * 600, ""])
def test_a_reason_is_kept_short_and_plain(branch: LocalFrontend, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    branch.user()

    def refuse(request: Any) -> Any:
        outcomes = [
            RecordOutcome(id=row.user.id or row.history.id, result=RECORD_RESULT_REFUSED, reason=reason)
            for row in request.states
        ]
        return answer(request, outcomes=outcomes)

    push(branch.store, refuse, branch.clock)
    [row] = User.select().where(IS_PARKED)
    assert 0 < len(row.park_reason) <= REASON_LENGTH
    assert row.park_reason.isascii()
    assert row.park_reason.isprintable()
    assert all(len(record.getMessage()) < 5_000 for record in caplog.records)


def test_an_admin_that_fails_at_every_row_is_asked_about_some_of_them_only(branch: LocalFrontend) -> None:
    users = [branch.user() for _ in range(MOST_PARKED + 20)]
    branch.mark_all_pushed()
    taken = branch.user()
    push(branch.store, answer, branch.clock)
    with branch.store.writing():
        User.update(pushed_revision=0).where(User.id != taken.id).execute()
    calls = 0

    def fail(request: Any) -> Any:
        nonlocal calls
        calls += 1
        if [row.user.id for row in request.states] == [taken.id]:
            return answer(request)
        raise WireError(grpc.StatusCode.INTERNAL, MEGABYTE)

    parked = []
    while User.select().where(IS_DUE).exists():
        calls = 0
        try:
            push(branch.store, fail, branch.clock)
        except WireError as error:
            assert len(describe(error)) < LONGEST_ERROR + 10
        parked.append(User.select().where(IS_PARKED).count())
        assert calls < 2 * MOST_PARKED + 20
    assert parked == [MOST_PARKED, len(users)]


# --- all of it over the wire ---


class LyingAdmin(SyncServiceServicer):
    """Answers with the lie that is set, with the metadata and details of a broken server, and counts the calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.lie: Callable[[Any], Any] = page

    def answer(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.calls += 1
        try:
            return self.lie(request)
        except WireError as error:
            context.set_trailing_metadata(((STATUS_DETAILS, b"\xff\xff no status at all"),))
            context.abort(error.code(), error.details())

    ListCatalogChanges = RecordStates = answer


@pytest.fixture
def liar() -> Iterator[tuple[LyingAdmin, str, grpc.Server]]:
    admin = LyingAdmin()
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    add_SyncServiceServicer_to_server(admin, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield admin, f"127.0.0.1:{port}", server
    server.stop(None).wait()


def for_pulls(lie: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda request: lie(request) if isinstance(request, ListCatalogChangesRequest) else answer(request)


def for_pushes(lie: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda request: (
        page(cursor=request.cursor or "c0") if isinstance(request, ListCatalogChangesRequest) else lie(request)
    )


def fails(_: Any) -> Any:
    raise WireError(grpc.StatusCode.INTERNAL, "x" * 2_000)


@pytest.mark.slow
def test_patrons_borrow_while_the_admin_lies_and_both_agree_when_it_is_honest(
    servers: Servers, databases: FreshDatabases, engine: Engine, liar: tuple[LyingAdmin, str, grpc.Server]
) -> None:
    admin, address, server = liar
    book = change(1, copies=1_000)
    admin.lie = for_pulls(lambda request: page(book))
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=address, SYNC_INTERVAL="0.05"
    )
    patron = frontend.frontend()
    eventually(lambda: book.book.id in replica(patron), "the book is there")

    lend(patron, book.book.id, "first")
    in_9000 = timestamp(221_845_392_000 * SECOND)
    late = change(2, create_time=in_9000, update_time=in_9000)
    admin.lie = for_pulls(lambda request: page(late, cursor="c2"))
    eventually(lambda: late.book.id in replica(patron), "a book of the year 9000 is there")
    lend(patron, book.book.id, "late")
    assert not status(patron).HasField("clock_behind")

    for number, lie in enumerate([*ENDLESS.values(), fails]):
        admin.lie = for_pulls(lie)
        eventually(lambda: status(patron).last_pull_error != "", "the failure is shown")
        lend(patron, book.book.id, f"pull{number}")
        admin.lie = for_pulls(lambda request: page(cursor=request.cursor))
        eventually(lambda: status(patron).last_pull_error == "", "it recovers")
    for number, lie in enumerate([*REFUSED_ANSWERS.values(), fails]):
        admin.lie = for_pushes(lie)
        lend(patron, book.book.id, f"push{number}")
        eventually(lambda: status(patron).last_push_error != "", "the failure is shown")
        assert len(status(patron).last_push_error) < LONGEST_ERROR + 10
    log = frontend.log.read_text()
    assert len(log) < 1_000_000
    assert max(map(len, log.splitlines())) < 20_000

    server.stop(None).wait()
    honest = servers.start("admin", databases.migrated("admin", engine), LISTEN=address)
    eventually(
        lambda: not status(patron).waiting_loan_count and recorded_loans(honest.admin()) != {},
        "the users and loans are recorded",
    )
    eventually(
        lambda: (
            recorded_loans(honest.admin()).keys() == loans(patron).keys()
            and len(recorded_users(honest.admin())) == len(ENDLESS) + len(REFUSED_ANSWERS) + 4
            and replica(patron) == catalogue(honest.admin())
        ),
        "all is in step",
    )
    # The admin has the rows before the push that sent them has ended.
    eventually(lambda: status(patron).last_push_error == "", "the push ends well")


def lend(patron: FrontendClient, book_id: str, name: str) -> None:
    user = patron.members.EnrollUser(
        EnrollUserRequest(email=f"{name}@example.org", first_name=name, last_name="Reader"), timeout=60
    )
    loan = patron.lending.BorrowBook(BorrowBookRequest(book_id=book_id, user_id=user.id, days=7), timeout=60)
    patron.lending.ReturnBook(ReturnBookRequest(loan_id=loan.id), timeout=60)
