"""The command `library report`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click

from library.admin.v1 import report_service_pb2
from library.admin.v1.report_service_pb2 import LentBook, LoanCount
from library_cli.grpc_errors import CallFailed
from library_cli.options import admin_target_option, frontend_target_option
from library_cli.plain_text import one_line
from library_cli.policy.values import DATE
from library_cli.reports.calls import Reports, fines_so_far
from library_cli.reports.kinds import COUNTS, DUE_SOON, MOST_LENT, NEVER_LENT, ON_LOAN, OVERDUE, name_of_count
from library_cli.reports.months import with_months_between
from library_cli.reports.output import Wanted, opened_reports, output_options, plot_option, write
from library_cli.reports.periods import days_from_now, period
from library_cli.tables import Column

Function = TypeVar("Function", bound=Callable[..., Any])

GROUPINGS = {
    "month": report_service_pb2.LOAN_GROUPING_MONTH,
    "category": report_service_pb2.LOAN_GROUPING_CATEGORY,
    "branch": report_service_pb2.LOAN_GROUPING_BRANCH,
    "user-category": report_service_pb2.LOAN_GROUPING_USER_CATEGORY,
    "user-group": report_service_pb2.LOAN_GROUPING_USER_GROUP,
    "item-type": report_service_pb2.LOAN_GROUPING_ITEM_TYPE,
}

branch_option = click.option("--branch", default="", metavar="CODE", help="Only loans of this branch.")


def period_options(command: Function) -> Function:
    """Add --since and --until: dates in the time zone of the branch."""
    for name, noun in (("--until", "or before"), ("--since", "or later")):
        option = click.option(name, type=DATE, help=f"Only loans made on this date {noun}, such as 2026-12-24.")
        command = option(command)
    return command


@click.group("report", short_help="Report what is on loan, overdue or due soon, and what is lent how often.")
def report_command() -> None:
    """Report on lending, by the users and loans that the admin service has received from the frontend service.

    Each report is a table on a terminal, otherwise a line for each row with tabs between the values.

    Exit status: 0 when the service answered, also with an empty report; 1 when it refused; 2 when no service answered
    or a file cannot be written.
    """


@report_command.command("on-loan")
@branch_option
@output_options
@admin_target_option
def on_loan(branch: str, wanted: Wanted, admin_target: str) -> None:
    """List all loans that are open, the earliest due time first."""
    with opened_reports(admin_target, wanted) as reports:
        _check_branch(reports, branch)
        write(reports.open_loans(branch=branch), ON_LOAN, wanted)


@report_command.command("overdue")
@branch_option
@output_options
@admin_target_option
@frontend_target_option
def overdue(branch: str, wanted: Wanted, admin_target: str, frontend_target: str) -> None:
    """List the loans that are overdue, the longest overdue first, with the fine if the book came back now.

    The fines are those of the frontend service. If it does not answer, the list has none.
    """
    try:
        fines = fines_so_far(frontend_target)
    except CallFailed as failure:
        fines = {}
        click.echo(f"The list has no fines: {one_line(str(failure))}", err=True)
    with opened_reports(admin_target, wanted) as reports:
        _check_branch(reports, branch)
        found = reports.open_loans(branch=branch, only_overdue=True)

        def with_fine(entry: Any) -> Any:
            if fine := fines.get(entry.loan.id):
                entry.loan.fine_so_far.CopyFrom(fine)
            return entry

        write(map(with_fine, found), OVERDUE, wanted)


@report_command.command("due-soon")
@click.option(
    "--days", default=7, show_default=True, type=click.IntRange(0, 3660), help="How many days from today; 0 for today."
)
@branch_option
@output_options
@admin_target_option
def due_soon(days: int, branch: str, wanted: Wanted, admin_target: str) -> None:
    """List the loans that are due between now and the end of a date, and are not overdue."""
    with opened_reports(admin_target, wanted) as reports:
        now, end = days_from_now(days, reports.zone(branch))
        write(reports.open_loans(branch=branch, due_from=now, due_before=end), DUE_SOON, wanted)


@report_command.command("by-group")
@click.argument("group")
@branch_option
@output_options
@admin_target_option
def by_group(group: str, branch: str, wanted: Wanted, admin_target: str) -> None:
    """List the open loans of the users of GROUP, such as a school class. Case does not matter."""
    if not group.strip():
        raise click.UsageError("Name a group, such as 4b.")
    with opened_reports(admin_target, wanted) as reports:
        _check_branch(reports, branch)
        write(reports.open_loans(user_group=group, branch=branch), ON_LOAN, wanted)


@report_command.command("by-branch")
@click.argument("branch")
@output_options
@admin_target_option
def by_branch(branch: str, wanted: Wanted, admin_target: str) -> None:
    """List the open loans that BRANCH, named by its code, has made."""
    if not branch:
        raise click.UsageError("Name a branch by its code, such as main.")
    with opened_reports(admin_target, wanted) as reports:
        _check_branch(reports, branch)
        write(reports.open_loans(branch=branch), ON_LOAN, wanted)


@report_command.command("most-lent")
@period_options
@branch_option
@plot_option
@output_options
@admin_target_option
def most_lent(
    since: date | None, until: date | None, branch: str, plot: Path | None, wanted: Wanted, admin_target: str
) -> None:
    """List the books that were lent, those that were lent most often first."""
    with opened_reports(admin_target, wanted) as reports:
        found = reports.most_lent(branch=branch, **period(since, until, reports.zone(branch)))
        write(found, MOST_LENT, wanted, _lent, lambda lent: lent.book.title, plot=plot, title="Most lent books")


@report_command.command("never-lent")
@output_options
@admin_target_option
def never_lent(wanted: Wanted, admin_target: str) -> None:
    """List the books of the catalogue that were never lent, the oldest entry first."""
    with opened_reports(admin_target, wanted) as reports:
        write(reports.never_lent(), NEVER_LENT, wanted)


@report_command.command("counts")
@click.option(
    "--by", default="month", show_default=True, type=click.Choice(list(GROUPINGS)), help="By what loans are counted."
)
@period_options
@branch_option
@plot_option
@output_options
@admin_target_option
def counts(
    by: str,
    since: date | None,
    until: date | None,
    branch: str,
    plot: Path | None,
    wanted: Wanted,
    admin_target: str,
) -> None:
    """Count the loans that were made, and how many of them are open."""
    name, *others = COUNTS.form.columns
    heading: Column[LoanCount] = replace(name, heading=by.replace("-", " "))
    report = replace(COUNTS, form=replace(COUNTS.form, columns=[heading, *others]))
    with opened_reports(admin_target, wanted) as reports:
        found = reports.counts(group_by=GROUPINGS[by], branch=branch, **period(since, until, reports.zone(branch)))
        shown = with_months_between(found) if by == "month" else found
        write(shown, report, wanted, _made, name_of_count, plot=plot, title=f"Loans by {heading.heading}")


def _lent(lent: LentBook) -> int:
    return lent.loan_count


def _made(count: LoanCount) -> int:
    return count.loan_count


def _check_branch(reports: Reports, branch: str) -> None:
    """Raise grpc.RpcError for an unknown branch, whose list would be empty."""
    if branch:
        reports.zone(branch)
