"""The replica of the catalogue."""

from __future__ import annotations

import peewee

from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED
from service_kit.columns import BytewiseTextField, ReplicaColumns

# With literals, not parameters: an engine uses a partial index only if the query contains its condition.
CAN_BE_BORROWED = peewee.SQL(f"(state = {BOOK_STATE_ACTIVE} AND free_copies > 0)")
IN_CATALOGUE = peewee.SQL(f"state <> {BOOK_STATE_REMOVED}")
LEFT_OUT = peewee.SQL(f"(state <> {BOOK_STATE_REMOVED} AND NOT (state = {BOOK_STATE_ACTIVE} AND free_copies > 0))")


class Book(ReplicaColumns):
    """The replica of a book: the admin's message as received, and the columns that queries and decisions need.

    Only the sync writes it, except `on_loan` and `free_copies`, which are the frontend's own. A book that the admin
    removed is kept, with the state REMOVED.
    """

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    message = peewee.BlobField()  # a serialized library.v1.Book
    title = peewee.TextField()
    publisher = peewee.TextField()
    category = peewee.TextField()
    total_copies = peewee.IntegerField()
    state = peewee.SmallIntegerField()
    words = peewee.TextField()  # by which it is found: see library_domain.search
    # By which it is filtered and sorted: see service_kit.text.keys.
    publisher_key = BytewiseTextField(default="", constraints=[peewee.Default("''")])
    category_key = BytewiseTextField(default="", constraints=[peewee.Default("''")])
    format_key = BytewiseTextField(default="", constraints=[peewee.Default("''")])
    on_loan = peewee.IntegerField(default=0)  # the number of its open loans
    # The copies that can be lent now, in any state of the book: see FREE_COPIES in frontend_server.store.models.items.
    free_copies = peewee.IntegerField(default=0, constraints=[peewee.Default("0")])

    class Meta:
        table_name = "book"


Book.add_index(Book.key, where=CAN_BE_BORROWED, name="book_can_be_borrowed")
Book.add_index(Book.publisher_key, Book.key, name="book_by_publisher")
Book.add_index(Book.category_key, Book.key, name="book_by_category")
Book.add_index(Book.publisher_key, Book.category_key, Book.key, name="book_by_publisher_category")
Book.add_index(Book.format_key, Book.key, name="book_by_format")
Book.add_index(Book.publisher_key, Book.format_key, Book.key, name="book_by_publisher_format")
Book.add_index(Book.category_key, Book.format_key, Book.key, name="book_by_category_format")
# ListBooks counts the books that it leaves out because they cannot be borrowed.
Book.add_index(Book.key, where=LEFT_OUT, name="book_left_out")
Book.add_index(Book.publisher_key, Book.key, where=LEFT_OUT, name="book_left_out_by_publisher")
Book.add_index(Book.category_key, Book.key, where=LEFT_OUT, name="book_left_out_by_category")
Book.add_index(Book.format_key, Book.key, where=LEFT_OUT, name="book_left_out_by_format")
