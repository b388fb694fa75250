"""The command `library`."""

from __future__ import annotations

import io
import sys
from importlib import import_module
from pathlib import Path

import click

from library_cli.access.chosen import chosen
from library_cli.transport import ClientFiles, choose

MODULES = {
    "search": "desk.search",
    "users": "desk.users",
    "enrol": "desk.enrol",
    "block": "desk.block",
    "unblock": "desk.block",
    "anonymise": "desk.privacy",
    "erase-user": "desk.privacy",
    "export-user": "desk.privacy",
    "import-users": "importing.users",
    "lend": "desk.lend",
    "return": "desk.return_",
    "renew": "desk.renew",
    "loans": "desk.loans",
    "desk": "desk_screen.command",
    "labels": "labels.command",
    "items": "inventory.items",
    "rules": "policy.rules",
    "branches": "policy.branches",
    "calendar": "policy.calendar",
    "settings": "policy.settings",
    "staff": "staff.roles",
    "api-token": "staff.api_tokens",
    "grant-role": "staff.grant_role",
    "report": "reports.command",
    "history": "reports.history",
    "audit": "reports.audit",
    "login": "access.sign_in",
    "logout": "access.sign_in",
    "whoami": "access.sign_in",
    "set-password": "access.secrets",
    "reset-code": "access.secrets",
    "context": "access.command",
    "up": "up",
    "status": "status.command",
    "health": "health_command",
    "import": "importing.command",
    "sources": "importing.sources",
    "imports": "imports.command",
    "add": "importing.adding",
    "export": "exporting.command",
    "doctor": "doctor",
    "backup": "backup",
    "verify": "backup",
    "restore": "backup",
    "certs": "certs.command",
    "completion": "completion",
}
"""The module of each command, which is its `NAME_command`, with `_` instead of `-`. Only the module of the command that
runs is imported: importing all of them takes as long as running a command."""


class Commands(click.Group):
    """The commands in `MODULES`, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in MODULES:
            return None
        command: click.Command = getattr(
            import_module(f"library_cli.{MODULES[cmd_name]}"), f"{cmd_name.replace('-', '_')}_command"
        )
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lending-library")
@click.option(
    "--context",
    envvar="LIBRARY_CONTEXT",
    show_envvar=True,
    default="",
    metavar="NAME",
    help="The library to work with: see `library context`.  [default: the one that is in use]",
)
@click.option(
    "--ca",
    envvar="LIBRARY_CA",
    show_envvar=True,
    default="",
    metavar="FILE",
    help="Call the services with TLS: the authorities of their certificates, in a PEM file, or the word public.  "
    "[default: plain text]",
)
@click.option(
    "--client-cert",
    envvar="LIBRARY_CLIENT_CERT",
    show_envvar=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Your own certificate, for services that require one.",
)
@click.option(
    "--client-key",
    envvar="LIBRARY_CLIENT_KEY",
    show_envvar=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The private key of that certificate.",
)
@click.pass_context
def main(ctx: click.Context, context: str, ca: str, client_cert: Path | None, client_key: Path | None) -> None:
    """Run and look after a lending library."""
    chosen().asked = context
    if ctx.invoked_subcommand != "up":  # it calls the services that it starts, and not those of a context
        ca = ca or chosen().context().ca
    if bool(client_cert) != bool(client_key) or (client_cert and not ca):
        raise click.UsageError("--client-cert and --client-key are required together, and with --ca.")
    choose(ClientFiles(ca, client_cert, client_key))
    ctx.call_on_close(lambda: choose(ClientFiles()))  # tests run several commands in a process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal may lack characters of a title. They are printed as escapes, such as \u0141.
            stream.reconfigure(errors="backslashreplace")


def every_command() -> dict[str, click.Command]:
    """Import all commands, and return each by its name."""
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


if __name__ == "__main__":
    main(prog_name="library")
