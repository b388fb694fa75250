"""The command `library-admin`."""

from __future__ import annotations

import sys
import uuid
from contextlib import closing

import click

from admin_server import app
from admin_server.store.models import MIGRATIONS, SCHEMA, bind
from admin_server.sync.pairing import accept_frontend
from admin_server.sync.repair import find_damage, frontend_id, repair
from service_kit.addresses import AddressTaken
from service_kit.clock import system_clock
from service_kit.doctor import Doctor, check_store
from service_kit.logs import set_up_logs
from service_kit.migrations import migrate
from service_kit.open_files import raise_file_limit
from service_kit.private_files import set_private_umask
from service_kit.settings import as_json, server_settings
from service_kit.store import StoreSettingsError, open_store
from service_kit.store_settings import database_setting, limits_for, open_store_for

PREFIX = "LIBRARY_ADMIN"
DATABASE = database_setting(PREFIX, "sqlite:///.data/admin.db")


@click.group()
def commands() -> None:
    """The library's admin service: the catalogue, and reports on users and loans."""


@commands.command()
@server_settings(PREFIX, listen="127.0.0.1:50052")
@DATABASE
def serve(
    listen: str,
    database_url: str,
    threads: int | None,
    concurrent_calls: int,
    grace: float,
    log_level: str,
    log_format: str,
) -> None:
    """Bring the store up to date and serve until SIGTERM."""
    raise_file_limit()
    set_up_logs(log_level, as_json=as_json(log_format))
    store = open_store_for(database_url, threads, SCHEMA)
    app.run(store, listen, limits_for(store, threads, concurrent_calls, grace))


@commands.command(name="migrate")
@DATABASE
def migrate_store(database_url: str) -> None:
    """Bring the store up to date and end."""
    with closing(open_store(database_url, schema=SCHEMA)) as store:
        applied = migrate(store, MIGRATIONS)
    for name in applied or ["nothing to do"]:
        click.echo(name)


@commands.command(name="accept-frontend")
@click.argument("frontend_id", type=click.UUID)
@DATABASE
def accept(frontend_id: uuid.UUID, database_url: str) -> None:
    """Take the users and loans of this frontend from now on, and of no other.

    Only when the frontend before it is gone for good: two that lend the same copies lend them twice.

    Also for a frontend that has lost the secret by which the admin service knows it: it is paired again when it next
    calls.
    """
    with closing(open_store(database_url, schema=SCHEMA)) as store:
        migrate(store, MIGRATIONS)
        bind(store)
        with store.explained("write to {}"):
            accept_frontend(store, str(frontend_id))
    click.echo(f"users and loans of the frontend {frontend_id} are taken from now on")


@commands.command(name="check-store")
@DATABASE
@click.option("--repair", "is_to_repair", is_flag=True, help="Repair what is damaged. Stop the service before.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def check(database_url: str, is_to_repair: bool, as_json: bool) -> None:
    """Look for damage in the store; exit status 1 if there is some. `library doctor` does it for both services."""
    doctor = Doctor(SCHEMA, bind, find_damage, frontend_id, lambda store: repair(store, system_clock))
    check_store(doctor, database_url, is_to_repair=is_to_repair, as_json=as_json)


def main() -> None:
    """Run the command; a setting that is wrong is one plain sentence and exit status 1."""
    try:
        set_private_umask()
        set_up_logs("warning")  # to standard error; `serve` has settings for it
        commands()
    except (AddressTaken, StoreSettingsError) as error:
        sys.exit(f"library-admin: {error}")


if __name__ == "__main__":
    main()
