"""The command `library import-users`."""

from __future__ import annotations

import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from library.frontend.v1.member_service_pb2 import EnrollUserRequest, ListUsersRequest, UpdateUserRequest
from library.frontend.v1.member_service_pb2_grpc import MemberServiceStub
from library.v1.user_pb2 import User
from library_cli.channel import ANSWER_SECONDS, connected
from library_cli.grpc_errors import CallFailed, ServiceRefusal, service_refusal
from library_cli.importing.reading.problems import Choices, NotBooks
from library_cli.importing.reading.users import SYNONYMS, UserRow, Users
from library_cli.options import frontend_target_option
from library_cli.plain_text import one_line
from library_cli.stopped import INTERRUPTED, CommandStopped
from library_domain.emails import key_of_address

NAMESPACE = uuid.UUID("8f3c2a54-6d1f-5b0e-9a57-2f5d8a1c7e40")
"""Of the request ids: a row that is sent again has the id that it had before, and is enrolled once."""

ENROLLED, ALREADY_THERE, UPDATED, REFUSED = "enrolled", "already there", "updated", "refused"
TAKEN = {"CARD_NUMBER_TAKEN", "EMAIL_TAKEN"}
ROW_REASONS = TAKEN | {"FIELD_INVALID", "REQUEST_ID_REUSED", "USER_CLOSED"}
"""Reasons that are about a row. After any other error the import stops."""

HELP = f"""
Enrol the users in FILE: CSV, an Excel workbook (.xlsx) or JSON Lines; `-` is standard input.

The first line names the columns, in any order: {", ".join(SYNONYMS)}. A name is required. Other headings, such as
Surname or Barcode, separators, encodings and sheets are recognized. --map names the field of another column, --ignore
leaves it out. `expires` is the last day of the membership.

A row that cannot be enrolled is reported with its line, field and reason, and the others are enrolled. A user whose
card number or e-mail address is there already is reported, and changed with --update. An import can be repeated: for 7
days each row is enrolled once; later, rows without a card number and an address are enrolled again.

Exit status: 0 when every row is there, 1 when rows were refused, 2 when the import could not be done.
"""


@click.command("import-users", help=HELP, short_help="Enrol the users in a CSV, Excel or JSON Lines file.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--dry-run", is_flag=True, help="Check every row and print what its outcome would be, but change nothing."
)
@click.option("--update", is_flag=True, help="Change users that are there already to what their rows have.")
@click.option("--map", "maps", multiple=True, metavar='"HEADING=FIELD"', help="Take a column as a field; repeatable.")
@click.option("--ignore", "ignores", multiple=True, metavar="HEADING", help="Leave a column out; repeatable.")
@click.option("--columns", default="", metavar="FIELDS", help="Name the columns of a file without headings.")
@click.option("--delimiter", default="", metavar="CHARACTER", help="What separates values: , ; | or tab.")
@click.option("--encoding", default="", metavar="NAME", help="The encoding of the text, such as windows-1252.")
@click.option("--sheet", default="", metavar="NAME", help="The sheet of an Excel workbook.")
@frontend_target_option
def import_users_command(
    file: Path,
    dry_run: bool,
    update: bool,
    maps: tuple[str, ...],
    ignores: tuple[str, ...],
    columns: str,
    delimiter: str,
    encoding: str,
    sheet: str,
    frontend_target: str,
) -> None:
    """Import a file, as `HELP` explains."""
    named = tuple(columns.split(",")) if columns else ()
    choices = Choices(maps, ignores, named, delimiter, encoding, sheet)
    name = "Standard input" if str(file) == "-" else str(file)
    counts: Counter[str] = Counter()
    try:
        with connected(frontend_target) as channel, click.open_file(str(file), "rb") as source:
            users = Users(source, choices)
            for line in users.shown:
                click.echo(f"{name}: {one_line(line)}", err=True)
            importer = Importer(MemberServiceStub(channel), update=update, dry_run=dry_run)
            for row, outcome, why in importer.outcomes(users):
                counts[outcome] += 1
                if why:
                    click.echo(one_line(f"line {row.line}: {outcome}: {why}"), err=True)
    except NotBooks as problem:
        raise CommandStopped(f"{name} {str(problem).removesuffix('.')}.") from problem
    except (CallFailed, OSError) as problem:
        raise CommandStopped(f"{problem}\n{in_words(counts)} so far. Run the command again to continue.") from problem
    except KeyboardInterrupt:
        raise CommandStopped(f"Interrupted. {in_words(counts)} so far.", INTERRUPTED) from None
    click.echo(in_words(counts) + (" (dry run: nothing was changed)" if dry_run else ""))
    sys.exit(1 if counts[REFUSED] else 0)


def in_words(counts: Counter[str]) -> str:
    """Return the number of rows of each outcome."""
    shown = [f"{counts[each]} {each}" for each in (ENROLLED, UPDATED, ALREADY_THERE, REFUSED) if counts[each]]
    return ", ".join(shown) or "0 enrolled"


class Importer:
    """Enrols rows one by one. Raises grpc.RpcError for an error that is not about a row."""

    def __init__(self, members: MemberServiceStub, *, update: bool, dry_run: bool) -> None:
        self._members = members
        self._update = update
        self._dry_run = dry_run
        self._seen: Counter[bytes] = Counter()

    def outcomes(self, rows: Users) -> Iterator[tuple[UserRow, str, str]]:
        """Yield each row with its outcome and, unless it was enrolled, why."""
        for row in rows:
            yield row, *self._outcome(row)

    def _outcome(self, row: UserRow) -> tuple[str, str]:
        if row.problems:
            return REFUSED, "; ".join(f"{field}: {problem}" if field else problem for field, problem in row.problems)
        if self._dry_run:
            there = self._there(row.request)
            return (UPDATED if self._update else ALREADY_THERE, _who(there)) if there else (ENROLLED, "")
        content = row.request.SerializeToString(deterministic=True)
        self._seen[content] += 1  # two rows that are the same are two users, unless a card or an address is unique
        row.request.request_id = str(uuid.uuid5(NAMESPACE, f"{self._seen[content]} {content.hex()}"))
        try:
            self._members.EnrollUser(row.request, timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            return self._after(_refusal(error), row.request)
        return ENROLLED, ""

    def _after(self, refusal: ServiceRefusal, request: EnrollUserRequest) -> tuple[str, str]:
        there = self._there(request) if refusal.reason in TAKEN else None
        if there is None:
            return REFUSED, refusal.message
        if not self._update:
            return ALREADY_THERE, _who(there)
        try:
            return self._updated(there, request)
        except grpc.RpcError as error:
            return REFUSED, _refusal(error).message

    def _updated(self, there: User, request: EnrollUserRequest) -> tuple[str, str]:
        """Change a user to what a row has. Empty values change nothing."""
        names = [field.name for field, _ in request.ListFields() if field.name != "request_id"]
        user = User(id=there.id)
        for name in names:
            if name == "expire_time":
                user.expire_time.CopyFrom(request.expire_time)
            else:
                setattr(user, name, getattr(request, name))
        update = UpdateUserRequest(user=user, update_mask=FieldMask(paths=names))
        changed = self._members.UpdateUser(update, timeout=ANSWER_SECONDS)
        return (ALREADY_THERE, _who(there)) if changed.etag == there.etag else (UPDATED, _who(changed))

    def _there(self, request: EnrollUserRequest) -> User | None:
        """Return the user with the card number of a row or, if no user has it, with its address."""
        if request.card_number:
            wanted = ListUsersRequest(card_number=request.card_number, include_closed=True, page_size=1)
            if found := self._members.ListUsers(wanted, timeout=ANSWER_SECONDS).users:
                return found[0]
        if key := key_of_address(request.email):
            found = self._members.ListUsers(ListUsersRequest(query=request.email), timeout=ANSWER_SECONDS).users
            return next((user for user in found if key_of_address(user.email) == key), None)
        return None


def _refusal(error: grpc.RpcError) -> ServiceRefusal:
    """Return why a row was refused. Raises the error if it is not about the row."""
    refusal = service_refusal(error)
    if refusal is None or refusal.reason not in ROW_REASONS:
        raise error
    return refusal


def _who(user: User) -> str:
    return f"{user.first_name} {user.last_name}".strip() + f", card {user.card_number}, id {user.id}"
