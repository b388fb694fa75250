"""The commands `library block` and `library unblock`."""

from __future__ import annotations

import json
from datetime import date

import click

from library.frontend.v1.member_service_pb2 import BlockUserRequest, UnblockUserRequest
from library.v1.user_pb2 import User
from library_cli.desk.columns import naming, person
from library_cli.desk.finding import find_user
from library_cli.desk.refusals import Refusal, at_desk
from library_cli.desk.typing_aids import DeskCommand
from library_cli.options import frontend_target_option
from library_cli.policy.values import DATE
from library_cli.tables import as_json, json_option
from library_cli.times import counted, end_of_day, local_time


@click.command("block", cls=DeskCommand, short_help="Block a user by hand, who can then neither borrow nor renew.")
@click.argument("user_text", metavar="USER")
@click.argument("reason")
@click.option("--until", type=DATE, help="The last day of the block, as YYYY-MM-DD. Without it: until it is lifted.")
@json_option
@frontend_target_option
def block_command(user_text: str, reason: str, until: date | None, json_wanted: bool, frontend_target: str) -> None:
    """Block USER, because of REASON. A blocked user can neither borrow nor renew, and can return books.

    Example: library block ada@example.org "Damaged book not paid" --until 2027-01-31

    USER is an e-mail address, a card number, an id, the beginning of an address or id, or a name.

    Exit status: 0 when the user is blocked; 1 when the service refused, or not exactly one user matches; 2 when no
    service answered.
    """
    with at_desk(frontend_target, json_wanted=json_wanted) as desk:
        user = find_user(desk, user_text)
        request = BlockUserRequest(user_id=user.id, reason=reason)
        if until:
            request.end_time.CopyFrom(end_of_day(until))
        user = desk.change(desk.members.BlockUser, request)
    if json_wanted:
        _as_json(user)
        return
    until_when = f"until {local_time(user.blocks[-1].end_time)}" if until else "until the block is lifted"
    click.echo(f"{person(user)} is blocked {until_when}: {user.blocks[-1].reason}.")
    click.echo(f"To lift the block, run: library unblock {naming(user)}")


@click.command("unblock", cls=DeskCommand, short_help="Lift the blocks of a user.")
@click.argument("user_text", metavar="USER")
@click.option(
    "--block", "block_id", default="", metavar="ID", help="Only the block with this id; --json shows the ids."
)
@json_option
@frontend_target_option
def unblock_command(user_text: str, block_id: str, json_wanted: bool, frontend_target: str) -> None:
    """Lift all blocks of USER that were made by hand, or one of them.

    Example: library unblock ada@example.org

    Exit status: 0 when the blocks are lifted; 1 when the user has none, the service refused, or not exactly one user
    matches; 2 when no service answered.
    """
    with at_desk(frontend_target, json_wanted=json_wanted) as desk:
        user = find_user(desk, user_text)
        ids = [block_id] if block_id else [block.id for block in user.blocks]
        if not ids:
            raise Refusal("BLOCK_NOT_FOUND", f"{person(user)} has no block.")
        for each in ids:
            user = desk.change(desk.members.UnblockUser, UnblockUserRequest(user_id=user.id, block_id=each))
    if json_wanted:
        _as_json(user)
        return
    rest = f" {counted(len(user.blocks), 'block')} left." if user.blocks else ""
    click.echo(f"Lifted {counted(len(ids), 'block')} of {person(user)}.{rest}")


def _as_json(user: User) -> None:
    click.echo(json.dumps(as_json(user), indent=2, ensure_ascii=False))
