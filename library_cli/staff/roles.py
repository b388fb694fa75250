"""The command `library staff`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import click

from library.access.v1.access_pb2 import ROLE_PATRON
from library.admin.v1.staff_service_pb2 import GrantRoleRequest
from library.v1.staff_pb2 import StaffRole
from library.v1.user_pb2 import User
from library_cli.channel import connected
from library_cli.desk.calls import Desk
from library_cli.desk.columns import name_of, person
from library_cli.desk.finding import find_user
from library_cli.desk.refusals import ended_by_refusals
from library_cli.options import admin_target_option, frontend_target_option
from library_cli.staff.calls import STAFF_ROLE_NAMES, StaffOffice
from library_cli.tables import WIDE, Column, Form, as_json, json_option, limit_option, show
from library_domain.access.roles import role_name, role_named


class Member(NamedTuple):
    """A role with its user."""

    role: StaffRole
    user: User


def _member_as_json(member: Member) -> dict[str, Any]:
    return {**as_json(member.role), "user_email": member.user.email, "user_name": name_of(member.user)}


STAFF = Form[Member](
    columns=[
        Column("role", lambda member: role_name(member.role.role)),
        Column("name", lambda member: name_of(member.user)),
        Column("email", lambda member: member.user.email),
        Column("may override", lambda member: ", ".join(member.role.override_reasons)),
        Column("user id", lambda member: member.role.user_id, min_width=WIDE, is_whole=True),
    ],
    as_json=_member_as_json,
    nothing="Nobody has a role. To make the first admin, run on its machine: library grant-role NAME admin",
)


@dataclass(frozen=True)
class Targets:
    """Where the services are."""

    admin: str
    frontend: str


@click.group("staff", invoke_without_command=True, short_help="Show and change the roles of the staff.")
@limit_option
@json_option
@admin_target_option
@frontend_target_option
@click.pass_context
def staff_command(
    ctx: click.Context, limit: int | None, json_wanted: bool, admin_target: str, frontend_target: str
) -> None:
    """List who has a role, in the order in which the roles were first granted. Only admins can.

    The output is a table on a terminal, otherwise a line for each role, with tabs between role, name, address, the
    refusals that a librarian may override, and the id of the user.

    Exit status: 0 when the service answered; 1 when it refused; 2 when no service answered.
    """
    ctx.obj = Targets(admin_target, frontend_target)
    if ctx.invoked_subcommand is None:
        with ended_by_refusals(json_wanted=json_wanted), connected(admin_target) as channel:
            office = StaffOffice(channel)
            members = (Member(role, office.recorded_user(role.user_id)) for role in office.roles())
            show(members, STAFF, json_wanted=json_wanted, limit=limit)


@staff_command.command("grant")
@click.argument("user_text", metavar="USER")
@click.argument("role", type=click.Choice(STAFF_ROLE_NAMES))
@click.option("--may-override", "reasons", multiple=True, metavar="REASON", help="A refusal that a librarian may "
              "override at the desk, such as LOAN_LIMIT_REACHED; can be repeated.")  # fmt: skip
@click.pass_obj
def grant(targets: Targets, user_text: str, role: str, reasons: tuple[str, ...]) -> None:
    """Grant ROLE to USER, in place of the role that USER has.

    It takes effect at the admin service within 5 seconds, and at the frontend service within 5 seconds of its next
    pull. USER is an e-mail address, a card number, an id, the beginning of an address or id, or a name. --may-override
    replaces the refusals that were named before. Managers and admins may override all.
    """
    user = _change(targets, user_text, GrantRoleRequest(role=role_named(role), override_reasons=reasons))
    click.echo(f"{person(user)} has the role {role}.")


@staff_command.command("revoke")
@click.argument("user_text", metavar="USER")
@click.pass_obj
def revoke(targets: Targets, user_text: str) -> None:
    """Revoke the role of USER, who is a patron from then on."""
    user = _change(targets, user_text, GrantRoleRequest(role=ROLE_PATRON))
    click.echo(f"{person(user)} is a patron.")


def _change(targets: Targets, user_text: str, request: GrantRoleRequest) -> User:
    with ended_by_refusals(json_wanted=False):
        with connected(targets.frontend) as channel:
            user = find_user(Desk(channel), user_text)
        request.user_id = user.id
        with connected(targets.admin) as channel:
            office = StaffOffice(channel)
            office.change(office.staff.GrantRole, request)
    return user
