"""`library doctor`: find and repair damage in both stores that a running service cannot repair."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import NamedTuple

import click

from library_cli.stores import SERVICES, database_urls, missing_store, store_options


class Result(NamedTuple):
    """The result of checking one store."""

    damage: list[str]
    repaired: bool = False
    frontend_id: str = ""
    """The frontend that the store belongs to, or is paired with."""
    lost: str = ""
    """What a repair replaced: the frontend's `id`, its `secret`, or nothing."""
    error: str = ""

    @property
    def is_well(self) -> bool:
        """Whether the store has no damage now."""
        return not self.error and (self.repaired or not self.damage)


@click.command("doctor", short_help="Find damage in both stores, and repair it.")
@click.option("--repair", is_flag=True, help="Repair the damage. Stop the services first.")
@click.option("--json", "json_wanted", is_flag=True, help="Print the result as JSON.")
@store_options
def doctor_command(repair: bool, json_wanted: bool, **_where: object) -> None:
    """Look for damage in both stores: in counters, revisions, the state of the sync, and the number of open loans.

    Without --repair the command changes nothing, and the services may run. --repair fails while a service uses a
    damaged store. After a repair both services send and read everything again when they run; nothing is lost or
    doubled. Copy the stores before a repair.

    Exit status: 0 when nothing is damaged or everything was repaired, otherwise 1.
    """
    urls = database_urls(click.get_current_context())
    results = {service: _check(service, urls[service], repair=repair) for service in SERVICES}
    if all(result.is_well for result in results.values()):
        problem = _pair_again(results["admin"], results["frontend"], urls["admin"])
        results["admin"] = results["admin"]._replace(error=problem)
    if json_wanted:
        click.echo(json.dumps({service: result._asdict() for service, result in results.items()}, indent=2))
    else:
        _print(results, repair=repair)
    if not all(result.is_well for result in results.values()):
        sys.exit(1)


def _print(results: dict[str, Result], *, repair: bool) -> None:
    for service, result in results.items():
        found = "; ".join(result.damage) or ("" if result.error else "nothing is damaged")
        outcome = "repaired; everything is sent and read again when the services run" if result.repaired else ""
        click.echo(f"The {service} store: {'; '.join(filter(None, (found, outcome, result.error)))}")
    if not repair and any(result.damage for result in results.values()):
        click.echo("To repair it, stop the services and run: library doctor --repair")


def _check(service: str, url: str, *, repair: bool) -> Result:
    if missing := missing_store(service, url):
        return Result(damage=[], error=missing)
    done = run_service(service, url, "check-store", "--json", *(["--repair"] if repair else []))
    try:
        return Result(**json.loads(done.stdout))
    except ValueError:  # it ended with an error message
        return Result(damage=[], error=done.stderr.strip() or f"check-store ended with status {done.returncode}")


def _pair_again(admin: Result, frontend: Result, admin_url: str) -> str:
    """Pair the services again if a repair replaced the frontend's id or secret. Returns an error message, or "".

    If the admin service is paired with another frontend, only a person can decide that this one replaces it.
    """
    is_of_another = bool(admin.frontend_id) and admin.frontend_id != frontend.frontend_id
    if not frontend.frontend_id or not (frontend.lost or admin.lost):
        return ""
    if frontend.lost == "secret" and not admin.lost and is_of_another:
        return ""
    done = run_service("admin", admin_url, "accept-frontend", frontend.frontend_id)
    return done.stderr.strip() if done.returncode else ""


def run_service(service: str, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of a server that works on its store. Its output is captured."""
    # Not as an argument: a database URL may contain a password, and all users can see the arguments of a process.
    environment = {**os.environ, f"LIBRARY_{service.upper()}_DATABASE_URL": url}
    command = [sys.executable, "-m", f"{service}_server", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
