"""The command `library branches`."""

from __future__ import annotations

import click

from library.admin.v1.branch_service_pb2 import CreateBranchRequest, UpdateBranchRequest
from library.v1.branch_pb2 import Branch
from library_cli.options import admin_target_option
from library_cli.policy.calls import in_office
from library_cli.tables import Column, Form, as_json, json_option, limit_option, show

BRANCHES = Form[Branch](
    columns=[
        Column("code", lambda branch: branch.code),
        Column("name", lambda branch: branch.display_name),
        Column("time zone", lambda branch: branch.time_zone, lambda branch: branch.time_zone or _usual_zone(branch)),
    ],
    as_json=as_json,
    nothing="There is no branch.",
)


def _usual_zone(branch: Branch) -> str:
    return "that of the machine" if branch.code == "main" else "that of main"


@click.group("branches", invoke_without_command=True, short_help="Show and change the branches of the library.")
@limit_option
@json_option
@admin_target_option
@click.pass_context
def branches_command(ctx: click.Context, limit: int | None, json_wanted: bool, admin_target: str) -> None:
    """List the branches by code.

    The output is a table on a terminal, otherwise a line for each branch, with tabs between code, name and time zone.

    Exit status: 0 when the service answered; 1 when it refused; 2 when no service answered.
    """
    ctx.obj = admin_target
    if ctx.invoked_subcommand is None:
        with in_office(admin_target, json_wanted=json_wanted) as office:
            show(office.all_branches(), BRANCHES, json_wanted=json_wanted, limit=limit)


@branches_command.command("add")
@click.argument("code")
@click.argument("name")
@click.option("--zone", default="", help="Its time zone, such as Europe/Berlin.  [default: that of main]")
@click.pass_obj
def add(admin_target: str, code: str, name: str, zone: str) -> None:
    """Add a branch. CODE names it in items, rules and loans, and cannot be changed; NAME is what people read."""
    branch = Branch(code=code, display_name=name, time_zone=zone)
    with in_office(admin_target) as office:
        added = office.change(office.branches.CreateBranch, CreateBranchRequest(branch=branch))
    click.echo(f"Added the branch {added.code}, {added.display_name}. To close it on Sundays, run: ", nl=False)
    click.echo(f"library calendar --branch {added.code} week sunday")


@branches_command.command("change")
@click.argument("code")
@click.option("--name", help="What people read.")
@click.option("--zone", help="Its time zone, such as Europe/Berlin.")
@click.pass_obj
def change(admin_target: str, code: str, name: str | None, zone: str | None) -> None:
    """Change the name or the time zone of the branch CODE. Loans keep the zone in which they were made."""
    if name is None and zone is None:
        raise click.UsageError("Name what to change: --name, --zone or both.")
    request = UpdateBranchRequest(branch=Branch(code=code, display_name=name or "", time_zone=zone or ""))
    request.update_mask.paths.extend(["display_name"] if name is not None else [])
    request.update_mask.paths.extend(["time_zone"] if zone is not None else [])
    with in_office(admin_target) as office:
        changed = office.change(office.branches.UpdateBranch, request)
    zone_text = changed.time_zone or _usual_zone(changed)
    click.echo(f"Changed the branch {changed.code}: {changed.display_name}, time zone: {zone_text}.")
