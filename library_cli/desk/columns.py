"""Books, users and loans as rows of tables, lines and JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from google.type.money_pb2 import Money
from rich.text import Text

from library.v1.book_pb2 import BOOK_STATE_ACTIVE, Book, BookState
from library.v1.loan_pb2 import LOAN_STATE_OVERDUE, LOAN_STATE_RETURNED, Loan, LoanState
from library.v1.user_pb2 import User, UserState
from library_cli.tables import WIDE, Column, Form, as_json
from library_cli.times import days_until, local_time

WIDE_FOR_LOANS = 140
"""The least width, in characters, of a table of loans with whole ids. Narrower ones have their beginnings."""


class ListedLoan(NamedTuple):
    """A loan with its user; None if the service does not know the user."""

    loan: Loan
    user: User | None


def loan_as_json(listed: ListedLoan) -> dict[str, Any]:
    """Return all fields of a loan, with the user's address and name."""
    user = listed.user or User()
    return {**as_json(listed.loan), "user_email": user.email, "user_name": name_of(user)}


def name_of(user: User) -> str:
    return f"{user.first_name} {user.last_name}".strip()


def person(user: User) -> str:
    """Return the name and the address of a user, or the card number if there is no address, for a sentence."""
    return f"{name_of(user)} <{user.email}>" if user.email else f"{name_of(user)} (card {user.card_number})"


def naming(user: User) -> str:
    """Return what names the user in a command: the address, or the card number."""
    return user.email or user.card_number


def quoted(book: Book) -> str:
    """Return the title and the authors of a book, for a sentence."""
    return f'"{book.title}"' + (f" by {'; '.join(book.authors)}" if book.authors else "")


def whole_title(book: Book) -> str:
    """Return the title with the subtitle, the volume and the format, as far as the book has them."""
    title = f"{book.title}: {book.subtitle}" if book.subtitle else book.title
    title = f"{title} ({book.volume})" if book.volume else title
    return f"{title} [{book.format}]" if book.format else title


def year(book: Book) -> str:
    """Return the year of publication, or "" if unknown."""
    return str(book.published_year) if book.published_year else ""


def money(amount: Money) -> str:
    """Return an amount as `0.40 EUR`, or "" for zero."""
    if not (amount.units or amount.nanos):
        return ""
    decimals = f"{amount.nanos:09}".rstrip("0").ljust(2, "0")
    return f"{amount.units}.{decimals} {amount.currency_code}"


def _free(book: Book) -> str:
    return f"{book.available_copies}/{book.total_copies}"


def _free_shown(book: Book) -> Text:
    if book.state != BOOK_STATE_ACTIVE:
        return Text(_name(BookState, "BOOK_STATE_", book.state), style="dim")
    return Text(_free(book), style="" if book.available_copies else "dim")


def _name(enum: Any, prefix: str, number: int) -> str:
    """Return the name of an enum's value, or the number of one that only a newer service knows."""
    return enum.Name(number).removeprefix(prefix).lower() if number in enum.values() else str(number)


def _due_time(listed: ListedLoan) -> str:
    return local_time(listed.loan.due_time)


def _due(listed: ListedLoan) -> Text:
    loan = listed.loan
    if loan.state == LOAN_STATE_RETURNED:
        return Text(f"returned {local_time(loan.return_time)}", style="dim")
    return Text(days_until(loan.due_time), style="bold red" if loan.state == LOAN_STATE_OVERDUE else "")


def _email(listed: ListedLoan) -> str:
    return naming(listed.user) if listed.user else ""


def _expires(user: User) -> str:
    return local_time(user.expire_time) if user.HasField("expire_time") else ""


def _fine_shown(listed: ListedLoan) -> str:
    """Return the fine; of an open loan, what it would be if the item came back now."""
    return money(listed.loan.fine_so_far) or money(listed.loan.fine)


IN_LINES_ONLY = 0
"""The `max_width` of a column that only lines have. Lines have more columns than tables, in another order."""

BOOKS: Form[Book] = Form(
    [
        Column("title", lambda book: book.title, whole_title),
        Column("authors", lambda book: "; ".join(book.authors)),
        Column("year", year),
        Column("ISBN", lambda book: book.isbn, max_width=IN_LINES_ONLY),
        Column("free", _free, _free_shown),
        Column(
            "ISBN or id",
            lambda book: book.isbn or book.id,
            max_width=WIDE,
            in_lines=False,
            is_whole=True,
            short_below=WIDE,
        ),
        Column("ISBN", lambda book: book.isbn, min_width=WIDE, in_lines=False, is_whole=True),
        Column("id", lambda book: book.id, min_width=WIDE, is_whole=True),
    ],
    as_json,
    "No book was found.",
)
USERS: Form[User] = Form(
    [
        Column("id", lambda user: user.id, max_width=IN_LINES_ONLY),
        Column("email", lambda user: user.email),
        Column("name", name_of),
        Column("state", lambda user: _name(UserState, "USER_STATE_", user.state)),
        Column("loans", lambda user: str(user.active_loan_count)),
        Column("card", lambda user: user.card_number, is_whole=True),
        Column("category", lambda user: user.user_category, min_width=WIDE),
        Column("group", lambda user: user.group, min_width=WIDE),
        Column("expires", _expires, min_width=WIDE),
        Column("id", lambda user: user.id, min_width=WIDE_FOR_LOANS, in_lines=False, is_whole=True),
    ],
    as_json,
    "No user was found.",
)
_LOAN_ID: Column[ListedLoan] = Column(
    "loan id", lambda listed: listed.loan.id, in_lines=False, is_whole=True, short_below=WIDE_FOR_LOANS
)
LOANS: Form[ListedLoan] = Form(
    [
        Column("loan id", lambda listed: listed.loan.id, max_width=IN_LINES_ONLY),
        Column("due", lambda listed: listed.loan.due_time.ToJsonString(), _due_time),
        Column("", lambda listed: _name(LoanState, "LOAN_STATE_", listed.loan.state), _due),
        Column("title", lambda listed: listed.loan.book_title),
        Column("user", _email, lambda listed: _email(listed) or listed.loan.user_id),
        Column("fine", lambda listed: money(listed.loan.fine), _fine_shown),
        replace(_LOAN_ID, min_width=WIDE),
        Column("user id", lambda listed: listed.loan.user_id, max_width=IN_LINES_ONLY),
        Column("book id", lambda listed: listed.loan.book_id, max_width=IN_LINES_ONLY),
    ],
    loan_as_json,
    "No loan was found.",
)
LOANS_TO_CHOOSE: Form[ListedLoan] = replace(
    LOANS,
    columns=[
        *(
            replace(column, min_width=WIDE) if column.heading in ("", "fine") else column
            for column in LOANS.columns[:6]
        ),
        _LOAN_ID,
        *LOANS.columns[7:],
    ],
)
"""For loans of which one has to be named by its id: on every terminal the table shows enough of the id."""
