"""Books, users and loans are found by the beginning of their ids, on both engines."""

from __future__ import annotations

import pytest

from frontend_server.browse import catalog
from frontend_server.circulation.loans import list_loans
from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from library.frontend.v1.lending_service_pb2 import ListLoansRequest
from library.frontend.v1.member_service_pb2 import ListUsersRequest
from library.v1.book_pb2 import Book
from service_kit.errors import FieldInvalid
from service_kit.id_prefixes import check_id_prefix, id_range
from service_kit.store import Store
from service_kit.validation import problems
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, new_book

IDS = [
    "01a202a9-0a73-7513-b58f-000000000002",
    "01a202a9-0a73-7513-b58f-000000000001",
    "01a202a9-0a74-7513-b58f-ffffffffffff",
    "01a202aa-0000-7000-8000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "00000000-0000-0000-0000-000000000000",
]

FINDS: list[tuple[str, list[int]]] = [
    ("01a202a9", [1, 0, 2]),
    ("01A202A9-0A73", [1, 0]),
    ("01a202a90a73", [1, 0]),
    ("01a202a9-", [1, 0, 2]),
    ("01a202a9-0a74", [2]),
    ("01a202a", [1, 0, 2, 3]),
    ("0", [5, 1, 0, 2, 3]),
    ("f", [4]),
    ("f" * 32, [4]),
    ("0" * 33, []),
    (IDS[0], [0]),
    (IDS[0].upper(), [0]),
    ("e", []),
    ("01a202a9-0a73-7513-b58f-000000000003", []),
]


def found(frontend: LocalFrontend, prefix: str, page_size: int = 0, **fields: object) -> list[str]:
    request = ListBooksRequest(id_prefix=prefix, page_size=page_size, **fields)  # type: ignore[arg-type]
    ids: list[str] = []
    while True:
        page = catalog.list_books(frontend.store, request)
        ids += [book.id for book in page.books]
        if not page.next_page_token:
            return ids
        request.page_token = page.next_page_token


def with_id(book_id: str, **fields: object) -> Book:
    book = new_book("Emma", **fields)  # type: ignore[arg-type]
    book.id = book_id
    return book


def test_books_are_found_in_the_order_of_their_ids(frontend_store: Store, clock: SettableClock) -> None:
    frontend = LocalFrontend(frontend_store, clock)
    frontend.receive(*(with_id(book_id, publisher=f"P{number % 2}") for number, book_id in enumerate(IDS)))
    for prefix, numbers in FINDS:
        assert not problems(ListBooksRequest(id_prefix=prefix)), prefix
        for page_size in (0, 1, 2):
            assert found(frontend, prefix, page_size) == [IDS[number] for number in numbers], prefix
    assert found(frontend, "01", publisher=["p0"]) == [IDS[0], IDS[2]]

    loan = frontend.borrow(IDS[0], frontend.user().id)
    answer = catalog.list_books(frontend.store, ListBooksRequest(id_prefix="01a202a9"))
    assert ([book.id for book in answer.books], answer.left_out_count) == ([IDS[1], IDS[2]], 1)
    assert catalog.list_books(frontend.store, ListBooksRequest(id_prefix="f")).left_out_count == 0
    everything = catalog.list_books(frontend.store, ListBooksRequest(id_prefix="01a202a9", include_unavailable=True))
    assert ([book.id for book in everything.books], everything.left_out_count) == ([IDS[1], IDS[0], IDS[2]], 0)

    def loans(**fields: object) -> list[str]:
        request = ListLoansRequest(**fields)  # type: ignore[arg-type]
        return [each.id for each in list_loans(frontend.store, request, frontend.rules, clock)[0]]

    assert loans(id_prefix=loan.id[:14], only_open=True) == [loan.id]
    assert loans(id_prefix=loan.id.replace("-", ""), book_id=IDS[1]) == []
    frontend.bring_back(loan.id)
    assert loans(id_prefix=loan.id, only_open=True) == []
    assert loans(id_prefix=loan.id) == [loan.id]


def test_users_are_found_page_by_page_and_closed_ones_when_asked_for(
    frontend_store: Store, clock: SettableClock
) -> None:
    frontend = LocalFrontend(frontend_store, clock)
    users = sorted(frontend.user().id for _ in range(5))
    assert [user.id for user in frontend.users(id_prefix=users[0][:4], page_size=2)] == users
    assert [user.id for user in frontend.users(id_prefix=users[3])] == [users[3]]
    frontend.close(users[3])
    assert frontend.users(id_prefix=users[3]) == []
    assert [user.id for user in frontend.users(id_prefix=users[3], include_closed=True)] == [users[3]]


@pytest.mark.parametrize("wrong", ["-", "-01", "g", "01 ", "01a202a9_0a73", "0" * 37, "٠١", "%", "01\n", "0\0"])
def test_what_no_id_begins_with_is_refused(wrong: str) -> None:
    for request in (ListBooksRequest, ListUsersRequest, ListLoansRequest):
        assert {field for field, _ in problems(request(id_prefix=wrong))} == {"id_prefix"}


def test_a_query_and_the_beginning_of_an_id_are_refused_together() -> None:
    for request in (ListBooksRequest(query="Emma", id_prefix="01"), ListUsersRequest(query="Ada", id_prefix="01")):
        with pytest.raises(FieldInvalid) as refused:
            check_id_prefix(request)
        assert dict(refused.value.problems) == {"id_prefix": "must not be set together with query"}


def test_the_bounds_of_a_range_have_the_form_of_ids() -> None:
    assert id_range("01A2-02A90") == ("01a202a9-0000-0000-0000-000000000000", "01a202a9-0fff-ffff-ffff-ffffffffffff")
