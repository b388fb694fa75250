"""Users on a terminal: whatever is in a name, it is shown on one line and commands nothing."""

from __future__ import annotations

import io

from rich.console import Console

from library.v1.user_pb2 import USER_STATE_ACTIVE, User
from library_cli.users import as_lines, print_table


def shown(*users: User) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    print_table(users, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_table_has_each_user() -> None:
    text = shown(User(id="u1", email="a@example.org", first_name="[red]A\x1b[2J", state=USER_STATE_ACTIVE))
    assert "[red]A [2J" in text
    assert "\x1b" not in text
    assert "active" in text
    assert shown() == "Nobody was found.\n"


def test_a_state_of_a_newer_service_is_shown_as_its_number() -> None:
    user = User(id="u1", email="a@example.org", last_name="a\tb\nc", state=77, active_loan_count=2)  # type: ignore[arg-type]
    assert list(as_lines([user])) == ["u1\ta@example.org\ta b c\t77\t2"]
