"""The commands `library export-user`, `library erase-user` and `library anonymise`."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import click

from library.frontend.v1.member_service_pb2 import AnonymizeLoansRequest, EraseUserRequest, ExportUserRequest
from library_cli.channel import pages
from library_cli.desk.columns import person
from library_cli.desk.finding import find_user
from library_cli.desk.refusals import at_desk
from library_cli.desk.typing_aids import DeskCommand
from library_cli.options import frontend_target_option
from library_cli.policy.values import DATE
from library_cli.tables import as_json, json_option
from library_cli.times import counted, midnight

PAGE_SIZE = 1_000


@click.command("export-user", cls=DeskCommand, short_help="Write all that is stored about a user, as JSON.")
@click.argument("user_text", metavar="USER")
@frontend_target_option
def export_user_command(user_text: str, frontend_target: str) -> None:
    """Write all that is stored about USER as JSON: the user, the loans and the history.

    Example: library export-user ada@example.org > ada.json

    Exit status: 0 when all was written; 1 when the service refused, or not exactly one user matches; 2 when no service
    answered.
    """
    with at_desk(frontend_target, json_wanted=False) as desk:
        user = find_user(desk, user_text)
        exported: dict[str, Any] = {"user": as_json(user), "loans": [], "history": []}
        request = ExportUserRequest(user_id=user.id, page_size=PAGE_SIZE)
        for page in pages(desk.members.ExportUser, request):
            if page.HasField("user"):
                exported["user"] = as_json(page.user)
            exported["loans"] += map(as_json, page.loans)
            exported["history"] += map(as_json, page.history)
    click.echo(json.dumps(exported, indent=2, ensure_ascii=False))


@click.command("erase-user", cls=DeskCommand, short_help="Erase the personal data of a user, for good.")
@click.argument("user_text", metavar="USER")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@frontend_target_option
def erase_user_command(user_text: str, yes: bool, json_wanted: bool, frontend_target: str) -> None:
    """Erase the personal data of USER, for good, and close the account. The loans stay, without the user.

    Example: library erase-user ada@example.org

    Backups from before keep the data: see docs/privacy.md.

    Exit status: 0 when the data are erased; 1 when loans are open, the service refused, not exactly one user matches,
    or the question was answered with no; 2 when no service answered.
    """
    with at_desk(frontend_target, json_wanted=json_wanted) as desk:
        user = find_user(desk, user_text)
        if not yes:
            click.confirm(f"Erase all personal data of {person(user)}? This cannot be undone.", abort=True, err=True)
        erased = desk.change(desk.members.EraseUser, EraseUserRequest(user_id=user.id))
    if json_wanted:
        click.echo(json.dumps(as_json(erased), indent=2, ensure_ascii=False))
        return
    click.echo(f"Erased the personal data of the user {user.id}. Backups from before keep them: see docs/privacy.md.")


@click.command("anonymise", short_help="Cut the tie between users and loans that were returned before a date.")
@click.option("--before", required=True, type=DATE, help="Loans that were returned before this day, as YYYY-MM-DD.")
@click.option("--dry-run", is_flag=True, help="Count the loans, and change nothing.")
@frontend_target_option
def anonymise_command(before: date, dry_run: bool, frontend_target: str) -> None:
    """Cut the tie between users and loans that were returned before a date. Reports still count these loans.

    Example: library anonymise --before 2026-01-01 --dry-run

    It can be interrupted and run again: loans that were anonymised stay so.

    Exit status: 0 when it was done; 1 when the service refused; 2 when no service answered.
    """
    total = 0
    with at_desk(frontend_target, json_wanted=False) as desk:
        request = AnonymizeLoansRequest(before=midnight(before), validate_only=dry_run, page_size=PAGE_SIZE)
        while True:
            response = desk.change(desk.members.AnonymizeLoans, request)
            total += response.loan_count
            if not response.next_page_token:
                break
            request.page_token = response.next_page_token
    loans = counted(total, "loan")
    click.echo(f"{loans} would be anonymised." if dry_run else f"Anonymised {loans}.")
