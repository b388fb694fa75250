"""The answers of the FastAPI yardsticks: pydantic models of the contract's messages, named as in JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Answer(BaseModel):
    """Can be made from any object with these attributes: a row of an ORM, a message."""

    model_config = ConfigDict(from_attributes=True, alias_generator=to_camel, populate_by_name=True)


class Identifier(Answer):
    """`library.v1.Identifier`."""

    type: str
    value: str


class Contributor(Answer):
    """`library.v1.Contributor`."""

    name: str
    role: str


class Book(Answer):
    """`library.v1.Book` as a frontend answers it. Times are texts, as in JSON."""

    id: str
    title: str
    authors: list[str]
    isbn: str
    publisher: str
    category: str
    language: str
    published_year: int
    page_count: int
    description: str
    cover_uri: str
    total_copies: int
    available_copies: int
    state: str
    next_available_time: str | None
    create_time: str
    update_time: str
    etag: str
    subtitle: str
    edition: str
    series: str
    volume: str
    subjects: list[str]
    identifiers: list[Identifier]
    contributors: list[Contributor]
    format: str
    cover_path: str
    origins: list[str]


class Books(Answer):
    """`library.frontend.v1.ListBooksResponse`."""

    books: list[Book]
    next_page_token: str
    left_out_count: int
