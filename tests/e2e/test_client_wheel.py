"""`library-client` as others install it: its wheel with grpcio and protobuf alone, or together with packages of Google.

And whether mypy accepts programs that use it, such as the README's.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from library_client import Frontend
from tests.support.environments import Command, Environment, build_wheel, contents
from tests.support.library_command import library
from tests.support.processes import ROOT, Servers
from tests.support.stores import FreshDatabases
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

NEEDED = ("grpcio", "protobuf", "typing_extensions")
"""What pip installs for the dependencies of the wheel: typing_extensions is grpcio's."""
EXTRAS = ("googleapis-common-protos", "grpcio-status")
"""With messages of google.rpc and google.type, which must not clash with those of the client."""
TYPES = ("types-grpcio", "types-protobuf")

PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

ASYNCIO = """
import asyncio
import sys
from typing import assert_type

from library.admin.v1.import_service_pb2 import StartImportRequest
from library.frontend.v1.catalog_service_pb2 import ListBooksRequest, ListBooksResponse
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import ListUsersRequest
from library.v1.book_pb2 import Book
from library.v1.calendar_pb2 import ClosedRange
from library.v1.loan_pb2 import Loan
from library_client import Admin, FieldViolation, aio, errors, pages

closed = ClosedRange(reason="Summer")
closed.first_date.year = 2026

async def borrow() -> Loan:
    async with aio.Frontend("127.0.0.1:50051") as library:
        users = await library.members.ListUsers(ListUsersRequest(query="mary@example.org"))
        books: list[Book] = []
        async for page in aio.pages(library.catalog.ListBooks, ListBooksRequest(page_size=10)):
            books += assert_type(page, ListBooksResponse).books
        request = BorrowBookRequest(book_id=books[0].id, user_id=users.users[0].id, days=21)
        loan = await library.lending.BorrowBook(request)
        return await library.lending.ReturnBook(ReturnBookRequest(loan_id=loan.id))


assert_type(asyncio.run(borrow()), Loan).fine.units
with Admin("127.0.0.1:50052") as librarians:
    from library.admin.v1.loan_service_pb2 import ListLoansRequest

    for page in pages(librarians.loans.ListLoans, ListLoansRequest()):
        for loan in page.loans:
            assert_type(loan, Loan)
    try:
        librarians.loans.ListLoans(ListLoansRequest(user_id="7"))
    except errors.FieldInvalid as error:
        assert_type(error.violations[0], FieldViolation)
        print(error.violations[0].field)
    from library.admin.v1.import_service_pb2 import ImportConfig, ImportSummary
    from library_client import file_parts, wait_until_done
    from library_client.operations import Operation

    ended = Operation(name="operations/a", done=True)
    ended.response.Pack(ImportSummary(added_count=3))
    summary = ImportSummary()
    assert assert_type(wait_until_done(librarians, ended), Operation).response.Unpack(summary)
    assert summary.added_count == 3
    with open(__file__, "rb") as file:
        assert assert_type(next(file_parts(file, ImportConfig())), StartImportRequest).chunk
    assert callable(librarians.imports.StartImport)
others = ("google.rpc", "google.api", "google.longrunning", "buf", "protovalidate")
modules = {name for name in sys.modules if name.startswith(others)}
assert not modules, modules
"""

AROUND_EXCERPTS = """
import asyncio

from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library_client import Frontend, LibraryError, errors, pages

request = BorrowBookRequest(book_id="7", days=-1)
with Frontend("127.0.0.1:50051") as library:
    {excerpts}

async def borrow() -> None:
    {asyncio_excerpt}

try:
    asyncio.run(borrow())
except errors.FieldInvalid as error:
    print(len(error.violations))
"""
"""What the excerpts in the README of the client need around them; `request` has three wrong fields."""

WITH_GOOGLE = """
import importlib
import sys

importlib.import_module(sys.argv[1])
from google.rpc import error_details_pb2, status_pb2
from google.longrunning import operations_pb2
from google.type import date_pb2, dayofweek_pb2, money_pb2
from grpc_status import rpc_status
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.v1.calendar_pb2 import Calendar, ClosedRange
from library.v1.loan_pb2 import Loan
from library_client import Admin, Frontend, LibraryError, wait_until_done

ended = operations_pb2.Operation(name="operations/a", done=True)
with Admin("127.0.0.1:50052") as librarians:
    assert wait_until_done(librarians, ended) is ended
assert Loan(fine=money_pb2.Money(units=3)).fine.units == 3
assert ClosedRange(first_date=date_pb2.Date(year=2026)).first_date.year == 2026
assert Calendar(weekly_closed_days=[dayofweek_pb2.SUNDAY]).weekly_closed_days == [7]
with Frontend("127.0.0.1:50051") as library:
    try:
        library.lending.BorrowBook(BorrowBookRequest())
    except LibraryError as error:
        details = rpc_status.from_call(error).details
        info = error_details_pb2.ErrorInfo()
        assert details[0].Unpack(info)
        print(info.reason, error.reason)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy of its folder, which has all that it needs."""
    return build_wheel("library-client", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def addresses(module_servers: Servers, databases: FreshDatabases) -> dict[str, str]:
    """Where both services are that have the sample catalogue, by the addresses that programs have in them."""
    admin = module_servers.start("admin", databases.migrated("admin", "sqlite"))
    assert library("import", "--sample", admin=admin.address).returncode == 0
    frontend = module_servers.start("frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET=admin.address)
    with Frontend(frontend.address) as patrons:
        wait_until(lambda: bool(patrons.catalog.ListBooks(ListBooksRequest()).books))
    return {"127.0.0.1:50051": frontend.address, "127.0.0.1:50052": admin.address}


def program_of(readme: Path) -> str:
    """The first program in a README."""
    found = PROGRAM.search(readme.read_text(encoding="utf-8"))
    assert found
    return found[1]


def excerpts_of(readme: Path) -> str:
    """All other programs in a README, as one."""
    _, *excerpts, last = PROGRAM.findall(readme.read_text(encoding="utf-8"))
    return AROUND_EXCERPTS.format(
        excerpts=textwrap.indent("\n".join(excerpts), "    ").strip(),
        asyncio_excerpt=textwrap.indent(last, "    ").strip(),
    )


def at(addresses: dict[str, str], program: str) -> str:
    for printed, here in addresses.items():
        program = program.replace(printed, here)
    return program


def test_the_wheel_needs_grpcio_and_protobuf_only(wheel: Path) -> None:
    names, needed = contents(wheel)
    assert needed == ["grpcio", "protobuf"]
    assert {"library/py.typed", "library_client/py.typed", "library_client/aio.py"} <= set(names)
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"library", "library_client"}
    assert not any("sync/v1" in name and "frontend" not in name for name in names), "not for clients"


def test_a_client_without_other_packages_borrows(wheel: Path, addresses: dict[str, str], tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv", NEEDED)
    environment.install(wheel)
    program = at(addresses, program_of(ROOT / "library-client" / "README.md"))
    for _ in range(2):
        assert re.fullmatch(r".+ is lent until \S+Z\.\n", environment.run(program, tmp_path))
    assert environment.run(at(addresses, ASYNCIO), tmp_path) == "user_id\n"
    printed = environment.run(at(addresses, excerpts_of(ROOT / "library-client" / "README.md")), tmp_path)
    assert printed.startswith("book_id ")
    assert "\nWatchmen\n" in printed
    assert printed.endswith("\n3\n")


def test_a_client_works_alongside_the_packages_of_google(
    wheel: Path, addresses: dict[str, str], tmp_path: Path
) -> None:
    environment = Environment(tmp_path / "venv", (*NEEDED, *EXTRAS))
    environment.install(wheel)
    for first in (
        *("google.type.money_pb2", "google.type.date_pb2", "library.v1.loan_pb2", "library.v1.calendar_pb2"),
        *("library_client", "grpc_status.rpc_status", "google.longrunning.operations_pb2", "library.operations_pb2"),
    ):
        printed = environment.run(at(addresses, WITH_GOOGLE), tmp_path, first)
        assert printed == "FIELD_INVALID FIELD_INVALID\n"


def test_mypy_accepts_programs_where_grpcio_has_no_types(wheel: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv", NEEDED)
    environment.install(wheel)
    check_types(environment.python, tmp_path, "borrow.py", "mary.py")


def test_mypy_sees_the_types_of_calls(wheel: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv", (*NEEDED, *TYPES))
    environment.install(wheel)
    check_types(environment.python, tmp_path, "borrow.py", "mary.py", "excerpts.py", "with_asyncio.py")
    refused = mypy(environment.python, tmp_path, "wrong.py")
    assert "Incompatible types in assignment" in refused.stdout, refused


def test_mypy_accepts_programs_where_the_library_is_installed(tmp_path: Path) -> None:
    check_types(Path(sys.executable), tmp_path, "borrow.py", "mary.py", "excerpts.py", "with_asyncio.py")


def check_types(python: Path, folder: Path, *programs: str) -> None:
    done = mypy(python, folder, *programs)
    assert done.returncode == 0, done


def mypy(python: Path, folder: Path, *programs: str) -> subprocess.CompletedProcess[str]:
    """Check some programs as their authors would, with the packages that are installed for `python`."""
    borrow = program_of(ROOT / "README.md")
    for name, program in {
        "borrow.py": borrow,
        "mary.py": program_of(ROOT / "library-client" / "README.md"),
        "excerpts.py": excerpts_of(ROOT / "library-client" / "README.md"),
        "with_asyncio.py": ASYNCIO,
        "wrong.py": f'{borrow}\nloan.days = "three"\n',
    }.items():
        (folder / name).write_text(program)
    (folder / "mypy.ini").write_text("[mypy]\n")
    command: Command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python]
    command += ["--config-file", "mypy.ini", "--cache-dir", folder / "cache", *programs]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
