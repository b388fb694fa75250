"""The commands `library set-password` and `library reset-code`."""

from __future__ import annotations

import json

import click

from library.access.v1.access_service_pb2 import CreateResetCodeRequest, SetPasswordRequest
from library.access.v1.access_service_pb2_grpc import AccessServiceStub
from library_cli.access.prompts import check_transport, plain_text_option, secret, stdin_option
from library_cli.access.sign_in import SIGN_IN_SECONDS
from library_cli.channel import ANSWER_SECONDS, connected
from library_cli.desk.calls import Desk
from library_cli.desk.columns import naming, person
from library_cli.desk.finding import find_user
from library_cli.desk.refusals import ended_by_refusals
from library_cli.options import frontend_target_option
from library_cli.tables import as_json, json_option
from library_cli.times import local_time


@click.command("set-password", short_help="Set a password or a PIN.")
@click.argument("name", required=False)
@stdin_option
@plain_text_option
@frontend_target_option
def set_password_command(name: str | None, from_stdin: bool, allow_plain_text: bool, frontend_target: str) -> None:
    """Set the password or the PIN of NAME, an e-mail address or a card number. All sessions of the user end.

    It asks for the present one, or for the reset code that a librarian made, and for the new one twice. With
    --password-stdin, it reads these two from a line each.

    A password has at least 10 characters, a PIN 6 to 12 digits. A PIN is for patrons only.

    Exit status: 0 when it is set; 1 when the service refused; 2 when it did not answer.
    """
    check_transport(frontend_target, allow_plain_text=allow_plain_text)
    name = name or click.prompt("E-mail address or card number")
    proof = secret("Present password or PIN, or reset code", from_stdin=from_stdin)
    new = secret("New password or PIN", from_stdin=from_stdin, is_new=True)
    with ended_by_refusals(json_wanted=False), connected(frontend_target) as channel:
        request = SetPasswordRequest(name=name, proof=proof, new_secret=new)
        AccessServiceStub(channel).SetPassword(request, timeout=SIGN_IN_SECONDS)
    click.echo("It is set. All sessions have ended; to sign in, run: library login")


@click.command("reset-code", short_help="Make a code with which a user sets a password.")
@click.argument("user_text", metavar="USER")
@json_option
@frontend_target_option
def reset_code_command(user_text: str, json_wanted: bool, frontend_target: str) -> None:
    """Make a code with which USER sets a password or a PIN, once, within 24 hours.

    USER is an e-mail address, a card number, an id, the beginning of an address or id, or a name.

    Exit status: 0 when the code is made; 1 when the service refused, or not exactly one user matches; 2 when no
    service answered.
    """
    with ended_by_refusals(json_wanted=json_wanted), connected(frontend_target) as channel:
        user = find_user(Desk(channel), user_text)
        code = AccessServiceStub(channel).CreateResetCode(
            CreateResetCodeRequest(user_id=user.id), timeout=ANSWER_SECONDS
        )
    if json_wanted:
        click.echo(json.dumps(as_json(code), indent=2, ensure_ascii=False))
        return
    click.echo(f"The code of {person(user)} is {code.code}, until {local_time(code.expire_time)}.")
    click.echo(f"To set a password with it, run: library set-password {naming(user)}")
