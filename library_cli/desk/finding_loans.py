"""Find the one loan to return or renew: by its id or its beginning, or by the book and, if needed, the user."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import grpc

from library.frontend.v1.circulation_service_pb2 import LookupItemResponse
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import LOAN_STATE_RETURNED, Loan
from library.v1.user_pb2 import User
from library_cli.desk import matching
from library_cli.desk.calls import Desk
from library_cli.desk.columns import BOOKS, LOANS_TO_CHOOSE, person
from library_cli.desk.finding import books_named, find_user
from library_cli.desk.items import item_with_barcode
from library_cli.desk.matching import BEGINNING_OF_ID, Matches
from library_cli.desk.refusals import AMBIGUOUS, MOST_SHOWN, Refusal
from service_kit.ids import UUID

MOST_BOOKS = 20
"""The highest number of matching books whose loans are read."""

LOANS_OF_A_BOOK = 100
"""How many loans of one book are read. With more than one, the user has to be named."""


class FoundLoan(NamedTuple):
    """A loan, and the other loans of the same user and book, which are due later."""

    loan: Loan
    others: list[Loan]


def find_loan(desk: Desk, what: str, user_text: str | None) -> FoundLoan:
    """Return the loan that `what`, a loan or a book, and `user_text` name.

    Of several copies of a book that one user has, it is the one that is due first. Raises Refusal if no loan or several
    loans match, and grpc.RpcError. A loan that is named by its id may be returned already; then the service refuses.
    """
    what = what.strip()
    user = find_user(desk, user_text) if user_text is not None else None
    if item := item_with_barcode(desk, what):
        return _loan_of_item(item, user)
    by_id = _loans_with_id(desk, what, user)
    if UUID.fullmatch(what) and by_id:
        return FoundLoan(by_id[0], [])
    books, fitting = _by_book(desk, what, user)
    out = {loan.id: loan for loan in [*(loan for loan in by_id if loan.state != LOAN_STATE_RETURNED), *fitting]}
    if out and (len(out) == 1 or _is_any_as_good(by_id, fitting)):
        loan, *others = sorted(out.values(), key=lambda loan: (loan.due_time.ToNanoseconds(), loan.id))
        return FoundLoan(loan, others)
    if out:
        listed = list(desk.with_users(itertools.islice(out.values(), MOST_SHOWN)))
        who = "" if user else " Name the user, too, or"
        message = f'{len(out)} loans match "{what}".{who or " Name"} the loan by its id.'
        raise Refusal(AMBIGUOUS, message, listed, LOANS_TO_CHOOSE)
    if len(by_id) == 1 and not books.best:
        return FoundLoan(by_id[0], [])
    raise _nothing_out(desk, what, user, books)


def _loan_of_item(item: LookupItemResponse, user: User | None) -> FoundLoan:
    if item.HasField("loan") and (user is None or item.loan.user_id == user.id):
        return FoundLoan(item.loan, [])
    who = f" to {person(user)}" if user else ""
    raise Refusal("ITEM_NOT_ON_LOAN", f'"{item.book_title}" with the barcode {item.item.barcode} is not on loan{who}.')


def _is_any_as_good(by_id: list[Loan], fitting: list[Loan]) -> bool:
    """Return whether all matching loans are of one user and one book, and all of them were read."""
    if by_id or len(fitting) >= LOANS_OF_A_BOOK:
        return False
    return len({(loan.user_id, loan.book_id) for loan in fitting}) == 1


def _loans_with_id(desk: Desk, what: str, user: User | None) -> list[Loan]:
    """Return the loans whose id is the text or begins with it, of this user if there is one.

    For the beginning of an id, open loans come first; if there are none, up to two returned ones.
    """
    user_id = user.id if user else ""
    if UUID.fullmatch(what):
        try:
            loan = desk.loan(what.lower())
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return []
        return [loan] if user_id in ("", loan.user_id) else []
    if not BEGINNING_OF_ID.fullmatch(what):
        return []
    out = desk.loans(id_prefix=what, user_id=user_id, only_open=True)
    found = list(itertools.islice(out, LOANS_OF_A_BOOK))
    return found or list(itertools.islice(desk.loans(id_prefix=what, user_id=user_id), 2))


def _by_book(desk: Desk, what: str, user: User | None) -> tuple[Matches[Book], list[Loan]]:
    """Return the books that match the text, and their open loans."""
    try:
        books = books_named(desk, what)
    except Refusal:  # such as an id that no book has
        books = Matches()
    if user is not None:
        return books, _loans_of_user(desk, what, user, books)
    best = books.best
    if len(best) > MOST_BOOKS or books.is_cut:
        message = f'More than {MOST_BOOKS} books match "{what}". Name the user, too, or the book by its ISBN.'
        raise Refusal(AMBIGUOUS, message, best, BOOKS)
    loans: list[Loan] = []
    for book in best:
        loans += itertools.islice(desk.loans(book_id=book.id, only_open=True), LOANS_OF_A_BOOK)
    return books, loans


def _loans_of_user(desk: Desk, what: str, user: User, books: Matches[Book]) -> list[Loan]:
    """Return the user's open loans that match; for a book that left the catalogue, by the title in the loan."""
    loans = list(desk.loans(user_id=user.id, only_open=True))
    is_title, begins = matching.is_title(what), matching.title_begins(what)
    exact_ids, begun_ids = ({book.id for book in some} for some in (books.exact, books.begun))
    exact = [loan for loan in loans if loan.book_id in exact_ids or is_title(loan.book_title)]
    return exact or [loan for loan in loans if loan.book_id in begun_ids or begins(loan.book_title)]


def _nothing_out(desk: Desk, what: str, user: User | None, books: Matches[Book]) -> Refusal:
    """Return the refusal for a text that matches no open loan."""
    if user is not None:
        loans = list(itertools.islice(desk.loans(user_id=user.id, only_open=True), MOST_SHOWN))
        has = "Books on loan to this user:" if loans else "This user has no book on loan."
        message = f'{person(user)} has no book that matches "{what}". {has}'
        return Refusal("LOAN_NOT_FOUND", message, list(desk.with_users(loans)), LOANS_TO_CHOOSE)
    if books.best:
        title = books.best[0].title if len(books.best) == 1 else what
        return Refusal("LOAN_NOT_FOUND", f'No copy of "{title}" is on loan.')
    wrong = f" {problem}" if (problem := matching.isbn_problem(what)) else ""
    similar = " Did you mean one of these books?" if books.offers else " To see all loans, run: library loans"
    return Refusal("LOAN_NOT_FOUND", f'No loan and no book matches "{what}".{wrong}{similar}', books.offers, BOOKS)
