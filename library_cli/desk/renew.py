"""The command `library renew`."""

from __future__ import annotations

import json

import click
import grpc

from library.frontend.v1.lending_service_pb2 import RenewLoanRequest
from library_cli.desk.columns import LOANS, ListedLoan, loan_as_json, person
from library_cli.desk.finding_loans import find_loan
from library_cli.desk.lend import AS_THE_RULE, MOST_DAYS
from library_cli.desk.refusals import Refusal, at_desk, first_with_others, service_refusals
from library_cli.desk.return_ import LOAN_RETURNED, of_several, returned_before
from library_cli.desk.typing_aids import DeskCommand, order_checked
from library_cli.grpc_errors import ServiceRefusal
from library_cli.options import frontend_target_option
from library_cli.tables import json_option
from library_cli.times import local_time


@click.command("renew", cls=DeskCommand, short_help="Renew a loan that is not due yet.")
@click.argument("what", metavar="BOOK_OR_LOAN")
@click.argument("user_text", metavar="[USER]", required=False)
@click.option(
    "--days",
    type=click.IntRange(1, MOST_DAYS),
    default=None,
    help="By how many days the due time moves.  [default: as the circulation rule says]",
)
@json_option
@frontend_target_option
def renew_command(what: str, user_text: str | None, days: int | None, json_wanted: bool, frontend_target: str) -> None:
    """Renew a loan that is not due yet: move its due time by --days.

    Examples: library renew dune; and when several people have a copy: library renew dune ada@example.org

    BOOK_OR_LOAN and USER are as for `library return`. Of several copies that USER has, the one that is due first is
    renewed. If several loans match, none is renewed, and they are shown.

    Exit status: 0 when the loan is renewed; 1 when the service refused, or no loan or several loans match; 2 when no
    service answered.
    """
    with at_desk(frontend_target, json_wanted=json_wanted) as desk:
        with order_checked(desk, "renew", what, user_text):
            found = find_loan(desk, what, user_text)
        [listed] = desk.with_users([found.loan])
        try:
            loan = desk.change(
                desk.lending.RenewLoan, RenewLoanRequest(loan_id=found.loan.id, days=days or AS_THE_RULE)
            )
        except grpc.RpcError as error:
            reported = service_refusals(error)
            if not any(each.reason in (LOAN_RETURNED, *_SENTENCES) for each in reported):
                raise
            raise first_with_others([_in_words(each, listed) for each in reported]) from error
    if json_wanted:
        click.echo(json.dumps(loan_as_json(ListedLoan(loan, listed.user)), indent=2, ensure_ascii=False))
        return
    who = f" for {person(listed.user)}" if listed.user else ""
    click.echo(f'Renewed "{loan.book_title}"{who}. It is due back {local_time(loan.due_time)}.')
    if found.others:
        click.echo(of_several(found))


_SENTENCES = {
    "LOAN_OVERDUE": '"{title}" was due back {due}, so it cannot be renewed. When it comes back, run: '
    "library return {id}",
    "RENEWAL_LIMIT_REACHED": '"{title}" cannot be renewed for this long: a loan can last {days} days in total, and '
    "this one has {days_so_far} already. It is due back {due}.",
    "USER_CLOSED": '"{title}" cannot be renewed, because the account of the user is closed. It is due back {due}.',
    "USER_NOT_ACTIVE": '"{title}" cannot be renewed, because the account of the user is in a state that is unknown '
    "to the frontend service. Upgrade it.",
}
"""The desk's messages for refusals of the service, with titles instead of ids."""

_NO_RENEWAL_LEFT = (
    '"{title}" cannot be renewed again: it was renewed {times} times, which is the limit. It is due back {due}.'
)


def _in_words(refused: ServiceRefusal, listed: ListedLoan) -> Refusal:
    if refused.reason == LOAN_RETURNED:
        return returned_before(listed, refused.metadata)
    sentence = _SENTENCES.get(refused.reason, "{message}")
    if refused.metadata.get("renewal_limit") == str(listed.loan.renewal_count):
        sentence = _NO_RENEWAL_LEFT
    message = sentence.format(
        message=refused.message,
        title=listed.loan.book_title,
        id=listed.loan.id,
        due=local_time(listed.loan.due_time),
        times=refused.metadata.get("renewal_limit", ""),
        days=refused.metadata.get("day_limit", ""),
        days_so_far=listed.loan.days,
    )
    return Refusal(refused.reason, message, [listed], LOANS)
