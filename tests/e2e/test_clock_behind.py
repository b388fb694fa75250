"""A frontend whose clock is more than a day behind its store lends nothing, reports it, and recovers by itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.loan_pb2 import Loan
from tests.support.clients import Refusal, refusal_of
from tests.support.fake_time import FakeTime
from tests.support.library_command import library
from tests.support.processes import ROOT, SERVING, ServerProcess, Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import eventually, knows

pytestmark = pytest.mark.slow

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LENDING, MEMBERS = "library.frontend.v1.LendingService", "library.frontend.v1.MemberService"

NOW = timedelta()
HOUR = timedelta(hours=1)
YEARS_60 = timedelta(days=60 * 365)


class Frontend:
    """A frontend process with a clock of its own, and a patron at it."""

    def __init__(self, process: ServerProcess, clock: FakeTime) -> None:
        self.process, self.clock = process, clock
        process.environment = clock.variables
        self.start()

    def start(self) -> None:
        """Start the process and wait until it lets calls in, whether it lends or not."""
        self.process.launch()
        self.process.wait_until_listening()
        eventually(lambda: self.health(MEMBERS) == SERVING, "it is open", seconds=100)
        self.client = self.process.frontend()

    def health(self, service: str) -> int:
        check = health_pb2_grpc.HealthStub(self.process.channel()).Check  # type: ignore[attr-defined]
        status: int = check(health_pb2.HealthCheckRequest(service=service), timeout=100).status
        return status

    def lends(self, is_serving: bool) -> bool:
        """Whether health reports this, of lending and of the server as a whole."""
        return {self.health(name) for name in ("", LENDING)} == {SERVING if is_serving else NOT_SERVING}

    def enroll(self, name: str) -> str:
        request = EnrollUserRequest(email=f"{name}@example.org", first_name="Ada", last_name="Lovelace")
        user_id: str = self.client.members.EnrollUser(request, timeout=100).id
        return user_id

    def borrow(self, book_id: str, user_id: str) -> Loan:
        request = BorrowBookRequest(book_id=book_id, user_id=user_id, days=14)
        loan: Loan = self.client.lending.BorrowBook(request, timeout=100)
        return loan

    def refusal(self, book_id: str, user_id: str) -> Refusal:
        with pytest.raises(grpc.RpcError) as refused:
            self.borrow(book_id, user_id)
        return refusal_of(refused.value)


def accept_clock(database_url: str, clock: FakeTime | None = None) -> subprocess.CompletedProcess[str]:
    """Run `library-frontend accept-clock`, by this machine's clock or by another one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIBRARY_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "generated")])
    environment |= clock.variables if clock else {}
    command = [sys.executable, "-m", "frontend_server", "accept-clock", "--yes", "--database-url", database_url]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_frontend_with_a_clock_that_is_behind(servers: Servers, databases: FreshDatabases, tmp_path: Path) -> None:
    clock = FakeTime(tmp_path)
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    settings = {"ADMIN_TARGET": admin.address, "SYNC_INTERVAL": "0.3"}
    url = databases.migrated("frontend", "sqlite")
    frontend = Frontend(servers.prepare("frontend", url, **settings), clock)
    book = admin.admin().catalog.AddBook(AddBookRequest(title="Emma", copies=20), timeout=100)
    eventually(knows(frontend.client, book), "the book is there")
    user_id = frontend.enroll("ada")
    loan = frontend.borrow(book.id, user_id)
    assert frontend.lends(True)

    clock.set_offset(-25 * HOUR)
    refusal = frontend.refusal(book.id, user_id)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CLOCK_BEHIND")
    assert refusal.metadata["now"] < refusal.metadata["newest_time"]
    eventually(lambda: frontend.lends(False), "health reports that it does not lend")
    assert frontend.health(MEMBERS) == SERVING
    shown = library("status", "--all", admin=admin.address, frontend=frontend.process.address)
    assert shown.returncode == 1
    assert "frontend.health: NOT_SERVING\n" in shown.stdout
    behind = re.search(r"^frontend\.clock_behind_seconds: ([0-9.]+)$", shown.stdout, re.MULTILINE)
    assert behind is not None
    assert 24 * 3600 < float(behind[1]) <= 25 * 3600
    assert "frontend.newest_time: 20" in shown.stdout

    frontend.process.stop()
    clock.set_to(20)  # of a machine without a battery, before it has asked for the time
    frontend.start()
    assert frontend.lends(False)
    assert frontend.refusal(book.id, user_id).metadata["now"].startswith("1970-01-01T")
    assert frontend.enroll("grace")
    assert frontend.client.catalog.ListBooks(ListBooksRequest(), timeout=100).books
    too_early = accept_clock(url, clock)
    assert too_early.returncode == 1
    assert "before the release of this program: set the clock" in too_early.stderr

    clock.set_offset(-23 * HOUR)
    frontend.borrow(book.id, user_id)
    eventually(lambda: frontend.lends(True), "health reports that it lends, without a restart")
    clock.set_offset(NOW)
    returned = frontend.client.lending.ReturnBook(ReturnBookRequest(loan_id=loan.id), timeout=100)
    assert not returned.HasField("fine")

    clock.set_offset(YEARS_60)
    frontend.borrow(book.id, user_id)
    clock.set_offset(NOW)
    assert frontend.refusal(book.id, user_id).reason == "CLOCK_BEHIND"
    accepted = accept_clock(url)
    assert accepted.returncode == 0, accepted.stderr
    assert "The newest time in the store: 208" in accepted.stdout
    eventually(lambda: frontend.lends(True), "health reports that it lends")
    frontend.borrow(book.id, user_id)
    assert "there is nothing to accept" in accept_clock(url).stdout
    warnings = [event for event in frontend.process.log_events() if event["event"].startswith("the clock is behind")]
    assert len(warnings) == 2, "once for each time that it was so"
    assert frontend.process.stop() == 0


@pytest.mark.parametrize("engine", ["postgresql"])
def test_of_two_processes_on_a_store_the_one_with_the_wrong_clock_does_not_lend(
    servers: Servers, databases: FreshDatabases, tmp_path: Path, engine: Engine
) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    url = databases.migrated("frontend", engine)
    frontends = []
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
        process = servers.prepare("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.3")
        frontends.append(Frontend(process, FakeTime(tmp_path / name)))
    right, wrong = frontends
    wrong.clock.set_offset(-25 * HOUR)
    book = admin.admin().catalog.AddBook(AddBookRequest(title="Emma", copies=20), timeout=100)
    eventually(knows(right.client, book), "the book is there")
    user_id = right.enroll("ada")
    eventually(lambda: wrong.lends(False), "it knows what the other one wrote")
    assert wrong.refusal(book.id, user_id).reason == "CLOCK_BEHIND"
    assert right.lends(True)
    right.borrow(book.id, user_id)
    wrong.clock.set_offset(NOW)
    wrong.borrow(book.id, user_id)
    eventually(lambda: wrong.lends(True), "health reports that it lends")
