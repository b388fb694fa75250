"""The replica of the catalogue."""

from __future__ import annotations

import peewee

from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED
from service_kit.columns import BytewiseTextField, ReplicaColumns

# Written with literals, as the partial indexes are: an engine uses one only where it can see that it applies.
CAN_BE_BORROWED = peewee.SQL(f"(state = {BOOK_STATE_ACTIVE} AND on_loan < total_copies)")
IN_CATALOGUE = peewee.SQL(f"state <> {BOOK_STATE_REMOVED}")
LEFT_OUT = peewee.SQL(
    f"(state <> {BOOK_STATE_REMOVED} AND NOT (state = {BOOK_STATE_ACTIVE} AND on_loan < total_copies))"
)


class Book(ReplicaColumns):
    """The replica of a book: the admin's message as it came, and the columns that are filtered by or decided on.

    Only the sync writes it, except `on_loan`, which is the frontend's own. A book that left the catalogue is kept, as
    removed.
    """

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    message = peewee.BlobField()  # a serialized library.v1.Book
    title = peewee.TextField()
    publisher = peewee.TextField()
    category = peewee.TextField()
    total_copies = peewee.IntegerField()
    state = peewee.SmallIntegerField()
    words = peewee.TextField()  # the words of the word index: see library_domain.search
    # What it is filtered and sorted by: see service_kit.text.keys.
    publisher_key = BytewiseTextField(default="", constraints=[peewee.Default("''")])
    category_key = BytewiseTextField(default="", constraints=[peewee.Default("''")])
    on_loan = peewee.IntegerField(default=0)

    class Meta:
        table_name = "book"


Book.add_index(Book.key, where=CAN_BE_BORROWED, name="book_can_be_borrowed")
Book.add_index(Book.publisher_key, Book.key, name="book_by_publisher")
Book.add_index(Book.category_key, Book.key, name="book_by_category")
Book.add_index(Book.publisher_key, Book.category_key, Book.key, name="book_by_publisher_category")
# ListBooks counts the books that it leaves out because they cannot be borrowed.
Book.add_index(Book.key, where=LEFT_OUT, name="book_left_out")
Book.add_index(Book.publisher_key, Book.key, where=LEFT_OUT, name="book_left_out_by_publisher")
Book.add_index(Book.category_key, Book.key, where=LEFT_OUT, name="book_left_out_by_category")
