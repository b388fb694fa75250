"""Backups of a library in use: each is whole, and has every loan that was acknowledged before it was begun.

LIBRARY_TEST_MANY is the number of backups that are made and killed. LIBRARY_TEST_SEED repeats an earlier run. With `-s`
it prints its steps.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.v1.loan_pb2 import Loan
from tests.support.library_command import COMMAND, environment
from tests.support.processes import Servers
from tests.support.stores import ENGINES, Engine, FreshDatabases
from tests.sync.agreement import catalogue, eventually, loans, recorded_loans, replica, wait_until_they_agree
from tests.sync.retrying_clients import Librarian, Patron, at_work

MANY = 50
BORROWERS = 8
BOOKS = 60


class LibraryInUse:
    """Both servers, eight borrowers, and a librarian who imports books."""

    def __init__(self, servers: Servers, databases: FreshDatabases, engine: Engine, chance: random.Random) -> None:
        self._servers, self._databases, self._chance = servers, databases, chance
        admin = servers.start("admin", databases.migrated("admin", engine))
        books = [
            admin.admin().catalog.AddBook(AddBookRequest(title=f"Book {number}", copies=5), timeout=100)
            for number in range(BOOKS)
        ]
        frontend = servers.start(
            "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.2"
        )
        client = frontend.frontend()
        eventually(lambda: len(replica(client)) == BOOKS, "the catalogue is there", 60)
        self.urls = {"ADMIN": admin.database_url, "FRONTEND": frontend.database_url}
        self.patrons = [Patron(frontend.frontend(), books, random.Random(chance.random())) for _ in range(BORROWERS)]
        self.librarian = Librarian(admin.admin(), random.Random(chance.random()), rows=200)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Let people do what they do meanwhile; begin when everybody has done something."""
        with at_work([*self.patrons, self.librarian]):
            eventually(lambda: all(patron.loans for patron in self.patrons), "everybody has borrowed", 60)
            eventually(lambda: bool(self.librarian.isbns), "books are imported", 60)
            yield

    def acknowledged(self) -> dict[str, Loan]:
        """All loans that have been acknowledged, as they were acknowledged last."""
        return {loan_id: copied(loan) for patron in self.patrons for loan_id, loan in list(patron.loans.items())}

    def command(self, *arguments: str | Path, **urls: str) -> subprocess.Popen[str]:
        """Start `library`, with the stores in use unless others are named."""
        variables = {f"LIBRARY_{name}_DATABASE_URL": url for name, url in (urls or self.urls).items()}
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str | Path, **urls: str) -> str:
        """Run `library` to its end, which must be exit status 0; return its output."""
        status, output = self.outcome(*arguments, **urls)
        assert status == 0, output
        return output

    def outcome(self, *arguments: str | Path, **urls: str) -> tuple[int, str]:
        """Run `library` to its end; return its exit status and its output."""
        with self.command(*arguments, **urls) as process:
            output, _ = process.communicate(timeout=300)
        assert "Traceback" not in output
        return process.returncode, output


def copied(loan: Loan) -> Loan:
    copy = Loan()
    copy.CopyFrom(loan)
    return copy


@pytest.fixture
def in_use(servers: Servers, databases: FreshDatabases, engine: Engine, chance: random.Random) -> LibraryInUse:
    return LibraryInUse(servers, databases, engine, chance)


def restored_urls(databases: FreshDatabases, engine: Engine, folder: Path) -> dict[str, str]:
    """Where nothing is yet."""
    if engine == "postgresql":
        return {"ADMIN": databases.empty(engine), "FRONTEND": databases.empty(engine)}
    return {name: f"sqlite:///{folder}/{name.lower()}.db" for name in ("ADMIN", "FRONTEND")}


def assert_restores(
    in_use: LibraryInUse,
    servers: Servers,
    urls: dict[str, str],
    folder: Path,
    acknowledged: dict[str, Loan],
    isbns: list[str],
    *,
    agree: bool,
) -> int:
    """Restore a backup into fresh stores, serve from them, and look for all that was acknowledged before.

    With `agree` wait until both have the same again: the frontend sends all loans again, which takes long when its copy
    knows of a later state of the admin's store.
    """
    in_use.run("verify", folder)
    in_use.run("restore", folder, **urls)
    admin = servers.start("admin", urls["ADMIN"])
    frontend = servers.start("frontend", urls["FRONTEND"], ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.2")
    held = loans(frontend.frontend())
    for loan_id, loan in acknowledged.items():
        assert loan_id in held, f"the loan {loan_id} was acknowledged, and is not in the backup"
        if loan.HasField("return_time"):
            assert held[loan_id].HasField("return_time"), f"the return of {loan_id} was acknowledged"
    assert set(isbns) <= {book.isbn for book in catalogue(admin.admin()).values()}
    if agree:
        wait_until_they_agree(admin.admin(), frontend.frontend(), seconds=100 if len(held) < 1_000 else 600)
        assert recorded_loans(admin.admin()).keys() == held.keys()
    frontend.stop()
    admin.stop()
    return len(held)


def back_up_under_load(
    in_use: LibraryInUse,
    servers: Servers,
    databases: FreshDatabases,
    engine: Engine,
    tmp_path: Path,
    count: int,
) -> None:
    seconds: list[float] = []
    sizes: list[int] = []
    with in_use.open():
        backups = []
        for number in range(count):
            acknowledged, isbns = in_use.acknowledged(), list(in_use.librarian.isbns)
            began = time.monotonic()
            in_use.run("backup", tmp_path / f"{number}")
            seconds.append(time.monotonic() - began)
            backups.append((tmp_path / f"{number}", acknowledged, isbns))
        made_meanwhile = len(in_use.acknowledged()) - len(backups[0][1])
    assert made_meanwhile > 0, "nothing was lent while backups were made"
    for folder, acknowledged, isbns in backups:
        target = ENGINES[len(sizes) % 2] if count > 2 else engine
        urls = restored_urls(databases, target, tmp_path / f"restored {folder.name}")
        is_last = len(sizes) == len(backups) - 1
        sizes.append(assert_restores(in_use, servers, urls, folder, acknowledged, isbns, agree=is_last))
    assert sizes == sorted(sizes)
    print(
        f"{engine}: {count} backups with {sizes[0]} to {sizes[-1]} loans, {made_meanwhile} lent meanwhile; "
        f"each took {min(seconds):.2f} to {max(seconds):.2f} s"
    )


def kill_backups(in_use: LibraryInUse, tmp_path: Path, chance: random.Random, count: int) -> None:
    """Kill backups at random from the moment on in which they begin to write."""
    finished = left = complete = 0
    with in_use.open():
        writing_seconds = seconds_to_write(in_use, tmp_path / "whole")
        for number in range(count):
            folder = tmp_path / f"{number}"
            ended = killed_backup(in_use, folder, chance, writing_seconds)
            if folder.exists():
                finished += 1
                in_use.run("verify", folder)
            for unfinished in tmp_path.glob(f"{number}.unfinished-*"):
                left += 1
                assert ended == -signal.SIGKILL
                complete += is_complete(in_use, unfinished)
    print(
        f"{count} backups killed at random within {writing_seconds:.2f} s: {finished} were finished, {left} left a "
        f"folder named unfinished, in {complete} of which all was but the name"
    )


def seconds_to_write(in_use: LibraryInUse, folder: Path) -> float:
    """How long a backup takes from the moment on in which there is a folder."""
    with in_use.command("backup", folder) as process:
        wait_until_it_writes(process, folder)
        began = time.monotonic()
        process.wait()
    assert process.returncode == 0
    return time.monotonic() - began


def wait_until_it_writes(process: subprocess.Popen[str], folder: Path) -> None:
    while process.poll() is None and not [*folder.parent.glob(f"{folder.name}.unfinished-*")]:
        time.sleep(0.005)


def killed_backup(in_use: LibraryInUse, folder: Path, chance: random.Random, writing_seconds: float) -> int:
    """Begin a backup and kill it, unless it is quicker; return its exit status."""
    with in_use.command("backup", folder) as process:
        wait_until_it_writes(process, folder)
        try:
            process.wait(chance.uniform(0, 1.1) * writing_seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        return process.wait()


def is_complete(in_use: LibraryInUse, unfinished: Path) -> bool:
    """Whether an unfinished folder is complete and checked, but for its name. Otherwise it must be refused."""
    if (unfinished / "manifest.json").exists():
        return in_use.outcome("verify", unfinished)[0] == 0
    for command in ("verify", "restore"):
        status, output = in_use.outcome(command, unfinished)
        assert (status, "is not a backup" in output) == (1, True)
    return False


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_backups_under_load(
    in_use: LibraryInUse, servers: Servers, databases: FreshDatabases, engine: Engine, tmp_path: Path
) -> None:
    count = MANY if engine == "sqlite" else MANY // 5
    back_up_under_load(in_use, servers, databases, engine, tmp_path, int(os.environ.get("LIBRARY_TEST_MANY", count)))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_killed_backups(in_use: LibraryInUse, engine: Engine, tmp_path: Path, chance: random.Random) -> None:
    count = MANY if engine == "sqlite" else MANY // 5
    kill_backups(in_use, tmp_path, chance, int(os.environ.get("LIBRARY_TEST_MANY", count)))
