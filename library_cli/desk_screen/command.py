"""The command `library desk`."""

from __future__ import annotations

import getpass
import sys
import uuid
from datetime import datetime

import click

from library_cli.channel import connected
from library_cli.desk_screen.plain_lines import run_lines
from library_cli.desk_screen.service import Service
from library_cli.desk_screen.state import Desk
from library_cli.options import frontend_target_option

MOST_STAFF = 100
"""The longest name that the service keeps, in characters."""


def login_name() -> str:
    """Return the name of the user who is logged in; "" if the system has none."""
    try:
        return getpass.getuser()[:MOST_STAFF]
    except (KeyError, OSError):
        return ""


@click.command("desk", short_help="Lend, renew and take back at the desk, by scanning.")
@click.option("--staff", help="Who works at the desk, for the history.  [default: your login name]")
@click.option("--branch", default="", metavar="CODE", help="The branch of the desk.  [default: that of each item]")
@click.option("--print-with", default="", metavar="COMMAND", help="What prints a receipt, such as lp.")
@click.option("--bell/--no-bell", default=True, help="Ring for a refusal.  [default: bell]")
@click.option("--lines", "in_lines", is_flag=True, help="Write a line for each answer, without drawing a screen.")
@click.option("--json", "json_wanted", is_flag=True, help="Write an object a line, as JSON.")
@frontend_target_option
def desk_command(
    staff: str | None,
    branch: str,
    print_with: str,
    bell: bool,
    in_lines: bool,
    json_wanted: bool,
    frontend_target: str,
) -> None:
    """Lend, renew and take back by scanning cards and barcodes.

    A card opens its user. A barcode is lent to the open user; without one it is taken back. /help or F1 lists the
    commands: check-in mode, undo, override with a reason, and others.

    With --lines, with --json, or if standard input is not a terminal, each line is a scan or a command, and each answer
    is a line.

    Exit status: 0, also after refusals on a terminal. Of lines: 1 when a line was refused, 2 when no service answered.
    """
    desk = Desk(
        (login_name() if staff is None else staff)[:MOST_STAFF],
        branch,
        clock=lambda: datetime.now().astimezone(),
        new_request_id=lambda: str(uuid.uuid4()),
        bell=bell,
    )
    with connected(frontend_target) as channel:
        service = Service(channel, frontend_target, print_with)
        if in_lines or json_wanted or not (sys.stdin.isatty() and sys.stdout.isatty()):
            sys.exit(run_lines(desk, service, json_wanted=json_wanted))
        # prompt-toolkit takes a quarter of a second to import, and lines do not need it.
        from library_cli.desk_screen.screen import Screen  # noqa: PLC0415

        Screen(desk, service).run()
