"""Two reads of the frontend, written with FastAPI and an ORM: no gRPC, and the store in the same process.

    python -m benchmarks.fastapi_with_orm SQLITE_FILE

The table has a column for each field, as is usual in such a program. The frontend's own table stores the book as a
message, in addition to the columns for searches; here that message would have to be parsed.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query
from sqlalchemy import JSON, create_engine, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from benchmarks.fastapi_answers import Book, Books
from benchmarks.fastapi_process import serve
from library.v1 import book_pb2

ACTIVE = "BOOK_STATE_ACTIVE"


class Table(DeclarativeBase):
    """The base class of the tables."""


class BookRow(Table):
    """A book. Times are texts as in JSON, so that they need no conversion."""

    __tablename__ = "book"

    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    authors: Mapped[list[str]] = mapped_column(JSON)
    isbn: Mapped[str]
    publisher: Mapped[str]
    category: Mapped[str]
    language: Mapped[str]
    published_year: Mapped[int]
    page_count: Mapped[int]
    description: Mapped[str]
    cover_uri: Mapped[str]
    total_copies: Mapped[int]
    on_loan: Mapped[int]
    state: Mapped[str]
    next_available_time: Mapped[str | None]
    create_time: Mapped[str]
    update_time: Mapped[str]
    etag: Mapped[str]
    subtitle: Mapped[str]
    edition: Mapped[str]
    series: Mapped[str]
    volume: Mapped[str]
    subjects: Mapped[list[str]] = mapped_column(JSON)
    identifiers: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    contributors: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    format: Mapped[str]
    cover_path: Mapped[str]
    origins: Mapped[list[str]] = mapped_column(JSON)

    @property
    def available_copies(self) -> int:
        """Those in the library."""
        return self.total_copies - self.on_loan


def fill(file: Path, books: Iterable[book_pb2.Book]) -> None:
    """Make the table, with these books in it."""
    engine = create_engine(f"sqlite:///{file}")
    Table.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(BookRow), [_columns(book) for book in books])
    engine.dispose()


def application(file: Path) -> FastAPI:
    """Make the application."""
    app = FastAPI()
    engine = create_engine(f"sqlite:///{file}")
    sessions: sessionmaker[Session] = sessionmaker(engine)

    # The session is opened in the handler: as a dependency it would cost two more switches between threads.
    @app.get("/v1/books/{book_id}", response_model_exclude_none=True)
    def get_book(book_id: str) -> Book:
        with sessions() as session:
            row = session.get(BookRow, book_id)
            if row is None:
                raise HTTPException(404, "there is no such book")
            return Book.model_validate(row)

    @app.get("/v1/books", response_model_exclude_none=True)
    def list_books(page_size: Annotated[int, Query(ge=1, le=1_000)] = 50, page_token: str = "") -> Books:
        after = base64.urlsafe_b64decode(page_token).decode()
        query = (
            select(BookRow)
            .where(BookRow.state == ACTIVE, BookRow.on_loan < BookRow.total_copies, BookRow.id > after)
            .order_by(BookRow.id)
            .limit(page_size + 1)
        )
        with sessions() as session:
            rows = session.scalars(query).all()
            shown = [Book.model_validate(row) for row in rows[:page_size]]
        token = base64.urlsafe_b64encode(shown[-1].id.encode()).decode() if len(rows) > page_size else ""
        # All its books can be borrowed, so none is left out.
        return Books(books=shown, next_page_token=token, left_out_count=0)

    return app


def _columns(book: book_pb2.Book) -> dict[str, object]:
    return {
        "id": book.id,
        "title": book.title,
        "authors": list(book.authors),
        "isbn": book.isbn,
        "publisher": book.publisher,
        "category": book.category,
        "language": book.language,
        "published_year": book.published_year,
        "page_count": book.page_count,
        "description": book.description,
        "cover_uri": book.cover_uri,
        "total_copies": book.total_copies,
        "on_loan": book.total_copies - book.available_copies,
        "state": book_pb2.BookState.Name(book.state),
        "next_available_time": None,
        "create_time": book.create_time.ToJsonString(),
        "update_time": book.update_time.ToJsonString(),
        "etag": book.etag,
        "subtitle": book.subtitle,
        "edition": book.edition,
        "series": book.series,
        "volume": book.volume,
        "subjects": list(book.subjects),
        "identifiers": [
            {"type": book_pb2.IdentifierType.Name(each.type), "value": each.value} for each in book.identifiers
        ],
        "contributors": [{"name": each.name, "role": each.role} for each in book.contributors],
        "format": book.format,
        "cover_path": book.cover_path,
        "origins": [],  # only the admin has them
    }


if __name__ == "__main__":
    serve(application(Path(sys.argv[1])))
