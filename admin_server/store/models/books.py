"""The catalogue."""

from __future__ import annotations

import peewee

from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from service_kit.columns import BytewiseTextField, FeedColumns

# With literals, not parameters: an engine uses a partial index only if the query contains its condition.
IN_CATALOGUE = peewee.SQL(f"state <> {BOOK_STATE_REMOVED}")
HAS_ISBN = peewee.SQL("isbn <> ''")  # without it, SQLite does not use the index to find several ISBNs
IS_REMOVED = peewee.SQL(f"state = {BOOK_STATE_REMOVED}")
HAS_GAPS = peewee.SQL("(description = '' OR (cover_digest = '' AND cover_uri = ''))")
NOT_BORROWABLE = peewee.SQL(f"(state = {BOOK_STATE_UNAVAILABLE} OR on_loan >= lendable_copies)")


class Book(FeedColumns):
    """A book. A removed one is kept for ever, as a tombstone for frontends that have not read its removal yet."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    title = peewee.TextField()
    authors = peewee.TextField()  # a JSON array
    isbn = peewee.CharField(13)
    publisher = peewee.TextField()
    category = peewee.TextField()
    language = peewee.TextField()
    published_year = peewee.IntegerField()
    page_count = peewee.IntegerField()
    description = peewee.TextField()
    cover_uri = peewee.TextField()
    subtitle = peewee.TextField(default="", constraints=[peewee.Default("''")])
    edition = peewee.TextField(default="", constraints=[peewee.Default("''")])
    series = peewee.TextField(default="", constraints=[peewee.Default("''")])
    volume = peewee.TextField(default="", constraints=[peewee.Default("''")])
    subjects = peewee.TextField(default="[]", constraints=[peewee.Default("'[]'")])  # a JSON array
    identifiers = peewee.TextField(default="[]", constraints=[peewee.Default("'[]'")])  # a JSON array of objects
    contributors = peewee.TextField(default="[]", constraints=[peewee.Default("'[]'")])  # a JSON array of objects
    format = peewee.TextField(default="", constraints=[peewee.Default("''")])
    # Where values came from that nobody typed: see admin_server.books.origins.
    origins = peewee.TextField(default="{}", constraints=[peewee.Default("'{}'")])
    total_copies = peewee.IntegerField()
    state = peewee.SmallIntegerField(default=BOOK_STATE_ACTIVE)
    create_time = peewee.BigIntegerField()
    update_time = peewee.BigIntegerField()
    words = peewee.TextField()  # by which it is found: see library_domain.search
    # By which it is filtered and sorted: see service_kit.text.keys.
    publisher_key = BytewiseTextField(default="", constraints=[peewee.Default("''")])
    category_key = BytewiseTextField(default="", constraints=[peewee.Default("''")])
    format_key = BytewiseTextField(default="", constraints=[peewee.Default("''")])
    # Of title and first author: see library_domain.titles.
    title_key = peewee.BigIntegerField(default=0, constraints=[peewee.Default("0")])
    on_loan = peewee.IntegerField(default=0)  # open loans that the frontend has pushed
    # Items that are in service or on loan: minus `on_loan`, those that can be lent now.
    lendable_copies = peewee.IntegerField(default=0, constraints=[peewee.Default("0")])
    # The first digits of the digest of its stored picture; empty without one. It is part of the path of the cover.
    cover_digest = peewee.CharField(8, default="", constraints=[peewee.Default("''")])

    class Meta:
        table_name = "book"
        indexes = ((("state", "key"), False),)


class Cover(peewee.Model):
    """The picture of a book's cover, checked and encoded again. It is deleted when its book is removed."""

    book = peewee.BigIntegerField(primary_key=True)  # the book's key
    content_type = peewee.TextField()
    picture = peewee.BlobField()
    digest = peewee.CharField(64)  # of the picture: SHA-256
    address = peewee.TextField()  # where it was fetched
    create_time = peewee.BigIntegerField()

    class Meta:
        table_name = "cover"


# An ISBN belongs to one book of the catalogue. Another book can have the ISBN of a removed one.
Book.add_index(Book.isbn, unique=True, where=HAS_ISBN & IN_CATALOGUE, name="book_isbn")
Book.add_index(Book.key, where=NOT_BORROWABLE & IN_CATALOGUE, name="book_not_borrowable")
Book.add_index(Book.isbn, where=IS_REMOVED & HAS_ISBN, name="book_removed_isbn")
Book.add_index(Book.key, where=IN_CATALOGUE & HAS_ISBN & HAS_GAPS, name="book_with_gaps")
Book.add_index(Book.publisher_key, Book.key, name="book_by_publisher")
Book.add_index(Book.category_key, Book.key, name="book_by_category")
Book.add_index(Book.publisher_key, Book.category_key, Book.key, name="book_by_publisher_category")
Book.add_index(Book.format_key, Book.key, name="book_by_format")
Book.add_index(Book.publisher_key, Book.format_key, Book.key, name="book_by_publisher_format")
Book.add_index(Book.category_key, Book.format_key, Book.key, name="book_by_category_format")
Book.add_index(Book.title_key, where=IN_CATALOGUE, name="book_by_title")
