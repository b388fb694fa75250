"""Lends a book through the client that openapi-python-client generated.

Its arguments are the address of the library and a word that no other run uses.
"""

import json
import os
import sys
import uuid
from datetime import datetime, timedelta
from typing import TypeVar

from lending_library_client import AuthenticatedClient
from lending_library_client.api.admin_catalogue import admin_catalogue_add_book
from lending_library_client.api.catalogue import catalogue_list_books
from lending_library_client.api.lending import lending_borrow_book, lending_return_book
from lending_library_client.api.members import members_enroll_user
from lending_library_client.api.synchronization import synchronization_sync_now
from lending_library_client.models import (
    AddBookRequest,
    Book,
    BorrowBookRequest,
    EnrollUserRequest,
    HttpError,
    ListBooksResponse,
    Loan,
    LoanState,
    ReturnBookRequest,
    SyncNowRequest,
    SyncStatus,
    User,
)

T = TypeVar("T")


def say(*words: object) -> None:
    print(json.dumps(words))


def answered(wanted: type[T], answer: object) -> T:
    """Return the answer where it is of the wanted type, so not an error."""
    assert isinstance(answer, wanted), answer
    return answer


def borrow(client: AuthenticatedClient, word: str) -> None:
    title = f"A book for {word}"
    answered(Book, admin_catalogue_add_book.sync(client=client, body=AddBookRequest(title=title, copies=1)))
    answered(SyncStatus, synchronization_sync_now.sync(client=client, body=SyncNowRequest()))
    found = answered(ListBooksResponse, catalogue_list_books.sync(client=client, query=title))
    (book,) = found.books
    person = EnrollUserRequest(email=f"{word}@example.org", first_name="Ada", last_name="Lovelace")
    user = answered(User, members_enroll_user.sync(client=client, body=person))

    key = str(uuid.uuid4())
    wish = BorrowBookRequest(user_id=uuid.UUID(user.id), days=14)
    loan = answered(Loan, lending_borrow_book.sync(uuid.UUID(book.id), client=client, body=wish, idempotency_key=key))
    assert isinstance(loan.due_time, datetime)
    assert isinstance(loan.borrow_time, datetime)
    # The last second of the fourteenth day where the branch is, so up to a day more or a second less.
    assert timedelta(days=13) < loan.due_time - loan.borrow_time <= timedelta(days=15)
    assert lending_borrow_book.sync(uuid.UUID(book.id), client=client, body=wish, idempotency_key=key) == loan
    say("borrowed", loan.id, loan.book_title, loan.state)

    refused = lending_borrow_book.sync_detailed(uuid.UUID(book.id), client=client, body=wish)
    assert refused.status_code == 400
    refusal = answered(HttpError, refused.parsed)
    say("refused", refusal.error.details[0].reason, refusal.error.status)

    returned = answered(Loan, lending_return_book.sync(uuid.UUID(loan.id), client=client, body=ReturnBookRequest()))
    assert returned.state is LoanState.LOAN_STATE_RETURNED
    say("returned", returned.id, returned.state)


if __name__ == "__main__":
    # A library in the mode `open` ignores the token.
    with AuthenticatedClient(base_url=sys.argv[1], token=os.environ.get("LIBRARY_TOKEN", "none")) as library:
        borrow(library, sys.argv[2])
