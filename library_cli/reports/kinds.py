"""How the rows of each report are shown: as a table, as lines, as JSON, and in a CSV file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from library.admin.v1.report_service_pb2 import LentBook, LoanCount, OpenLoan
from library.v1.book_pb2 import Book
from library_cli.desk.columns import IN_LINES_ONLY, money, name_of, year
from library_cli.tables import WIDE, Column, Form, as_json
from library_cli.times import counted
from library_domain.field_texts import list_text
from library_domain.local_dates import LAST_SECOND_OF_A_DATE, time_zone_or_none

Item = TypeVar("Item")
Value: TypeAlias = str | int


@dataclass(frozen=True)
class Report(Generic[Item]):
    """A kind of report."""

    form: Form[Item]
    cells: Callable[[Item], Mapping[str, Value]]
    """Returns the values of a row of a CSV file by their headings, which are the same for each row."""
    empty: Item
    """A row without values, for the headings of a file without rows."""
    is_private: bool = False
    """Whether rows are about people."""


def due_text(entry: OpenLoan) -> str:
    """Return the due date in the time zone of the loan; for a loan by hours, with the time."""
    zone = time_zone_or_none(entry.loan.time_zone or "UTC") or ZoneInfo("UTC")
    due = entry.loan.due_time.ToDatetime(zone)
    is_whole_day = due.time() == LAST_SECOND_OF_A_DATE.replace(fold=0)
    return f"{due:%Y-%m-%d}" if is_whole_day else f"{due:%Y-%m-%d %H:%M}"


def _late(entry: OpenLoan) -> str:
    return counted(entry.days_overdue, "day") if entry.days_overdue else ""


def _open_loan_cells(entry: OpenLoan) -> dict[str, Value]:
    loan, user = entry.loan, entry.user
    amount, _, currency = money(loan.fine_so_far).partition(" ")
    return {
        "due": due_text(entry),
        "days_overdue": entry.days_overdue,
        "name": name_of(user),
        "card_number": user.card_number,
        "category": user.user_category,
        "group": user.group,
        "email": user.email,
        "title": loan.book_title,
        "barcode": loan.barcode,
        "branch": loan.branch,
        "fine": amount,
        "currency": currency,
        "loan_id": loan.id,
        "user_id": loan.user_id,
        "book_id": loan.book_id,
    }


def _open_loans(nothing: str) -> Report[OpenLoan]:
    columns: list[Column[OpenLoan]] = [
        Column("due", due_text),
        Column("late", lambda entry: str(entry.days_overdue), _late),
        Column("name", lambda entry: name_of(entry.user), lambda entry: name_of(entry.user) or entry.loan.user_id),
        Column("card", lambda entry: entry.user.card_number, is_whole=True),
        Column("group", lambda entry: entry.user.group, min_width=WIDE),
        Column("title", lambda entry: entry.loan.book_title),
        Column("barcode", lambda entry: entry.loan.barcode, is_whole=True),
        Column("fine", lambda entry: money(entry.loan.fine_so_far)),
        Column("branch", lambda entry: entry.loan.branch, max_width=IN_LINES_ONLY),
        Column("loan id", lambda entry: entry.loan.id, max_width=IN_LINES_ONLY),
        Column("user id", lambda entry: entry.loan.user_id, max_width=IN_LINES_ONLY),
    ]
    return Report(Form(columns, as_json, nothing), _open_loan_cells, OpenLoan(), is_private=True)


ON_LOAN = _open_loans("No book is on loan.")
OVERDUE = replace(ON_LOAN, form=replace(ON_LOAN.form, nothing="No loan is overdue."))
DUE_SOON = replace(ON_LOAN, form=replace(ON_LOAN.form, nothing="No loan is due in these days."))


def _book_cells(book: Book) -> dict[str, Value]:
    return {
        "title": book.title,
        "authors": list_text(list(book.authors)),
        "year": year(book),
        "isbn": book.isbn,
        "category": book.category,
        "copies": book.total_copies,
        "book_id": book.id,
    }


MOST_LENT: Report[LentBook] = Report(
    Form(
        [
            Column("loans", lambda lent: str(lent.loan_count)),
            Column("title", lambda lent: lent.book.title),
            Column("authors", lambda lent: "; ".join(lent.book.authors)),
            Column("ISBN", lambda lent: lent.book.isbn, max_width=IN_LINES_ONLY),
            Column("id", lambda lent: lent.book.id, max_width=IN_LINES_ONLY),
        ],
        as_json,
        "No loan was made.",
    ),
    lambda lent: {"loans": lent.loan_count, **_book_cells(lent.book)},
    LentBook(),
)
NEVER_LENT: Report[Book] = Report(
    Form(
        [
            Column("title", lambda book: book.title),
            Column("authors", lambda book: "; ".join(book.authors)),
            Column("year", year),
            Column("copies", lambda book: str(book.total_copies)),
            Column("ISBN", lambda book: book.isbn, is_whole=True),
            Column("id", lambda book: book.id, min_width=WIDE, is_whole=True),
        ],
        as_json,
        "Every book was lent.",
    ),
    _book_cells,
    Book(),
)


def name_of_count(count: LoanCount) -> str:
    """Return the name of a count for people."""
    return count.name or "(not set)"


COUNTS: Report[LoanCount] = Report(
    Form(
        [
            Column("name", lambda count: count.name, name_of_count),
            Column("loans", lambda count: str(count.loan_count)),
            Column("open", lambda count: str(count.open_count)),
        ],
        as_json,
        "No loan was made.",
    ),
    lambda count: {"name": count.name, "loans": count.loan_count, "open": count.open_count},
    LoanCount(),
)
