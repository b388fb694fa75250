"""A request is recognised by its arguments, with any request id."""

from __future__ import annotations

import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from service_kit.idempotency import request_digest

BOOK = AddBookRequest(title="Emma", authors=["Jane Austen"], copies=2, request_id="a")


def test_the_request_id_does_not_count() -> None:
    other = AddBookRequest(title="Emma", authors=["Jane Austen"], copies=2, request_id="b")
    assert request_digest(other) == request_digest(BOOK)
    assert BOOK.request_id == "a"


@pytest.mark.parametrize(
    "other",
    [
        AddBookRequest(title="Emma.", authors=["Jane Austen"], copies=2),
        AddBookRequest(title="Emma", authors=["Jane", "Austen"], copies=2),
        AddBookRequest(title="Emma", authors=["Jane Austen"], copies=1),
        AddBookRequest(title="Emma", authors=["Jane Austen"]),
        AddBookRequest(title="Emma", authors=["Jane Austen"], copies=2, isbn="9780141439587"),
    ],
)
def test_every_argument_counts(other: AddBookRequest) -> None:
    assert request_digest(other) != request_digest(BOOK)


def test_a_digest_is_what_it_was_before_the_table_of_answers() -> None:
    """Digests made by earlier versions are in stores, and calls sent before an upgrade are sent again after it."""
    user = "01a202a9-08bf-7642-86b6-408b1e49fbb0"
    borrow = BorrowBookRequest(book_id=user, user_id=user, days=14, request_id="any")
    enroll = EnrollUserRequest(email="Ada@example.org", first_name="Ada", last_name="L")
    add = AddBookRequest(title="Emma", authors=["Jane Austen"], copies=2, isbn="9780141439587")
    assert request_digest(borrow) == "146d8d62dd4702ad27f2889dc372d585"
    assert request_digest(enroll) == "d4253622ca8fafc876d6409bd0c12f6d"
    assert request_digest(add) == "72e6b7a3095276d3f20afbba01252873"
