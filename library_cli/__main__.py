"""The command `library`."""

from __future__ import annotations

import io
import sys

import click

from library_cli.backup import backup_command, restore_command, verify_command
from library_cli.completion import completion_command
from library_cli.desk.enrol import enrol_command
from library_cli.desk.giving_back import return_command
from library_cli.desk.lend import lend_command
from library_cli.desk.loans import loans_command
from library_cli.desk.renew import renew_command
from library_cli.desk.search import search_command
from library_cli.desk.users import users_command
from library_cli.doctor import doctor_command
from library_cli.exporting.command import export_command
from library_cli.health_command import health_command
from library_cli.importing.command import import_command
from library_cli.status.command import status_command
from library_cli.up import up_command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lending-library")
def main() -> None:
    """Run and look after a lending library."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A title of any script is shown on any terminal, if need be by the numbers of its characters.
            stream.reconfigure(errors="backslashreplace")


COMMANDS = (
    *(search_command, users_command, enrol_command, lend_command, return_command, renew_command, loans_command),
    *(up_command, status_command, health_command, import_command, export_command, doctor_command),
    *(backup_command, verify_command, restore_command, completion_command),
)
for command in COMMANDS:
    main.add_command(command)


if __name__ == "__main__":
    main(prog_name="library")
