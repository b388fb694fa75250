"""The command `library settings`."""

from __future__ import annotations

from collections.abc import Iterator

import click
from google.type.money_pb2 import Money

from library.admin.v1.policy_service_pb2 import GetLibrarySettingsRequest, UpdateLibrarySettingsRequest
from library.v1.library_settings_pb2 import LibrarySettings
from library_cli.channel import ANSWER_SECONDS
from library_cli.options import admin_target_option
from library_cli.policy.calls import in_office
from library_cli.policy.values import AMOUNT, amount_text
from library_cli.tables import as_json, json_option, write_json

FIELDS = {"name": "display_name", "loan-limit": "loan_limit", "max-fines": "user_fine_cap"}
"""The field that each option sets."""


@click.command("settings", short_help="Show and change what the library decides for all branches.")
@click.option("--name", "display_name", help="The name of the library.")
@click.option("--loan-limit", type=click.IntRange(min=0), help="The most loans that a user can have open.")
@click.option("--max-fines", "user_fine_cap", type=AMOUNT, help='The most fines of a user, such as "50 EUR".')
@click.option(
    "--clear",
    "cleared",
    multiple=True,
    type=click.Choice(list(FIELDS)),
    help="The settings that are unset.",
)
@json_option
@admin_target_option
def settings_command(
    display_name: str | None,
    loan_limit: int | None,
    user_fine_cap: Money | None,
    cleared: tuple[str, ...],
    json_wanted: bool,
    admin_target: str,
) -> None:
    """Show the settings; with options change them first.

    The output has a line for each setting: its name, a tab, its value.

    Exit status: 0 when the service answered; 1 when it refused; 2 when no service answered.
    """
    settings = LibrarySettings(display_name=display_name or "", loan_limit=loan_limit, user_fine_cap=user_fine_cap)
    given = {"display_name": display_name, "loan_limit": loan_limit, "user_fine_cap": user_fine_cap}
    paths = [name for name, value in given.items() if value is not None]
    paths += [FIELDS[name] for name in cleared if FIELDS[name] not in paths]
    with in_office(admin_target, json_wanted=json_wanted) as office:
        if paths:
            request = UpdateLibrarySettingsRequest(settings=settings)
            request.update_mask.paths.extend(paths)
            now = office.change(office.policy.UpdateLibrarySettings, request)
        else:
            now = office.policy.GetLibrarySettings(GetLibrarySettingsRequest(), timeout=ANSWER_SECONDS)
    if json_wanted:
        write_json([as_json(now)])
        return
    for line in _lines(now):
        click.echo(line)


def _lines(settings: LibrarySettings) -> Iterator[str]:
    yield f"name\t{settings.display_name}"
    yield f"loan-limit\t{settings.loan_limit if settings.HasField('loan_limit') else ''}"
    yield f"max-fines\t{amount_text(settings.user_fine_cap) if settings.HasField('user_fine_cap') else ''}"
