"""The command `library users`."""

from __future__ import annotations

import click

from library_cli.desk.columns import USERS
from library_cli.desk.refusals import at_desk
from library_cli.options import frontend_target_option
from library_cli.tables import json_option, limit_option, show


@click.command("users", short_help="Find users by a part of a name or of an e-mail address, or by card.")
@click.argument("words", nargs=-1)
@click.option("--include-closed", is_flag=True, help="Also users whose account is closed.")
@click.option("--category", "user_category", default="", help="Only users of this category, in any case.")
@click.option("--group", default="", help="Only users of this group, in any case.")
@limit_option
@json_option
@frontend_target_option
def users_command(
    words: tuple[str, ...],
    include_closed: bool,
    user_category: str,
    group: str,
    limit: int | None,
    json_wanted: bool,
    frontend_target: str,
) -> None:
    """List the users that have each of the WORDS in a name or in the e-mail address; without WORDS all users.

    A word is also found inside another one: `lace` finds Lovelace. Case and accents do not matter. A whole e-mail
    address or card number finds its user, and so does the beginning of a card number.

    The output is a table on a terminal, otherwise a line for each user, with tabs between id, e-mail address, name,
    state, number of open loans, card number, category, group and end of the membership.

    Exit status: 0 when the service answered, also if no user was found; 1 when it refused; 2 when no service answered.
    """
    with at_desk(frontend_target, json_wanted=json_wanted) as desk:
        found = desk.users(
            query=" ".join(words), include_closed=include_closed, user_category=user_category, group=group
        )
        show(found, USERS, json_wanted=json_wanted, limit=limit)
