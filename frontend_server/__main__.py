"""The command `library-frontend`."""

from __future__ import annotations

import sys
from contextlib import closing

import click

from frontend_server import app
from frontend_server.fines import DailyFine
from frontend_server.lending import LendingRules
from frontend_server.store.models import MIGRATIONS
from service_kit.addresses import AddressTaken
from service_kit.logs import set_up_logs
from service_kit.migrations import migrate
from service_kit.settings import as_json, server_settings, setting
from service_kit.store import StoreSettingsError, open_store
from service_kit.store_settings import database_setting, limits_for, open_store_for

PREFIX = "LIBRARY_FRONTEND"
DATABASE = database_setting(PREFIX, "sqlite:///.data/frontend.db")


class _Fine(click.ParamType[DailyFine]):
    name = "AMOUNT CURRENCY"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> DailyFine:
        try:
            return value if isinstance(value, DailyFine) else DailyFine.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group()
def commands() -> None:
    """The library's frontend service: users enrol, browse and borrow."""


@commands.command()
@server_settings(PREFIX, listen="127.0.0.1:50051")
@DATABASE
@setting(PREFIX, "--admin-target", default="127.0.0.1:50052", help="HOST:PORT of the admin service.")
@setting(
    PREFIX,
    "--sync-interval",
    type=click.FloatRange(0.05, 3600),
    default=1.0,
    help="Seconds between two looks at the admin's catalogue.",
)
@setting(PREFIX, "--loan-limit", type=click.IntRange(1, 10_000), default=100, help="Loans that a user may have out.")
@setting(PREFIX, "--daily-fine", type=_Fine(), default="0.20 EUR", help="What each day costs that a book is late.")
def serve(
    listen: str,
    database_url: str,
    threads: int | None,
    concurrent_calls: int,
    grace: float,
    log_level: str,
    log_format: str,
    admin_target: str,
    sync_interval: float,
    loan_limit: int,
    daily_fine: DailyFine,
) -> None:
    """Bring the store up to date, keep in step with the admin, and serve until SIGTERM."""
    set_up_logs(log_level, as_json=as_json(log_format))
    store = open_store_for(database_url, threads)
    limits = limits_for(store, threads, concurrent_calls, grace)
    app.run(store, listen, limits, LendingRules(loan_limit, daily_fine), admin_target, sync_interval)


@commands.command(name="migrate")
@DATABASE
def migrate_store(database_url: str) -> None:
    """Bring the store up to date and end."""
    with closing(open_store(database_url)) as store:
        applied = migrate(store, MIGRATIONS)
    for name in applied or ["nothing to do"]:
        click.echo(name)


def main() -> None:
    """Run the command; a setting that is wrong is one plain sentence and exit status 1."""
    try:
        commands()
    except (AddressTaken, StoreSettingsError) as error:
        sys.exit(f"library-frontend: {error}")


if __name__ == "__main__":
    main()
