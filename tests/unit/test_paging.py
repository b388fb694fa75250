"""Page tokens lead on, and belong to the arguments that they came with."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.admin.v1.catalog_service_pb2 import ListBooksRequest
from library.admin.v1.loan_service_pb2 import ListUnavailableBooksRequest
from library.admin.v1.user_service_pb2 import ListUsersRequest
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, Book
from service_kit.errors import FieldInvalid
from service_kit.paging import MAX_PAGE_BYTES, page, page_size, position, row_position


def books_of(request: ListBooksRequest, rows: range) -> tuple[list[Book], str]:
    """A page of a table with these keys, as a query would return it."""
    begin = row_position(request)
    found = [key for key in rows if key > begin][: page_size(request) + 1]
    return page(request, found, lambda key: Book(title=str(key)), lambda key: key)


@pytest.mark.parametrize(("asked", "given_"), [(0, 50), (1, 1), (1_000, 1_000), (1_001, 1_000), (2**31 - 1, 1_000)])
def test_a_page_has_a_default_size_and_a_greatest(asked: int, given_: int) -> None:
    assert page_size(ListBooksRequest(page_size=asked)) == given_


@given(count=st.integers(0, 40), sizes=st.lists(st.integers(1, 12), min_size=1))
def test_pages_of_any_sizes_return_each_row_once(count: int, sizes: list[int]) -> None:
    request, seen, turn = ListBooksRequest(publisher=["P"]), [], 0
    while turn == 0 or request.page_token:
        request.page_size = sizes[turn % len(sizes)]  # the size may change from page to page
        books, request.page_token = books_of(request, range(1, count + 1))
        seen += [book.title for book in books]
        turn += 1
    assert seen == [str(key) for key in range(1, count + 1)]


def test_the_last_page_is_known_though_it_is_full() -> None:
    assert books_of(ListBooksRequest(page_size=3), range(1, 4))[1] == ""
    assert books_of(ListBooksRequest(page_size=3), range(1, 5))[1] != ""


def token(request: ListBooksRequest) -> str:
    return books_of(request, range(1, 100))[1]


@pytest.mark.parametrize(
    "other",
    [
        ListBooksRequest(publisher=["Q"]),
        ListBooksRequest(),
        ListBooksRequest(publisher=["P"], category=["C"]),
        ListBooksRequest(category=["P"]),
        ListBooksRequest(publisher=["P"], state=BOOK_STATE_ACTIVE),
        ListBooksRequest(publisher=["P"], query="p"),
    ],
)
def test_a_token_of_other_arguments_is_refused(other: ListBooksRequest) -> None:
    other.page_token = token(ListBooksRequest(publisher=["P"]))
    with pytest.raises(FieldInvalid, match="page_token"):
        position(other)


def test_a_token_of_another_list_is_refused() -> None:
    with pytest.raises(FieldInvalid, match="page_token"):
        position(ListUsersRequest(page_token=token(ListBooksRequest())))
    users = ListUsersRequest(page_size=1)
    other = ListUnavailableBooksRequest(page_token=page(users, [1, 2], lambda key: Book(), lambda key: key)[1])
    with pytest.raises(FieldInvalid, match="page_token"):
        position(other)


GOOD = token(ListBooksRequest())


@pytest.mark.parametrize(
    "garbage",
    [
        "x",
        "garbage",
        "é",
        "\x00",
        "=",
        "====",
        " ",
        GOOD[:-1],
        GOOD[1:],
        GOOD + "!",
        "!" + GOOD,
        GOOD + "AAAA",
        GOOD[:4] + "\n" + GOOD[4:],
        "A" * 500,
    ],
)
def test_garbage_is_refused_and_not_taken_for_the_beginning(garbage: str) -> None:
    with pytest.raises(FieldInvalid, match="page_token"):
        row_position(ListBooksRequest(page_token=garbage))


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    if text in ("", GOOD):
        return
    with pytest.raises(FieldInvalid, match="page_token"):
        row_position(ListBooksRequest(page_token=text))


@pytest.mark.parametrize("place", ["-1", "0x1", "1.5", "9" * 20, "9" * 300, "١", "a\x00b", "5\n"])
def test_a_forged_place_never_gets_to_the_store(place: str) -> None:
    fingerprint = base64.urlsafe_b64decode(GOOD + "==")[:8]
    forged = base64.urlsafe_b64encode(fingerprint + place.encode()).decode().rstrip("=")
    with pytest.raises(FieldInvalid, match="page_token"):
        row_position(ListBooksRequest(page_token=forged))


def test_a_page_ends_before_it_has_too_many_bytes() -> None:
    request = ListBooksRequest(page_size=1_000)
    text = "x" * 10_000
    items, next_token = page(request, range(1_000), lambda _: Book(description=text), lambda key: key)
    assert sum(item.ByteSize() for item in items) <= MAX_PAGE_BYTES
    assert len(items) == MAX_PAGE_BYTES // Book(description=text).ByteSize()
    assert position(ListBooksRequest(page_token=next_token)) == str(len(items) - 1)


def test_a_row_that_is_too_big_for_any_page_is_returned_alone() -> None:
    huge = Book(description="x" * (MAX_PAGE_BYTES + 1))
    items, next_token = page(ListBooksRequest(), [1, 2], lambda _: huge, lambda key: key)
    assert len(items) == 1
    assert next_token
