"""A request is known again by its arguments, whatever its request id."""

from __future__ import annotations

import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
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
