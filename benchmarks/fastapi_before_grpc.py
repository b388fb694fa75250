"""The gateway that library-rest replaces: FastAPI handlers, written by hand, call the frontend with generated stubs.

    python -m benchmarks.fastapi_before_grpc HOST:PORT

It has only two methods, and leaves out most of what library-rest does around a call: errors in JSON, request ids,
deadlines that clients choose, limits.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import grpc
from fastapi import FastAPI, Query

from benchmarks.fastapi_answers import Book, Books, Contributor, Identifier
from benchmarks.fastapi_process import serve
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest
from library.frontend.v1.catalog_service_pb2_grpc import CatalogServiceStub
from library.v1 import book_pb2

if TYPE_CHECKING:  # a type of the stubs' types alone
    from library.frontend.v1.catalog_service_pb2_grpc import CatalogServiceAsyncStub

SECONDS = 30.0


def application(target: str) -> FastAPI:
    """Make the application for a frontend at HOST:PORT."""
    stubs: list[CatalogServiceAsyncStub] = []

    @asynccontextmanager
    async def connected(_: FastAPI) -> AsyncIterator[None]:
        # Here, because a channel belongs to the event loop in which it is made.
        async with grpc.aio.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
            stubs.append(CatalogServiceStub(channel))
            yield

    app = FastAPI(lifespan=connected)

    @app.get("/v1/books/{book_id}", response_model_exclude_none=True)
    async def get_book(book_id: str) -> Book:
        return _answer(await stubs[0].GetBook(GetBookRequest(id=book_id), timeout=SECONDS))

    @app.get("/v1/books", response_model_exclude_none=True)
    async def list_books(page_size: Annotated[int, Query(ge=0)] = 0, page_token: str = "") -> Books:
        request = ListBooksRequest(page_size=page_size, page_token=page_token)
        reply = await stubs[0].ListBooks(request, timeout=SECONDS)
        return Books(
            books=[_answer(book) for book in reply.books],
            next_page_token=reply.next_page_token,
            left_out_count=reply.left_out_count,
        )

    return app


def _answer(book: book_pb2.Book) -> Book:
    return Book(
        id=book.id,
        title=book.title,
        authors=list(book.authors),
        isbn=book.isbn,
        publisher=book.publisher,
        category=book.category,
        language=book.language,
        published_year=book.published_year,
        page_count=book.page_count,
        description=book.description,
        cover_uri=book.cover_uri,
        total_copies=book.total_copies,
        available_copies=book.available_copies,
        state=book_pb2.BookState.Name(book.state),
        next_available_time=book.next_available_time.ToJsonString() if book.HasField("next_available_time") else None,
        create_time=book.create_time.ToJsonString(),
        update_time=book.update_time.ToJsonString(),
        etag=book.etag,
        subtitle=book.subtitle,
        edition=book.edition,
        series=book.series,
        volume=book.volume,
        subjects=list(book.subjects),
        identifiers=[
            Identifier(type=book_pb2.IdentifierType.Name(each.type), value=each.value) for each in book.identifiers
        ],
        contributors=[Contributor(name=each.name, role=each.role) for each in book.contributors],
        format=book.format,
        cover_path=book.cover_path,
        origins=[],  # only the admin has them
    )


if __name__ == "__main__":
    serve(application(sys.argv[1]))
