"""Requests to the frontend, and all that it refuses of their fields."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from library.frontend.v1.catalog_service_pb2 import (
    GetBookRequest,
    ListBooksRequest,
    ListCategoriesRequest,
    ListPublishersRequest,
)
from library.frontend.v1.lending_service_pb2 import (
    BorrowBookRequest,
    GetLoanRequest,
    ListLoansRequest,
    RenewLoanRequest,
    ReturnBookRequest,
)
from library.frontend.v1.member_service_pb2 import (
    BlockUserRequest,
    CloseUserRequest,
    EnrollUserRequest,
    GetUserRequest,
    ListUsersRequest,
    UnblockUserRequest,
    UpdateUserRequest,
)
from library.v1 import user_pb2
from service_kit.ids import new_id

MEMBERS, CATALOG = "library.frontend.v1.MemberService", "library.frontend.v1.CatalogService"


LENDING, SYNC = "library.frontend.v1.LendingService", "library.frontend.v1.SyncService"


BOOK_ID, USER_ID, LOAN_ID = new_id(), new_id(), new_id()


def enroll(**fields: Any) -> EnrollUserRequest:
    return EnrollUserRequest(**{"email": f"{uuid4()}@example.org", "first_name": "Ada", "last_name": "King", **fields})


def borrow(**fields: Any) -> BorrowBookRequest:
    return BorrowBookRequest(**{"book_id": BOOK_ID, "user_id": USER_ID, "days": 14, **fields})


def renew(**fields: Any) -> RenewLoanRequest:
    return RenewLoanRequest(**{"loan_id": LOAN_ID, "days": 14, **fields})


def update(*paths: str, **fields: Any) -> UpdateUserRequest:
    user = user_pb2.User(**{"id": USER_ID, **fields})
    return UpdateUserRequest(user=user, update_mask=FieldMask(paths=paths))


NO_IDS = [
    "",
    "1",
    "no id",
    BOOK_ID[:-1],
    BOOK_ID + "0",
    BOOK_ID.replace("-", ""),
    "{" + BOOK_ID + "}",
    f" {BOOK_ID}",
    f"{BOOK_ID}\n",
    "g" + BOOK_ID[1:],
    "' OR 1=1 --",
    "../../etc/passwd",
    "x" * 100_000,
]


NO_DAYS = [-1, -14, 366, 10_000, 2**31 - 1, -(2**31)]


NO_EMAILS = [
    "a",
    "ada",
    "ada@",
    "@example.org",
    "ada@example",
    "ada@@example.org",
    "ada@exam ple.org",
    "ada lovelace@example.org",
    "ada@example..org",
    ".ada@example.org",
    "ada.@example.org",
    "ada@-example.org",
    "ada@example.org.",
    "ada@.org",
    "ada@example.org, bob@example.org",
    "Ada <ada@example.org>",
    "ada@[127.0.0.1]",
    '"ada"@example.org',
    "ada@" + "a" * 64 + ".org",
    "ada\u200b@example.org",
    "ada\x00@example.org",
    "ada@example.org\n",
    "   ",
    "a" * 243 + "@example.org",
]


CONTROL = ["\x00", "\x07", "\x1b[31m", "\n", "\r", "\t", "\x7f", "\x85", "\u2028", "\ufeff"]


INVISIBLE = ["\u200b", "\u3164", "\u2800 ", "\u115f\u1160", "\u00ad", "\u2060", "\u034f", "\ufe0f", "\u0301"]


BAD: list[tuple[str, Message, str]] = []
"""Requests that are not acceptable: the method, the request, the field that is wrong."""


for no_id in NO_IDS:
    BAD += [
        (f"{MEMBERS}/GetUser", GetUserRequest(id=no_id), "id"),
        (f"{MEMBERS}/CloseUser", CloseUserRequest(id=no_id), "id"),
        (f"{MEMBERS}/UpdateUser", update(id=no_id, first_name="Ada"), "user.id"),
        (f"{CATALOG}/GetBook", GetBookRequest(id=no_id), "id"),
        (f"{LENDING}/GetLoan", GetLoanRequest(id=no_id), "id"),
        (f"{LENDING}/RenewLoan", renew(loan_id=no_id), "loan_id"),
        (f"{LENDING}/BorrowBook", borrow(book_id=no_id), "book_id"),
        (f"{LENDING}/BorrowBook", borrow(user_id=no_id), "user_id"),
    ]
    if no_id:
        BAD += [
            (f"{MEMBERS}/EnrollUser", enroll(request_id=no_id), "request_id"),
            (f"{LENDING}/BorrowBook", borrow(request_id=no_id), "request_id"),
            (f"{LENDING}/ReturnBook", ReturnBookRequest(loan_id=no_id), "loan_id"),
            (f"{LENDING}/ReturnBook", ReturnBookRequest(book_id=no_id, user_id=USER_ID), "book_id"),
            (f"{LENDING}/ListLoans", ListLoansRequest(user_id=no_id), "user_id"),
            (f"{LENDING}/ListLoans", ListLoansRequest(book_id=no_id), "book_id"),
        ]


for no_days in NO_DAYS:
    BAD += [
        (f"{LENDING}/BorrowBook", borrow(days=no_days), "days"),
        (f"{LENDING}/RenewLoan", renew(days=no_days), "days"),
    ]


for no_email in NO_EMAILS:
    BAD += [(f"{MEMBERS}/EnrollUser", enroll(email=no_email), "email")]
    BAD += [(f"{MEMBERS}/UpdateUser", update("email", email=no_email), "user.email")]


for name in ("first_name", "last_name"):
    for no_name in (*INVISIBLE, "x" * 101, "é" * 101, *[f"A{control}da" for control in CONTROL]):
        BAD += [(f"{MEMBERS}/EnrollUser", enroll(**{name: no_name}), name)]
        BAD += [(f"{MEMBERS}/UpdateUser", update(**{name: no_name}), f"user.{name}")]


NO_CARDS = ["2000 1", "A\u00a0B", "x" * 41, "x" * 61, "a\u200bb", "a\tb", "\u200b"]


for no_card in NO_CARDS:
    BAD += [(f"{MEMBERS}/EnrollUser", enroll(card_number=no_card), "card_number")]
    BAD += [(f"{MEMBERS}/UpdateUser", update("card_number", card_number=no_card), "user.card_number")]


BAD += [
    (f"{MEMBERS}/UpdateUser", update("card_number", card_number=no_card), "user.card_number") for no_card in ("", " ")
]


BAD_FIELDS: dict[str, list[Any]] = {
    "user_category": ["x" * 41, "a\nb", "\u200b"],
    "group": ["x" * 101, "a\nb"],
    "note": ["x" * 1_001, "a\nb"],
    "branch": ["Main", "x" * 41, "-main", "a b"],
    "expire_time": [Timestamp(seconds=-1), Timestamp(seconds=253_370_764_800), Timestamp(nanos=-1)],
}
for name, values in BAD_FIELDS.items():
    for value in values:
        BAD += [(f"{MEMBERS}/EnrollUser", enroll(**{name: value}), name)]
        BAD += [(f"{MEMBERS}/UpdateUser", update(name, **{name: value}), f"user.{name}")]


def block(**fields: Any) -> BlockUserRequest:
    return BlockUserRequest(**{"user_id": USER_ID, "reason": "Damaged book", **fields})


BAD += [
    (f"{MEMBERS}/BlockUser", block(user_id="1"), "user_id"),
    *[(f"{MEMBERS}/BlockUser", block(reason=reason), "reason") for reason in ("", " ", "x" * 501, "a\nb")],
    (f"{MEMBERS}/BlockUser", block(end_time=Timestamp(seconds=-1)), "end_time"),
    (f"{MEMBERS}/UnblockUser", UnblockUserRequest(user_id="1", block_id=new_id()), "user_id"),
    (f"{MEMBERS}/UnblockUser", UnblockUserRequest(user_id=USER_ID, block_id="1"), "block_id"),
    (f"{MEMBERS}/ListUsers", ListUsersRequest(card_number="a b"), "card_number"),
]


BAD += [
    (f"{MEMBERS}/UpdateUser", update(path, first_name="Ada"), "update_mask")
    for path in ("state", "id", "active_loan_count", "etag", "create_time", "name", "firstName", "first_name.x", "")
]


BAD += [(f"{MEMBERS}/UpdateUser", UpdateUserRequest(), "user")]


BAD += [(f"{MEMBERS}/CloseUser", CloseUserRequest(id=USER_ID, etag="x" * 101), "etag")]


for method, lists in (
    (f"{CATALOG}/ListBooks", ListBooksRequest),
    (f"{CATALOG}/ListPublishers", ListPublishersRequest),
    (f"{CATALOG}/ListCategories", ListCategoriesRequest),
    (f"{LENDING}/ListLoans", ListLoansRequest),
    (f"{MEMBERS}/ListUsers", ListUsersRequest),
):
    BAD += [(method, lists(page_size=no_size), "page_size") for no_size in (-1, -50, -(2**31))]
    BAD += [
        (method, lists(page_token=no_token), "page_token")
        for no_token in (
            "x",
            "AAAA",
            "no token",
            "é",
            "x" * 2_001,
            "\x00",
            "AAAAAAAAAAAx",
            "=",
            "AAAAAAAAAAA5OTk5OTk5OTk5OTk5OTk5OTk5",
        )
    ]


for no_text in ("x" * 201, *[f"x{control}y" for control in CONTROL]):
    BAD += [
        (f"{CATALOG}/ListBooks", ListBooksRequest(query=no_text), "query"),
        (f"{CATALOG}/ListBooks", ListBooksRequest(publisher=["x", no_text]), "publisher[1]"),
        (f"{CATALOG}/ListBooks", ListBooksRequest(category=[no_text]), "category[0]"),
    ]


BAD += [
    (f"{CATALOG}/ListBooks", ListBooksRequest(publisher=["x"] * 51), "publisher"),
    (f"{CATALOG}/ListBooks", ListBooksRequest(category=["x"] * 51), "category"),
]


for no_query in ("-", " ", '"', "%*"):
    BAD += [(f"{CATALOG}/ListBooks", ListBooksRequest(query=no_query), "query")]
    BAD += [(f"{MEMBERS}/ListUsers", ListUsersRequest(query=no_query), "query")]


BAD += [(f"{MEMBERS}/ListUsers", ListUsersRequest(query="x" * 255), "query")]


BAD += [
    (f"{LENDING}/ListLoans", ListLoansRequest(state=no_state), "state")  # type: ignore[arg-type]
    for no_state in (4, 99, -1)
]
