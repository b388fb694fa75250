"""People who use the library while its servers die: each calls until there is an answer, and remembers what it was."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc

from library.admin.v1.catalog_service_pb2 import AddBookRequest, ImportBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, ReturnBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from tests.support.clients import AdminClient, FrontendClient, refusal_of

PATIENCE_SECONDS = 100.0


def answer_to(call: Callable[[], Any]) -> tuple[Any, bool]:
    """Call until a server answers; return the answer, and whether it took more than one call."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    again = False
    while True:
        try:
            return call(), again
        except grpc.RpcError as error:
            if refusal_of(error).code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise
            assert time.monotonic() < deadline, f"no answer for {PATIENCE_SECONDS} s: {error}"
        again = True
        time.sleep(0.01)


class Patron(threading.Thread):
    """Enrols, borrows and returns until it is stopped. `users` and `loans` have the last acknowledged state."""

    def __init__(self, frontend: FrontendClient, books: Sequence[Book], chance: random.Random) -> None:
        super().__init__()
        self.users: dict[str, User] = {}
        self.loans: dict[str, Loan] = {}
        self.retries = 0
        self.failure: BaseException | None = None
        self._frontend, self._books, self._chance = frontend, books, chance
        self._is_leaving = threading.Event()

    def run(self) -> None:
        try:
            self._enroll()
            while not self._is_leaving.is_set():
                kept = [loan for loan in self.loans.values() if not loan.HasField("return_time")]
                if self._chance.random() < 0.05:
                    self._enroll()
                elif kept and self._chance.random() < 0.4:
                    self._return(self._chance.choice(kept))
                else:
                    self._borrow()
        except BaseException as failure:  # noqa: BLE001 - shown by who waits for this thread
            self.failure = failure

    def leave(self) -> None:
        """Finish what has begun, and stop."""
        self._is_leaving.set()
        self.join()
        if self.failure is not None:
            raise self.failure

    def _answer_to(self, call: Callable[[], Any]) -> tuple[Any, bool]:
        answer, again = answer_to(call)
        self.retries += again
        return answer, again

    def _enroll(self) -> None:
        request_id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        request = EnrollUserRequest(
            email=f"{request_id}@example.org", first_name="Pat", last_name="Patron", request_id=request_id
        )
        user, _ = self._answer_to(lambda: self._frontend.members.EnrollUser(request, timeout=10))
        self.users[user.id] = user

    def _borrow(self) -> None:
        request = BorrowBookRequest(
            book_id=self._chance.choice(self._books).id,
            user_id=self._chance.choice(sorted(self.users)),
            days=self._chance.randint(1, 30),
            request_id=str(uuid.UUID(int=self._chance.getrandbits(128), version=4)),
        )
        try:
            loan, _ = self._answer_to(lambda: self._frontend.lending.BorrowBook(request, timeout=10))
        except grpc.RpcError as error:
            assert refusal_of(error).reason == "NO_COPY_AVAILABLE", error
        else:
            assert loan.id not in self.loans
            self.loans[loan.id] = loan

    def _return(self, loan: Loan) -> None:
        request_id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        request = ReturnBookRequest(loan_id=loan.id, request_id=request_id)
        self.loans[loan.id], _ = self._answer_to(lambda: self._frontend.lending.ReturnBook(request, timeout=10))


class Librarian(threading.Thread):
    """Imports and adds books until it is stopped. `isbns` are those of all acknowledged books."""

    def __init__(self, admin: AdminClient, chance: random.Random, rows: int) -> None:
        super().__init__()
        self.isbns: list[str] = []
        self.retries = 0
        self.failure: BaseException | None = None
        self._admin, self._chance, self._rows = admin, chance, rows
        self._made = 0
        self._is_leaving = threading.Event()

    def run(self) -> None:
        try:
            while not self._is_leaving.is_set():
                self._import()
                self._add()
        except BaseException as failure:  # noqa: BLE001 - shown by who waits for this thread
            self.failure = failure

    def leave(self) -> None:
        """Finish what has begun, and stop."""
        self._is_leaving.set()
        self.join()
        if self.failure is not None:
            raise self.failure

    def _import(self) -> None:
        isbns = [self._isbn() for _ in range(self._rows)]
        rows = [ImportBooksRequest(line=i, book=_book(isbn)) for i, isbn in enumerate(isbns, start=1)]
        reply, again = answer_to(lambda: self._admin.catalog.ImportBooks(iter(rows), timeout=60))
        self.retries += again
        assert len(reply.outcomes) == len(rows)
        assert not any(outcome.problems for outcome in reply.outcomes)
        self.isbns += isbns

    def _add(self) -> None:
        isbn = self._isbn()
        request = _book(isbn)
        request.request_id = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        _, again = answer_to(lambda: self._admin.catalog.AddBook(request, timeout=10))
        self.retries += again
        self.isbns.append(isbn)

    def _isbn(self) -> str:
        self._made += 1
        digits = f"979{self._made:09}"
        weighted = sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(digits))
        return f"{digits}{-weighted % 10}"


def _book(isbn: str) -> AddBookRequest:
    return AddBookRequest(title=f"The book {isbn}", authors=["Anne Author"], isbn=isbn, copies=2)


@contextmanager
def at_work(people: Sequence[Patron | Librarian]) -> Iterator[None]:
    """Let people do what they do meanwhile; afterwards each has an answer to all that was asked."""
    for each in people:
        each.start()
    try:
        yield
    finally:
        for each in people:
            each.leave()
