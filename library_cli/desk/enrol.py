"""The command `library enrol`."""

from __future__ import annotations

import json
import shlex
import unicodedata
from datetime import date
from typing import Any

import click
import grpc

from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.user_pb2 import User
from library_cli.desk.calls import Desk
from library_cli.desk.columns import USERS, name_of, naming, person
from library_cli.desk.matching import address_key, has_address
from library_cli.desk.refusals import FIELD_INVALID, Refusal, at_desk
from library_cli.desk.typing_aids import DeskCommand
from library_cli.grpc_errors import reason_of
from library_cli.options import frontend_target_option
from library_cli.policy.values import DATE
from library_cli.tables import as_json, json_option
from library_cli.times import end_of_day

EMAIL_TAKEN = "EMAIL_TAKEN"


@click.command("enrol", cls=DeskCommand, short_help="Enrol a user, who can then borrow books.")
@click.argument("email")
@click.argument("first_name", default="")
@click.argument("last_name", default="")
@click.option("--no-email", is_flag=True, help="The user has no e-mail address: the arguments are the names.")
@click.option("--card", "card_number", default="", help="The card number. Without it, one is made.")
@click.option(
    "--category", "user_category", default="", help="The category for the circulation rules, such as Student."
)
@click.option("--group", default="", help="A class, a household or another group.")
@click.option("--branch", default="", help="The code of the home branch.")
@click.option("--expires", type=DATE, help="The last day of the membership, as YYYY-MM-DD.")
@click.option("--note", default="", help="A note for the staff.")
@json_option
@frontend_target_option
def enrol_command(
    email: str,
    first_name: str,
    last_name: str,
    no_email: bool,
    expires: date | None,
    json_wanted: bool,
    frontend_target: str,
    **fields: Any,
) -> None:
    """Enrol a user with an e-mail address and a name.

    Example: library enrol ada@example.org Ada Lovelace

    Example: library enrol --no-email Ada Lovelace --category Student --group 4b

    Put a name of several words in quotes. The last name is optional.

    If a user with this address and this name is enrolled already, that user is shown and nothing changes.

    Exit status: 0 when the user is enrolled, now or before; 1 when the service refused, or a user of another name has
    the address, who is shown; 2 when no service answered.
    """
    if no_email and last_name:
        raise click.UsageError("With --no-email there are at most two arguments, FIRST_NAME and LAST_NAME.")
    if no_email:
        email, first_name, last_name = "", email, first_name
    elif not first_name:
        raise click.UsageError("Missing argument 'FIRST_NAME'. For a user without an e-mail address, use --no-email.")
    enrolled = "Enrolled {person}."
    with at_desk(frontend_target, json_wanted=json_wanted) as desk:
        _check_order(email, first_name, last_name)
        request = EnrollUserRequest(email=email.strip(), first_name=first_name, last_name=last_name, **fields)
        if expires:
            request.expire_time.CopyFrom(end_of_day(expires))
        try:
            user = desk.change(desk.members.EnrollUser, request)
        except grpc.RpcError as error:
            if reason_of(error) != EMAIL_TAKEN:
                raise
            user = _known(desk, request, error)
            enrolled = "{person} is enrolled already."
    if json_wanted:
        click.echo(json.dumps(as_json(user), indent=2, ensure_ascii=False))
        return
    click.echo(
        f"{enrolled.format(person=person(user))} The user's id is {user.id}, the card number {user.card_number}."
    )
    click.echo(f"To lend a book, run: library lend BOOK {naming(user)}")


def _check_order(*arguments: str) -> None:
    """Raise Refusal if the e-mail address comes after a name."""
    names = [argument for argument in arguments if argument and not address_key(argument)]
    addresses = [argument for argument in arguments if address_key(argument)]
    if arguments[0] and addresses and addresses[0] != arguments[0] and "@" not in arguments[0]:
        typed = shlex.join(["library", "enrol", addresses[0], *names])
        raise Refusal(FIELD_INVALID, f"email: the e-mail address comes first. To enrol, run: {typed}")


def _known(desk: Desk, request: EnrollUserRequest, error: grpc.RpcError) -> User:
    """Return the user with this address and name. Raises Refusal with the user of the address if the name differs."""
    key = address_key(request.email)
    users = [user for user in desk.users(query=request.email) if has_address(user, key)]
    if len(users) == 1 and _words(name_of(users[0])) == _words(f"{request.first_name} {request.last_name}"):
        return users[0]
    who = f": {name_of(users[0])}, id {users[0].id}" if users else ""
    raise Refusal(EMAIL_TAKEN, f"A user is enrolled with {request.email} already{who}.", users, USERS) from error


def _words(name: str) -> list[str]:
    """Return the words of a name in one Unicode form, for a comparison."""
    return unicodedata.normalize("NFC", name).split()
