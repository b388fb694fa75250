"""The command `library`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click.core import ParameterSource
from rich.console import Console

from library_cli import status, up, users
from library_cli.backup import backup_command, restore_command, verify_command
from library_cli.channel import connected, health_of
from library_cli.doctor import doctor_command
from library_cli.exporting.command import export_command
from library_cli.grpc_errors import CallFailed
from library_cli.http_health import health_at, is_http_url
from library_cli.importing.command import import_command
from library_cli.options import admin_target_option, frontend_target_option
from service_kit.private_files import set_private_umask


def http_url(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Let through what is a URL of a web server."""
    if not is_http_url(value):
        raise click.BadParameter(f"{value!r} is no URL such as http://127.0.0.1:8080.")
    return value


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lending-library")
def main() -> None:
    """Run and look after a lending library."""


for command in (backup_command, verify_command, restore_command, doctor_command, import_command, export_command):
    main.add_command(command)


@main.command("status", short_help="Show how the services are.")
@click.option("--json", "json_wanted", is_flag=True, help="Tell all as JSON.")
@admin_target_option
@frontend_target_option
@click.option(
    "--rest-url",
    envvar="LIBRARY_REST_URL",
    default="http://127.0.0.1:8080",
    show_default=True,
    show_envvar=True,
    callback=http_url,
    help="Where the REST service is.",
)
@click.pass_context
def status_command(
    context: click.Context, json_wanted: bool, admin_target: str, frontend_target: str, rest_url: str
) -> None:
    """Show how the services are, what their stores hold, and what one has yet to tell the other.

    A table on a terminal, lines of `service.key: value` elsewhere.

    Exit status: 0 when all serve, 1 when one does not, when rows are parked, which the admin service refused, or when
    rows are set aside, which the frontend's store could not apply, or when the frontend's clock is more than a day
    behind the newest time in its store, so that it does not lend. A REST service that does not answer only counts when
    --rest-url or its variable says where it should be.
    """
    reports = {
        "admin": status.admin_report(admin_target),
        "frontend": status.frontend_report(frontend_target),
        "rest": status.rest_report(rest_url),
    }
    rest_counts = context.get_parameter_source("rest_url") is not ParameterSource.DEFAULT
    console = Console()
    if json_wanted:
        click.echo(status.as_json(reports))
    elif console.is_terminal:
        status.print_tables(reports, console)
    else:
        for line in status.as_lines(reports):
            click.echo(line)
    sys.exit(0 if status.all_are_well(reports, rest_counts=rest_counts) else 1)


@main.command("users", short_help="Find users by a part of a name or of an e-mail address.")
@click.argument("query", nargs=-1)
@click.option("--include-closed", is_flag=True, help="Also users whose account is closed.")
@click.option("--json", "json_wanted", is_flag=True, help="Write all fields as JSON.")
@frontend_target_option
def users_command(query: tuple[str, ...], include_closed: bool, json_wanted: bool, frontend_target: str) -> None:
    """List the users that have each word of QUERY in a name or in the e-mail address; without QUERY all users.

    A word is also found in the middle of another one: `lace` finds Lovelace. Case and accents do not matter. A whole
    e-mail address finds who has it.

    A table on a terminal; elsewhere a line for each user, with tabs between id, e-mail address, name, state and number
    of loans that are out.

    Exit status: 0 when the service answered, also when nobody was found, 1 when it did not.
    """
    try:
        with connected(frontend_target) as channel:
            found = list(users.found(channel, " ".join(query), include_closed=include_closed))
    except CallFailed as problem:
        raise click.ClickException(str(problem)) from problem
    console = Console()
    if json_wanted:
        click.echo(users.as_json(found))
    elif console.is_terminal:
        users.print_table(found, console)
    else:
        for line in users.as_lines(found):
            click.echo(line)


@main.command("health", short_help="Ask a service whether it serves.")
@click.argument("target")
def health_command(target: str) -> None:
    """Ask the service at TARGET whether it serves; made for the health checks of containers.

    TARGET is HOST:PORT for a gRPC service, and a URL, as in http://127.0.0.1:8080/healthz, for the REST service.

    Exit status: 0 when it says SERVING, else 1.
    """
    try:
        if is_http_url(target):
            health = health_at(target).status
        else:
            with connected(target) as channel:
                health = health_of(channel)
    except CallFailed as problem:
        raise click.ClickException(str(problem)) from problem
    click.echo(health)
    sys.exit(0 if health == "SERVING" else 1)


@main.command("up")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=".data",
    show_default=True,
    help="Where the logs are, and the SQLite stores unless a variable names others.",
)
def up_command(data_dir: Path) -> None:
    """Run the services on this machine until Ctrl-C or SIGTERM: admin, frontend, and HTTP and JSON before both.

    A new library gets a sample of well-known books. The variables of `library-admin serve`,
    `library-frontend serve` and `library-rest serve` are passed on.

    Exit status: 0 when all were stopped as asked, 1 when one did not start or ended by itself.
    """
    set_private_umask()
    try:
        up.prepare_folder(data_dir)
    except OSError as problem:
        raise click.ClickException(str(problem)) from problem
    problems = up.run(data_dir)
    for problem_told in problems:
        click.echo(f"Error: {problem_told}", err=True)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main(prog_name="library")
