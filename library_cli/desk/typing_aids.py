"""Hints for a mistyped command: words without quotes, or arguments in the wrong order."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from library_cli.desk.calls import Desk
from library_cli.desk.finding import books_named, users_named
from library_cli.desk.matching import address_key
from library_cli.desk.refusals import Refusal

EXAMPLES = {
    "block": 'library block "ada lovelace" "damaged book"',
    "enrol": 'library enrol ada@example.org "Ada Augusta" "King Noel"',
    "lend": 'library lend "the hobbit" "ada lovelace"',
    "loans": 'library loans "ada lovelace"',
    "renew": 'library renew "the hobbit" "ada lovelace"',
    "erase-user": 'library erase-user "ada lovelace"',
    "export-user": 'library export-user "ada lovelace"',
    "return": 'library return "the hobbit" "ada lovelace"',
    "unblock": 'library unblock "ada lovelace"',
}
"""An example of each desk command with arguments of several words."""

NOT_FOUND = {"BOOK_NOT_FOUND", "LOAN_NOT_FOUND", "USER_NOT_FOUND"}


class DeskCommand(click.Command):
    """A command that shows an example with quotes when it gets too many arguments."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings["context_settings"] = {"allow_extra_args": True, **(settings.get("context_settings") or {})}
        super().__init__(*arguments, **settings)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. Raises click.UsageError, with the example, for too many."""
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            noun = "argument" if len(rest) == 1 else "arguments"
            hint = f"Put a name or a title of several words in quotes: {EXAMPLES[str(self.name)]}"
            raise click.UsageError(f"Got unexpected extra {noun} ({' '.join(rest)}). {hint}", ctx)
        return rest


@contextmanager
def order_checked(desk: Desk, command: str, what: str, user_text: str | None) -> Iterator[None]:
    """Raise a Refusal with the right order if nothing was found because book and user were swapped."""
    try:
        yield
    except Refusal as refusal:
        if user_text is None or refusal.reason not in NOT_FOUND or not _is_swapped(desk, what, user_text):
            raise
        typed = shlex.join(["library", command, user_text, what])
        raise Refusal(refusal.reason, f"The book comes first, then the user. Run: {typed}") from refusal


def _is_swapped(desk: Desk, what: str, user_text: str) -> bool:
    """Return whether `what` names a user, and `user_text` a book."""
    if address_key(what.strip()):
        return not address_key(user_text.strip())
    try:
        return bool(users_named(desk, what).best and books_named(desk, user_text).best)
    except Refusal:
        return False
