"""The command `library enrol`."""

from __future__ import annotations

import json

import click
import grpc

from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library_cli.desk.calls import Desk
from library_cli.desk.columns import USERS, as_json, name_of, person
from library_cli.desk.matching import address_key, has_address
from library_cli.desk.refusals import Refusal, at_desk
from library_cli.desk.tables import json_option
from library_cli.grpc_errors import reason_of
from library_cli.options import frontend_target_option

EMAIL_TAKEN = "EMAIL_TAKEN"


@click.command("enrol", short_help="Enrol a user, who can borrow from then on.")
@click.argument("email")
@click.argument("first_name")
@click.argument("last_name", default="")
@json_option
@frontend_target_option
def enrol_command(email: str, first_name: str, last_name: str, json_wanted: bool, frontend_target: str) -> None:
    """Enrol a user with an e-mail address and a name.

    Example: library enrol ada@example.org Ada Lovelace

    A name of several words is put in quotes; the last name may be left out.

    Exit status: 0 when the user is enrolled, 1 when it was refused, also because somebody has the address already, whom
    the command shows, 2 when no service answered.
    """
    with at_desk(frontend_target, json_wanted=json_wanted) as desk:
        request = EnrollUserRequest(email=email.strip(), first_name=first_name, last_name=last_name)
        try:
            user = desk.change(desk.members.EnrollUser, request)
        except grpc.RpcError as error:
            if reason_of(error) != EMAIL_TAKEN:
                raise
            raise _taken(desk, request.email) from error
    if json_wanted:
        click.echo(json.dumps(as_json(user), indent=2, ensure_ascii=False))
        return
    click.echo(f"Enrolled {person(user)}. The user's id is {user.id}.")
    click.echo(f"To lend a book, run: library lend BOOK {user.email}")


def _taken(desk: Desk, email: str) -> Refusal:
    """Return the refusal for an address that somebody has, with that user."""
    key = address_key(email)
    users = [user for user in desk.users(query=email) if has_address(user, key)]
    who = f": {name_of(users[0])}, id {users[0].id}" if users else ""
    return Refusal(EMAIL_TAKEN, f"A user has enrolled with {email} already{who}.", users, USERS)
