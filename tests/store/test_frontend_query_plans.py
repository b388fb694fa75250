"""How the engines find rows among many: by the index made for it, and never by reading a table from end to end."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from frontend_server.browse import catalog, items
from frontend_server.circulation import loans
from frontend_server.circulation.current_policy import current_policy
from frontend_server.circulation.eligibility import Wish
from frontend_server.circulation.readings import read
from frontend_server.members import members
from frontend_server.store.models import Book, Item, Loan, Session, User
from frontend_server.sync.pulled_items import PulledItems
from library.frontend.v1.catalog_service_pb2 import ListBooksRequest, ListCategoriesRequest, ListPublishersRequest
from library.frontend.v1.circulation_service_pb2 import ListItemsRequest, LookupItemRequest
from library.frontend.v1.lending_service_pb2 import ListLoansRequest
from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE, ITEM_STATE_WITHDRAWN
from library.v1.loan_pb2 import LOAN_STATE_ACTIVE, LOAN_STATE_OVERDUE
from library_domain.errors import NoCopyAvailable
from library_domain.loans import loan_message
from service_kit.clock import DAY
from service_kit.idempotency import SAVE
from service_kit.ids import new_id
from service_kit.statements import Statement, param
from service_kit.store import Store
from service_kit.vocabulary import learn
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, new_book
from tests.support.stores import Engine, FreshDatabases, bound_store

BOOKS, USERS, LOANS = 5_000, 2_000, 10_000

ADD_USER = Statement(
    User.insert(
        id=param("id"),
        email=param("email"),
        email_key=param("email"),
        first_name="Ada",
        last_name="Lovelace",
        words=param("words"),
        create_time=1,
        update_time=1,
        revision=param("revision"),
        pushed_revision=param("revision"),
    )
)
ADD_LOAN = Statement(
    Loan.insert(
        id=param("id"),
        book_id=param("book_id"),
        user_id=param("user_id"),
        book_title="Emma",
        days=14,
        borrow_time=param("borrow_time"),
        due_time=param("due_time"),
        return_time=param("return_time"),
        revision=param("revision"),
        pushed_revision=param("revision"),
    )
)
ADD_SESSION = Statement(
    Session.insert(
        id=param("id"),
        user_id=param("user_id"),
        refresh_hash="",
        previous_hash="",
        refresh_salt="",
        refresh_time=0,
        create_time=0,
        expire_time=0,
        end_time=0,
    )
)
ADD_ITEM = Statement(
    Item.insert(
        id=param("id"),
        book_id=param("book_id"),
        barcode=param("barcode"),
        message=b"",
        item_type="",
        item_type_key="",
        branch="main",
        state=ITEM_STATE_IN_SERVICE,
        revision=1,
        generation=1,
    )
)


@dataclass
class Town:
    """A library that has been lending for years."""

    frontend: LocalFrontend
    books: list[str]
    users: list[str]
    open_loan: str


@pytest.fixture(scope="module")
def town(databases: FreshDatabases, engine: Engine) -> Iterator[Town]:
    """Few books are to be had and few loans are out, of all that there are."""
    with bound_store("frontend", databases.migrated("frontend", engine)) as store:
        clock = SettableClock()
        frontend = LocalFrontend(store, clock)
        books = [
            new_book(
                f"Title {number} word{number % 1_000}",
                publisher=f"Publisher {number % 250}",
                category=f"Category {number // 20}",
                format=f"Format {number // 4 % 240}",
            )
            for number in range(BOOKS)
        ]
        books.append(new_book("Neuromancer"))
        frontend.receive(*books)
        users = [new_id() for _ in range(USERS)]
        loans = [
            {
                "id": new_id(),
                "book_id": books[number % BOOKS].id,
                "user_id": users[number % USERS],
                "borrow_time": clock.now - 2 * DAY,
                "due_time": clock.now + (number % 3 - 1) * DAY,
                "return_time": clock.now if number % 50 else None,
                "revision": USERS + number + 1,
            }
            for number in range(LOANS)
        ]
        with store.writing():
            ADD_USER.many(
                {
                    "id": user,
                    "revision": number + 1,
                    "email": f"reader{number}@example.org",
                    "words": f"reader{number} eader{number} ader{number} der{number}",
                }
                for number, user in enumerate(users)
            )
            ADD_LOAN.many(loans)
            ADD_ITEM.many(
                {"id": new_id(), "book_id": book.id, "barcode": f"B{number}"} for number, book in enumerate(books)
            )
            SAVE.many(
                {"request_id": new_id(), "method": "m", "digest": "", "answer": b"a" * 100, "create_time": number}
                for number in range(LOANS)
            )
            ADD_SESSION.many({"id": new_id(), "user_id": user} for user in users)
            learn({"".join(letters) for letters in itertools.product("abcdefghijklmnop", repeat=4)})
            Book.update(on_loan=1, free_copies=0).where(Book.id.not_in([book.id for book in books[::50]])).execute()
        with store.reading():
            store.database.execute_sql("VACUUM ANALYZE" if store.is_postgresql else "ANALYZE")
            current_policy(frontend.rules)  # so that no question reads it, which a process does once
        yield Town(frontend, [book.id for book in books], users, str(loans[50]["id"]))


def list_books(**filters: Any) -> Callable[[Town], object]:
    return lambda town: catalog.list_books(town.frontend.store, ListBooksRequest(**filters))


def list_loans(town: Town, **filters: Any) -> object:
    return loans.list_loans(town.frontend.store, ListLoansRequest(**filters), town.frontend.rules, town.frontend.clock)


def borrow_what_is_out(town: Town) -> None:
    with pytest.raises(NoCopyAvailable):
        town.frontend.borrow(town.books[1], town.users[0], 14, new_id())


def by_id_prefix(digits: int, ask: Callable[..., Callable[[Town], object]], **filters: Any) -> Callable[[Town], object]:
    return lambda town: ask(id_prefix=town.books[9][:digits], **filters)(town)


OF_ALL, OF_WORDS = "INTEGER PRIMARY KEY|book_pkey", "VIRTUAL TABLE INDEX|book_words"
VOCABULARY_BY_BEGINNING = "vocabulary_pkey|sqlite_autoindex_vocabulary_1"
OF_PUBLISHER = "book_by_publisher|book_by_publisher_category|book_by_publisher_format"
OF_CATEGORY = "book_by_category|book_by_category_format"
PUBLISHER, CATEGORY, FORMAT = ["Publisher 7"], ["Category 7"], ["Format 7"]
SOME = [f"Publisher {number}" for number in range(7)]


# What is asked, and the indexes that each of the engines may use for it.
def look_up(town: Town) -> object:
    request = LookupItemRequest(barcode="B9")
    return items.lookup_item(town.frontend.store, request, lambda loan: loan_message(loan, town.frontend.clock()))


def lock_loan_of_item(town: Town) -> None:
    with town.frontend.store.writing():
        assert loans.open_loan_of_item(town.frontend.store, new_id()) is None
        assert not loans.is_open_loan_of_item(new_id())


def read_facts(town: Town) -> None:
    with town.frontend.store.reading():
        assert read(Wish(barcode="B9", user_id=town.users[9])).loan is None


def receive_items(town: Town) -> None:
    """Do what the sync does before and after it writes new items of books, two of which are on loan."""
    rows = [{"id": new_id(), "book_id": book_id, "state": ITEM_STATE_WITHDRAWN} for book_id in town.books[:200]]
    with town.frontend.store.writing():
        PulledItems().prepare(town.frontend.store, rows)()


QUESTIONS: dict[str, tuple[Callable[[Town], object], str]] = {
    "book": (lambda town: catalog.get_book(town.frontend.store, town.books[9]), "book_id"),
    "list": (list_books(), "book_can_be_borrowed"),
    "list of all": (list_books(include_unavailable=True), OF_ALL),
    "publisher": (list_books(publisher=PUBLISHER), OF_PUBLISHER),
    "publisher of all": (list_books(publisher=PUBLISHER, include_unavailable=True), OF_PUBLISHER),
    "category": (list_books(category=CATEGORY), OF_CATEGORY),
    "category of all": (list_books(category=CATEGORY, include_unavailable=True), OF_CATEGORY),
    "format": (list_books(format=FORMAT), "book_by_format"),
    "format of all": (list_books(format=FORMAT, include_unavailable=True), "book_by_format"),
    "formats, some": (list_books(format=[f"Format {number}" for number in range(9)]), "book_by_format"),
    "publisher and format": (
        list_books(publisher=PUBLISHER, format=["Format 1"], include_unavailable=True),
        "book_by_publisher_format",
    ),
    "category and format": (
        list_books(category=CATEGORY, format=["Format 35"], include_unavailable=True),
        "book_by_category_format",
    ),
    "publisher, category and format": (
        list_books(publisher=PUBLISHER, category=["Category 0"], format=["Format 1"], include_unavailable=True),
        "book_by_publisher_category|book_by_publisher_format|book_by_category_format",
    ),
    "publisher and category": (
        list_books(publisher=PUBLISHER, category=["Category 0"], include_unavailable=True),
        "book_by_publisher_category",
    ),
    "publishers, some": (list_books(publisher=SOME), OF_PUBLISHER),
    "publishers of all, some": (list_books(publisher=SOME, include_unavailable=True), OF_PUBLISHER),
    "categories, some": (list_books(category=[f"Category {number}" for number in range(9)]), OF_CATEGORY),
    "publishers and a category": (
        list_books(publisher=SOME, category=CATEGORY, include_unavailable=True),
        "book_by_publisher_category",
    ),
    # Nearly all books are left out here, so the table is as good as the index.
    "what is left out": (list_books(), f"book_left_out|{OF_ALL}"),
    "what is left out of a publisher": (list_books(publisher=PUBLISHER), "book_left_out_by_publisher"),
    "what is left out of a category": (list_books(category=CATEGORY), "book_left_out_by_category"),
    "what is left out of a format": (list_books(format=FORMAT), "book_left_out_by_format"),
    "books by the beginning of their ids": (by_id_prefix(6, list_books), "book_id"),
    "books of all and of a publisher by the beginning of their ids": (
        by_id_prefix(6, list_books, include_unavailable=True, publisher=PUBLISHER),
        "book_id",
    ),
    "words": (list_books(query="word77"), OF_WORDS),
    "the beginning of a word": (list_books(query="word99"), OF_WORDS),
    "a typing error, by its first letters": (list_books(query="neuromanser"), VOCABULARY_BY_BEGINNING),
    "a typing error, by its last letters": (list_books(query="neuromanser"), "vocabulary_mirrored"),
    "words of all": (list_books(query="word77 title", include_unavailable=True), OF_WORDS),
    "words and publisher": (
        list_books(query="word7", publisher=PUBLISHER, include_unavailable=True),
        f"{OF_WORDS}|{OF_PUBLISHER}",
    ),
    "publishers": (
        lambda town: catalog.list_publishers(town.frontend.store, ListPublishersRequest(include_unavailable=True)),
        OF_PUBLISHER,
    ),
    "categories": (
        lambda town: catalog.list_categories(town.frontend.store, ListCategoriesRequest(include_unavailable=True)),
        OF_CATEGORY,
    ),
    "user": (lambda town: members.get_user(town.frontend.store, town.users[9]), "user_id"),
    "users": (lambda town: town.frontend.users(page_size=500), "INTEGER PRIMARY KEY|user_account_pkey"),
    "users of all": (
        lambda town: town.frontend.users(page_size=500, include_closed=True),
        "INTEGER PRIMARY KEY|user_account_pkey",
    ),
    "users by words": (lambda town: town.frontend.users("ader77 read"), "VIRTUAL TABLE INDEX|user_account_words"),
    "users by address": (
        lambda town: town.frontend.users("reader7@example.org"),
        "user_account_email_key|user_account_address",
    ),
    "users of all by address": (
        lambda town: town.frontend.users("reader7@example.org", include_closed=True),
        "user_account_address",
    ),
    "users by the beginning of their ids": (lambda town: town.frontend.users(id_prefix=town.users[9][:6]), "user_id"),
    "changing": (lambda town: town.frontend.change(town.users[9], first_name="Augusta"), "user_id"),
    "closing": (lambda town: town.frontend.close(town.frontend.user().id), "user_id"),
    "the sessions of a user who closes": (lambda town: town.frontend.close(town.frontend.user().id), "session_by_user"),
    "loan": (lambda town: town.frontend.loan(town.open_loan), "loan_id"),
    "loans by the beginning of their ids": (
        lambda town: list_loans(town, id_prefix=town.open_loan[:6], only_open=True),
        "loan_id|loan_open",
    ),
    "loans of a user": (lambda town: list_loans(town, user_id=town.users[9]), "loan_user_id_key"),
    "loans of a book": (lambda town: list_loans(town, book_id=town.books[9]), "loan_book_id_key"),
    "loans of both": (
        lambda town: list_loans(town, book_id=town.books[9], user_id=town.users[9]),
        "loan_book_id_key|loan_user_id_key",
    ),
    "active loans": (lambda town: list_loans(town, state=LOAN_STATE_ACTIVE), "loan_open"),
    "open loans": (lambda town: list_loans(town, only_open=True), "loan_open"),
    # The loans of one user, or the loans that are out: an engine takes what it counts to be fewer.
    "open loans of a user": (
        lambda town: list_loans(town, user_id=town.users[9], only_open=True),
        "loan_user_id_key|loan_open",
    ),
    "open loans of a book": (
        lambda town: list_loans(town, book_id=town.books[9], only_open=True),
        "loan_open_book|loan_book_id_key",
    ),
    "overdue loans": (lambda town: list_loans(town, state=LOAN_STATE_OVERDUE), "loan_open"),
    "borrowing": (
        lambda town: town.frontend.borrow(town.books[50], town.users[9], 14, new_id()),
        "(?:request_pkey|sqlite_autoindex_request_1) .*book_id .*user_id",
    ),
    "borrowing what is out": (borrow_what_is_out, "book_id .*loan_open_book"),
    "renewing": (lambda town: town.frontend.renew(town.open_loan, 7), "loan_id .*loan_id"),
    "items of a book": (
        lambda town: items.list_items(town.frontend.store, ListItemsRequest(book_id=town.books[9])),
        "item_book_id_barcode_key.*loan_open_item",
    ),
    "an item by its barcode": (look_up, "item_barcode.*book_id.*loan_open_item"),
    "the loan of an item, to lock it": (lock_loan_of_item, "loan_open_item.*loan_open_item"),
    "the facts of a check-out": (read_facts, "loan_open_item"),
    "what depends on a page of items": (
        receive_items,
        "item_id .*(?:loan_open_book|loan_open|loan_book_id_key).*book_id.*item_book_id_barcode_key",
    ),
    "returning": (lambda town: town.frontend.bring_back(town.open_loan), "loan_id .*book_id .*user_id .*loan_id"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_answer_is_found_by_an_index(town: Town, question: str, caplog: pytest.LogCaptureFixture) -> None:
    ask, indexes = QUESTIONS[question]

    with caplog.at_level(logging.DEBUG, "peewee"):
        ask(town)

    plans = plans_of(town.frontend.store, [record.msg for record in caplog.records if isinstance(record.msg, tuple)])
    assert re.search(rf"\b(?:{indexes})\b", plans.replace("\n", " ")), plans
    assert not re.search(
        r"Seq Scan|^SCAN (?!CONSTANT ROW|.*VIRTUAL TABLE INDEX|(?:counted|matches|groups|picked|range\d+)$)",
        plans,
        re.MULTILINE,
    ), plans


FEW_ROWS = re.compile(r'(FROM|UPDATE) "(sync_state|branch|calendar|circulation_rule|library_settings)"')
"""Tables of a few rows, which are read from end to end: the policy only after it has changed."""


POLICY_VERSION = re.compile(r'\(SELECT "\w+"\."policy_version" FROM "sync_state" AS "\w+"\)')
"""A column of other statements, from the only row of its table."""


def plans_of(store: Store, statements: list[tuple[str, tuple[object, ...]]]) -> str:
    """The plans of what was run, a step a line; without the tables that need no index."""
    explain = "EXPLAIN (COSTS OFF) " if store.is_postgresql else "EXPLAIN QUERY PLAN "
    steps = []
    with store.reading():
        for statement, parameters in statements:
            sql = POLICY_VERSION.sub("NULL", statement)
            if re.match(r'SELECT|UPDATE(?! "?counter)', sql) and not FEW_ROWS.search(sql):
                steps += [str(row[-1]) for row in store.database.execute_sql(explain + sql, parameters).fetchall()]
    return "\n".join(steps)
