"""Google Books: https://developers.google.com/books/docs/v1/reference/volumes. It answers 429 without a key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from admin_server.sources import values
from admin_server.sources.asking import Asker
from admin_server.sources.languages import language_tag
from admin_server.sources.records import ExternalRecord, set_numbers
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.v1.book_pb2 import IDENTIFIER_TYPE_ISSN, IDENTIFIER_TYPE_OTHER, Identifier

_VOLUME = re.compile(r"[A-Za-z0-9_-]{1,50}")
_NO_WORDS = re.compile(r'["+:|-]')
"""What has a meaning in a query, such as `inauthor:`."""

_PATH = "/books/v1/volumes"
_MOST_RESULTS = 40
"""The most that it returns at a time."""

_FORMATS = {"MAGAZINE": "Magazine"}


@dataclass(frozen=True)
class GoogleBooks:
    """The source `google_books`."""

    name: str = "google_books"
    display_name: str = "Google Books"

    def is_id(self, external_id: str) -> bool:
        """Return whether a text has the form of the id of a volume."""
        return _VOLUME.fullmatch(external_id) is not None

    def search(self, asker: Asker, words: str, most: int) -> list[ExternalRecord]:
        """Return the volumes that are found."""
        query = " ".join(_NO_WORDS.sub(" ", words).split())
        return self._search(asker, query, 0, most)[0] if query else []

    def page(self, asker: Asker, query: str, start: int, most: int) -> tuple[list[ExternalRecord], int]:
        """Return the volumes from the one with the index `start` on, and how many these are.

        The query is as https://developers.google.com/books/docs/v1/using describes it: `inauthor:gibson`.
        """
        return self._search(asker, query, start, most)

    def with_isbn(self, asker: Asker, isbn: str) -> ExternalRecord | None:
        """Return the volume with this ISBN-13. Searches return other ones, too."""
        for record in self._search(asker, f"isbn:{isbn}", 0, _MOST_RESULTS // 4)[0]:
            if isbn in _all_isbns(record.book):
                # A search shortens descriptions, and leaves some out.
                return self._with_id(asker, record.external_id, isbn) or record
        return None

    def with_id(self, asker: Asker, external_id: str) -> ExternalRecord | None:
        """Return the volume with this id."""
        return self._with_id(asker, external_id)

    def _with_id(self, asker: Asker, external_id: str, isbn: str = "") -> ExternalRecord | None:
        return self._record(values.mapping(asker.json(f"{_PATH}/{external_id}")), isbn)

    def _search(self, asker: Asker, query: str, start: int, most: int) -> tuple[list[ExternalRecord], int]:
        offset = {"startIndex": str(start)} if start else {}
        results = min(most, _MOST_RESULTS)
        answer = asker.json(_PATH, q=query, maxResults=str(results), printType="all", **offset)
        items = values.items(values.mapping(answer).get("items"))[:results]
        records = (self._record(values.mapping(item)) for item in items)
        return [record for record in records if record is not None], len(items)

    def _record(self, volume: Mapping[str, Any], isbn: str = "") -> ExternalRecord | None:
        volume_id, described = volume.get("id"), values.mapping(volume.get("volumeInfo"))
        if not isinstance(volume_id, str) or not self.is_id(volume_id):
            return None
        print_type = described.get("printType")
        book = AddBookRequest(
            title=values.field_text(described.get("title"), "title"),
            subtitle=values.field_text(described.get("subtitle"), "subtitle"),
            authors=values.field_texts(values.items(described.get("authors")), "authors"),
            publisher=values.field_text(described.get("publisher"), "publisher"),
            published_year=values.year(described.get("publishedDate")),
            page_count=values.number(described.get("pageCount"), "page_count"),
            language=language_tag(values.field_text(described.get("language"), "language")),
            description=values.description(described.get("description")),
            subjects=values.field_texts(values.items(described.get("categories")), "subjects"),
            format=_FORMATS.get(print_type, "Book") if isinstance(print_type, str) else "Book",
        )
        numbers = list(_numbers(described))
        set_numbers(book, values.isbns(text for kind, text in numbers if "ISBN" in kind), _others(numbers), isbn)
        return ExternalRecord(self.name, volume_id, book, _cover(described))


def _numbers(described: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for number in map(values.mapping, values.items(described.get("industryIdentifiers"))):
        yield values.one_line(number.get("type"), 20), values.one_line(number.get("identifier"), 100)


def _others(numbers: list[tuple[str, str]]) -> Iterator[Identifier]:
    yield from values.identifiers(IDENTIFIER_TYPE_ISSN, [text for kind, text in numbers if kind == "ISSN"])
    yield from values.identifiers(IDENTIFIER_TYPE_OTHER, [text for kind, text in numbers if kind == "OTHER"])


def _all_isbns(book: AddBookRequest) -> set[str]:
    return {book.isbn} | {identifier.value for identifier in book.identifiers}


def _cover(described: Mapping[str, Any]) -> str:
    """Return the address of the largest picture: by https, and without the corner that Google draws on it."""
    links = values.mapping(described.get("imageLinks"))
    sizes = ("extraLarge", "large", "medium", "small", "thumbnail", "smallThumbnail")
    link = next((text for size in sizes if (text := values.one_line(links.get(size), 2_000))), "")
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return ""
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "edge"])
    return urlunsplit(("https", parts.netloc, parts.path, query, ""))
