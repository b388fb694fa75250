"""Request ids, through real servers: each method that changes something is done once, and its first answer comes back.

`CASES` has an entry for each method of the contract that changes something; one without an entry fails.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import grpc
import pytest
from google.api.annotations_pb2 import http
from google.api.http_pb2 import HttpRule
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from library.admin.v1 import catalog_service_pb2 as admin_catalog
from library.frontend.v1 import catalog_service_pb2, lending_service_pb2, member_service_pb2
from library.v1.book_pb2 import BOOK_STATE_REMOVED, Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from tests.support.changing_methods import CHANGING_METHODS
from tests.support.clients import refusal_of
from tests.support.processes import Servers
from tests.support.rest import Answer, RestServers
from tests.support.stores import Engine, FreshDatabases

THREADS = 12
NUMBERS = itertools.count(1)


class Desk:
    """Both servers, in step with one another, and library-rest in front of them."""

    def __init__(self, servers: Servers, rest_servers: RestServers, databases: FreshDatabases, engine: Engine) -> None:
        admin = servers.start("admin", databases.migrated("admin", engine))
        frontend = servers.start(
            "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.05"
        )
        self.admin, self.frontend = admin.admin(), frontend.frontend()
        self.rest = rest_servers.start([frontend.address, admin.address])
        self._channels = {"library.admin.v1": admin.channel(), "library.frontend.v1": frontend.channel()}

    def call(self, method: str, request: Message) -> bytes:
        """Call `package.Service/Method`; return the answer's bytes as they came."""
        channel = self._channels[method.rpartition(".")[0]]
        call: Callable[..., bytes] = channel.unary_unary(
            f"/{method}", request_serializer=type(request).SerializeToString
        )
        return call(request, timeout=30)

    def reason(self, method: str, request: Message) -> str:
        """Call a method that is to refuse; return its reason."""
        with pytest.raises(grpc.RpcError) as refused:
            self.call(method, request)
        return refusal_of(refused.value).reason

    def book(self, copies: int = 50) -> Book:
        """Add a book and wait until it can be borrowed."""
        book: Book = self.admin.catalog.AddBook(admin_catalog.AddBookRequest(title="Emma", copies=copies))
        deadline = time.monotonic() + 30
        while True:
            try:
                self.frontend.catalog.GetBook(catalog_service_pb2.GetBookRequest(id=book.id))
                return book
            except grpc.RpcError:
                assert time.monotonic() < deadline
            time.sleep(0.02)

    def user(self) -> User:
        """Enrol a user."""
        user: User = self.frontend.members.EnrollUser(
            member_service_pb2.EnrollUserRequest(
                email=f"ada{next(NUMBERS)}@example.org", first_name="Ada", last_name="Lovelace"
            )
        )
        return user

    def loan(self) -> Loan:
        """Lend a book to a user."""
        request = lending_service_pb2.BorrowBookRequest(book_id=self.book().id, user_id=self.user().id, days=14)
        loan: Loan = self.frontend.lending.BorrowBook(request)
        return loan

    def user_now(self, user_id: str) -> User:
        """Get a user."""
        user: User = self.frontend.members.GetUser(member_service_pb2.GetUserRequest(id=user_id))
        return user

    def entry(self, book_id: str) -> Book:
        """Get a book as the admin has it."""
        book: Book = self.admin.catalog.GetBook(admin_catalog.GetBookRequest(id=book_id))
        return book

    def loan_now(self, loan_id: str) -> Loan:
        """Get a loan."""
        loan: Loan = self.frontend.lending.GetLoan(lending_service_pb2.GetLoanRequest(id=loan_id))
        return loan


@dataclass
class Case:
    """A call of a changing method."""

    request: Any
    """Acceptable, without a request id."""
    other: Any
    """Another request of the method, acceptable as well."""
    change: Callable[[Any], object]
    """Takes the answer, and changes what it was about by other calls."""
    count: Callable[[Any], int]
    """Takes the answer; returns how often the request was done."""


def enrolling(desk: Desk) -> Case:
    def request() -> Any:
        return member_service_pb2.EnrollUserRequest(
            email=f"grace{next(NUMBERS)}@example.org", first_name="Grace", last_name="Hopper"
        )

    def borrow(answer: bytes) -> None:
        user = User.FromString(answer)
        desk.frontend.lending.BorrowBook(
            lending_service_pb2.BorrowBookRequest(book_id=desk.book().id, user_id=user.id, days=3)
        )

    return Case(request(), request(), borrow, lambda answer: 1)  # a second one would be refused for the e-mail


def borrowing(desk: Desk) -> Case:
    book, user = desk.book(), desk.user()

    def change(answer: bytes) -> None:
        loan = Loan.FromString(answer)
        desk.frontend.lending.RenewLoan(lending_service_pb2.RenewLoanRequest(loan_id=loan.id, days=3))
        desk.frontend.lending.ReturnBook(lending_service_pb2.ReturnBookRequest(loan_id=loan.id))

    def count(answer: bytes) -> int:
        request = lending_service_pb2.ListLoansRequest(user_id=user.id, book_id=book.id)
        return len(desk.frontend.lending.ListLoans(request).loans)

    return Case(
        lending_service_pb2.BorrowBookRequest(book_id=book.id, user_id=user.id, days=14),
        lending_service_pb2.BorrowBookRequest(book_id=book.id, user_id=user.id, days=15),
        change,
        count,
    )


def renewing(desk: Desk) -> Case:
    loan = desk.loan()

    def change(answer: bytes) -> None:
        desk.frontend.lending.RenewLoan(lending_service_pb2.RenewLoanRequest(loan_id=loan.id, days=1))
        desk.frontend.lending.ReturnBook(lending_service_pb2.ReturnBookRequest(loan_id=loan.id))

    return Case(
        lending_service_pb2.RenewLoanRequest(loan_id=loan.id, days=7),
        lending_service_pb2.RenewLoanRequest(loan_id=loan.id, days=8),
        change,
        lambda answer: desk.loan_now(loan.id).renewal_count,
    )


def returning(desk: Desk) -> Case:
    loan = desk.loan()

    def borrow_again(answer: bytes) -> None:
        desk.frontend.lending.BorrowBook(
            lending_service_pb2.BorrowBookRequest(book_id=loan.book_id, user_id=loan.user_id, days=3)
        )

    return Case(
        lending_service_pb2.ReturnBookRequest(loan_id=loan.id),
        lending_service_pb2.ReturnBookRequest(loan_id=desk.loan().id),
        borrow_again,
        lambda answer: int(desk.loan_now(loan.id) == Loan.FromString(answer)),
    )


def adding(desk: Desk) -> Case:
    title = f"Persuasion {next(NUMBERS)}"

    def count(answer: bytes) -> int:
        return len(desk.admin.catalog.ListBooks(admin_catalog.ListBooksRequest(query=title)).books)

    return Case(
        admin_catalog.AddBookRequest(title=title),
        admin_catalog.AddBookRequest(title=f"{title}, revised"),
        lambda answer: desk.admin.catalog.RemoveBook(admin_catalog.RemoveBookRequest(id=Book.FromString(answer).id)),
        count,
    )


def updating(desk: Desk) -> Case:
    book = desk.book()

    def request(title: str) -> Any:
        mask = FieldMask(paths=["title"])
        return admin_catalog.UpdateBookRequest(book=Book(id=book.id, title=title), update_mask=mask)

    return Case(
        request("Emma!"),
        request("Emma?"),
        lambda answer: desk.admin.catalog.UpdateBook(request("Emma, revised")),
        lambda answer: int(desk.entry(book.id).etag == Book.FromString(answer).etag),
    )


def removing(desk: Desk) -> Case:
    book = desk.book()
    return Case(
        admin_catalog.RemoveBookRequest(id=book.id),
        admin_catalog.RemoveBookRequest(id=book.id, withdraw=True),
        lambda answer: None,  # nothing changes a removed book
        lambda answer: int(desk.entry(book.id).etag == Book.FromString(answer).etag),
    )


def undoing(desk: Desk) -> Case:
    ids = [str(uuid.uuid4()) for _ in range(2)]
    for run_id in ids:
        row = admin_catalog.ImportBooksRequest(
            line=1,
            book=admin_catalog.AddBookRequest(title="Emma"),
            options=admin_catalog.ImportOptions(run_id=run_id),
        )
        desk.admin.catalog.ImportBooks(iter([row]))

    def count(answer: bytes) -> int:
        [outcome] = admin_catalog.UndoImportResponse.FromString(answer).outcomes
        return int(desk.entry(outcome.book_id).state == BOOK_STATE_REMOVED)

    return Case(
        admin_catalog.UndoImportRequest(run_id=ids[0]),
        admin_catalog.UndoImportRequest(run_id=ids[1]),
        lambda answer: None,  # nothing changes a removed book
        count,
    )


def updating_a_user(desk: Desk) -> Case:
    user = desk.user()

    def request(first_name: str) -> Any:
        mask = FieldMask(paths=["first_name"])
        return member_service_pb2.UpdateUserRequest(user=User(id=user.id, first_name=first_name), update_mask=mask)

    return Case(
        request("Augusta"),
        request("Adele"),
        lambda answer: desk.frontend.members.UpdateUser(request("Annabella")),
        lambda answer: int(desk.user_now(user.id).etag == User.FromString(answer).etag),
    )


def closing(desk: Desk) -> Case:
    user, other = desk.user(), desk.user()
    return Case(
        member_service_pb2.CloseUserRequest(id=user.id),
        member_service_pb2.CloseUserRequest(id=other.id),
        lambda answer: None,  # nothing changes a closed account
        lambda answer: int(desk.user_now(user.id).etag == User.FromString(answer).etag),
    )


CASES: dict[str, Callable[[Desk], Case]] = {
    "library.admin.v1.CatalogService/AddBook": adding,
    "library.admin.v1.CatalogService/RemoveBook": removing,
    "library.admin.v1.CatalogService/UndoImport": undoing,
    "library.admin.v1.CatalogService/UpdateBook": updating,
    "library.frontend.v1.LendingService/BorrowBook": borrowing,
    "library.frontend.v1.LendingService/RenewLoan": renewing,
    "library.frontend.v1.LendingService/ReturnBook": returning,
    "library.frontend.v1.MemberService/CloseUser": closing,
    "library.frontend.v1.MemberService/EnrollUser": enrolling,
    "library.frontend.v1.MemberService/UpdateUser": updating_a_user,
}

every_method = pytest.mark.parametrize("method", CASES)


@pytest.fixture(scope="module")
def desk(module_servers: Servers, module_rest_servers: RestServers, databases: FreshDatabases, engine: Engine) -> Desk:
    return Desk(module_servers, module_rest_servers, databases, engine)


def test_every_changing_method_has_a_case() -> None:
    assert CASES.keys() == CHANGING_METHODS.keys()


def with_id(request: Any, request_id: str) -> Any:
    changed = type(request)()
    changed.CopyFrom(request)
    changed.request_id = request_id
    return changed


@every_method
def test_a_call_sent_again_gets_the_first_answer_byte_for_byte(desk: Desk, method: str) -> None:
    case, request_id = CASES[method](desk), str(uuid.uuid4())
    request = with_id(case.request, request_id)
    first = desk.call(method, request)
    assert desk.call(method, request) == first
    assert case.count(first) == 1
    assert desk.call(method, with_id(case.request, request_id.upper())) == first
    assert case.count(first) == 1
    case.change(first)
    assert desk.call(method, request) == first, "not the answer of today"
    assert desk.call(method, with_id(case.request, request_id.upper())) == first


@every_method
def test_an_id_serves_one_request_of_one_method(desk: Desk, method: str) -> None:
    case, request_id = CASES[method](desk), str(uuid.uuid4())
    first = desk.call(method, with_id(case.request, request_id))
    assert desk.reason(method, with_id(case.other, request_id)) == "REQUEST_ID_REUSED"
    same_server = [name for name in CASES if name.startswith(method.partition("Service/")[0].rpartition(".")[0])]
    for other_method in same_server:
        if other_method != method:
            other = CASES[other_method](desk)
            assert desk.reason(other_method, with_id(other.request, request_id)) == "REQUEST_ID_REUSED"
            assert desk.call(other_method, with_id(other.request, str(uuid.uuid4())))
    assert desk.call(method, with_id(case.request, request_id)) == first


@every_method
def test_calls_sent_at_once_under_one_id_are_done_once_and_answered_alike(desk: Desk, method: str) -> None:
    for _ in range(3):
        case = CASES[method](desk)
        request, start = with_id(case.request, str(uuid.uuid4())), threading.Barrier(THREADS)

        def send(request: Any = request, start: threading.Barrier = start) -> bytes:
            start.wait()
            return desk.call(method, request)

        with ThreadPoolExecutor(THREADS) as threads:
            sent = [threads.submit(send) for _ in range(THREADS)]
        answers = {each.result() for each in sent}
        assert len(answers) == 1
        assert case.count(answers.pop()) == 1


@every_method
def test_a_refused_id_is_free_and_an_id_that_is_no_uuid_is_refused(desk: Desk, method: str) -> None:
    case, request_id = CASES[method](desk), str(uuid.uuid4())
    for wrong in ("7", f"{request_id} ", f"{{{request_id}}}", request_id.replace("-", "")):
        assert desk.reason(method, with_id(case.request, wrong)) == "FIELD_INVALID"
    refused = with_id(type(case.request)(), request_id)
    assert desk.reason(method, refused) == "FIELD_INVALID"
    assert desk.call(method, with_id(case.request, request_id))


def test_a_renewal_whose_answer_was_lost_renews_once(desk: Desk) -> None:
    """The issue's own case: 14 days became 21, and 28 when it was sent again."""
    loan = desk.loan()
    renew = lending_service_pb2.RenewLoanRequest(loan_id=loan.id, days=7, request_id=str(uuid.uuid4()))
    for _ in range(3):
        assert desk.frontend.lending.RenewLoan(renew).days == 21
    assert desk.loan_now(loan.id).days == 21


def test_a_refused_renewal_is_tried_again(desk: Desk) -> None:
    loan = desk.loan()
    renew = lending_service_pb2.RenewLoanRequest(loan_id=loan.id, days=365, request_id=str(uuid.uuid4()))
    for _ in range(2):
        assert desk.reason("library.frontend.v1.LendingService/RenewLoan", renew) == "RENEWAL_LIMIT_REACHED"
    give_back = lending_service_pb2.ReturnBookRequest(loan_id=loan.id, request_id=renew.request_id)
    assert desk.frontend.lending.ReturnBook(give_back).HasField("return_time"), "the id was not used up"


# --- over HTTP ---


def http_request(method: str, request: Message) -> tuple[str, str, Any]:
    """Verb, path and body of a call, by the method's first HTTP rule."""
    rule: HttpRule = CHANGING_METHODS[method].GetOptions().Extensions[http]  # type: ignore[index]
    verb = rule.WhichOneof("pattern") or ""
    tree = json_format.MessageToDict(request, preserving_proto_field_name=True)
    path = getattr(rule, verb)
    for name in re.findall(r"{([a-z_.]+)}", path):
        *outer, last = name.split(".")
        inner = tree
        for each in outer:
            inner = inner[each]
        path = path.replace(f"{{{name}}}", inner.pop(last))
    body = tree if rule.body == "*" else tree.pop(rule.body) if rule.body else None
    query = {} if rule.body == "*" else {name: json.dumps(value).strip('"') for name, value in tree.items()}
    return verb.upper(), f"{path}?{urlencode(query)}" if query else path, body


def send(desk: Desk, method: str, request: Message, key: str) -> Answer:
    verb, path, body = http_request(method, request)
    return desk.rest.request(verb, path, body, {"Idempotency-Key": key} if key else {})


@every_method
def test_an_idempotency_key_is_honoured(desk: Desk, method: str) -> None:
    case, key = CASES[method](desk), str(uuid.uuid4())
    first = send(desk, method, case.request, key)
    assert first.status == 200, first.body
    assert send(desk, method, case.request, f'"{key.upper()}"').body == first.body
    assert send(desk, method, with_id(case.request, key), "").body == first.body
    assert send(desk, method, with_id(case.request, key), key.upper()).body == first.body
    other = send(desk, method, case.other, key)
    assert (other.status, other.refusal.reason) == (409, "REQUEST_ID_REUSED")
    differing = send(desk, method, with_id(case.request, str(uuid.uuid4())), key)
    assert (differing.status, set(differing.refusal.fields)) == (400, {"request_id"})


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("GET", "/v1/books", None),
        ("HEAD", "/v1/books", None),
        ("GET", "/admin/v1/users", None),
        ("GET", f"/v1/loans/{uuid.UUID(int=1)}", None),
        ("POST", "/v1/sync:now", {}),
        ("POST", "/admin/v1/books:import", '{"line": 1, "book": {"title": "Not to be added"}}'),
        ("POST", "/admin/v1/books:import", ""),
    ],
)
@pytest.mark.parametrize("key", ["2f1c3f4e-6a0b-4d7e-9c55-0d6f5a1be001", "7", ""])
def test_an_idempotency_key_that_would_be_ignored_is_refused(
    desk: Desk, verb: str, path: str, body: Any, key: str
) -> None:
    answer = desk.rest.request(verb, path, body, {"Idempotency-Key": key})
    assert answer.status == 400
    if verb != "HEAD":
        assert (answer.refusal.reason, answer.refusal.domain) == ("IDEMPOTENCY_KEY_UNUSABLE", "library-rest")
    books = desk.admin.catalog.ListBooks(admin_catalog.ListBooksRequest(query="Not to be added")).books
    assert not books


def test_the_document_offers_the_header_where_it_works(desk: Desk) -> None:
    document = desk.rest.request("GET", "/openapi.json").json()
    offered = {
        operation["x-grpc-method"]
        for item in document["paths"].values()
        for verb, operation in item.items()
        for parameter in operation.get("parameters", [])
        if parameter.get("name") == "Idempotency-Key"
    }
    assert offered == set(CASES)


def test_a_row_of_an_import_with_a_request_id_is_refused(desk: Desk) -> None:
    rows = [
        admin_catalog.ImportBooksRequest(
            line=line, validate_only=line > 2, book=admin_catalog.AddBookRequest(title="Row", request_id=request_id)
        )
        for line, request_id in enumerate((str(uuid.uuid4()), "", "7"), start=1)
    ]
    outcomes = desk.admin.catalog.ImportBooks(iter(rows)).outcomes
    assert [outcome.result for outcome in outcomes] == [
        admin_catalog.IMPORT_RESULT_REFUSED,
        admin_catalog.IMPORT_RESULT_ADDED,
        admin_catalog.IMPORT_RESULT_REFUSED,
    ]
    assert [problem.field for problem in outcomes[0].problems] == ["request_id"]
    assert "must be empty" in outcomes[0].problems[0].description
    assert outcomes[2].problems[0].field == "request_id"
