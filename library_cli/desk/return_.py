"""The command `library return`."""

from __future__ import annotations

import json

import click
import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from library.frontend.v1.lending_service_pb2 import ReturnBookRequest
from library.v1.loan_pb2 import Loan
from library_cli.desk.columns import LOANS, ListedLoan, loan_as_json, money, person
from library_cli.desk.finding_loans import FoundLoan, find_loan
from library_cli.desk.refusals import Refusal, at_desk
from library_cli.desk.typing_aids import DeskCommand, order_checked
from library_cli.grpc_errors import service_refusal
from library_cli.options import frontend_target_option
from library_cli.tables import json_option
from library_cli.times import local_time

LOAN_RETURNED = "LOAN_RETURNED"


@click.command("return", cls=DeskCommand, short_help="Return a book.")
@click.argument("what", metavar="BOOK_OR_LOAN")
@click.argument("user_text", metavar="[USER]", required=False)
@json_option
@frontend_target_option
def return_command(what: str, user_text: str | None, json_wanted: bool, frontend_target: str) -> None:
    """Return a book.

    Examples: library return dune; and when several people have a copy: library return dune ada@example.org

    BOOK_OR_LOAN is the id of a loan or its beginning, the barcode of an item, or a book, as for `library lend`. USER is
    needed only if several people have the book. Of several copies that USER has, the one that is due first is returned.
    If several loans match, none is returned, and they are shown.

    Exit status: 0 when the book is returned; 1 when the service refused, or no loan or several loans match; 2 when no
    service answered.
    """
    with at_desk(frontend_target, json_wanted=json_wanted) as desk:
        with order_checked(desk, "return", what, user_text):
            found = find_loan(desk, what, user_text)
        [listed] = desk.with_users([found.loan])
        try:
            loan = desk.change(desk.lending.ReturnBook, ReturnBookRequest(loan_id=found.loan.id))
        except grpc.RpcError as error:
            refused = service_refusal(error)
            if refused is None or refused.reason != LOAN_RETURNED:
                raise
            raise returned_before(listed, refused.metadata) from error
    listed = ListedLoan(loan, listed.user)
    if json_wanted:
        click.echo(json.dumps(loan_as_json(listed), indent=2, ensure_ascii=False))
        return
    click.echo(f'Returned "{loan.book_title}"{_by(listed)}.')
    if fine := money(loan.fine):
        click.echo(f"It was due {local_time(loan.due_time)}, so it is late. The fine is {fine}.")
    if found.others:
        click.echo(of_several(found))


def of_several(found: FoundLoan) -> str:
    """Return the sentence that shows which of a user's several copies was chosen."""
    copies, due = len(found.others) + 1, local_time(found.others[0].due_time)
    return f"Of this user's {copies} copies it was the one due first; the next is due back {due}."


def _by(listed: ListedLoan) -> str:
    return f", which {person(listed.user)} had" if listed.user else ""


def returned_before(listed: ListedLoan, metadata: dict[str, str]) -> Refusal:
    """Return the refusal for a loan that was returned before."""
    loan: Loan = listed.loan
    time = Timestamp()
    if written := metadata.get("return_time"):
        time.FromJsonString(written)
    when = f" on {local_time(time)}" if written else ""
    return Refusal(LOAN_RETURNED, f'"{loan.book_title}"{_by(listed)}, was returned already{when}.', [listed], LOANS)
