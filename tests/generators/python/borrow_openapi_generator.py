"""Lends a book through the client that openapi-generator generated.

Its arguments are the address of the library and a word that no other run uses.
"""

import json
import sys
import uuid
from datetime import timedelta

import openapi_client as library


def say(*words: object) -> None:
    print(json.dumps(words))


def borrow(address: str, word: str) -> None:
    client = library.ApiClient(library.Configuration(host=address))
    lending = library.LendingApi(client)

    title = f"A book for {word}"
    library.AdminCatalogueApi(client).add_book(library.AddBookRequest(title=title, copies=1))
    library.SynchronizationApi(client).sync_now(library.SyncNowRequest())
    (book,) = library.CatalogueApi(client).list_books(query=title).books
    person = library.EnrollUserRequest(email=f"{word}@example.org", firstName="Ada", lastName="Lovelace")
    user = library.MembersApi(client).enroll_user(person)

    key = str(uuid.uuid4())
    wish = library.BorrowBookRequest(userId=uuid.UUID(user.id), days=14)
    loan = lending.borrow_book(uuid.UUID(book.id), wish, idempotency_key=key)
    assert loan.due_time is not None
    assert loan.borrow_time is not None
    # The last second of the fourteenth day where the branch is, so up to a day more or a second less.
    assert timedelta(days=13) < loan.due_time - loan.borrow_time <= timedelta(days=15)
    assert lending.borrow_book(uuid.UUID(book.id), wish, idempotency_key=key) == loan
    say("borrowed", loan.id, loan.book_title, loan.state)

    try:
        lending.borrow_book(uuid.UUID(book.id), wish)
    except library.ApiException as refused:
        assert refused.status == 400
        refusal = refused.data
        assert isinstance(refusal, library.HttpError)
        say("refused", refusal.error.details[0].reason, refusal.error.status)

    returned = lending.return_book(uuid.UUID(loan.id), return_book_request=library.ReturnBookRequest())
    assert returned.state is library.LoanState.LOAN_STATE_RETURNED
    say("returned", returned.id, returned.state)


if __name__ == "__main__":
    borrow(*sys.argv[1:])
