"""A page of changes is parsed also when one of its changes is not a message that protobuf takes."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError

from frontend_server.sync.messages import parse_page
from library.sync.v1.sync_service_pb2 import CatalogChange, ListCatalogChangesResponse
from library.v1.book_pb2 import BOOK_STATE_REMOVED, Book


def page(*titles: str) -> ListCatalogChangesResponse:
    changes = [
        CatalogChange(
            revision=number,
            book=Book(id=f"id-{number}", title=title, state=BOOK_STATE_REMOVED, total_copies=2, authors=["Ann"]),
        )
        for number, title in enumerate(titles, start=1)
    ]
    return ListCatalogChangesResponse(changes=changes, next_cursor="here", has_more=True)


def test_a_good_page_is_what_was_sent() -> None:
    sent = page("A", "B")
    assert parse_page(sent.SerializeToString()) == sent
    assert parse_page(b"") == ListCatalogChangesResponse()


def test_of_a_change_with_a_text_that_is_not_utf_8_the_rest_is_taken() -> None:
    data = page("A", "xxxx", "C").SerializeToString().replace(b"xxxx", b"x\xff\xffx")
    with pytest.raises(DecodeError):
        ListCatalogChangesResponse.FromString(data)

    parsed = parse_page(data)

    assert [change.book.title for change in parsed.changes] == ["A", "", "C"]
    assert parsed.changes[1] == CatalogChange(
        revision=2, book=Book(id="id-2", state=BOOK_STATE_REMOVED, total_copies=2)
    )
    assert (parsed.next_cursor, parsed.has_more) == ("here", True)


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff", b"\x0a\xff", b"\x12\x03\x0a\xff\xff"])
def test_a_change_that_is_not_a_message_is_one_without_a_book(garbage: bytes) -> None:
    good = page("A").SerializeToString()
    data = b"\x0a" + bytes([len(garbage)]) + garbage + good
    parsed = parse_page(data)
    assert [change.book.id for change in parsed.changes] == ["", "id-1"]
    assert parsed.next_cursor == "here"


def test_a_page_that_is_not_a_message_is_an_error() -> None:
    with pytest.raises(DecodeError):
        parse_page(b"\x0a\xff")
