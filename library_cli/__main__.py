"""The command `library`."""

from __future__ import annotations

import io
import sys
from importlib import import_module

import click

PLACES = {
    "search": "desk.search",
    "users": "desk.users",
    "enrol": "desk.enrol",
    "lend": "desk.lend",
    "return": "desk.giving_back",
    "renew": "desk.renew",
    "loans": "desk.loans",
    "up": "up",
    "status": "status.command",
    "health": "health_command",
    "import": "importing.command",
    "export": "exporting.command",
    "doctor": "doctor",
    "backup": "backup",
    "verify": "backup",
    "restore": "backup",
    "completion": "completion",
}
"""Each command, and the module of this package that has it, as `NAME_command`. Only the module of the command that runs
is loaded: all of them together take as long to load as a command takes to run."""


class Commands(click.Group):
    """The commands in `PLACES`, loaded when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name; None if there is none."""
        if cmd_name not in PLACES:
            return None
        command: click.Command = getattr(import_module(f"library_cli.{PLACES[cmd_name]}"), f"{cmd_name}_command")
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lending-library")
def main() -> None:
    """Run and look after a lending library."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A title of any script is shown on any terminal, if need be by the numbers of its characters.
            stream.reconfigure(errors="backslashreplace")


def every_command() -> dict[str, click.Command]:
    """Load all commands, and return each by its name."""
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


if __name__ == "__main__":
    main(prog_name="library")
