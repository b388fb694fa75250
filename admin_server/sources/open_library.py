"""Open Library: https://openlibrary.org/developers/api. Each edition is a book; texts about it can be at its work."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from admin_server.sources import values
from admin_server.sources.asking import Asker
from admin_server.sources.languages import language_tag
from admin_server.sources.records import ExternalRecord, set_numbers
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.v1.book_pb2 import IDENTIFIER_TYPE_LCCN, IDENTIFIER_TYPE_OCLC, Contributor, Identifier

_EDITION = re.compile(r"OL[1-9][0-9]{0,11}M")
_WORK = re.compile(r"OL[1-9][0-9]{0,11}W")
_AUTHOR = re.compile(r"OL[1-9][0-9]{0,11}A")
_NO_WORDS = re.compile(r'[-+&|!(){}\[\]^"~*?:\\/]')
"""What has a meaning in the queries of Solr."""

_SEARCH_FIELDS = (
    "key,title,subtitle,author_name,first_publish_year,cover_i,cover_edition_key,editions,editions.key,editions.title,"
    "editions.subtitle,editions.isbn,editions.language,editions.publisher,editions.publish_date,editions.cover_i"
)

MOST_AUTHORS = 8
"""Authors of a book whose names are asked for: each is a request."""

MOST_SUBJECTS = 20
"""Works have hundreds, down to the names of lists."""

_FORMATS = {"audio": "Audiobook", "cd": "Audiobook", "mp3": "Audiobook", "ebook": "E-book", "electronic": "E-book"}


@dataclass(frozen=True)
class OpenLibrary:
    """The source `open_library`."""

    covers_address: str
    name: str = "open_library"
    display_name: str = "Open Library"

    def is_id(self, external_id: str) -> bool:
        """Return whether a text has the form of the id of an edition."""
        return _EDITION.fullmatch(external_id) is not None

    def search(self, asker: Asker, words: str, most: int) -> list[ExternalRecord]:
        """Return the best edition of each work that is found."""
        query = " ".join(_NO_WORDS.sub(" ", words).lower().split())  # AND, OR and NOT are operators
        if not query:
            return []
        return self._search(asker, query, 0, most)[0]

    def page(self, asker: Asker, query: str, start: int, most: int) -> tuple[list[ExternalRecord], int]:
        """Return the best editions of the works from the one with the index `start` on, and how many works these are.

        The query is one of Solr, as https://openlibrary.org/search/howto describes it: `subject:gardening`.
        """
        return self._search(asker, query, start, most)

    def _search(self, asker: Asker, query: str, start: int, most: int) -> tuple[list[ExternalRecord], int]:
        offset = {"offset": str(start)} if start else {}
        answer = asker.json("/search.json", q=query, fields=_SEARCH_FIELDS, limit=str(most), **offset)
        documents = values.items(values.mapping(answer).get("docs"))[:most]
        records = (self._found(values.mapping(document)) for document in documents)
        return [record for record in records if record is not None], len(documents)

    def with_isbn(self, asker: Asker, isbn: str) -> ExternalRecord | None:
        """Return the edition with this ISBN-13."""
        return self._edition(asker, values.mapping(asker.json(f"/isbn/{isbn}.json")), isbn)

    def with_id(self, asker: Asker, external_id: str) -> ExternalRecord | None:
        """Return the edition with this id."""
        return self._edition(asker, values.mapping(asker.json(f"/books/{external_id}.json")))

    def _found(self, document: Mapping[str, Any]) -> ExternalRecord | None:
        """Return the record of a work in the answer to a search."""
        editions = values.items(values.mapping(document.get("editions")).get("docs"))
        edition = values.mapping(editions[0]) if editions else {}
        edition_id = _id(edition.get("key") or document.get("cover_edition_key"), _EDITION)
        if not edition_id:
            return None
        dates = [*values.items(edition.get("publish_date")), document.get("first_publish_year")]
        book = AddBookRequest(
            title=values.first_text([edition.get("title"), document.get("title")], "title"),
            subtitle=values.first_text([edition.get("subtitle"), document.get("subtitle")], "subtitle"),
            authors=values.field_texts(values.items(document.get("author_name")), "authors"),
            publisher=values.first_text(edition.get("publisher"), "publisher"),
            published_year=next((year for date in dates if (year := values.year(date))), 0),
            language=language_tag(values.first_text(edition.get("language"), "language")),
        )
        set_numbers(book, values.isbns(values.items(edition.get("isbn"))), ())
        return self._record(edition_id, book, [edition.get("cover_i"), document.get("cover_i")])

    def _edition(self, asker: Asker, edition: Mapping[str, Any], isbn: str = "") -> ExternalRecord | None:
        edition_id = _id(edition.get("key"), _EDITION)
        if not edition_id:
            return None
        work = self._work(asker, edition)
        prefix, title = values.field_text(edition.get("title_prefix"), "title"), edition.get("title")
        languages = [values.mapping(language).get("key") for language in values.items(edition.get("languages"))]
        book = AddBookRequest(
            title=values.field_text(f"{prefix} {title}" if prefix and isinstance(title, str) else title, "title"),
            subtitle=values.field_text(edition.get("subtitle"), "subtitle"),
            authors=_authors(asker, edition, work),
            publisher=values.first_text(edition.get("publishers"), "publisher"),
            published_year=values.year(edition.get("publish_date")),
            page_count=values.number(edition.get("number_of_pages"), "page_count"),
            language=next((tag for key in languages if (tag := language_tag(_last_part(key)))), ""),
            description=values.description(edition.get("description")) or values.description(work.get("description")),
            subjects=_subjects(edition, work),
            series=values.first_text(edition.get("series"), "series"),
            edition=values.field_text(edition.get("edition_name"), "edition"),
            contributors=_contributors(edition),
            format=_format(edition.get("physical_format")),
        )
        numbers = chain(values.items(edition.get("isbn_13")), values.items(edition.get("isbn_10")))
        set_numbers(book, values.isbns(numbers), _identifiers(edition), isbn)
        return self._record(edition_id, book, values.items(edition.get("covers")))

    def _work(self, asker: Asker, edition: Mapping[str, Any]) -> Mapping[str, Any]:
        works = values.items(edition.get("works"))
        work_id = _id(values.mapping(works[0]).get("key"), _WORK) if works else ""
        return values.mapping(asker.json(f"/works/{work_id}.json")) if work_id else {}

    def _record(self, edition_id: str, book: AddBookRequest, covers: Iterable[Any]) -> ExternalRecord:
        cover = next((each for each in covers if type(each) is int and 0 < each < 10**12), 0)
        # Without a cover the answer is then 404, and not a picture of one pixel.
        address = f"{self.covers_address}/b/id/{cover}-L.jpg?default=false" if cover else ""
        return ExternalRecord(self.name, edition_id, book, address)


def _last_part(key: Any) -> str:
    return key.rpartition("/")[2] if isinstance(key, str) and len(key) < 100 else ""


def _id(key: Any, form: re.Pattern[str]) -> str:
    """Return the id in a key such as `/books/OL7353617M`; "" if it is not one."""
    last = _last_part(key)
    return last if form.fullmatch(last) else ""


def _authors(asker: Asker, edition: Mapping[str, Any], work: Mapping[str, Any]) -> list[str]:
    of_work = [values.mapping(each).get("author") for each in values.items(work.get("authors"))]
    people = values.items(edition.get("authors")) or of_work
    keys = dict.fromkeys(_id(values.mapping(each).get("key"), _AUTHOR) for each in people)
    ids = [key for key in keys if key][:MOST_AUTHORS]
    names = (values.mapping(asker.json(f"/authors/{each}.json")).get("name") for each in ids)
    return values.field_texts(names, "authors") or values.field_texts([edition.get("by_statement")], "authors")


def _subjects(edition: Mapping[str, Any], work: Mapping[str, Any]) -> list[str]:
    found = [*values.items(edition.get("subjects")), *values.items(work.get("subjects"))]
    # Tags for programs, such as `nyt:hardcover-fiction=2011-10-22`.
    return [text for text in values.field_texts(found, "subjects") if "=" not in text][:MOST_SUBJECTS]


def _contributors(edition: Mapping[str, Any]) -> list[Contributor]:
    found: dict[tuple[str, str], Contributor] = {}
    for each in map(values.mapping, values.items(edition.get("contributors"))):
        name, role = values.one_line(each.get("name"), 200), values.one_line(each.get("role"), 100).lower()
        if name:
            found[name, role] = Contributor(name=name, role=role)
    return list(found.values())[:MOST_SUBJECTS]


def _identifiers(edition: Mapping[str, Any]) -> Iterator[Identifier]:
    yield from values.identifiers(IDENTIFIER_TYPE_OCLC, values.items(edition.get("oclc_numbers")))
    yield from values.identifiers(IDENTIFIER_TYPE_LCCN, values.items(edition.get("lccn")))


def _format(physical_format: Any) -> str:
    words = re.findall("[a-z0-9]+", values.one_line(physical_format, 100).lower().replace("e-book", "ebook"))
    return next((_FORMATS[word] for word in words if word in _FORMATS), "Book")
