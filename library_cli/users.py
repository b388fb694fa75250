"""Users as the frontend service lists them: as a table, as lines or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import grpc
from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from library.frontend.v1.member_service_pb2 import ListUsersRequest
from library.frontend.v1.member_service_pb2_grpc import MemberServiceStub
from library.v1.user_pb2 import User, UserState
from library_cli.channel import ANSWER_SECONDS
from library_cli.plain_text import one_line

PAGE_SIZE = 1_000
COLUMNS = ("id", "email", "name", "state", "loans")


def found(channel: grpc.Channel, query: str, *, include_closed: bool) -> Iterator[User]:
    """Ask for the users that a query finds, page after page; an empty query finds all."""
    members = MemberServiceStub(channel)
    request = ListUsersRequest(query=query, include_closed=include_closed, page_size=PAGE_SIZE)
    while True:
        page = members.ListUsers(request, timeout=ANSWER_SECONDS)
        yield from page.users
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def as_json(users: Iterable[User]) -> str:
    """Write the users as a JSON array, with the field names of the contract."""
    return json.dumps(
        [
            MessageToDict(user, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
            for user in users
        ],
        indent=2,
        ensure_ascii=False,
    )


def as_lines(users: Iterable[User]) -> Iterator[str]:
    """Write each user as a line of values with tabs between them, in the order of `COLUMNS`."""
    for user in users:
        yield "\t".join(_values(user))


def print_table(users: Iterable[User], console: Console) -> None:
    """Show the users on a terminal."""
    table = Table(*COLUMNS)
    for user in users:
        table.add_row(*(Text(value) for value in _values(user)))
    console.print(table if table.row_count else "Nobody was found.")


def _values(user: User) -> list[str]:
    name = f"{user.first_name} {user.last_name}".strip()
    return [one_line(value) for value in (user.id, user.email, name, _state(user), str(user.active_loan_count))]


def _state(user: User) -> str:
    if user.state not in UserState.values():
        return str(user.state)
    return UserState.Name(user.state).removeprefix("USER_STATE_").lower()
