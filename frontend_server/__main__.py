"""The command `library-frontend`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

import click

from frontend_server import app
from frontend_server.access.account import find_or_enroll, new_code, show_account
from frontend_server.access.keys import rotate_keys
from frontend_server.access.provider import EMAIL, ProviderSettings
from frontend_server.access.provider_keys import is_url
from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.rules import LendingRules
from frontend_server.repair import find_damage, frontend_id, repair
from frontend_server.settings import Settings
from frontend_server.store.models import MIGRATIONS, SCHEMA, bind
from frontend_server.sync.sync import SyncSettings
from frontend_server.watched_clock import ClockTooEarly, accept, read_mark
from service_kit.addresses import AddressTaken, ListenRefused
from service_kit.clock import rfc3339, system_clock
from service_kit.doctor import Doctor, check_store
from service_kit.errors import ServiceError
from service_kit.logs import set_up_logs
from service_kit.migrations import migrate
from service_kit.open_files import raise_file_limit
from service_kit.private_files import set_private_umask
from service_kit.settings import channel_settings, setting
from service_kit.store import StoreSettingsError, open_store
from service_kit.store_settings import ServerSettings, database_setting, store_server_settings
from service_kit.tls import ChannelTls, TlsSettingsError

PREFIX = "LIBRARY_FRONTEND"
DATABASE_URL = "sqlite:///.data/frontend.db"
DATABASE = database_setting(PREFIX, DATABASE_URL)


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


class _Issuer(click.ParamType[str]):
    name = "URL"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_url(value):
            self.fail(f"{value!r} is not a URL with https. On this machine, http is possible.", param, ctx)
        return str(value)


def provider_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add the settings of the OpenID provider, and pass them as `provider`: None if there is none."""

    @setting(
        PREFIX,
        "--oidc-issuer",
        type=_Issuer(),
        default=None,
        help="The issuer of the OpenID provider that users sign in with.  [default: none]",
    )
    @setting(
        PREFIX,
        "--oidc-client-id",
        metavar="ID",
        default=None,
        help="The client id of the library at the OpenID provider.  [default: none]",
    )
    @setting(
        PREFIX,
        "--oidc-claim",
        metavar="NAME",
        default=EMAIL,
        help="The claim of ID tokens with the e-mail address or the card number of the user.",
    )
    @setting(
        PREFIX,
        "--oidc-scopes",
        metavar="SCOPES",
        default="openid email",
        help="What clients ask the OpenID provider for, so that the claim is in ID tokens.",
    )
    @functools.wraps(command)
    def with_provider(
        *, oidc_issuer: str | None, oidc_client_id: str | None, oidc_claim: str, oidc_scopes: str, **others: Any
    ) -> None:
        if bool(oidc_issuer) != bool(oidc_client_id):
            raise click.UsageError("--oidc-issuer and --oidc-client-id go together.")
        provider = None
        if oidc_issuer and oidc_client_id:
            provider = ProviderSettings(oidc_issuer, oidc_client_id, oidc_claim, oidc_scopes)
        command(provider=provider, **others)

    return with_provider


@commands.command()
@store_server_settings(PREFIX, listen="127.0.0.1:50051", database_url=DATABASE_URL)
@setting(PREFIX, "--admin-target", default="127.0.0.1:50052", help="HOST:PORT of the admin service.")
@channel_settings(PREFIX, "admin")
@setting(
    PREFIX,
    "--sync-interval",
    type=click.FloatRange(0.05, 3600),
    default=1.0,
    help="Seconds between two reads of the admin's catalogue.",
)
@setting(
    PREFIX,
    "--loan-limit",
    type=click.IntRange(1, 10_000),
    default=100,
    help="The most loans that a user may have open, until the settings of the library have a limit.",
)
@setting(
    PREFIX,
    "--daily-fine",
    type=_Fine(),
    default="0.20 EUR",
    help="The fine for each day that a book is late, until the rule for everything is changed.",
)
@provider_settings
def serve(
    server: ServerSettings,
    admin_target: str,
    admin_tls: ChannelTls,
    sync_interval: float,
    loan_limit: int,
    daily_fine: DailyFine,
    provider: ProviderSettings | None,
) -> None:
    """Migrate the store, sync with the admin, and serve until SIGTERM."""
    raise_file_limit()
    server.set_up_logs()
    sync = SyncSettings(admin_target, sync_interval, admin_tls=admin_tls)
    app.run(Settings(server, LendingRules(loan_limit, daily_fine), sync, provider))


@commands.command(name="migrate")
@DATABASE
def migrate_store(database_url: str) -> None:
    """Migrate the store and exit."""
    with closing(open_store(database_url, schema=SCHEMA)) as store:
        applied = migrate(store, MIGRATIONS)
    for name in applied or ["nothing to do"]:
        click.echo(name)


@commands.command(name="accept-clock")
@DATABASE
@click.option("--yes", is_flag=True, help="Do not ask.")
def accept_clock(database_url: str, yes: bool) -> None:
    """Lend again although the store has times in the future, because the clock was ahead once.

    Books are not lent while the clock of this machine is more than a day behind the newest time in the store. If the
    clock is right and the time in the store is wrong, this command resets that time. Loans, users and books keep their
    times. A running service lends again within one sync interval.
    """
    with closing(open_store(database_url, schema=SCHEMA)) as store:
        migrate(store, MIGRATIONS)
        bind(store)
        mark = read_mark(store)
        now = system_clock()
        click.echo(f"The store:                    {store.safe_url}")
        click.echo(f"The clock of this machine:    {rfc3339(now)}")
        click.echo(f"The newest time in the store: {rfc3339(mark.newest_time)}")
        if not mark.behind(now):
            click.echo("The clock is not behind: there is nothing to accept.")
            return
        if not yes:
            click.confirm("Is the clock of this machine right, and the time in the store wrong?", abort=True)
        with store.explained("write to {}"):
            accept(store, now)
        click.echo("Books are lent again. Loans made while the clock was wrong keep their times.")


@commands.command()
@DATABASE
@click.argument("name")
@click.option("--first-name", default="", help="Enrol the person under this name, if nobody has NAME.")
@click.option("--last-name", default="", help="Enrol the person under this name, if nobody has NAME.")
@click.option("--code/--no-code", "with_code", default=True, show_default=True, help="Make a reset code.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def account(database_url: str, name: str, first_name: str, last_name: str, with_code: bool, as_json: bool) -> None:
    """Show the id of a user and make a reset code, with which the user sets a password.

    NAME is an e-mail address, a card number or an id. With a first or a last name, a person whom nobody has enrolled is
    enrolled. The service may run meanwhile. An earlier code of the user is no longer valid.
    """
    with closing(open_store(database_url, schema=SCHEMA)) as store:
        migrate(store, MIGRATIONS)
        bind(store)
        with store.explained("write to {}"):
            user = find_or_enroll(store, name, first_name, last_name, system_clock)
            code = new_code(store, user.id, system_clock) if with_code else None
    show_account(user, code, as_json=as_json)


@commands.command(name="rotate-keys")
@DATABASE
@click.option("--retire-now", is_flag=True, help="End all access tokens at once: their key may be known to others.")
def rotate(database_url: str, retire_now: bool) -> None:
    """Make a new key for access tokens. The service may run.

    The new key signs once the admin service has it. The key before it remains valid until its last token has expired,
    so nobody has to sign in again. With --retire-now all other keys are retired at once; clients refresh
    their sessions with the refresh tokens, which remain valid.
    """
    with closing(open_store(database_url, schema=SCHEMA)) as store:
        migrate(store, MIGRATIONS)
        bind(store)
        with store.explained("write to {}"):
            key_id = rotate_keys(store, system_clock, retire_now=retire_now)
        click.echo(f"The new key: {key_id}")


@commands.command(name="check-store")
@DATABASE
@click.option("--repair", "is_to_repair", is_flag=True, help="Repair the damage. Stop the service first.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def check(database_url: str, is_to_repair: bool, as_json: bool) -> None:
    """Check the store for damage; exit with status 1 if there is some. `library doctor` checks both services."""
    doctor = Doctor(SCHEMA, bind, find_damage, frontend_id, repair)
    check_store(doctor, database_url, is_to_repair=is_to_repair, as_json=as_json)


def main() -> None:
    """Run the command. A wrong setting is reported in one sentence, with exit status 1."""
    try:
        set_private_umask()
        set_up_logs("warning")  # to standard error; `serve` has settings for it
        commands()
    except ServiceError as refusal:
        sys.exit(f"library-frontend: {refusal}")
    except (AddressTaken, ClockTooEarly, ListenRefused, StoreSettingsError, TlsSettingsError) as error:
        sys.exit(f"library-frontend: {error}")


if __name__ == "__main__":
    main()
