"""The command `library status`."""

from __future__ import annotations

import sys

import click
from click.core import ParameterSource
from rich.console import Console

from library_cli.access.chosen import chosen
from library_cli.http_health import is_http_url
from library_cli.options import ContextOption, admin_target_option, frontend_target_option
from library_cli.status import reports as status
from library_cli.status.summary import in_lines, overdue_count, summary


def http_url(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not is_http_url(value):
        raise click.BadParameter(f"{value!r} is not a URL such as http://127.0.0.1:8080.")
    return value


@click.command("status", short_help="Show the state of the library in ten lines.")
@click.option("--all", "all_wanted", is_flag=True, help="Show everything that the services report.")
@click.option("--json", "json_wanted", is_flag=True, help="Print everything that the services report as JSON.")
@admin_target_option
@frontend_target_option
@click.option(
    "--rest-url",
    cls=ContextOption,
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
    """Show the state of the library in ten lines, with what to do if something is wrong.

    --all shows everything that the services report: tables on a terminal, otherwise lines of `service.key: value`.

    Exit status: 0 when all services serve and nothing is wrong. 1 when a service does not serve, the last
    synchronization failed, rows are parked (the admin service refused them) or set aside (the frontend's store could
    not apply them), or the frontend does not lend because its clock is more than a day behind its store. A REST
    service that does not answer counts only if --rest-url or its variable is set.
    """
    reports = {
        "admin": status.admin_report(admin_target),
        "frontend": status.frontend_report(frontend_target),
        "rest": status.rest_report(rest_url),
    }
    is_default = context.get_parameter_source("rest_url") is ParameterSource.DEFAULT
    rest_counts = not is_default or bool(chosen().context().rest_url)
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
