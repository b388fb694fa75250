"""A receipt of what a user took today, as plain text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from library_cli.desk_screen.dates import due
from library_cli.desk_screen.wording import name, title


def receipt(user: User, loans: Iterable[Loan], now: datetime) -> str:
    """Return the receipt: the open loans of the user that were made on the local day of `now`."""
    today = [loan for loan in loans if loan.borrow_time.ToDatetime(UTC).astimezone(now.tzinfo).date() == now.date()]
    lines = [f"{name(user)}  {now:%Y-%m-%d %H:%M}", ""]
    for loan in today:
        lines += [title(loan).strip('"'), f"    due {due(loan)}  {loan.barcode}"]
    return "\n".join([*lines, "", f"{len(today)} lent today"]) + "\n"
