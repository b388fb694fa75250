"""The command `library add`."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import click
import grpc

from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ADDED,
    IMPORT_RESULT_COPIES_ADDED,
    IMPORT_RESULT_UPDATED,
)
from library.admin.v1.import_service_pb2 import (
    ExternalBook,
    ImportExternalBookRequest,
    ImportExternalBookResponse,
    SearchExternalBooksRequest,
)
from library.admin.v1.import_service_pb2_grpc import ImportServiceStub
from library.admin.v1.inventory_service_pb2 import ListItemsRequest
from library.admin.v1.inventory_service_pb2_grpc import InventoryServiceStub
from library_cli.channel import ANSWER_SECONDS, connected, pages
from library_cli.desk.columns import quoted, year
from library_cli.desk.refusals import BUSY_REASONS, ended_by_refusals
from library_cli.grpc_errors import service_refusal
from library_cli.options import admin_target_option
from library_cli.plain_text import one_line
from library_cli.tables import WIDE, Column, Form, as_json, json_option, show, write_json

SECONDS = 60.0
"""How long one book may take: the service asks up to two catalogues, each for 20 seconds, and one for the cover."""

TRIES = 2
"""How often a book is asked for when the answer is lost. The request id makes the second call safe."""

NOT_DONE, CANNOT_BE_DONE = 1, 2

FOUND = Form[tuple[int, ExternalBook]](
    columns=[
        Column("no.", lambda row: str(row[0])),
        Column("title", lambda row: row[1].book.title),
        Column("authors", lambda row: ", ".join(row[1].book.authors)),
        Column("year", lambda row: str(row[1].book.published_year or "")),
        Column("publisher", lambda row: row[1].book.publisher, min_width=WIDE),
        Column("ISBN", lambda row: row[1].book.isbn, is_whole=True),
        Column("source", lambda row: row[1].source),
        Column("id", lambda row: row[1].external_id, min_width=WIDE),
        Column("here", lambda row: "yes" if row[1].book_id else ""),
    ],
    as_json=lambda row: as_json(row[1]),
    nothing="No catalogue has such a book.",
)


@dataclass
class Adding:
    """What the command adds, and how it went."""

    channel: grpc.Channel
    source: str
    copies: int | None
    barcodes: bool
    json_wanted: bool
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    status: int = 0

    def __post_init__(self) -> None:
        self._imports = ImportServiceStub(self.channel)
        self._inventory = InventoryServiceStub(self.channel)

    def add(self, named: str, **fields: Any) -> None:
        """Add one book and print what was done; a refusal is printed, and the next book can be added."""
        request = ImportExternalBookRequest(source=self.source, **fields, request_id=str(uuid.uuid4()))
        if self.copies is not None:
            request.copies = self.copies
        try:
            answer = self._import(request)
        except grpc.RpcError as error:
            refused = service_refusal(error)
            if refused is None:
                raise
            self.status = max(self.status, CANNOT_BE_DONE if refused.reason in BUSY_REASONS else NOT_DONE)
            self.outcomes.append({"number": named, "reason": refused.reason, "message": refused.message})
            click.echo(f"{one_line(named)}: {refused.message}", err=True)
            return
        self.outcomes.append({"number": named, **as_json(answer)})
        if not self.json_wanted:
            click.echo(_sentence(answer))
            for barcode in self._new_barcodes(answer) if self.barcodes else ():
                click.echo(f"  {barcode}")

    def search(self, words: str) -> list[ExternalBook]:
        """Return what the catalogues have for some words; print which of them did not answer."""
        request = SearchExternalBooksRequest(query=words, source=[self.source] if self.source else [])
        answer = self._imports.SearchExternalBooks(request, timeout=SECONDS)
        for problem in answer.source_problems:
            click.echo(f"{problem.source} did not answer: {one_line(problem.description)}", err=True)
        return list(answer.external_books)

    def _import(self, request: ImportExternalBookRequest) -> ImportExternalBookResponse:
        for _ in range(TRIES - 1):
            try:
                return self._imports.ImportExternalBook(request, timeout=SECONDS)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or service_refusal(error) is not None:
                    raise
        return self._imports.ImportExternalBook(request, timeout=SECONDS)

    def _new_barcodes(self, answer: ImportExternalBookResponse) -> list[str]:
        """Return the barcodes of the copies that were made, which are the newest."""
        count = answer.book.total_copies if answer.result == IMPORT_RESULT_ADDED else self.copies or 0
        request = ListItemsRequest(book_id=answer.book.id)
        items = [
            item.barcode for page in pages(self._inventory.ListItems, request, ANSWER_SECONDS) for item in page.items
        ]
        return items[-count:] if count else []


def _sentence(answer: ImportExternalBookResponse) -> str:
    book = answer.book
    described = f"{quoted(book)}{f' ({year(book)})' if year(book) else ''}"
    copies = f"{book.total_copies} {'copy' if book.total_copies == 1 else 'copies'}"
    filled = ", ".join(change.field for change in answer.changes)
    if answer.result == IMPORT_RESULT_ADDED:
        return f"Added {described} from {answer.source}, with {copies}."
    if answer.result == IMPORT_RESULT_UPDATED:
        return f"{described} was here already. Filled from {answer.source}: {filled}. It has {copies}."
    if answer.result == IMPORT_RESULT_COPIES_ADDED:
        return f"{described} was here already. Added copies: it has {copies} now."
    return f"{described} was here already, and {answer.source} has nothing to add."


@click.command("add", short_help="Add books by their ISBNs, with what other catalogues know of them.")
@click.argument("isbns", metavar="[ISBN]...", nargs=-1)
@click.option("--search", "words", metavar="WORDS", help="Search the catalogues, and choose which book to add.")
@click.option("--id", "external_id", metavar="ID", help="Add the book with this id at the --source.")
@click.option("--source", default="", help="Ask only this catalogue: open_library or google_books.")
@click.option(
    "--copies",
    type=click.IntRange(1, 10_000),
    default=None,
    help="Copies of each book: of a new one, or more of one that is here.  [default: 1 of a new one, otherwise none]",
)
@click.option("--barcodes", is_flag=True, help="Print the barcodes of the new copies.")
@json_option
@admin_target_option
def add_command(
    isbns: Sequence[str],
    words: str | None,
    external_id: str | None,
    source: str,
    copies: int | None,
    barcodes: bool,
    json_wanted: bool,
    admin_target: str,
) -> None:
    """Add the books with these ISBNs to the catalogue, with what Open Library or Google Books knows of them.

    Example: library add 9780441569595 --copies 2

    Without an ISBN they are read from standard input, one in each line, and each is added at once, so a scanner can be
    used. A book that is here already gets what it lacks; what a person typed stays. With --search the books that are
    found are listed, and on a terminal one can be chosen.

    Exit status: 0 when all books are in the catalogue; 1 when some are not, as no catalogue has them or the service
    refused; 2 when a catalogue or the service did not answer.
    """
    if sum([bool(isbns), words is not None, external_id is not None]) > 1:
        raise click.UsageError("Name ISBNs, or use --search, or --id.")
    if external_id is not None and not source:
        raise click.UsageError("--id is the id at a --source: name that, too.")
    with ended_by_refusals(json_wanted=json_wanted), connected(admin_target) as channel:
        adding = Adding(channel, source, copies, barcodes, json_wanted)
        if words is not None:
            _search_and_add(adding, words)
        elif external_id is not None:
            adding.add(external_id, external_id=external_id)
        else:
            for isbn in isbns or _scanned():
                adding.add(isbn, isbn=isbn)
        if json_wanted and words is None:
            write_json(iter(adding.outcomes))
    sys.exit(adding.status)


def _scanned() -> Iterator[str]:
    """Yield the lines of standard input as they come."""
    for line in iter(sys.stdin.readline, ""):
        if line.strip():
            yield line.strip()[:200]


def _search_and_add(adding: Adding, words: str) -> None:
    found = adding.search(words)
    show(iter(list(enumerate(found, 1))), FOUND, json_wanted=adding.json_wanted, limit=0)
    if not found or adding.json_wanted or not (sys.stdin.isatty() and sys.stdout.isatty()):
        adding.status = adding.status if found else NOT_DONE
        return
    with suppress(click.Abort):
        number = click.prompt("Add which (0 for none)", type=click.IntRange(0, len(found)), default=0)
        if number:
            chosen = found[number - 1]
            adding.source = chosen.source
            adding.add(chosen.external_id, external_id=chosen.external_id)
