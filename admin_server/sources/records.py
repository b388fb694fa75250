"""A book as another catalogue describes it, with the values that AddBook would take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from admin_server.books.values import check_values
from admin_server.sources.asking import Asker
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.v1.book_pb2 import IDENTIFIER_TYPE_ISBN, Identifier
from library_domain.book_fields import limits
from service_kit.validation import Problem, joined, problems, problems_by, shortened


@dataclass(frozen=True)
class ExternalRecord:
    """A book of another catalogue. Its values can still break rules: see `record_problems`."""

    source: str
    external_id: str
    book: AddBookRequest
    cover_uri: str = ""
    """The address of its cover at the source."""


class Source(Protocol):
    """Another catalogue. Its methods raise `FetchFailed`."""

    @property
    def name(self) -> str:
        """Return its name in requests."""

    @property
    def display_name(self) -> str:
        """Return its name for people."""

    def is_id(self, external_id: str) -> bool:
        """Return whether a text has the form of an id of this source."""

    def search(self, asker: Asker, words: str, most: int) -> list[ExternalRecord]:
        """Return the books that the source finds for some words, at most `most`."""

    def page(self, asker: Asker, query: str, start: int, most: int) -> tuple[list[ExternalRecord], int]:
        """Return at most `most` results of a query in the source's own language, from the one with this index on.

        Also return how many results these are, those that cannot be records included; 0 after the last.
        """

    def with_isbn(self, asker: Asker, isbn: str) -> ExternalRecord | None:
        """Return the book with this ISBN-13."""

    def with_id(self, asker: Asker, external_id: str) -> ExternalRecord | None:
        """Return the book with an id for which `is_id` is true."""


def record_problems(record: ExternalRecord) -> list[Problem]:
    """Return why a record cannot be a book here."""
    wrong = problems(record.book)
    return joined(wrong, problems_by([check_values], shortened(record.book, wrong)))


def set_numbers(book: AddBookRequest, isbns: Iterable[str], others: Iterable[Identifier], wanted: str = "") -> None:
    """Set the ISBN of a book and its identifiers.

    Args:
        book: The book.
        isbns: Valid ones, of which the first becomes the book's, unless `wanted` is among them.
        others: Further valid numbers.
        wanted: The ISBN that was asked for.
    """
    found = list(isbns)
    if found:
        book.isbn = wanted if wanted in found else found[0]
    further = [Identifier(type=IDENTIFIER_TYPE_ISBN, value=isbn) for isbn in found if isbn != book.isbn]
    seen: dict[tuple[int, str], Identifier] = {(each.type, each.value): each for each in [*others, *further]}
    book.identifiers.extend(list(seen.values())[: limits("identifiers").repeated.max_items])
