"""The command `library lend`."""

from __future__ import annotations

import json

import click
import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from library.frontend.v1.circulation_service_pb2 import CheckOutRequest, LookupItemResponse
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from library_cli.desk.calls import Desk
from library_cli.desk.columns import BOOKS, ListedLoan, loan_as_json, person, quoted
from library_cli.desk.finding import find_book, find_user
from library_cli.desk.items import item_with_barcode
from library_cli.desk.refusals import Refusal, at_desk, first_with_others, service_refusals
from library_cli.desk.typing_aids import DeskCommand, order_checked
from library_cli.grpc_errors import ServiceRefusal
from library_cli.options import frontend_target_option
from library_cli.tables import json_option
from library_cli.times import local_time

MOST_DAYS = 365

AS_THE_RULE = 0
"""The days of a request for as long as the circulation rule says."""


@click.command("lend", cls=DeskCommand, short_help="Lend a book to a user.")
@click.argument("book_text", metavar="BOOK")
@click.argument("user_text", metavar="USER")
@click.option(
    "--days",
    type=click.IntRange(1, MOST_DAYS),
    default=None,
    help="For how many days.  [default: as the circulation rule says]",
)
@json_option
@frontend_target_option
def lend_command(book_text: str, user_text: str, days: int | None, json_wanted: bool, frontend_target: str) -> None:
    """Lend a copy of BOOK to USER.

    Example: library lend dune ada@example.org

    BOOK is the barcode of an item, an ISBN in any form, an id or its beginning, or words of the title and the authors;
    put several words in quotes. USER is a card number, an e-mail address, an id, the beginning of an address or an id,
    or a name. A whole title, name or address wins over a beginning. If several books or users match, nothing is lent,
    and they are shown. A user who has a copy of the book already gets another one, and a note is printed; an item that
    the user has already is renewed.

    Exit status: 0 when the book is lent; 1 when the service refused, or not exactly one book and one user match; 2 when
    no service answered.
    """
    with at_desk(frontend_target, json_wanted=json_wanted) as desk:
        with order_checked(desk, "lend", book_text, user_text):
            item = item_with_barcode(desk, book_text)
            book = desk.book(item.item.book_id) if item else find_book(desk, book_text)
            user = find_user(desk, user_text)
        before = [] if json_wanted or item else list(desk.loans(book_id=book.id, user_id=user.id, only_open=True))
        try:
            loan, renewed = _lend(desk, item, book, user, days or AS_THE_RULE)
        except grpc.RpcError as error:
            reported = service_refusals(error)
            if not any(each.reason in _SENTENCES for each in reported):
                raise
            refusals = [Refusal(each.reason, in_words(each, book, user), [book], BOOKS) for each in reported]
            raise first_with_others(refusals) from error
    if json_wanted:
        click.echo(json.dumps(loan_as_json(ListedLoan(loan, user)), indent=2, ensure_ascii=False))
        return
    done = f"Renewed {quoted(book)} for" if renewed else f"Lent {quoted(book)} to"
    click.echo(f"{done} {person(user)}. It is due back {local_time(loan.due_time)}.")
    named = item.item.barcode if item else book.isbn or loan.id
    click.echo(f"The loan's id is {loan.id}. When the book comes back, run: library return {named}")
    if before:
        due = local_time(before[0].due_time)
        copies = "a copy" if len(before) == 1 else f"{len(before)} copies"
        click.echo(f"Note: {person(user)} already had {copies} of this book, due back {due}.", err=True)


def _lend(desk: Desk, item: LookupItemResponse | None, book: Book, user: User, days: int) -> tuple[Loan, bool]:
    """Lend an item, or any copy of the book. Return the loan, and whether it was renewed: the user had the item."""
    if item is None:
        borrow = BorrowBookRequest(book_id=book.id, user_id=user.id, days=days)
        return desk.change(desk.lending.BorrowBook, borrow), False
    check_out = CheckOutRequest(barcode=item.item.barcode, user_id=user.id, days=days)
    answer = desk.change(desk.circulation.CheckOut, check_out)
    return answer.loan, answer.renewed


_SENTENCES = {
    "NO_COPY_AVAILABLE": "Every copy of {book} is on loan; the next is due back {time}. To see who has them, "
    "run: library loans --book {book_id}",
    "BOOK_UNAVAILABLE": "{book} does not circulate at present. Choose another book, or ask a librarian.",
    "BOOK_REMOVED": "{book} has left the catalogue. Choose another book.",
    "LOAN_LIMIT_REACHED": "{user} has {limit} loans, which is the limit. Return a book first. To see the loans, run: "
    "library loans {email}",
    "USER_CLOSED": "The account of {user} is closed. To enrol again: library enrol {email} FIRST_NAME LAST_NAME",
    "USER_NOT_ACTIVE": "The account of {user} is in a state that is unknown to the frontend service. Upgrade it.",
}
"""The desk's messages for refusals of the service, with names instead of ids."""


def in_words(refused: ServiceRefusal, book: Book, user: User) -> str:
    expected = Timestamp()
    written = refused.metadata.get("next_available_time", "")
    if written:
        expected.FromJsonString(written)
    return _SENTENCES.get(refused.reason, "{message}").format(
        message=refused.message,
        book=quoted(book),
        book_id=book.isbn or book.id,
        user=person(user),
        email=user.email,
        limit=refused.metadata.get("loan_limit", ""),
        time=local_time(expected) if written else "at a time that is not known",
    )
