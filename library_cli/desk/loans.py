"""The command `library loans`."""

from __future__ import annotations

import click

from library.v1.loan_pb2 import LOAN_STATE_OVERDUE
from library_cli.desk.columns import LOANS
from library_cli.desk.finding import find_book, find_user
from library_cli.desk.refusals import at_desk
from library_cli.desk.typing_aids import DeskCommand
from library_cli.options import frontend_target_option
from library_cli.tables import json_option, limit_option, show


@click.command("loans", cls=DeskCommand, short_help="Show what is on loan, to whom, and when it is due.")
@click.argument("user_text", metavar="[USER]", required=False)
@click.option("--overdue", is_flag=True, help="Only loans that are past their due time.")
@click.option("--book", "book_text", metavar="BOOK", help="Only loans of this book, named as for `library lend`.")
@click.option("--closed", is_flag=True, help="Also returned loans.")
@limit_option
@json_option
@frontend_target_option
def loans_command(
    user_text: str | None,
    overdue: bool,
    book_text: str | None,
    closed: bool,
    limit: int | None,
    json_wanted: bool,
    frontend_target: str,
) -> None:
    """List the open loans, oldest first: all, or those of USER, who is named as for `library lend`.

    The output is a table on a terminal, otherwise a line for each loan, with tabs between loan id, due time, state,
    title, e-mail address, fine, user id and book id.

    Exit status: 0 when the service answered, also if no loan was found; 1 when not exactly one USER or BOOK matches; 2
    when no service answered.
    """
    if overdue and closed:
        raise click.UsageError("--overdue and --closed exclude each other: a returned loan is not overdue.")
    with at_desk(frontend_target, json_wanted=json_wanted) as desk:
        loans = desk.loans(
            user_id=find_user(desk, user_text).id if user_text is not None else "",
            book_id=find_book(desk, book_text).id if book_text is not None else "",
            state=LOAN_STATE_OVERDUE if overdue else 0,
            only_open=not closed,
        )
        show(desk.with_users(loans), LOANS, json_wanted=json_wanted, limit=limit)
