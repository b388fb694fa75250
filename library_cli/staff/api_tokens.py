"""The command `library api-token`."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from library.admin.v1.staff_service_pb2 import CreateApiTokenRequest, RevokeApiTokenRequest
from library.v1.staff_pb2 import ApiToken
from library_cli.channel import ANSWER_SECONDS, connected
from library_cli.desk.refusals import Refusal, ended_by_refusals
from library_cli.options import admin_target_option
from library_cli.staff.calls import STAFF_ROLE_NAMES, StaffOffice
from library_cli.tables import WIDE, Column, Form, as_json, json_option, limit_option, show
from library_cli.times import end_of_day, local_time
from library_domain.access.roles import role_name, role_named

PROGRAM_ROLES = ("guest", *STAFF_ROLE_NAMES)


def _state(token: ApiToken) -> str:
    if token.HasField("revoke_time"):
        return "revoked"
    if token.HasField("expire_time") and token.expire_time.ToDatetime(UTC) <= datetime.now(UTC):
        return "expired"
    return "valid"


TOKENS = Form[ApiToken](
    columns=[
        Column("name", lambda token: token.display_name),
        Column("state", _state),
        Column("role", lambda token: role_name(token.role)),
        Column("limited to", lambda token: ", ".join(token.scopes)),
        Column("expires", lambda token: local_time(token.expire_time) if token.HasField("expire_time") else ""),
        Column("last use", lambda token: local_time(token.last_use_time) if token.HasField("last_use_time") else ""),
        Column("id", lambda token: token.id, min_width=WIDE, is_whole=True),
    ],
    as_json=as_json,
    nothing="There is no API token.",
)


@click.group("api-token", short_help="Make, list and revoke tokens for programs.")
def api_token_command() -> None:
    """Make, list and revoke API tokens, with which programs call the library. Only admins can.

    Exit status: 0 when the service answered; 1 when it refused; 2 when no service answered.
    """


@api_token_command.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(PROGRAM_ROLES), required=True, help="What the program may do.")
@click.option("--scope", "scopes", multiple=True, metavar="NAME", help="A service or method that the token is limited "
              "to, such as library.admin.v1.CatalogService; can be repeated.  [default: all]")  # fmt: skip
@click.option("--expires", "last_day", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="The last day of the "
              "token.  [default: until it is revoked]")  # fmt: skip
@json_option
@admin_target_option
def create(
    name: str, role: str, scopes: tuple[str, ...], last_day: datetime | None, json_wanted: bool, admin_target: str
) -> None:
    """Make an API token for the program NAME, and print it. It cannot be shown again."""
    request = CreateApiTokenRequest(display_name=name, role=role_named(role), scopes=scopes)
    if last_day is not None:
        request.expire_time.CopyFrom(end_of_day(last_day.date()))
    with ended_by_refusals(json_wanted=json_wanted), connected(admin_target) as channel:
        # Without a request id, as its answer must not be stored. So it is not sent again when no answer comes.
        made = StaffOffice(channel).staff.CreateApiToken(request, timeout=ANSWER_SECONDS)
    if json_wanted:
        click.echo(json.dumps(as_json(made), indent=2, ensure_ascii=False))
        return
    click.echo(f"Made the token {made.api_token.display_name}, id {made.api_token.id}. It is shown only now:", err=True)
    click.echo(made.token)


@api_token_command.command("list")
@limit_option
@json_option
@admin_target_option
def list_(limit: int | None, json_wanted: bool, admin_target: str) -> None:
    """List the tokens without their secrets, oldest first, also those that were revoked or have expired.

    The output is a table on a terminal, otherwise a line for each token, with tabs between name, state, role, scopes,
    expiry, last use and id. Uses are noted to the minute, and by the admin service alone.
    """
    with ended_by_refusals(json_wanted=json_wanted), connected(admin_target) as channel:
        show(StaffOffice(channel).tokens(), TOKENS, json_wanted=json_wanted, limit=limit)


@api_token_command.command("revoke")
@click.argument("name_or_id", metavar="NAME_OR_ID")
@admin_target_option
def revoke(name_or_id: str, admin_target: str) -> None:
    """Revoke a token, for good. It takes effect as a role does: see `library staff grant --help`."""
    with ended_by_refusals(json_wanted=False), connected(admin_target) as channel:
        office = StaffOffice(channel)
        request = RevokeApiTokenRequest(id=_token_id(office, name_or_id))
        revoked = office.change(office.staff.RevokeApiToken, request)
    click.echo(f"The token {revoked.display_name} is revoked.")


def _token_id(office: StaffOffice, name_or_id: str) -> str:
    """Return the id of the token with this id, or of the one with this name that was not revoked."""
    wanted = name_or_id.casefold()
    for token in office.tokens():
        if token.id == wanted or (token.display_name.casefold() == wanted and not token.HasField("revoke_time")):
            return token.id
    how_to_list = "To list them, run: library api-token list"
    raise Refusal("API_TOKEN_NOT_FOUND", f"No valid token has the name or id {name_or_id}. {how_to_list}")
