"""`library doctor`: looks for damage in both stores that no running service can repair, and repairs it."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from library_cli.stores import SERVICES, database_urls, store_options


@click.command("doctor", short_help="Look for damaged revisions in both stores, and repair them.")
@click.option("--repair", is_flag=True, help="Repair what is damaged. Stop the services before.")
@store_options
def doctor_command(repair: bool, **_where: object) -> None:
    """Look for damage in both stores: counters and revisions that no store in use reaches.

    With --repair they are reset, and both services send and read all again when they run: nothing is lost or doubled.
    It is refused while a service uses a damaged store. Make a copy of the stores before.

    Exit status: 0 when nothing is damaged, or all was repaired, else 1.
    """
    urls = database_urls(click.get_current_context())
    statuses = []
    for service in SERVICES:
        command = [sys.executable, "-m", f"{service}_server", "check-store", *(["--repair"] if repair else [])]
        # Not as an argument: a database URL may have a password, and others see the arguments of a process.
        variable = f"LIBRARY_{service.upper()}_DATABASE_URL"
        environment = {**os.environ, variable: urls[service]}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        said = (done.stdout + done.stderr).strip()
        click.echo(f"The {service} store: {said or 'nothing is damaged'}")
        statuses.append(done.returncode)
    if any(statuses):
        if not repair:
            click.echo("To repair it, stop the services and run: library doctor --repair")
        sys.exit(1)
