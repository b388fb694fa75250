"""The command `library-admin`."""

from __future__ import annotations

import sys
import uuid
from contextlib import closing

import click

from admin_server import app
from admin_server.access.roles import grant_role_on_machine
from admin_server.jobs.options import job_options
from admin_server.jobs.settings import JobSettings
from admin_server.operations.limits import UPLOAD_BYTES, OperationLimits
from admin_server.settings import Settings
from admin_server.sources.catalogues import SourceSettings
from admin_server.sources.options import source_options
from admin_server.store.models import MIGRATIONS, SCHEMA, bind
from admin_server.sync.pairing import accept_frontend
from admin_server.sync.repair import find_damage, frontend_id, repair
from library.admin.v1.staff_service_pb2 import GrantRoleRequest
from library_domain.access.roles import USER_ROLES, role_name, role_named
from service_kit.addresses import AddressTaken, ListenRefused
from service_kit.clock import system_clock
from service_kit.doctor import Doctor, check_store
from service_kit.errors import ServiceError
from service_kit.logs import set_up_logs
from service_kit.migrations import migrate
from service_kit.open_files import raise_file_limit
from service_kit.private_files import set_private_umask
from service_kit.settings import setting
from service_kit.store import StoreSettingsError, open_store
from service_kit.store_settings import ServerSettings, database_setting, store_server_settings
from service_kit.tls import TlsSettingsError

PREFIX = "LIBRARY_ADMIN"
DATABASE_URL = "sqlite:///.data/admin.db"
DATABASE = database_setting(PREFIX, DATABASE_URL)


@click.group()
def commands() -> None:
    """The library's admin service: the catalogue, and reports on users and loans."""


@commands.command()
@store_server_settings(PREFIX, listen="127.0.0.1:50052", database_url=DATABASE_URL)
@source_options(PREFIX)
@job_options(PREFIX)
@setting(
    PREFIX,
    "--upload-bytes",
    type=click.IntRange(min=1),
    default=UPLOAD_BYTES,
    help="The most bytes of a file that is imported as an operation; it is in the store until its import has ended.",
)
def serve(server: ServerSettings, sources: SourceSettings, jobs: JobSettings, upload_bytes: int) -> None:
    """Migrate the store and serve until SIGTERM."""
    raise_file_limit()
    server.set_up_logs()
    app.run(Settings(server, operations=OperationLimits(upload_bytes=upload_bytes), sources=sources, jobs=jobs))


@commands.command(name="migrate")
@DATABASE
def migrate_store(database_url: str) -> None:
    """Migrate the store and exit."""
    with closing(open_store(database_url, schema=SCHEMA)) as store:
        applied = migrate(store, MIGRATIONS)
    for name in applied or ["nothing to do"]:
        click.echo(name)


@commands.command(name="accept-frontend")
@click.argument("frontend_id", type=click.UUID)
@DATABASE
def accept(frontend_id: uuid.UUID, database_url: str) -> None:
    """Record the users and loans of this frontend from now on, and of no other frontend.

    Use it only if the previous frontend will never run again: two frontends that lend the same copies lend them twice.

    Use it also for a frontend that has lost its secret: the admin is paired with it again at its next call.
    """
    with closing(open_store(database_url, schema=SCHEMA)) as store:
        migrate(store, MIGRATIONS)
        bind(store)
        with store.explained("write to {}"):
            accept_frontend(store, str(frontend_id))
    click.echo(f"users and loans of the frontend {frontend_id} are recorded from now on")


@commands.command(name="grant-role")
@click.argument("user_id", type=click.UUID)
@click.argument("role", type=click.Choice([role_name(role) for role in USER_ROLES]))
@click.option("--may-override", "reasons", multiple=True, metavar="REASON", help="A refusal that a librarian may "
              "override, such as LOAN_LIMIT_REACHED; can be repeated.")  # fmt: skip
@DATABASE
def grant_role(user_id: uuid.UUID, role: str, reasons: tuple[str, ...], database_url: str) -> None:
    """Grant ROLE to a user; `patron` revokes it. The service may run meanwhile.

    `library grant-role` also finds or enrols the user. The frontend need not have sent the user yet.
    """
    request = GrantRoleRequest(user_id=str(user_id), role=role_named(role), override_reasons=reasons)
    with closing(open_store(database_url, schema=SCHEMA)) as store:
        migrate(store, MIGRATIONS)
        bind(store)
        with store.explained("write to {}"):
            grant_role_on_machine(store, request, system_clock)
    click.echo(f"the user {user_id} has the role {role}")


@commands.command(name="check-store")
@DATABASE
@click.option("--repair", "is_to_repair", is_flag=True, help="Repair the damage. Stop the service first.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def check(database_url: str, is_to_repair: bool, as_json: bool) -> None:
    """Check the store for damage; exit with status 1 if there is some. `library doctor` checks both services."""
    doctor = Doctor(SCHEMA, bind, find_damage, frontend_id, lambda store: repair(store, system_clock))
    check_store(doctor, database_url, is_to_repair=is_to_repair, as_json=as_json)


def main() -> None:
    """Run the command. A wrong setting is reported in one sentence, with exit status 1."""
    try:
        set_private_umask()
        set_up_logs("warning")  # to standard error; `serve` has settings for it
        commands()
    except (AddressTaken, ListenRefused, ServiceError, StoreSettingsError, TlsSettingsError) as error:
        sys.exit(f"library-admin: {error}")


if __name__ == "__main__":
    main()
