"""Search other catalogues."""

from __future__ import annotations

from collections.abc import Iterable

from admin_server.sources.catalogues import Catalogue, Catalogues
from admin_server.sources.failures import FetchFailed
from admin_server.sources.records import ExternalRecord, record_problems
from admin_server.store.models import HAS_ISBN, IN_CATALOGUE, Book
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.import_service_pb2 import (
    ExternalBook,
    SearchExternalBooksRequest,
    SearchExternalBooksResponse,
    SourceProblem,
)
from library.v1 import book_pb2
from library_domain.book_fields import BOOK_FIELDS
from library_domain.import_errors import SourceNotSetUp, SourceUnavailable
from library_domain.isbn import normalized_isbn13
from library_domain.search import check_query
from service_kit.calls.current import check_wanted
from service_kit.clock import timestamp_if_set
from service_kit.statements import tuples
from service_kit.store import Store

PAGE_SIZE, MOST_RESULTS = 10, 40


def search_external_books(
    store: Store, request: SearchExternalBooksRequest, catalogues: Catalogues
) -> SearchExternalBooksResponse:
    """Search the sources for words or an ISBN.

    Raises:
        FieldInvalid: The query has no word, or a source is unknown.
        SourceNotSetUp: A source that the request names, or each, is not set up.
        SourceUnavailable: No source has answered.
        ServerBusy: Too many calls ask sources.
    """
    check_query(request)
    chosen = chosen_catalogues(catalogues, request.source)
    most = min(request.page_size or PAGE_SIZE, MOST_RESULTS)
    response = SearchExternalBooksResponse()
    failures: list[FetchFailed] = []
    found: list[ExternalRecord] = []
    with catalogues.place():
        for catalogue in chosen:
            try:
                found += _found(catalogues, catalogue, request.query, most)
            except FetchFailed as failure:
                failures.append(failure)
                response.source_problems.append(
                    SourceProblem(
                        source=catalogue.source.name,
                        description=failure.problem,
                        retry_time=timestamp_if_set(failure.retry_time or 0),
                    )
                )
            check_wanted()
    if len(failures) == len(chosen):
        raise SourceUnavailable(source=chosen[0].source.display_name, problem=failures[0].problem)
    here = _books_here(store, found)
    response.external_books.extend(_message(record, here.get(record.book.isbn, "")) for record in found)
    return response


def chosen_catalogues(catalogues: Catalogues, names: Iterable[str]) -> list[Catalogue]:
    """Return the sources of these names, or all that are set up. Raises `FieldInvalid` and `SourceNotSetUp`."""
    chosen = [catalogues.named(name, f"source[{place}]") for place, name in enumerate(names)]
    chosen = list(dict.fromkeys(chosen)) or list(catalogues.set_up())
    if not chosen:
        first = catalogues.all[0]
        raise SourceNotSetUp(source=first.source.display_name, problem=first.problem)
    return chosen


def _found(catalogues: Catalogues, catalogue: Catalogue, query: str, most: int) -> list[ExternalRecord]:
    asker = catalogues.asker(catalogue, catalogues.settings.search_seconds)
    try:
        isbn = normalized_isbn13(query)
    except ValueError:
        records = catalogue.source.search(asker, query, most)
    else:
        record = catalogue.source.with_isbn(asker, isbn)
        records = [] if record is None else [record]
    distinct = {record.external_id: record for record in records}
    return [record for record in distinct.values() if not record_problems(record)]


def _books_here(store: Store, records: Iterable[ExternalRecord]) -> dict[str, str]:
    isbns = {record.book.isbn for record in records} - {""}
    if not isbns:
        return {}
    with store.reading():
        return dict(tuples(Book.select(Book.isbn, Book.id).where(Book.isbn.in_(isbns), HAS_ISBN, IN_CATALOGUE)))


def _message(record: ExternalRecord, book_id: str) -> ExternalBook:
    return ExternalBook(
        source=record.source,
        external_id=record.external_id,
        book=_shown(record.book),
        book_id=book_id,
        cover_uri=record.cover_uri,
    )


def _shown(book: AddBookRequest) -> book_pb2.Book:
    """Return the values of a record as those of a book, which has no copies yet."""
    return book_pb2.Book(**{field.name: getattr(book, field.input_name) for field in BOOK_FIELDS})
