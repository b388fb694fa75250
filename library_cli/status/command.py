"""The command `library status`."""

from __future__ import annotations

import sys

import click
from click.core import ParameterSource
from rich.console import Console

from library_cli.http_health import is_http_url
from library_cli.options import admin_target_option, frontend_target_option
from library_cli.status import reports as status
from library_cli.status.summary import in_lines, overdue_count, summary


def http_url(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Let through what is a URL of a web server."""
    if not is_http_url(value):
        raise click.BadParameter(f"{value!r} is no URL such as http://127.0.0.1:8080.")
    return value


@click.command("status", short_help="Show how the library is, in ten lines.")
@click.option("--all", "all_wanted", is_flag=True, help="Show all that the services report.")
@click.option("--json", "json_wanted", is_flag=True, help="Print all that the services report as JSON.")
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
    context: click.Context,
    all_wanted: bool,
    json_wanted: bool,
    admin_target: str,
    frontend_target: str,
    rest_url: str,
) -> None:
    """Show how the library is in ten lines, with what to do where something is wrong.

    With --all, all that the services report: tables on a terminal, lines of `service.key: value` elsewhere.

    Exit status: 0 when all serve, 1 when one does not, when the last synchronization failed, when rows are parked,
    which the admin service refused, when rows are set aside, which the frontend's store could not apply, or when the
    frontend's clock is more than a day behind the newest time in its store, so that it does not lend. A REST service
    that does not answer only counts when --rest-url or its variable says where it should be.
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
    elif not all_wanted:
        lines = summary(reports, overdue_count(frontend_target), rest_counts=rest_counts)
        for line, is_well in in_lines(lines):
            click.echo(line if is_well else click.style(line, fg="red", bold=True))
    elif console.is_terminal:
        status.print_tables(reports, console)
    else:
        for line in status.as_lines(reports):
            click.echo(line)
    sys.exit(0 if status.all_are_well(reports, rest_counts=rest_counts) else 1)
